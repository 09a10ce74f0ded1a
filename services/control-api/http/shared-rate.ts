/**
 * How many requests a customer may make in the present window, over all processes of the API.
 *
 * 1. No request waits for the database: each process counts in memory, and once a second exchanges counts with the others.
 * 2. A process commits itself: until the next exchange it lets in no more than its part of what nobody has committed to. Parts that are taken at
 *    the same time, each by the commitments before, add up to no more than the whole; so only a customer that several processes meet first in the
 *    same second gets more.
 * 3. A process that served the customer in the window before and has said nothing in this one has committed to an equal part.
 * 4. Windows are those of the database's clock. While it is down, each process keeps to its last commitment.
 */
import { randomUUID } from 'node:crypto';
import type { Sql } from '#shared/db/connect-database.ts';
import { toJsonb } from '#shared/db/run-statements.ts';
import type { Logger } from '#shared/runtime/logger.ts';

export interface SharedRateOptions {
  readonly sql: Sql;
  /** Requests of one customer in a window. */
  readonly max: number;
  readonly windowMs: number;
  readonly logger: Logger;
  /** In ms since 1970. */
  readonly now?: (() => number) | undefined;
}

export interface SharedRate {
  /** Counts a request that is let in. */
  spend(customer: string): { readonly isAllowed: boolean; readonly secondsLeft: number };
  /** Sends this process's counts and reads those of the others. */
  exchange(): Promise<void>;
  start(): void;
  stop(): void;
}

const EXCHANGE_MS = 1_000;
/** Windows whose counts are of no use any more. */
const KEPT_WINDOWS = 6;

interface Count {
  own: number;
  committed: number;
  /** That serve the customer, this one included. */
  processes: number;
}

interface CommittedRow {
  readonly customer: string;
  readonly committed: number;
  readonly processes: number;
  /** The database's clock, in ms. */
  readonly at: number;
}

export function createSharedRate({
  sql,
  max,
  windowMs,
  logger,
  now = () => performance.timeOrigin + performance.now(),
}: SharedRateOptions): SharedRate {
  const process = randomUUID();
  let counts = new Map<string, Count>();
  let slot = 0;
  /** How far the database's clock is ahead. */
  let aheadMs = 0;
  let timer: NodeJS.Timeout | undefined;
  let exchanging: Promise<void> | undefined;

  const partOf = (processes: number) => Math.max(1, Math.floor(max / processes));

  function turnWindow(): number {
    const at = now() + aheadMs;
    const current = Math.floor(at / windowMs);
    if (current !== slot) {
      const served = [...counts].filter(([, { own }]) => own > 0);
      counts = new Map(
        served.map(([customer, { processes }]) => [customer, { own: 0, committed: partOf(processes), processes }]),
      );
      slot = current;
    }
    return at;
  }

  function spend(customer: string) {
    const at = turnWindow();
    const count = counts.get(customer) ?? { own: 0, committed: max, processes: 1 };
    counts.set(customer, count);
    const isAllowed = count.own < count.committed;
    if (isAllowed) count.own += 1;
    return { isAllowed, secondsLeft: Math.max(1, Math.ceil(((slot + 1) * windowMs - at) / 1_000)) };
  }

  async function exchangeCounts(): Promise<void> {
    turnWindow();
    if (counts.size === 0) return;
    const sentSlot = slot;
    const sent = [...counts].map(([customer, { own }]) => ({ customer, own }));
    const askedAt = now();
    const rows = await sql<CommittedRow[]>`
      WITH input AS (
        SELECT * FROM jsonb_to_recordset(${toJsonb(sent)}::text::jsonb) AS r(customer text, own int)),
      others AS (
        SELECT r.customer, r.process, bool_or(r.requests > 0) AS serves, max(r.committed) FILTER (WHERE r.slot = ${sentSlot}::bigint) AS committed
        FROM api_rates r JOIN input i USING (customer)
        WHERE r.slot IN (${sentSlot - 1}::bigint, ${sentSlot}::bigint) AND r.process <> ${process}::uuid
        GROUP BY 1, 2),
      known AS (
        SELECT i.customer, i.own, 1 + count(*) FILTER (WHERE o.serves)::int AS processes,
          coalesce(sum(o.committed), 0)::int AS committed, count(*) FILTER (WHERE o.serves AND o.committed IS NULL)::int AS silent
        FROM input i LEFT JOIN others o USING (customer) GROUP BY 1, 2),
      judged AS (
        SELECT customer, own, processes,
          own + greatest(0, ${max}::int - own - committed - silent * (${max}::int / processes)) / processes AS committed
        FROM known),
      mine AS (
        INSERT INTO api_rates (slot, customer, process, requests, committed)
        SELECT ${sentSlot}::bigint, customer, ${process}::uuid, own, committed FROM judged
        ON CONFLICT (slot, customer, process) DO UPDATE SET requests = excluded.requests, committed = excluded.committed),
      gone AS (DELETE FROM api_rates WHERE slot < ${sentSlot - KEPT_WINDOWS}::bigint)
      SELECT customer, committed, processes, (extract(epoch FROM clock_timestamp()) * 1000)::float8 AS at FROM judged`;
    const [first] = rows;
    if (first !== undefined) aheadMs = first.at - (askedAt + now()) / 2;
    turnWindow();
    for (const { customer, committed, processes } of rows) {
      const count = counts.get(customer);
      if (count === undefined) continue;
      // Of a window that is over, how many there are still counts.
      if (slot === sentSlot) Object.assign(count, { committed, processes });
      else Object.assign(count, { committed: partOf(processes), processes });
    }
  }

  function exchange(): Promise<void> {
    exchanging ??= exchangeCounts()
      .catch((error: unknown) => logger.warn({ err: error }, 'request counts not exchanged'))
      .finally(() => {
        exchanging = undefined;
      });
    return exchanging;
  }

  return {
    spend,
    exchange,
    start() {
      timer ??= setInterval(() => void exchange(), EXCHANGE_MS).unref();
    },
    stop() {
      clearInterval(timer);
    },
  };
}

/**
 * Calls of partners, added up in this process and every few seconds to those of the others, with the state of its breakers.
 *
 * 1. A call is counted in memory: a database that is down holds none up. What could not be stored is lost, and never counted twice.
 * 2. One report at a time is under way, and between two of them so many different counts are kept; calls beyond are not counted.
 * 3. A breaker that nobody has reported for a minute is that of a process that is gone.
 */
import type { Sql } from '#shared/db/connect-database.ts';
import { toJsonb } from '#shared/db/run-statements.ts';
import type { Logger } from '#shared/runtime/logger.ts';
import { DURATION_PLACES, durationPlace } from './call-durations.ts';

export interface MadeCall {
  readonly outcome: string;
  /** Undefined: no reply. */
  readonly httpStatus: number | undefined;
  readonly cause: string | undefined;
  readonly durationMs: number;
}

export interface CallReports {
  count(tenantId: string, partner: string, call: MadeCall): void;
  start(breakers: () => readonly BreakerState[]): void;
  /** Reports once more. */
  stop(): Promise<void>;
  report(breakers: readonly BreakerState[]): Promise<void>;
}

interface BreakerState {
  readonly tenantId: string;
  readonly name: string;
  readonly breakerOpenForMs: number;
}

export interface CallReportsOptions {
  readonly sql: Sql;
  readonly worker: string;
  readonly logger: Logger;
  readonly now?: () => number;
}

const EVERY_MS = 5_000;
const MOST_COUNTS = 5_000;
const MINUTE_MS = 60_000;

interface Count {
  readonly tenant_id: string;
  readonly partner: string;
  readonly minute: string;
  readonly outcome: string;
  readonly http_status: number;
  readonly cause: string;
  readonly durations: number[];
  calls: number;
}

export function createCallReports({ sql, worker, logger, now = Date.now }: CallReportsOptions): CallReports {
  let counts = new Map<string, Count>();
  let timer: NodeJS.Timeout | undefined;
  let underWay: Promise<void> | undefined;
  let statesOf: () => readonly BreakerState[] = () => [];

  async function store(breakers: readonly BreakerState[]): Promise<void> {
    const rows = [...counts.values()];
    counts = new Map();
    const at = now();
    const states = breakers.map(({ tenantId, name, breakerOpenForMs }) => ({
      tenant_id: tenantId,
      partner: name,
      open_for_ms: breakerOpenForMs,
    }));
    try {
      if (rows.length > 0) await addCounts(sql, rows);
      await storeBreakers(sql, worker, states);
    } catch (error) {
      logger.warn({ err: error, lost: rows.length, tookMs: now() - at }, 'calls of partners not reported');
    }
  }

  function report(breakers: readonly BreakerState[]): Promise<void> {
    underWay ??= store(breakers).finally(() => {
      underWay = undefined;
    });
    return underWay;
  }

  return {
    count(tenantId, partner, { outcome, httpStatus = 0, cause = '', durationMs }) {
      const minute = Math.floor(now() / MINUTE_MS) * MINUTE_MS;
      // None of them but the last, the cause, may have a blank.
      const key = `${tenantId} ${partner} ${minute} ${outcome} ${httpStatus} ${cause}`;
      let count = counts.get(key);
      if (count === undefined) {
        if (counts.size >= MOST_COUNTS) return;
        const durations = Array<number>(DURATION_PLACES).fill(0);
        const at = new Date(minute).toISOString();
        count = {
          tenant_id: tenantId,
          partner,
          minute: at,
          outcome,
          http_status: httpStatus,
          cause,
          durations,
          calls: 0,
        };
        counts.set(key, count);
      }
      count.calls += 1;
      const place = durationPlace(durationMs);
      count.durations[place] = (count.durations[place] ?? 0) + 1;
    },
    start(breakers) {
      statesOf = breakers;
      timer = setInterval(() => void report(statesOf()), EVERY_MS).unref();
    },
    async stop() {
      clearInterval(timer);
      await underWay;
      await report(statesOf());
    },
    report,
  };
}

/** To the minutes, and to the tenants' usage. Sorted, so that two processes that meet do not wait for each other. */
async function addCounts(sql: Sql, rows: readonly Count[]): Promise<void> {
  await sql`
    WITH input AS (
      SELECT * FROM jsonb_to_recordset(${toJsonb(rows)}::text::jsonb) AS r(
        tenant_id text, partner text, minute timestamptz, outcome text, http_status smallint, cause text, calls bigint,
        durations bigint[])),
    used AS (
      INSERT INTO usage_days AS u (day, tenant_id, calls)
      SELECT (minute AT TIME ZONE 'UTC')::date, tenant_id, sum(calls) FROM input GROUP BY 1, 2 ORDER BY 1, 2
      ON CONFLICT (day, tenant_id) DO UPDATE SET calls = u.calls + excluded.calls)
    INSERT INTO partner_minutes AS m (tenant_id, partner, minute, outcome, http_status, cause, calls, durations)
    SELECT * FROM input ORDER BY 1, 2, 3, 4, 5, 6
    ON CONFLICT (tenant_id, partner, minute, outcome, http_status, cause) DO UPDATE SET
      calls = m.calls + excluded.calls,
      durations = (
        SELECT array_agg(coalesce(d.ours, 0) + coalesce(d.theirs, 0) ORDER BY d.place)
        FROM unnest(m.durations, excluded.durations) WITH ORDINALITY AS d(ours, theirs, place))`;
}

interface BreakerRow {
  readonly tenant_id: string;
  readonly partner: string;
  readonly open_for_ms: number;
}

async function storeBreakers(sql: Sql, worker: string, states: readonly BreakerRow[]): Promise<void> {
  await sql`
    WITH gone AS (
      DELETE FROM partner_breakers WHERE reported_at < now() - interval '1 minute' AND worker <> ${worker})
    INSERT INTO partner_breakers AS b (tenant_id, partner, worker, open_until, since, reported_at)
    SELECT r.tenant_id, r.partner, ${worker}, CASE WHEN r.open_for_ms > 0 THEN now() + r.open_for_ms * interval '1 ms' END, now(), now()
    FROM jsonb_to_recordset(${toJsonb(states)}::text::jsonb) AS r(tenant_id text, partner text, open_for_ms float8)
    ON CONFLICT (tenant_id, partner, worker) DO UPDATE SET
      open_until = excluded.open_until,
      since = CASE WHEN (b.open_until IS NULL) = (excluded.open_until IS NULL) THEN b.since ELSE excluded.since END,
      reported_at = excluded.reported_at`;
}

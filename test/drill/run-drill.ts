/**
 * A failover, practised: two homes on one machine, load by name, the loss of the one that leads, promotion of the other, the return of
 * the lost one, replay, and the way back.
 *
 * 1. Nothing of the lost home is asked before it returns, but its disk, afterwards, for what it had not copied: the measure of the drill.
 * 2. What is counted is counted at rest, from what the senders know; the homes' own counts are not enough.
 */
import { rmSync } from 'node:fs';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { claimPorts, type PortClaim } from '#local/ports.ts';
import { readUnreplicated, type UnreplicatedVersion } from '#local/s3/replication-queue.ts';
import type { StartStackOptions } from '#local/stack.ts';
import { startTestPartner } from '#testkit/beds/partner-simulator-bed.ts';
import { findRowViolations, type Violation } from '#testkit/checks/find-row-violations.ts';
import { waitUntil } from '#testkit/checks/wait-until.ts';
import { connectSimulatedPartner, type SimulatedPartner } from '#testkit/servers/simulated-partner.ts';
import { withCompileCache } from '#testkit/servers/start-process.ts';
import { type ConnectedHome, connectHome } from './connect-home.ts';
import { countOutcome, unreplicatedNames } from './count-outcome.ts';
import { DRILL_VARIABLES, drillDefinitions, PARTNER_BEHAVIOUR, TENANTS } from './drill-plan.ts';
import type { DrillReport } from './drill-report.ts';
import { awaitingFiles, findAwaiting } from './find-awaiting.ts';
import { judgeDrill } from './judge-drill.ts';
import { replayEverything } from './replay-everything.ts';
import { createDrillLoad, type DrillLoad, type SentFile } from './send-load.ts';
import { type DrillHome, startHome } from './start-home.ts';
import { type NameSwitch, startNameSwitch } from './start-name-switch.ts';

export interface DrillOptions {
  /** Of load: half of it before the loss, a quarter after it, a quarter on the way back. */
  readonly seconds: number;
  /** Small files a second. */
  readonly rate: number;
  /** Large files under way at once. */
  readonly large: number;
  /** How long objects wait before they are copied. */
  readonly replicaDelayMs: number;
  /** One line at a time, as it happens. */
  readonly print: (line: string) => void;
}

const SETTLE_TIMEOUT_MS = 180_000;
const CARRY_TIMEOUT_MS = 120_000;

export async function runDrill(options: DrillOptions): Promise<DrillReport> {
  const directory = await mkdtemp(join(tmpdir(), 'longshore-drill-'));
  const remove = () => rmSync(directory, { recursive: true, force: true });
  process.once('exit', remove);
  const claims = [await claimPorts(), await claimPorts()] as const;
  const partner = await startTestPartner();
  const homes: DrillHome[] = [];
  const drill = new Drill({ options, directory, claims, partnerUrl: partner.simulator.url, homes });
  try {
    return await drill.run();
  } finally {
    await drill.end();
    await Promise.all(homes.map((home) => home.kill()));
    await partner.stop();
    for (const claim of claims) await claim.release();
    process.off('exit', remove);
    remove();
  }
}

interface DrillParts {
  readonly options: DrillOptions;
  readonly directory: string;
  readonly claims: readonly [PortClaim, PortClaim];
  readonly partnerUrl: string;
  /** Every one that was started: those that run still are killed at the end. */
  readonly homes: DrillHome[];
}

type Place = 'first' | 'second';

class Drill {
  readonly #parts: DrillParts;
  readonly #partner: SimulatedPartner;
  readonly #startedAt = performance.now();
  #name: NameSwitch | undefined;
  #connected: ConnectedHome | undefined;
  readonly #violations: Violation[] = [];

  constructor(parts: DrillParts) {
    this.#parts = parts;
    this.#partner = connectSimulatedPartner(parts.partnerUrl);
  }

  async end(): Promise<void> {
    await this.#connected?.close();
    await this.#name?.stop();
  }

  async run(): Promise<DrillReport> {
    const { options, claims, partnerUrl } = this.#parts;
    const phaseMs = (options.seconds * 1_000) / 4;
    await this.#partner.setBehaviour(PARTNER_BEHAVIOUR);
    const first = await this.#start('first');
    await this.#lookAt(first).post('/api/v1/routes', drillDefinitions(partnerUrl), 'application/yaml');
    const second = await this.#start('second');
    const name = await startNameSwitch([claims[0].base + 1, claims[1].base + 1]);
    this.#name = name;
    const load = createDrillLoad({ name, ...options, tenants: first.state.endpoints.tenants });

    load.resume();
    await delay(2 * phaseMs);
    const lostAt = await first.kill();
    this.#say('the first home was killed, all its processes at once');
    const unreplicated = readUnreplicated(join(first.directory, 'data', 's3'));
    const objectRpoMs = Math.max(0, ...unreplicated.map(({ modifiedMs }) => lostAt - modifiedMs));
    await this.#until('the name leads to the second home', () => name.target === 1);
    const nameMs = Date.now() - lostAt;
    name.pin(1);
    const databaseRpoMs = Math.max(0, lostAt - (await lastTransactionAt(second)));
    await second.ask('promote');
    const promotedMs = Date.now() - lostAt;
    this.#say('the second home leads');
    await delay(phaseMs);
    await load.pause();
    const leading = this.#lookAt(second);
    await this.#untilAtRest(leading, load.sent, unreplicated);
    const awaited = (await findAwaiting(leading.sql)).size;
    const count = (home: ConnectedHome) =>
      countOutcome({ home, partner: this.#partner, sent: load.sent, unreplicated: unreplicatedNames(unreplicated) });
    const afterFailover = await count(leading);
    await this.#check('after the failover', leading, awaited === 0);
    const completedMs = (await firstCompletionAt(leading, lostAt + promotedMs)) - lostAt;
    const uploadMs = Math.min(...acknowledgedAfter(load, lostAt + nameMs)) - lostAt;

    const returned = await this.#start('first');
    const fenced = await describeFenced(returned);
    await this.#untilCarried(returned);
    this.#say('the first home is back, follows, and has copied what it still had');
    await this.#untilAtRest(leading, load.sent, []);
    const afterReturn = await count(leading);
    const replayed = await replayEverything(leading);
    await this.#untilAtRest(leading, load.sent, []);
    const afterReplay = await count(leading);
    await this.#check('after the replay', leading);

    this.#say('the way back begins');
    load.resume();
    await delay(phaseMs / 2);
    const standDownAt = Date.now();
    name.pin(0);
    await second.ask('standDown');
    await this.#untilCarried(second);
    await this.#untilCaughtUp(second, returned);
    await second.ask('stop');
    await returned.ask('promote');
    const promotedAgainAt = Date.now();
    await Promise.all([this.#start('second'), delay(phaseMs / 2)]);
    await load.pause();
    const home = this.#lookAt(returned);
    await this.#untilAtRest(home, load.sent, []);
    const afterWayBack = await count(home);
    await this.#check('after the way back', home);
    const wayBackMs = (await firstCompletionAt(home, promotedAgainAt)) - standDownAt;

    const report = {
      times: { nameMs, uploadMs, promotedMs, completedMs, wayBackMs },
      ...{ databaseRpoMs, objectRpoMs, unreplicated, awaited, fenced, replayed },
      resent: load.sent.filter(({ tries }) => tries > 1).length,
      ...{ afterFailover, afterReturn, afterReplay, afterWayBack },
      violations: this.#violations,
    };
    return { ...report, faults: judgeDrill(report) };
  }

  async #start(place: Place): Promise<DrillHome> {
    const { directory, claims, options, homes } = this.#parts;
    const [own, other] = place === 'first' ? [0, 1] : [1, 0];
    const homeOf = (index: number) => join(directory, index === 0 ? 'first' : 'second');
    const home: StartStackOptions = {
      home: homeOf(own),
      portBase: claims[own]!.base,
      isDisposable: true,
      partners: [],
      tenants: TENANTS.map((id) => ({ id })),
      env: { all: withCompileCache(DRILL_VARIABLES) as Record<string, string> },
      pair: {
        place,
        peer: { home: homeOf(other), portBase: claims[other]!.base },
        replicaDelayMs: options.replicaDelayMs,
      },
    };
    const started = await startHome(home);
    homes.push(started);
    this.#say(`the ${place} home is ready and ${started.state.role}`);
    return started;
  }

  #lookAt(home: DrillHome): ConnectedHome {
    void this.#connected?.close();
    this.#connected = connectHome(home.state);
    return this.#connected;
  }

  #say(line: string): void {
    this.#parts.options.print(`${((performance.now() - this.#startedAt) / 1_000).toFixed(1).padStart(6)} s  ${line}`);
  }

  async #check(when: string, { sql }: ConnectedHome, isAtRest = true): Promise<void> {
    for (const { rule, rows } of await findRowViolations(sql, { isAtRest, hasManyRows: true }))
      this.#violations.push({ rule: `${when}: ${rule}`, rows });
  }

  /** Nothing is in progress but what awaits a replica, and every acknowledged file has a row here but those whose object never came. */
  async #untilAtRest(
    { sql }: ConnectedHome,
    sent: readonly SentFile[],
    unreplicated: readonly UnreplicatedVersion[],
  ): Promise<void> {
    const absent = new Set(unreplicated.map(({ key }) => key));
    const expected = sent.filter(({ key, acknowledgedAt }) => acknowledgedAt !== undefined && !absent.has(key));
    const keys = expected.map(({ key }) => key);
    const mayWait = unreplicated.length > 0;
    await this.#until('everything is at rest', async () => {
      const [row] = await sql<{ known: number; open: number; outbox: number }[]>`
        SELECT count(DISTINCT key) FILTER (WHERE key = ANY(${keys}))::int AS known,
          count(*) FILTER (WHERE status NOT IN ('COMPLETED', 'FAILED', 'QUARANTINED', 'COMPANION'))::int
            - ${mayWait ? sql`(SELECT count(*)::int FROM (${awaitingFiles(sql)}) AS a)` : sql`0`} AS open,
          (SELECT count(*)::int FROM outbox) AS outbox
        FROM files`;
      return row?.known === keys.length && row.open === 0 && row.outbox === 0;
    });
  }

  async #untilCarried({ directory }: DrillHome): Promise<void> {
    const s3 = join(directory, 'data', 's3');
    await waitUntil('every object is copied', () => readUnreplicated(s3).length === 0, { timeoutMs: CARRY_TIMEOUT_MS });
  }

  async #untilCaughtUp(from: DrillHome, to: DrillHome): Promise<void> {
    const [leader, standby] = [connectHome(from.state), connectHome(to.state)];
    try {
      await this.#until('the standby has the whole log', async () => {
        const [written] = await leader.sql<{ lsn: string }[]>`SELECT pg_current_wal_flush_lsn()::text AS lsn`;
        const [row] = await standby.sql<{ isThere: boolean }[]>`
          SELECT pg_last_wal_replay_lsn() >= ${written!.lsn}::text::pg_lsn AS "isThere"`;
        return row?.isThere === true;
      });
    } finally {
      await Promise.all([leader.close(), standby.close()]);
    }
  }

  async #until(what: string, look: () => boolean | Promise<boolean>): Promise<void> {
    const explain = async () => {
      if (this.#connected === undefined) return 'no home is looked at';
      const rows = await this.#connected.sql`
        SELECT f.status, j.state, j.step_kind, j.error_cause, j.wait_reason, count(*)::int, min(f.key) AS key
        FROM files f LEFT JOIN jobs j ON j.file_id = f.id GROUP BY 1, 2, 3, 4, 5`;
      return JSON.stringify(rows);
    };
    await waitUntil(what, look, { timeoutMs: SETTLE_TIMEOUT_MS, explain });
  }
}

async function lastTransactionAt({ state }: DrillHome): Promise<number> {
  const { sql, close } = connectHome(state);
  try {
    const [row] = await sql<{ at: Date | null }[]>`SELECT pg_last_xact_replay_timestamp() AS at`;
    return row?.at?.getTime() ?? Number.NaN;
  } finally {
    await close();
  }
}

async function firstCompletionAt({ sql }: ConnectedHome, afterMs: number): Promise<number> {
  const [row] = await sql<{ at: Date | null }[]>`
    SELECT min(at) AS at FROM audit_events WHERE type = 'file.completed' AND at > ${new Date(afterMs)}`;
  return row?.at?.getTime() ?? Number.NaN;
}

function acknowledgedAfter({ sent }: DrillLoad, afterMs: number): number[] {
  return sent.flatMap(({ acknowledgedAt = 0 }) => (acknowledgedAt > afterMs ? [acknowledgedAt] : []));
}

/** That it follows, runs no service, and that its database takes nothing. */
async function describeFenced({ state }: DrillHome): Promise<DrillReport['fenced']> {
  const { sql, close } = connectHome(state);
  const stores = new Set(['postgres', 's3', 'queues', 'sftp']);
  try {
    const refusal = await sql`UPDATE files SET updated_at = now()`.then(
      () => 'none',
      (error: { code?: string }) => error.code ?? 'unknown',
    );
    return {
      role: state.role,
      setAside: state.fencedData !== undefined,
      services: state.processes.filter((name) => !stores.has(name)).length,
      refusal,
    };
  } finally {
    await close();
  }
}

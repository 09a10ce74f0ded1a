/**
 * A soak: a real fleet under steady load for as long as asked, while programs die and its stores and partners fail, with the guarantees
 * checked all along.
 *
 * 1. In flight, what holds at every moment is checked every five minutes.
 * 2. Right after that faults and senders stop, the fleet ends what it has, and what holds at rest is checked. Contents of buckets, which
 *    take as long as everything sent so far, are compared at the end.
 * 3. A soak is good when no check found anything, every file was completed, and no process's memory grows.
 */
import { cp, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { seededRandom } from '#local/partner-simulator/simulated-behaviour.ts';
import { startTestFleet, type TestFleet } from '#testkit/beds/start-test-fleet.ts';
import { checkGuarantees } from '#testkit/checks/check-guarantees.ts';
import { findMessageViolations } from '#testkit/checks/find-message-violations.ts';
import { findNoticeViolations } from '#testkit/checks/find-notice-violations.ts';
import { findRecordViolations } from '#testkit/checks/find-record-violations.ts';
import { findRowViolations, type Violation } from '#testkit/checks/find-row-violations.ts';
import { definitions, testPartner, testRoute } from '#testkit/seeds/record-definitions.ts';
import { type HttpFaultProxy, startHttpFaultProxy } from '#testkit/servers/http-fault-proxy.ts';
import { createSoakLoad, type SentCounts, type SoakLoad } from './send-load.ts';
import { LARGE_THRESHOLD_BYTES, planMinute, TENANTS } from './soak-plan.ts';
import { judgeMemory, type MemorySample, type MemoryTrend, readRssMb } from './watch-memory.ts';

export interface SoakOptions {
  readonly minutes: number;
  /** Small files a second. */
  readonly rate: number;
  readonly seed: number;
  /** Takes the logs of every process. */
  readonly logDirectory?: string;
  /** One line at a time, as it happens. */
  readonly print: (line: string) => void;
}

export interface SoakReport {
  readonly seed: number;
  readonly minutes: number;
  readonly sent: SentCounts;
  readonly files: Readonly<Record<string, number>>;
  readonly records: Readonly<Record<string, number>>;
  readonly partnerCalls: number;
  readonly kills: Readonly<Record<string, number>>;
  readonly refusedByStore: number;
  readonly deadLetters: number;
  readonly checks: number;
  readonly violations: readonly (Violation & { readonly minute: number })[];
  readonly memory: Readonly<Record<string, MemoryTrend>>;
  readonly isGood: boolean;
}

const MINUTE_MS = 60_000;
const CHECK_MINUTES = 5;
const SAMPLE_MS = 10_000;
/** Breakers, back-offs and hidden messages of killed receivers end meanwhile. */
const SETTLE_TIMEOUT_MS = 300_000;
const HIDDEN_MESSAGES_MS = 90_000;
/** What is not at rest yet goes away on its own; what is broken stays. */
const AT_REST_TRIES = 6;
const AT_REST_PAUSE_MS = 10_000;
/** Its ledger keeps every call, so that it can be asked for them. */
const GROWS_BY_DESIGN = new Set(['partner-simulator']);
const S3_CLIENTS = ['ingestor', 'partner-worker', 'large-file-worker', 'retry-sweeper'] as const;
/** More attempts than one file can meet faults here: whatever ends as failed then is a fault of the fleet's own. */
const PATIENT = { maxAttempts: 20, firstDelay: '100ms', maxDelay: '1s' };
const REDEMPTION_CALLS = [
  { operation: 'redeem-keyed', code: 'KEYED_ERROR' },
  { operation: 'redeem-unkeyed', code: 'UNKEYED_ERROR' },
];

type Randoms = [() => number, () => number, () => number];

export async function runSoak(options: SoakOptions): Promise<SoakReport> {
  // Each has its own numbers: how many requests there are must not decide what is killed.
  const [forFaults, forLoad, forStore] = [0, 1, 2].map((index) => seededRandom(options.seed + index)) as Randoms;
  const proxy = await startHttpFaultProxy(forStore);
  try {
    const fleet = await startSoakFleet(proxy);
    try {
      return await soak({ ...options, fleet, proxy, forFaults, forLoad });
    } finally {
      if (options.logDirectory !== undefined) await keepLogs(fleet, options.logDirectory);
      await fleet.stop();
    }
  } finally {
    await proxy.stop();
  }
}

async function startSoakFleet(proxy: HttpFaultProxy): Promise<TestFleet> {
  const throughProxy = { AWS_ENDPOINT_URL_S3: proxy.url };
  return await startTestFleet({
    servers: 'embedded',
    tenants: TENANTS,
    routes: ({ endpoints }) =>
      definitions(...TENANTS.flatMap((tenant) => soakDefinitions(tenant, endpoints.partnerSimulator))),
    env: {
      all: {
        LONGSHORE_LARGE_FILE_THRESHOLD_BYTES: String(LARGE_THRESHOLD_BYTES),
        LONGSHORE_RECONCILE_MS: '15000',
        LONGSHORE_RECONCILE_MIN_AGE_MS: '10000',
        LONGSHORE_ABANDONED_UPLOAD_MS: '30000',
        LONGSHORE_SFTP_QUIET_MS: '3000',
      },
      ...Object.fromEntries(S3_CLIENTS.map((name) => [name, throughProxy])),
    },
    beforeReady: async ({ endpoints }) => proxy.setTarget(endpoints.s3),
  });
}

function soakDefinitions(tenant: string, baseUrl: string): object[] {
  const partner = 'desk';
  return [
    {
      kind: 'route',
      tenant,
      name: 'copies',
      match: { path: ['s3/**', 'sftp/**'] },
      retry: PATIENT,
      steps: [{ stage: {} }, { deliver: {} }, { confirm: {} }],
    },
    testPartner({ tenant, name: partner, baseUrl, limits: { concurrency: 4 } }),
    testRoute({ tenant, name: 'checks', partner, retry: PATIENT, after: [{ deliver: {} }, { confirm: {} }] }),
    testRoute({ tenant, name: 'redemptions', partner, retry: PATIENT, calls: REDEMPTION_CALLS }),
  ];
}

interface Soak extends SoakOptions {
  readonly fleet: TestFleet;
  readonly proxy: HttpFaultProxy;
  readonly forFaults: () => number;
  readonly forLoad: () => number;
}

async function soak(options: Soak): Promise<SoakReport> {
  const { fleet, proxy, print, minutes } = options;
  const load = createSoakLoad(fleet, { rate: options.rate, random: options.forLoad });
  const memory = watchMemory(fleet);
  const kills: Record<string, number> = {};
  const violations: (Violation & { minute: number })[] = [];
  let checks = 0;
  const note = (minute: number, found: readonly Violation[]) => {
    checks += 1;
    violations.push(...found.map((violation) => ({ ...violation, minute })));
    print(`minute ${minute}: ${found.length === 0 ? 'every guarantee holds' : `BROKEN ${JSON.stringify(found)}`}`);
  };

  load.resume();
  for (let minute = 1; minute <= minutes; minute += 1) {
    const killed = await breakThingsForAMinute(options, minute);
    kills[killed] = (kills[killed] ?? 0) + 1;
    if (minute % CHECK_MINUTES !== 0 && minute !== minutes) continue;
    note(minute, await findRowViolations(fleet.sql, { isAtRest: false, hasManyRows: true }));
    await settle(options, load);
    note(minute, await untilNothingFound(() => (minute === minutes ? findAll(fleet, load) : findAtRest(fleet))));
    if (minute < minutes) load.resume();
  }
  const trends = Object.fromEntries([...(await memory.stop())].map(([name, samples]) => [name, judgeMemory(samples)]));
  const isGrowing = Object.entries(trends).some(([name, { isGrowing }]) => isGrowing && !GROWS_BY_DESIGN.has(name));
  return {
    seed: options.seed,
    minutes,
    sent: load.sent,
    files: await countBy(fleet, 'SELECT status AS name, count(*)::int FROM files GROUP BY 1 ORDER BY 1'),
    records: await countBy(fleet, 'SELECT state AS name, count(*)::int FROM records GROUP BY 1 ORDER BY 1'),
    partnerCalls: (await fleet.partner.calls()).length,
    kills,
    refusedByStore: proxy.refused,
    deadLetters: (await countBy(fleet, `SELECT 'all' AS name, count(*)::int FROM dead_letters`)).all ?? 0,
    checks,
    violations,
    memory: trends,
    isGood: violations.length === 0 && !isGrowing,
  };
}

/** Resolves to the name of the process that was killed. */
async function breakThingsForAMinute({ fleet, proxy, forFaults, print }: Soak, minute: number): Promise<string> {
  const endsAt = performance.now() + MINUTE_MS;
  const { killed, killAtS, store, partner } = planMinute(forFaults);
  print(`minute ${minute}: store ${store.name}, partner ${partner.name}, kill -9 ${killed}`);
  proxy.setFaultShare(store.refusedShare);
  const { name: _, ...behaviour } = partner;
  await fleet.partner.setBehaviour(behaviour);
  await delay(killAtS * 1_000);
  await fleet.killAndAwaitRestart(killed);
  await delay(Math.max(0, endsAt - performance.now()));
  return killed;
}

async function settle({ fleet, proxy }: Soak, load: SoakLoad): Promise<void> {
  proxy.setFaultShare(0);
  await fleet.partner.setBehaviour({});
  await load.pause();
  await fleet.untilAllEnded(load.known.size, SETTLE_TIMEOUT_MS);
}

async function findAtRest(fleet: TestFleet): Promise<Violation[]> {
  return [
    ...(await findMessageViolations(fleet, HIDDEN_MESSAGES_MS)),
    ...(await findRowViolations(fleet.sql, { isAtRest: true, hasManyRows: true })),
    ...(await findNoticeViolations(fleet)),
    ...(await findRecordViolations(fleet)),
    ...(await findUncompleted(fleet)),
  ];
}

async function findAll(fleet: TestFleet, { known }: SoakLoad): Promise<Violation[]> {
  const found = await checkGuarantees(fleet, { known, queuesTimeoutMs: HIDDEN_MESSAGES_MS });
  return [...found, ...(await findUncompleted(fleet))];
}

async function findUncompleted({ sql }: TestFleet): Promise<Violation[]> {
  const rows = await sql`
    SELECT key, status, error_code, error_cause, error_message FROM files WHERE status <> 'COMPLETED' LIMIT 5`;
  return rows.length === 0 ? [] : [{ rule: 'every file is completed', rows: [...rows] }];
}

async function untilNothingFound(find: () => Promise<Violation[]>): Promise<Violation[]> {
  for (let tries = 1; ; tries += 1) {
    const found = await find();
    if (found.length === 0 || tries === AT_REST_TRIES) return found;
    await delay(AT_REST_PAUSE_MS);
  }
}

function watchMemory(fleet: TestFleet): { stop(): Promise<ReadonlyMap<string, readonly MemorySample[]>> } {
  const samples = new Map<string, MemorySample[]>();
  const stopping = new AbortController();
  const startedAt = performance.now();

  async function sample(): Promise<void> {
    for (const [name, { pid }] of Object.entries(fleet.stack.processes)) {
      const rssMb = pid === undefined ? undefined : await readRssMb(pid);
      if (pid === undefined || rssMb === undefined) continue;
      const ofProcess = samples.get(name) ?? [];
      ofProcess.push({ atMs: performance.now() - startedAt, pid, rssMb });
      samples.set(name, ofProcess);
    }
  }

  async function run(): Promise<void> {
    while (!stopping.signal.aborted) {
      await sample();
      await delay(SAMPLE_MS, undefined, { signal: stopping.signal }).catch(() => undefined);
    }
  }

  const running = run();
  return {
    async stop() {
      stopping.abort();
      await running;
      return samples;
    },
  };
}

async function countBy({ sql }: TestFleet, query: string): Promise<Record<string, number>> {
  const rows = await sql.unsafe<{ name: string; count: number }[]>(query);
  return Object.fromEntries(rows.map(({ name, count }) => [name, count]));
}

async function keepLogs({ home }: TestFleet, directory: string): Promise<void> {
  await mkdir(directory, { recursive: true });
  await cp(join(home, 'logs'), directory, { recursive: true });
}

/**
 * Servers under a running fleet that stop answering without a word, and a clock that jumps.
 *
 * A stopped process takes connections until its backlog is full, and from then on its host drops the first packet of every further one, as a
 * host does that is gone. The clock is libfaketime's (package `libfaketime` of Debian); its test is skipped without it.
 */
import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import type { ServiceName } from '#local/launcher/processes.ts';
import { startTestFleet, type TestFleet } from '#testkit/beds/start-test-fleet.ts';
import { checkGuarantees } from '#testkit/checks/check-guarantees.ts';
import { knownFiles, makeFiles, type TestFile } from '#testkit/seeds/known-files.ts';
import { definitions, recordsCsv, testPartner, testRoute } from '#testkit/seeds/record-definitions.ts';
import { recordsOf } from '#testkit/seeds/record-files.ts';
import { startTcpProxy, type TcpProxy } from '#testkit/servers/start-tcp-proxy.ts';

const TENANT = 'globex-bank';
const ROUTES = `
kind: route
tenant: ${TENANT}
name: copies
match: { path: "copies/**" }
retry: { maxAttempts: 20, firstDelay: 100ms, maxDelay: 2s }
steps: [{ stage: }, { deliver: {} }, { confirm: }]
`;
const FAKE_CLOCK = '/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1';
const hasFakeClock = existsSync(FAKE_CLOCK);
const SERVICES: readonly ServiceName[] = ['ingestor', 'router', 'partner-worker', 'large-file-worker', 'retry-sweeper'];
/** Longer than any of their requests waits. */
const SILENCE_MS = 25_000;
const BACK_WITHIN_MS = 60_000;
/** Node's own, and a few. */
const BACKLOG = 520;

let fleet: TestFleet;
let directory: string;
let issuer: TcpProxy;
const known: TestFile[] = [];
const jumpTo = (offset: string) => writeFile(join(directory, 'offset'), `${offset}\n`);

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'longshore-clock-'));
  await jumpTo('+0');
  const clock = {
    LD_PRELOAD: FAKE_CLOCK,
    FAKETIME_TIMESTAMP_FILE: join(directory, 'offset'),
    FAKETIME_CACHE_DURATION: '1',
    FAKETIME_DONT_FAKE_MONOTONIC: '1',
  };
  fleet = await startTestFleet({
    tenants: [TENANT],
    routes: ROUTES,
    ...(hasFakeClock && { env: Object.fromEntries(SERVICES.map((name) => [name, clock])) }),
  });
  const { gateway } = fleet.stack.endpoints;
  issuer = await startTcpProxy(gateway);
  const auth = {
    type: 'oauth2-client-credentials',
    tokenUrl: new URL('/oauth/token', issuer.url).href,
    clientId: TENANT,
    clientSecret: 'rfi-client-secret',
    scope: 'rfi.validate rfi.assignments rfi.coupons',
  };
  const partner = testPartner({ tenant: TENANT, name: 'desk', baseUrl: gateway, auth });
  await fleet.applyRoutes(definitions(partner, testRoute({ tenant: TENANT, name: 'rows', partner: 'desk' })));
}, 180_000);
afterEach(() => jumpTo('+0'));
afterAll(async () => {
  await fleet?.stop();
  await issuer?.stop();
  await rm(directory, { recursive: true, force: true });
});

async function putFiles(count: number, label: string): Promise<void> {
  const files = makeFiles(count, 'copies', label);
  known.push(...files);
  await Promise.all(files.map(({ path, body }) => fleet.put(`${TENANT}/${path}`, body)));
}

async function putRecords(key: string, count: number): Promise<void> {
  await fleet.put(key, recordsCsv(Array.from({ length: count }, (_none, index) => [`${key}-${index}`] as const)));
}

const deadLetters = () => fleet.sql`SELECT queue, reason FROM dead_letters`;
const untilIdle = () => fleet.untilAllEnded(known.length, BACK_WITHIN_MS);
async function expectNothingLost(): Promise<void> {
  await untilIdle();
  expect(await checkGuarantees(fleet, { known: knownFiles(TENANT, known), queuesTimeoutMs: 90_000 })).toEqual([]);
  expect([...(await fleet.sql`SELECT status, error_cause FROM files WHERE status <> 'COMPLETED'`)]).toEqual([]);
  expect([...(await deadLetters())]).toEqual([]);
}

/** Every service says all along that it lives, so that nobody restarts it. */
async function watchServices(forMs: number): Promise<void> {
  const endMs = performance.now() + forMs;
  while (performance.now() < endMs) {
    for (const service of SERVICES) {
      const { status } = await fetch(new URL('/healthz', fleet.stack.endpoints.metrics[service]));
      expect([service, status]).toEqual([service, 200]);
    }
    await delay(1_000);
  }
}

test.each([
  ['object store', 's3', () => fleet.stack.endpoints.s3],
  ['queues', 'queues', () => fleet.stack.endpoints.sqs],
])(
  'a host of the %s that is silent, and then drops connections',
  async (_what, name, endpoint) => {
    await putFiles(30, `before-${name}`);
    const pid = fleet.stack.processes[name]?.pid ?? 0;
    const { hostname, port } = new URL(endpoint());
    process.kill(pid, 'SIGSTOP');
    const fillers: Socket[] = [];
    try {
      await watchServices(SILENCE_MS / 2);
      for (let opened = 0; opened < BACKLOG; opened += 1) {
        fillers.push(connect(Number(port), hostname).on('error', () => {}));
      }
      await watchServices(SILENCE_MS / 2);
    } finally {
      for (const filler of fillers) filler.destroy();
      process.kill(pid, 'SIGCONT');
    }
    await putFiles(10, `after-${name}`);
    await expectNothingLost();
  },
  240_000,
);

test('a silent issuer of tokens: records wait for it, and none spends a try', async () => {
  const key = `${TENANT}/rows/issuer.csv`;
  issuer.hush();
  await putRecords(key, 40);
  await fleet.waitUntil('records wait', async () => (await recordsOf(fleet, key)).length === 40, 60_000);
  await watchServices(SILENCE_MS / 2);
  expect((await recordsOf(fleet, key)).filter(({ state }) => state !== 'PENDING' && state !== 'RUNNING')).toEqual([]);
  issuer.speak();
  await untilIdle();
  const rows = await recordsOf(fleet, key);
  expect(new Set(rows.map(({ state, tries }) => `${state} ${tries}`))).toEqual(new Set(['SUCCESS 1']));
}, 180_000);

test.skipIf(!hasFakeClock)(
  'a clock that jumps hours ahead and back under all services (skipped without libfaketime)',
  async () => {
    for (const offset of ['+3h', '-26h', '+400d', '-30s']) {
      await putFiles(20, `clock-${offset.replace('+', 'plus').replace('-', 'minus')}`);
      await putRecords(`${TENANT}/rows/clock${offset}.csv`, 20);
      await jumpTo(offset);
      await watchServices(3_000);
      await untilIdle();
    }
    await jumpTo('+0');
    await expectNothingLost();
  },
  240_000,
);

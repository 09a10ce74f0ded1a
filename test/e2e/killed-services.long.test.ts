/**
 * 600 files flow, some of them along branches, while everything under them fails: services die by `kill -9`, queues lose every message, the database restarts,
 * S3 answers 503. Afterwards every guarantee holds.
 */

import { PurgeQueueCommand } from '@aws-sdk/client-sqs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { QUEUE_IDS } from '#shared/runtime/config/resource-names.ts';
import { startTestFleet, type TestFleet } from '#testkit/beds/start-test-fleet.ts';
import { checkGuarantees } from '#testkit/checks/check-guarantees.ts';
import { type ResourceBaseline, takeResourceBaseline } from '#testkit/checks/resource-baseline.ts';
import { knownFiles, makeFile, makeFiles, type TestFile } from '#testkit/seeds/known-files.ts';
import { type HttpFaultProxy, startHttpFaultProxy } from '#testkit/servers/http-fault-proxy.ts';
import type { SftpClient } from '#testkit/servers/sftp-client.ts';

const TENANT = 'acme';
/** More attempts than one file can meet faults here: whatever ends as failed then is a fault of the fleet's own. */
const ROUTES = `
kind: route
tenant: ${TENANT}
name: copies
match: { path: "**", exclude: "branches/**" }
retry: { maxAttempts: 20, firstDelay: 100ms, maxDelay: 1s }
steps: [{ stage: }, { deliver: {} }, { confirm: }]
---
kind: route
tenant: ${TENANT}
name: branched
match: { path: "branches/**" }
retry: { maxAttempts: 20, firstDelay: 100ms, maxDelay: 1s }
steps:
  - stage:
  - parallel:
      branches:
        one: [{ deliver: { key: "{{ tenant }}/one/{{ name }}" } }, { confirm: }]
        two: [{ stage: }, { deliver: { key: "{{ tenant }}/two/{{ name }}" } }]
  - run: { route: below }
  - deliver: { key: "{{ tenant }}/above/{{ name }}" }
---
kind: route
tenant: ${TENANT}
name: below
runOnly: true
retry: { maxAttempts: 20, firstDelay: 100ms, maxDelay: 1s }
steps: [{ deliver: { key: "{{ tenant }}/below/{{ name }}" } }]
`;
const LARGE_BYTES = 100_000;
const LEAST_REFUSED = 10;
const S3_CLIENTS = ['ingestor', 'partner-worker', 'large-file-worker', 'retry-sweeper'] as const;
/** A message whose receiver was killed stays hidden for its visibility timeout, 60 s on the queues of work. */
const HIDDEN_MESSAGES_MS = 75_000;

let proxy: HttpFaultProxy;
let fleet: TestFleet;
let baseline: ResourceBaseline;
let partner: SftpClient;

beforeAll(async () => {
  proxy = await startHttpFaultProxy();
  const throughProxy = { AWS_ENDPOINT_URL_S3: proxy.url };
  fleet = await startTestFleet({
    tenants: [TENANT],
    routes: ROUTES,
    env: {
      all: {
        LONGSHORE_LARGE_FILE_THRESHOLD_BYTES: String(LARGE_BYTES),
        LONGSHORE_RECONCILE_MS: '5000',
        LONGSHORE_RECONCILE_MIN_AGE_MS: '5000',
        LONGSHORE_ABANDONED_UPLOAD_MS: '5000',
        LONGSHORE_SFTP_QUIET_MS: '3000',
      },
      ...Object.fromEntries(S3_CLIENTS.map((name) => [name, throughProxy])),
    },
    beforeReady: async ({ endpoints }) => proxy.setTarget(endpoints.s3),
  });
  baseline = await takeResourceBaseline(fleet);
  partner = await fleet.sftp(TENANT);
  await partner.makeDirectory('/sftp');
}, 180_000);
afterAll(async () => {
  await fleet?.stop();
  await proxy?.stop();
});

/** One wave: 60 files, of which 15 come through the front door, 3 are large, and 10 have branches. */
function makeWave(number: number): { put: TestFile[]; sftp: TestFile[] } {
  const large = [1, 2, 3].map((index) => makeFile(`s3/large-${number}-${index}.bin`, LARGE_BYTES + index));
  return {
    put: [...makeFiles(32, 's3', `wave-${number}`), ...makeFiles(10, 'branches', `wave-${number}`), ...large],
    sftp: makeFiles(15, 'sftp', `wave-${number}`),
  };
}

async function purgeAllQueues(): Promise<void> {
  const urls = QUEUE_IDS.map((id) => fleet.queueUrls[id].main);
  await Promise.all(urls.map((QueueUrl) => fleet.sqs.send(new PurgeQueueCommand({ QueueUrl }))));
}

const kill = (...names: string[]) => Promise.all(names.map((name) => fleet.killAndAwaitRestart(name)));

/** Once it has failed often enough to mean something, however slowly the waves flow. */
async function letS3Recover(): Promise<void> {
  await fleet.waitUntil('S3 has refused requests', () => proxy.refused > LEAST_REFUSED, 60_000);
  proxy.setFaultShare(0);
}

/** What befalls the fleet while each wave flows. */
const FAULTS: readonly (() => unknown)[] = [
  () => kill('ingestor', 'partner-worker'),
  () => kill('router', 'large-file-worker'),
  () => kill('retry-sweeper', 'partner-worker'),
  () => proxy.setFaultShare(0.1),
  () => kill('ingestor', 'router', 'large-file-worker'),
  letS3Recover,
  () => purgeAllQueues(),
  () => kill('partner-worker', 'retry-sweeper', 'control-api'),
  () => kill('postgres'),
  () => kill('ingestor', 'router', 'partner-worker', 'large-file-worker', 'retry-sweeper', 'control-api'),
];

test('600 files are delivered exactly once through kills, an emptied queue, a database restart and a failing S3', async () => {
  const sent: TestFile[] = [];
  for (const [number, fault] of FAULTS.entries()) {
    const wave = makeWave(number);
    sent.push(...wave.put, ...wave.sftp);
    await Promise.all([
      Promise.all(wave.put.map(({ path, body }) => fleet.put(`${TENANT}/${path}`, body))),
      sendInTurn(wave.sftp),
      fault(),
    ]);
  }
  expect(sent).toHaveLength(600);
  await fleet.untilAllEnded(sent.length, 120_000);
  expect(proxy.refused).toBeGreaterThan(LEAST_REFUSED);

  const violations = await checkGuarantees(fleet, {
    known: knownFiles(TENANT, sent),
    queuesTimeoutMs: HIDDEN_MESSAGES_MS,
  });
  if (violations.length > 0) console.error(await fleet.describe());
  expect(violations).toEqual([]);
  const states = await fleet.sql`SELECT status, count(*)::int FROM files GROUP BY 1`;
  expect([...states]).toEqual([{ status: 'COMPLETED', count: sent.length }]);
  const branches = await fleet.sql`
    SELECT branch, state, count(*)::int FROM jobs WHERE parent_job_id IS NOT NULL GROUP BY 1, 2 ORDER BY 1`;
  expect([...branches]).toEqual(['one', 'two', null].map((branch) => ({ branch, state: 'SUCCEEDED', count: 100 })));
  expect(await baseline.findLeaks(20_000)).toEqual([]);
}, 240_000);

async function sendInTurn(files: readonly TestFile[]): Promise<void> {
  for (const { path, body } of files) await partner.put(`/${path}`, body);
}

/**
 * A campaign goes out while its workers die by `kill -9`, its mail service is slow, refuses, forgets answers and dies, its wake-ups are lost, and
 * people pause and resume it. Afterwards no recipient has two mails, none is lost, and every row is accounted for.
 */
import { randomInt } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { PurgeQueueCommand } from '@aws-sdk/client-sqs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { seededRandom } from '#local/partner-simulator/simulated-behaviour.ts';
import { type PartnerWorkers, startPartnerWorkers } from '#testkit/beds/start-partner-workers.ts';
import { startTestFleet, type TestFleet } from '#testkit/beds/start-test-fleet.ts';

const TENANT = 'globex';
const RATE = 150;
/** What one lease gives of it, and what is given ahead. */
const SLICES = RATE;
const RECIPIENTS = 2_000;
const SUPPRESSED = 100;
const KILLS = 25;
const WORKERS = 2;
const SENDER = `
kind: sender
tenant: ${TENANT}
name: bills
from: Globex Bank <bills@mail.globex.example>
transport: ses
limits: { ratePerSecond: ${RATE}, concurrency: 10 }
topics:
  - { name: billing, class: transactional }
`;
/** Where a kill falls is where a worker spends its time: in requests, in statements, or anywhere. */
const BEHAVIOURS = [
  { latencyMs: 300, lostReplies: 0.02 },
  { latencyMs: 0, lostReplies: 0.02 },
  { latencyMs: 50, lostReplies: 0.02, failed: 0.03, throttled: 0.01 },
] as const;

let fleet: TestFleet;
let workers: PartnerWorkers;

beforeAll(async () => {
  fleet = await startTestFleet({
    tenants: [TENANT],
    services: ['ingestor', 'router', 'large-file-worker', 'retry-sweeper', 'control-api'],
    routes: SENDER,
    env: { all: { LONGSHORE_LEASE_MS: '2000', LONGSHORE_SWEEP_GRACE_MS: '1000', LONGSHORE_SWEEP_BOUND_MS: '3000' } },
  });
  workers = await startPartnerWorkers(fleet, WORKERS);
}, 180_000);
afterAll(async () => {
  await workers?.stop();
  await fleet?.stop();
});

interface Mail {
  readonly to: string;
  readonly at: string;
}

async function ask(path: string, body?: unknown) {
  const method = body === undefined ? 'GET' : 'POST';
  const reply = await fleet.api(path, { tenant: TENANT, method, ...(body !== undefined && { body }) });
  if (reply.status >= 300) throw new Error(`${path} answered ${reply.status}: ${JSON.stringify(reply.body)}`);
  return reply.body;
}

async function upload(url: unknown, body: string): Promise<void> {
  const { url: to, method, headers } = url as { url: string; method: string; headers: Record<string, string> };
  const reply = await fetch(to, { method, headers, body });
  if (!reply.ok) throw new Error(`the upload was answered with ${reply.status}`);
}

async function mailsOf(id: string): Promise<Mail[]> {
  const url = `${fleet.stack.endpoints.ses}/_ledger?campaign=${id}`;
  return await fleet.waitUntil(
    'the mail service',
    async () =>
      await fetch(url).then(
        async (reply) => (await reply.json()) as Mail[],
        () => undefined,
      ),
    30_000,
  );
}

async function behave(behaviour: object): Promise<void> {
  const put = { method: 'PUT', body: JSON.stringify(behaviour) };
  await fleet.waitUntil(
    'the mail service',
    async () =>
      await fetch(`${fleet.stack.endpoints.ses}/_behaviour`, put).then(
        ({ ok }) => ok,
        () => false,
      ),
    30_000,
  );
}

const address = (n: number) => `r${n}@example.com`;

test('2,000 recipients have one mail each at most, and none is lost, although everything dies meanwhile', async () => {
  const seed = randomInt(1, 1_000_000);
  const random = seededRandom(seed);
  const template = await ask('/api/v1/templates/presigned-url', { name: 'bill', format: 'json', topic: 'billing' });
  await upload(template.upload, JSON.stringify({ subject: 'Bill', html: '<p>{{ n }}</p>' }));
  const file = await ask('/api/v1/files/presigned-url', { file_name: 'bills.csv' });
  const rows = Array.from({ length: RECIPIENTS }, (_each, n) => `${address(n)},${n}`);
  await upload(file.upload, ['email,n', ...rows, 'r0@EXAMPLE.com,again', 'nobody,x'].join('\n'));
  await ask('/api/v1/templates/bill');
  const { transaction_id } = await ask('/api/v1/campaigns', {
    ...{ template_id: 'bill', file_id: file.file_id, sender: 'bills' },
  });
  const id = String(transaction_id);
  const status = () => ask(`/api/v1/campaigns/${id}/status`) as Promise<Record<string, never>>;

  let suppressedAt = Number.POSITIVE_INFINITY;
  const afterPauses: { readonly pausedAt: number; readonly resumedAt: number }[] = [];
  for (let kill = 1; kill <= KILLS; kill += 1) {
    await behave(BEHAVIOURS[kill % BEHAVIOURS.length] ?? {});
    const seen = (await mailsOf(id)).length;
    const until = Math.min(RECIPIENTS - SUPPRESSED - 300, seen + 5 + Math.floor(random() * 45));
    await fleet.waitUntil(
      `${until} mails before kill ${kill} (seed ${seed})`,
      async () => (await mailsOf(id)).length >= until,
      90_000,
    );
    if (kill === 5) {
      const addresses = Array.from({ length: SUPPRESSED }, (_each, n) => address(RECIPIENTS - 1 - n));
      await ask('/api/v1/suppressions', { addresses });
      suppressedAt = Date.now();
    }
    if (kill % 8 === 0) fleet.stack.processes.ses?.kill('SIGKILL');
    if (kill % 11 === 0) fleet.stack.processes['retry-sweeper']?.kill('SIGKILL');
    if (kill % 6 === 0)
      await fleet.sqs.send(new PurgeQueueCommand({ QueueUrl: fleet.queueUrls['partner-steps'].main }));
    if (kill % 4 === 0) {
      await ask(`/api/v1/campaigns/${id}/pause`, {});
      const pausedAt = Date.now();
      await delay(1_000 + 600 * random());
      afterPauses.push({ pausedAt, resumedAt: Date.now() });
      await ask(`/api/v1/campaigns/${id}/resume`, {});
    }
    await workers.kill(kill % WORKERS);
  }
  // Words that follow each other fast.
  for (let n = 0; n < 25; n += 1) {
    await ask(`/api/v1/campaigns/${id}/pause`, {});
    await ask(`/api/v1/campaigns/${id}/resume`, {});
  }
  const before = await status();
  expect(before.messages, 'the kills fell into the run').toMatchObject({ pending: expect.any(Number) });
  await behave({});
  await fleet.sqs.send(new PurgeQueueCommand({ QueueUrl: fleet.queueUrls['partner-steps'].main }));
  await fleet.waitUntil('all mails', async () => ['SENT'].includes((await status()).status ?? ''), 90_000);

  const mails = await mailsOf(id);
  const counted = Map.groupBy(mails, ({ to }) => to);
  expect([...counted].filter(([, each]) => each.length > 1).map(([to]) => to)).toEqual([]);
  // What was reported settles what was in doubt.
  const inDoubt = () => fleet.sql<{ email: string }[]>`
    SELECT r."values" ->> 'email' AS email FROM records r WHERE r.job_id = ${id} AND r.state = 'AMBIGUOUS'`;
  await fleet.waitUntil(
    'the reports of all mails that were taken',
    async () => (await inDoubt()).every(({ email }) => !counted.has(email)),
    60_000,
  );
  const records = await fleet.sql<{ email: string; state: string; cause: string | null }[]>`
    SELECT "values" ->> 'email' AS email, state, error_cause AS cause FROM records WHERE job_id = ${id} AND state <> 'REJECTED'`;
  const odd = records.filter(({ email, state, cause }) => {
    if (counted.has(email)) return state !== 'SUCCESS';
    return state !== 'AMBIGUOUS' && !(state === 'FAILED' && cause === 'SUPPRESSED');
  });
  expect(odd).toEqual([]);

  const report = await fleet.waitUntil(
    'counters that equal the rows',
    async () => {
      const now = (await status()) as unknown as Report;
      return now.messages.sent === counted.size && now;
    },
    30_000,
  );
  const { recipients, messages } = report;
  expect(recipients).toMatchObject({ rows: RECIPIENTS + 2, duplicates: 1, rejected: 1 });
  expect(
    messages.sent +
      messages.failed +
      messages.ambiguous +
      messages.pending +
      recipients.rejected +
      recipients.duplicates +
      recipients.suppressed,
  ).toBe(recipients.rows);

  const times = mails.map(({ at }) => Date.parse(at)).sort((a, b) => a - b);
  const most = Math.max(...times.map((from, index) => times.findLastIndex((at) => at < from + 1_000) - index + 1));
  expect(most).toBeLessThanOrEqual(RATE + SLICES);
  const late = mails.filter(
    ({ to, at }) => Number(/\d+/.exec(to)?.[0]) >= RECIPIENTS - SUPPRESSED && Date.parse(at) > suppressedAt + 5_000,
  );
  expect(late).toEqual([]);
  for (const { pausedAt, resumedAt } of afterPauses)
    expect(times.filter((at) => at > pausedAt + 1_000 && at < resumedAt)).toEqual([]);
}, 300_000);

interface Report {
  readonly recipients: {
    readonly rows: number;
    readonly rejected: number;
    readonly duplicates: number;
    readonly suppressed: number;
  };
  readonly messages: {
    readonly sent: number;
    readonly failed: number;
    readonly ambiguous: number;
    readonly pending: number;
  };
}

/**
 * A campaign goes out while its workers die by `kill -9`, its mail service is slow, refuses, forgets answers and dies, its wake-ups are lost, and
 * people pause and resume it. Afterwards no recipient has two mails, none is lost, and every row is accounted for.
 */
import { randomInt } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { PurgeQueueCommand } from '@aws-sdk/client-sqs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { seededRandom } from '#local/partner-simulator/simulated-behaviour.ts';
import { recipient, senderDocument, startCampaign } from '#testkit/beds/campaign-bed.ts';
import { type PartnerWorkers, startPartnerWorkers } from '#testkit/beds/start-partner-workers.ts';
import { startTestFleet, type TestFleet } from '#testkit/beds/start-test-fleet.ts';
import { repeatTimes } from '#testkit/checks/repeat-times.ts';

const TENANT = 'globex';
const RATE = 150;
/** What one lease gives of it, and what is given ahead. */
const SLICES = RATE;
const RECIPIENTS = 2_000;
const SUPPRESSED = 100;
/** Enough that everything dies once. */
const KILLS = Math.max(12, repeatTimes(25));
const WORKERS = 2;
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
    routes: senderDocument(TENANT, RATE),
    env: { all: { LONGSHORE_LEASE_MS: '2000', LONGSHORE_SWEEP_GRACE_MS: '1000', LONGSHORE_SWEEP_BOUND_MS: '3000' } },
  });
  workers = await startPartnerWorkers(fleet, WORKERS);
}, 180_000);
afterAll(async () => {
  await workers?.stop();
  await fleet?.stop();
});

test('2,000 recipients have one mail each at most, and none is lost, although everything dies meanwhile', async () => {
  const seed = randomInt(1, 1_000_000);
  const random = seededRandom(seed);
  const campaign = await startCampaign(fleet, {
    tenant: TENANT,
    recipients: RECIPIENTS,
  });
  const { id, ask, behave } = campaign;

  let suppressedAt = Number.POSITIVE_INFINITY;
  const afterPauses: { readonly pausedAt: number; readonly resumedAt: number }[] = [];
  for (let kill = 1; kill <= KILLS; kill += 1) {
    await behave(BEHAVIOURS[kill % BEHAVIOURS.length] ?? {});
    const seen = (await campaign.mails()).length;
    const until = Math.min(RECIPIENTS - SUPPRESSED - 300, seen + 5 + Math.floor(random() * 45));
    await fleet.waitUntil(
      `${until} mails before kill ${kill} (seed ${seed})`,
      async () => (await campaign.mails()).length >= until,
      180_000,
    );
    if (kill === 5) {
      const addresses = Array.from({ length: SUPPRESSED }, (_each, n) => recipient(RECIPIENTS - 1 - n));
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
  const before = await campaign.status();
  expect(before.messages, 'the kills fell into the run').toMatchObject({ pending: expect.any(Number) });
  await behave({});
  await fleet.sqs.send(new PurgeQueueCommand({ QueueUrl: fleet.queueUrls['partner-steps'].main }));
  const mails = await campaign.expectEachOnce(240_000);
  const times = mails.map(({ at }) => Date.parse(at)).sort((a, b) => a - b);
  const most = Math.max(...times.map((from, index) => times.findLastIndex((at) => at < from + 1_000) - index + 1));
  expect(most).toBeLessThanOrEqual(RATE + SLICES);
  const late = mails.filter(
    ({ to, at }) => Number(/\d+/.exec(to)?.[0]) >= RECIPIENTS - SUPPRESSED && Date.parse(at) > suppressedAt + 5_000,
  );
  expect(late).toEqual([]);
  for (const { pausedAt, resumedAt } of afterPauses)
    expect(times.filter((at) => at > pausedAt + 1_000 && at < resumedAt)).toEqual([]);
}, 900_000);

/**
 * A campaign goes out while the database crashes 50 times and people pause and resume it 50 times at random. Afterwards no recipient has two
 * mails, none is lost, every row is accounted for, and nothing was sent while it was paused.
 */
import { randomInt } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { seededRandom } from '#local/partner-simulator/simulated-behaviour.ts';
import { senderDocument, startCampaign } from '#testkit/beds/campaign-bed.ts';
import { startTestFleet, type TestFleet } from '#testkit/beds/start-test-fleet.ts';

const TENANT = 'globex';
const CRASHES = 50;
const RECIPIENTS = 1_500;
/** So that the crashes fall into the run, on any machine. */
const RATE = 40;

let fleet: TestFleet;

beforeAll(async () => {
  fleet = await startTestFleet({
    ...{ tenants: [TENANT], routes: senderDocument(TENANT, RATE), servers: 'embedded' },
    services: ['ingestor', 'router', 'large-file-worker', 'partner-worker', 'retry-sweeper', 'control-api'],
    env: { all: { LONGSHORE_LEASE_MS: '2000', LONGSHORE_SWEEP_GRACE_MS: '1000', LONGSHORE_SWEEP_BOUND_MS: '3000' } },
  });
}, 180_000);
afterAll(async () => await fleet?.stop());

test(`${RECIPIENTS} recipients have one mail each at most, and none is lost, although the database crashes ${CRASHES} times`, async () => {
  const seed = randomInt(1, 1_000_000);
  const random = seededRandom(seed);
  const campaign = await startCampaign(fleet, {
    ...{ tenant: TENANT, recipients: RECIPIENTS },
  });
  await campaign.behave({ latencyMs: 100, lostReplies: 0.02, throttled: 0.02 });
  await fleet.waitUntil('the first mails', async () => (await campaign.mails()).length > 10, 60_000);

  /** Until it is answered: the API refuses while the database is down. */
  const say = (word: 'pause' | 'resume') =>
    fleet.waitUntil(
      `${word} (seed ${seed})`,
      () =>
        campaign.ask(`/api/v1/campaigns/${campaign.id}/${word}`, {}).then(
          () => true,
          () => false,
        ),
      60_000,
    );
  const pauses: { readonly from: number; readonly to: number }[] = [];
  let isOver = false;
  async function interrupt(): Promise<void> {
    while (!isOver) {
      await delay(100 + 900 * random());
      await say('pause');
      const from = Date.now();
      // Some shorter than a word takes to be heard.
      await delay(random() < 0.3 ? 1_000 + 500 * random() : 200 * random());
      pauses.push({ from, to: Date.now() });
      await say('resume');
    }
  }
  const interrupting = interrupt();
  const crashed = new Set<number>();
  for (let crash = 0; crash < CRASHES; crash += 1) {
    await delay(200 + 800 * random());
    crashed.add(await crashDatabase());
  }
  expect(crashed.size, `seed ${seed}`).toBe(CRASHES);
  await fleet.waitUntil('as many pauses', () => pauses.length >= CRASHES, 120_000);
  isOver = true;
  await interrupting;
  const { messages } = await campaign.status();
  expect(messages.pending, 'the crashes fell into the run').toBeGreaterThan(0);

  await campaign.behave({});
  const mails = await campaign.expectEachOnce(120_000);
  const times = mails.map(({ at }) => Date.parse(at));
  for (const { from, to } of pauses) expect(times.filter((at) => at > from + 1_000 && at < to)).toEqual([]);
  // Rows that the mail service does not know of stay in doubt: its answers that were lost are settled by its reports.
  expect(mails.length).toBeGreaterThan(RECIPIENTS - CRASHES * 10);
}, 400_000);

/** `kill -9` of one of its processes: the server ends all others, and recovers from its log. Out: which process. */
async function crashDatabase(): Promise<number> {
  const pid = await fleet.waitUntil(
    'the database',
    () =>
      fleet.sql<{ pid: number }[]>`
        SELECT pid FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid() ORDER BY random() LIMIT 1`.then(
        ([row]) => row?.pid,
        () => undefined,
      ),
    60_000,
  );
  process.kill(pid, 'SIGKILL');
  return pid;
}

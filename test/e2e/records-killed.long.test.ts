/**
 * 5,000 records walk through three APIs, and 500 more through two that have effects, while the workers that call them die by `kill -9` 50
 * times, and the sweeper a few times. Afterwards every guarantee holds, and the partner saw and did nothing that it should not have.
 */
import { randomInt } from 'node:crypto';
import { PurgeQueueCommand } from '@aws-sdk/client-sqs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { seededRandom } from '#local/partner-simulator/simulated-behaviour.ts';
import { type PartnerWorkers, startPartnerWorkers } from '#testkit/beds/start-partner-workers.ts';
import { startTestFleet, type TestFleet } from '#testkit/beds/start-test-fleet.ts';
import { checkGuarantees } from '#testkit/checks/check-guarantees.ts';
import { repeatTimes } from '#testkit/checks/repeat-times.ts';
import { definitions, recordsCsv, THREE_CALLS, testPartner, testRoute } from '#testkit/seeds/record-definitions.ts';
import { type RecordRow, recordsOf } from '#testkit/seeds/record-files.ts';

const TENANT = 'acme';
const RECORDS = 5_000;
const REDEMPTIONS = 500;
const KILLS = repeatTimes(50);
const WORKERS = 2;
/** A sweeper dies with every so many workers: its supervisor waits longer each time. */
const KILLS_PER_SWEEPER = repeatTimes(16);
const MOST_TRIES = 4;
/** The first knows keys, the second does not. */
const REDEMPTION_CALLS = [
  { operation: 'redeem-keyed', code: 'KEYED_ERROR' },
  { operation: 'redeem-unkeyed', code: 'UNKEYED_ERROR' },
];
const CALLS = RECORDS * THREE_CALLS.length + REDEMPTIONS * REDEMPTION_CALLS.length;
/** At random, so that no kill falls into an idle worker. */
const CALLS_BETWEEN = { from: 5, to: 250 };
/** The partner is slow while the records are ahead of the kills: so the kills fall into all of the run, on any machine. */
const FAST = { api: '*', fromMs: 1, toMs: 10 } as const;
const SLOW = { api: '*', fromMs: 100, toMs: 200 } as const;

let fleet: TestFleet;
let workers: PartnerWorkers;

beforeAll(async () => {
  fleet = await startTestFleet({
    tenants: [TENANT],
    services: ['ingestor', 'router', 'large-file-worker', 'retry-sweeper', 'control-api'],
    routes: ({ endpoints }) =>
      definitions(
        testPartner({ tenant: TENANT, name: 'desk', baseUrl: endpoints.partnerSimulator, limits: { concurrency: 8 } }),
        testRoute({ tenant: TENANT, name: 'rfi', partner: 'desk', after: [{ deliver: {} }, { confirm: {} }] }),
        testRoute({ tenant: TENANT, name: 'redemptions', partner: 'desk', calls: REDEMPTION_CALLS }),
      ),
    env: { all: { LONGSHORE_LEASE_MS: '2000', LONGSHORE_SWEEP_GRACE_MS: '1000', LONGSHORE_SWEEP_BOUND_MS: '3000' } },
  });
  workers = await startPartnerWorkers(fleet, WORKERS);
}, 180_000);
afterAll(async () => {
  await workers?.stop();
  await fleet?.stop();
});

const FINAL = 'SIM:A:final';
/** Every hundredth never passes; some others fail once at each of the three, before or after the partner's work. */
const REMARKS: Readonly<Record<number, string>> = {
  7: 'SIM:V:500:1',
  29: 'SIM:A:reset-after:1',
  43: 'SIM:C:reject:1',
  61: 'SIM:C:429-0:1',
  99: FINAL,
};
const rows = Array.from({ length: RECORDS }, (_, index) => [`r-${index + 1}`, REMARKS[index % 100] ?? ''] as const);

const redemptions = Array.from({ length: REDEMPTIONS }, (_, index) => [`e-${index + 1}`] as const);
const [LARGE, EFFECTS] = [`${TENANT}/rfi/large.csv`, `${TENANT}/redemptions/effects.csv`];

const loseWakeUps = () => fleet.sqs.send(new PurgeQueueCommand({ QueueUrl: fleet.queueUrls['partner-steps'].main }));

test(`5,000 records end as they should although their workers are killed ${KILLS} times`, async () => {
  const seed = randomInt(1, 1_000_000);
  const random = seededRandom(seed);
  await fleet.put(LARGE, recordsCsv(rows));
  await fleet.put(EFFECTS, recordsCsv(redemptions));
  for (let kill = 1; kill <= KILLS; kill += 1) {
    const seen = (await fleet.partner.calls()).length;
    const isAhead = seen / CALLS > kill / (KILLS + 1);
    await fleet.partner.setBehaviour({ latencies: [isAhead ? SLOW : FAST] });
    const until = seen + CALLS_BETWEEN.from + Math.floor(random() * (CALLS_BETWEEN.to - CALLS_BETWEEN.from));
    const hasCome = async () => (await fleet.partner.calls()).length >= until;
    await fleet.waitUntil(`${until} calls before kill ${kill} (seed ${seed})`, hasCome, 180_000);
    const sweeper = kill % KILLS_PER_SWEEPER === 0 ? fleet.stack.processes['retry-sweeper'] : undefined;
    sweeper?.kill('SIGKILL');
    await workers.kill(kill % WORKERS);
  }
  await fleet.partner.setBehaviour({ latencies: [FAST] });
  const [unfinished] = await fleet.sql`SELECT count(*)::int FROM records WHERE state IN ('PENDING', 'RUNNING')`;
  expect(unfinished?.count, 'the kills fell into the run').toBeGreaterThan(0);
  // Wake-ups whose receiver was killed stay hidden for a minute. That all are lost costs less time, and nothing else.
  await loseWakeUps();
  await fleet.untilAllEnded(2, 240_000);
  // One that was sent to a dead receiver meanwhile could wake nothing any more.
  await loseWakeUps();

  const violations = await checkGuarantees(fleet);
  if (violations.length > 0) console.error(`seed ${seed}`, await fleet.describe());
  expect(violations).toEqual([]);
  const calls = Map.groupBy(await fleet.partner.calls(), ({ api, record }) => `${api} ${record}`);
  const most = (api: string) => (api.startsWith('unkeyed') ? 1 : MOST_TRIES);
  expect([...calls].filter(([name, each]) => each.length > most(name))).toEqual([]);

  const ended = await recordsOf(fleet, LARGE);
  expect(ended).toHaveLength(RECORDS);
  const remarks = new Map<string | null, string>(rows);
  const wrong = ended.filter((row) => {
    const remark = remarks.get(row.id) ?? '';
    if (remark === FINAL) return !isRejected(row) && !isSpent(row);
    return row.state !== 'SUCCESS' && !isSpent(row, remark);
  });
  expect(wrong).toEqual([]);
  expect(ended.filter(({ state }) => state === 'SUCCESS').length).toBeGreaterThan(RECORDS * 0.9);

  const redeemed = await recordsOf(fleet, EFFECTS);
  expect(redeemed).toHaveLength(REDEMPTIONS);
  const unclear = redeemed.filter(({ state, code, cause }) => {
    const isInDoubt = state === 'AMBIGUOUS' && code === 'UNKEYED_ERROR' && cause === 'EFFECT_UNKNOWN';
    return state !== 'SUCCESS' && !isInDoubt;
  });
  expect(unclear.filter((row) => !isSpent(row))).toEqual([]);
}, 900_000);

function isRejected({ state, code, cause }: RecordRow): boolean {
  return state === 'FAILED' && code === 'ASSIGNMENTS_ERROR' && cause === 'BUSINESS_REJECTION';
}

/** Each of its tries was counted, and a worker died in the last one, or workers died in the others and the fault of its remark fell into it. */
function isSpent({ state, cause, tries }: RecordRow, remark = ''): boolean {
  return state === 'FAILED' && tries === MOST_TRIES && (cause === 'ATTEMPTS_SPENT' || remark.endsWith(':1'));
}

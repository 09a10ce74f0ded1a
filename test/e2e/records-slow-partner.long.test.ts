/** A partner that hangs and one that is not there hold up their own records, and nobody else's. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { claimPorts } from '#local/ports.ts';
import { startTestFleet, type TestFleet } from '#testkit/beds/start-test-fleet.ts';
import { checkGuarantees } from '#testkit/checks/check-guarantees.ts';
import { definitions, recordsCsv, testPartner, testRoute } from '#testkit/seeds/record-definitions.ts';
import { recordJobOf, recordsOf, untilFileEnded } from '#testkit/seeds/record-files.ts';

const [HELD_UP, OTHER] = ['acme', 'globex'];
const HANGING = `${HELD_UP}/hanging/hanging.csv`;
const DOWN = `${HELD_UP}/down/down.csv`;
const GOOD = `${OTHER}/good/good.csv`;
const SLOTS = 8;
/** Of the slots, for the chunks of one partner. */
const SHARE_OF_ONE = 2;
/** More chunks than there are slots. */
const RECORDS = 1_000;
/** A chunk that was under way when its job was cancelled leaves its message hidden for the visibility timeout of its queue. */
const HIDDEN_MESSAGES_MS = 75_000;

let fleet: TestFleet;

beforeAll(async () => {
  const { base: closedPort } = await claimPorts();
  fleet = await startTestFleet({
    tenants: [HELD_UP, OTHER],
    routes: ({ endpoints }) => {
      const baseUrl = endpoints.partnerSimulator;
      const redeem = [{ operation: 'redeem-keyed', code: 'REDEMPTION_ERROR' }];
      const retry = { maxSweeps: 100 };
      return definitions(
        // Its breaker never opens: each of its calls hangs until its time is over. It would take all records of a chunk at once.
        testPartner({
          tenant: HELD_UP,
          name: 'hanging',
          baseUrl,
          timeout: '2s',
          limits: { concurrency: 100 },
          breaker: { failures: 1_000 },
        }),
        testPartner({
          tenant: HELD_UP,
          name: 'down',
          baseUrl: `http://127.0.0.1:${closedPort}`,
          breaker: { failures: 3, openFor: '1s' },
        }),
        testPartner({ tenant: OTHER, name: 'good', baseUrl }),
        testRoute({ tenant: HELD_UP, name: 'hanging', partner: 'hanging', calls: redeem, retry }),
        testRoute({ tenant: HELD_UP, name: 'down', partner: 'down', calls: redeem, retry }),
        testRoute({ tenant: OTHER, name: 'good', partner: 'good' }),
      );
    },
    env: { 'partner-worker': { LONGSHORE_SLOTS: String(SLOTS) } },
  });
  await fleet.partner.setBehaviour({ faults: [{ api: 'coupon-redemption', fault: 'timeout' }] });
}, 180_000);
afterAll(() => fleet?.stop(), 60_000);

const rows = (label: string) =>
  recordsCsv(Array.from({ length: RECORDS }, (_, index) => [`${label}-${index}`] as const));

/** Chunks of one file that have a call under way now. */
async function carried(key: string): Promise<number> {
  const [row] = await fleet.sql<{ count: number }[]>`
    SELECT count(DISTINCT r.chunk_id)::int FROM records r JOIN jobs j ON j.id = r.job_id JOIN files f ON f.id = j.file_id
    WHERE f.key = ${key} AND r.state = 'RUNNING'`;
  return row?.count ?? 0;
}

test("another tenant's records all end while those of a hanging and of a missing partner are open", async () => {
  await fleet.put(HANGING, rows('hanging'));
  await fleet.put(DOWN, rows('down'));
  const isHanging = async () => (await fleet.partner.calls()).length >= 20;
  await fleet.waitUntil('the partner lets calls hang', isHanging, 60_000);
  const isDown = async () => (await recordsOf(fleet, DOWN)).some(({ cause }) => cause === 'PARTNER_UNREACHABLE');
  await fleet.waitUntil('the other partner is missed', isDown, 60_000);

  await fleet.put(GOOD, rows('good'));
  const held: number[] = [];
  await fleet.waitUntil(
    'the other tenant is served',
    async () => {
      held.push(await carried(HANGING));
      return (await recordJobOf(fleet, GOOD))?.state === 'SUCCEEDED';
    },
    60_000,
  );
  expect((await recordsOf(fleet, GOOD)).filter(({ state }) => state !== 'SUCCESS')).toEqual([]);
  expect((await recordsOf(fleet, HANGING)).filter(({ state }) => state === 'SUCCESS')).toEqual([]);
  expect(await recordJobOf(fleet, HANGING)).toMatchObject({ state: 'WAITING', openRecords: RECORDS });
  expect(await recordJobOf(fleet, DOWN)).toMatchObject({ state: 'WAITING', openRecords: RECORDS });
  const most = Math.max(...held);
  expect(most).toBeGreaterThan(0);
  expect(most).toBeLessThanOrEqual(SHARE_OF_ONE);
});

test('once the partner answers its records go on by themselves, and a job whose partner stays away can be cancelled', async () => {
  const down = await recordJobOf(fleet, DOWN);
  const cancelled = await fleet.api(`/api/v1/jobs/${down?.id}/cancel`, {
    method: 'POST',
    body: { reason: 'gone for good' },
  });
  expect(cancelled.status).toBe(200);
  await fleet.partner.setBehaviour({});
  await untilFileEnded(fleet, HANGING, 60_000);
  await untilFileEnded(fleet, DOWN, 60_000);
  const states = new Set((await recordsOf(fleet, HANGING)).map(({ state }) => state));
  expect([...states]).toEqual(['SUCCESS']);
  expect(await checkGuarantees(fleet, { queuesTimeoutMs: HIDDEN_MESSAGES_MS })).toEqual([]);
}, 180_000);

/**
 * Calls that have effects, and replies that are lost: where the partner has no keys, what may have been done is never done again; where
 * it does, it is asked again with the same key.
 */
import { PurgeQueueCommand } from '@aws-sdk/client-sqs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { ApiName } from '#local/partner-simulator/partner-apis.ts';
import { startTestFleet, type TestFleet } from '#testkit/beds/start-test-fleet.ts';
import { checkGuarantees } from '#testkit/checks/check-guarantees.ts';
import { definitions, recordsCsv, testPartner, testRoute } from '#testkit/seeds/record-definitions.ts';
import { recordById, recordJobOf, untilFileEnded } from '#testkit/seeds/record-files.ts';

const TENANT = 'acme';
const CALLS = {
  keyed: [{ operation: 'redeem-keyed', code: 'REDEMPTION_ERROR' }],
  unkeyed: [{ operation: 'redeem-unkeyed', code: 'REDEMPTION_ERROR' }],
};

let fleet: TestFleet;

beforeAll(async () => {
  fleet = await startTestFleet({
    tenants: [TENANT],
    routes: ({ endpoints }) => {
      const partner = (name: string, timeout: string) =>
        testPartner({
          tenant: TENANT,
          name,
          timeout,
          baseUrl: endpoints.partnerSimulator,
          breaker: { failures: 1_000 },
        });
      return definitions(
        partner('desk', '1500ms'),
        // So slow that only a death ends a call that hangs.
        partner('slow-desk', '2m'),
        testRoute({ tenant: TENANT, name: 'unkeyed', partner: 'desk', calls: CALLS.unkeyed }),
        testRoute({ tenant: TENANT, name: 'keyed', partner: 'desk', calls: CALLS.keyed }),
        testRoute({ tenant: TENANT, name: 'unkeyed-slow', partner: 'slow-desk', calls: CALLS.unkeyed }),
        testRoute({ tenant: TENANT, name: 'keyed-slow', partner: 'slow-desk', calls: CALLS.keyed }),
      );
    },
    env: {
      all: { LONGSHORE_LEASE_MS: '2000', LONGSHORE_SWEEP_GRACE_MS: '1000', LONGSHORE_SWEEP_BOUND_MS: '3000' },
      'partner-worker': { LONGSHORE_DRAIN_MS: '1000' },
    },
  });
}, 180_000);
afterAll(() => fleet?.stop(), 60_000);

/** Effects of one record at one API, and the keys with which it was called. */
async function ledgerOf(record: string, api: ApiName) {
  const calls = await fleet.partner.callsOf(record, api);
  return {
    calls: calls.length,
    effects: calls.filter(({ effect }) => effect === 'made').length,
    keys: new Set(calls.map(({ idempotencyKey }) => idempotencyKey)).size,
  };
}

test('a reply that is lost after an effect without a key leaves the record AMBIGUOUS, and no second call is made', async () => {
  const key = `${TENANT}/unkeyed/lost.csv`;
  /** What the record ends with, and whether the partner did it. */
  const lost: readonly (readonly [fault: string, cause: string, effects: number])[] = [
    ['reset', 'PARTNER_CONNECTION_LOST', 0],
    ['reset-after', 'PARTNER_CONNECTION_LOST', 1],
    ['timeout', 'PARTNER_TIMEOUT', 0],
    ['timeout-after', 'PARTNER_TIMEOUT', 1],
    ['drip', 'PARTNER_TIMEOUT', 1],
    ['short', 'PARTNER_CONNECTION_LOST', 1],
    ['500-after', 'HTTP_500', 1],
    ['not-json', 'PARTNER_REPLY_INVALID', 1],
    ['bomb', 'PARTNER_REPLY_TOO_LARGE', 1],
    ['headers', 'PARTNER_REPLY_INVALID', 1],
  ];
  await fleet.put(
    key,
    recordsCsv([
      ...lost.map(([fault]) => [`lost-${fault}`, `SIM:U:${fault}`] as const),
      ['later', 'SIM:U:429-0:2'],
      ['refused', 'SIM:U:final'],
      ['good'],
    ]),
  );
  await untilFileEnded(fleet, key, 60_000);
  const rows = await recordById(fleet, key);
  for (const [fault, cause, effects] of lost) {
    const expected = { state: 'AMBIGUOUS', code: 'REDEMPTION_ERROR', cause, tries: 1, waitS: null };
    expect(rows.get(`lost-${fault}`), fault).toMatchObject(expected);
    expect(await ledgerOf(`lost-${fault}`, 'unkeyed-redemption'), fault).toMatchObject({ calls: 1, effects });
  }
  // A no to our pace says that nothing was done: that is called again.
  expect(rows.get('later')).toMatchObject({ state: 'SUCCESS', tries: 3 });
  expect(await ledgerOf('later', 'unkeyed-redemption')).toMatchObject({ calls: 3, effects: 1 });
  expect(rows.get('refused')).toMatchObject({ state: 'FAILED', cause: 'BUSINESS_REJECTION' });
  expect(rows.get('good')).toMatchObject({ state: 'SUCCESS' });

  // Nobody takes them for failed by accident.
  const job = await recordJobOf(fleet, key);
  const retry = (body: object) =>
    fleet.api(`/api/v1/jobs/${job?.id}/records/retry`, { method: 'POST', body: { reason: 'test', ...body } });
  expect(await retry({ lines: [1, 2, 3] })).toMatchObject({
    status: 409,
    body: { code: 'RECORDS_AMBIGUOUS' },
  });
  expect(await ledgerOf('lost-reset', 'unkeyed-redemption')).toMatchObject({ calls: 1 });
});

test('where the partner knows keys, the call is repeated with the same one, and has one effect', async () => {
  const key = `${TENANT}/keyed/lost-too.csv`;
  const faults = ['reset', 'reset-after', 'timeout-after', 'short', '500-after', 'not-json', '429-0'];
  await fleet.put(key, recordsCsv(faults.map((fault) => [`keyed-${fault}`, `SIM:R:${fault}:2`])));
  await untilFileEnded(fleet, key, 60_000);
  const rows = await recordById(fleet, key);
  for (const fault of faults) {
    expect(rows.get(`keyed-${fault}`), fault).toMatchObject({ state: 'SUCCESS', tries: 3, code: null });
    expect(await ledgerOf(`keyed-${fault}`, 'coupon-redemption'), fault).toEqual({ calls: 3, effects: 1, keys: 1 });
  }
});

test('a worker that is killed between sending and storing leaves the record AMBIGUOUS, or repeats it with its key', async () => {
  const [unkeyed, keyed] = [`${TENANT}/unkeyed-slow/killed.csv`, `${TENANT}/keyed-slow/killed-too.csv`];
  await fleet.put(
    unkeyed,
    recordsCsv([
      ['held', 'SIM:U:timeout-after'],
      ['held-before', 'SIM:U:timeout'],
    ]),
  );
  await fleet.put(keyed, recordsCsv([['held-keyed', 'SIM:R:timeout-after:1']]));
  await fleet.waitUntil(
    'the partner holds three replies',
    async () => (await fleet.partner.calls()).filter(({ record }) => record.startsWith('held')).length === 3,
    60_000,
  );
  await fleet.killAndAwaitRestart('partner-worker');
  await untilFileEnded(fleet, unkeyed, 60_000);
  await untilFileEnded(fleet, keyed, 60_000);

  const rows = await recordById(fleet, unkeyed);
  for (const [id, effects] of [
    ['held', 1],
    ['held-before', 0],
  ] as const) {
    expect(rows.get(id)).toMatchObject({
      state: 'AMBIGUOUS',
      code: 'REDEMPTION_ERROR',
      cause: 'EFFECT_UNKNOWN',
      tries: 1,
      waitS: null,
    });
    expect(await ledgerOf(id, 'unkeyed-redemption')).toMatchObject({ calls: 1, effects });
  }
  expect((await recordById(fleet, keyed)).get('held-keyed')).toMatchObject({ state: 'SUCCESS', tries: 2 });
  expect(await ledgerOf('held-keyed', 'coupon-redemption')).toEqual({ calls: 2, effects: 1, keys: 1 });
});

test('a worker that is asked to stop gives up no call that must not be repeated without saying so', async () => {
  const key = `${TENANT}/unkeyed-slow/stopped.csv`;
  await fleet.put(key, recordsCsv([['stopped', 'SIM:U:timeout-after']]));
  const isHeld = async () => (await fleet.partner.callsOf('stopped')).length === 1;
  await fleet.waitUntil('the partner holds the reply', isHeld, 60_000);
  fleet.stack.processes['partner-worker']!.kill('SIGTERM');
  await untilFileEnded(fleet, key, 60_000);
  expect((await recordById(fleet, key)).get('stopped')).toMatchObject({ state: 'AMBIGUOUS', cause: 'STEP_ABORTED' });
  expect(await ledgerOf('stopped', 'unkeyed-redemption')).toMatchObject({ calls: 1, effects: 1 });
});

test('after all of it every guarantee holds', async () => {
  // Wake-ups whose receiver was killed stay hidden for a minute. There is nothing left that they could wake.
  await fleet.sqs.send(new PurgeQueueCommand({ QueueUrl: fleet.queueUrls['partner-steps'].main }));
  expect(await checkGuarantees(fleet)).toEqual([]);
});

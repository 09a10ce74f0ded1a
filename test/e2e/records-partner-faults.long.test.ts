/**
 * A partner that fails in every way that partners fail, record by record: each record ends as its own fault says, and no other feels it.
 * Then tokens: expired in the middle, not to be had, and for too little.
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { writeSecret } from '#local/launcher/keys.ts';
import { startTestFleet, type TestFleet } from '#testkit/beds/start-test-fleet.ts';
import { checkGuarantees } from '#testkit/checks/check-guarantees.ts';
import { definitions, recordsCsv, testPartner, testRoute } from '#testkit/seeds/record-definitions.ts';
import { recordById, recordJobOf, recordsOf, untilFileEnded } from '#testkit/seeds/record-files.ts';

/** Behind its gateway the simulated partner knows this client. */
const CLIENT = 'globex-bank';
const OTHER = 'acme';
const SCOPES = 'rfi.validate rfi.assignments rfi.coupons';

let fleet: TestFleet;

const throughGateway = (name: string, { scope = SCOPES, clientSecret = 'rfi-client-secret' } = {}) => {
  const baseUrl = fleet.stack.endpoints.gateway;
  const auth = { type: 'oauth2-client-credentials', tokenUrl: `${baseUrl}/oauth/token`, clientId: CLIENT };
  return testPartner({ tenant: CLIENT, name, baseUrl, auth: { ...auth, clientSecret, scope } });
};
/** For as long as it takes to mend something. */
const PATIENT = { maxSweeps: 100, firstDelay: '300ms', maxDelay: '500ms', jitter: 'none' };

beforeAll(async () => {
  fleet = await startTestFleet({
    tenants: [CLIENT, OTHER],
    routes: ({ endpoints }) =>
      definitions(
        testPartner({
          tenant: OTHER,
          name: 'desk',
          baseUrl: endpoints.partnerSimulator,
          // On busy cores a good reply takes seconds too.
          timeout: '6s',
          // Fifteen of its calls hang at once here, which is not its breaker's or its limit's test.
          limits: { concurrency: 40 },
          breaker: { failures: 1_000 },
        }),
        testRoute({ tenant: OTHER, name: 'faults', partner: 'desk', retry: { maxSweeps: 1 } }),
      ),
    env: {
      gateway: { LONGSHORE_AUTHORIZER_KEYS_REFRESH_MS: '100', LONGSHORE_AUTHORIZER_KEYS_COOLDOWN_MS: '0' },
    },
  });
}, 180_000);
afterAll(() => fleet?.stop(), 60_000);

const GOOD = Array.from({ length: 100 }, (_, index) => [`good-${index + 1}`] as const);

/** A fault at every try, and what the record ends with. `calls` of the API at which it stands. */
const LASTING: readonly (readonly [remark: string, code: string, cause: string, calls: number])[] = [
  ['SIM:V:500', 'VALIDATION_ERROR', 'HTTP_500', 2],
  ['SIM:A:503-0', 'ASSIGNMENTS_ERROR', 'HTTP_503', 2],
  ['SIM:C:429-garbage', 'VERIFICATION_ERROR', 'HTTP_429', 2],
  ['SIM:V:404', 'VALIDATION_ERROR', 'HTTP_404', 2],
  ['SIM:V:reset', 'VALIDATION_ERROR', 'PARTNER_CONNECTION_LOST', 2],
  ['SIM:C:reset-after', 'VERIFICATION_ERROR', 'PARTNER_CONNECTION_LOST', 2],
  ['SIM:A:timeout', 'ASSIGNMENTS_ERROR', 'PARTNER_TIMEOUT', 2],
  ['SIM:V:timeout-after', 'VALIDATION_ERROR', 'PARTNER_TIMEOUT', 2],
  ['SIM:C:drip', 'VERIFICATION_ERROR', 'PARTNER_TIMEOUT', 2],
  ['SIM:A:bomb', 'ASSIGNMENTS_ERROR', 'PARTNER_REPLY_TOO_LARGE', 2],
  ['SIM:V:redirect', 'VALIDATION_ERROR', 'PARTNER_REDIRECT', 2],
  ['SIM:C:not-json', 'VERIFICATION_ERROR', 'PARTNER_REPLY_INVALID', 2],
  ['SIM:V:empty', 'VALIDATION_ERROR', 'PARTNER_REPLY_INVALID', 2],
  ['SIM:A:headers', 'ASSIGNMENTS_ERROR', 'PARTNER_REPLY_INVALID', 2],
  ['SIM:V:short', 'VALIDATION_ERROR', 'PARTNER_CONNECTION_LOST', 2],
  ['SIM:A:reject', 'ASSIGNMENTS_ERROR', 'BUSINESS_REJECTION', 2],
  ['SIM:C:final', 'VERIFICATION_ERROR', 'BUSINESS_REJECTION', 1],
];
const APIS = { V: 'validation', A: 'assignments', C: 'coupon-verification' } as const;
const apiOf = (remark: string) => APIS[remark.charAt('SIM:'.length) as keyof typeof APIS];
/** Once, and then all is well: from the reply to the next try at least so long, and not much longer. */
const ONCE: readonly (readonly [remark: string, leastS: number, mostS: number])[] = [
  ['SIM:V:429-0:1', 0, 0.2],
  ['SIM:A:429-5:1', 5, 5.2],
  // A date five seconds ahead, without fractions, and less what the reply takes on busy cores.
  ['SIM:C:429-date:1', 1, 5.2],
  ['SIM:V:429-garbage:1', 0, 0.2],
  ['SIM:C:503-3600:1', 3_600, 3_600.2],
];
const lastingId = (index: number) => `lasting-${index}`;
const onceId = (index: number) => `once-${index}`;

/** Tokens are counted there. */
const tokensTest = Promise.withResolvers<void>();

describe.concurrent('a partner', () => {
  test('that fails in every way fails the record that it fails for, at its step, with its cause, and no other', async () => {
    const key = `${OTHER}/faults/all.csv`;
    const rows = [
      ...LASTING.map(([remark], index) => [lastingId(index), remark] as const),
      ...ONCE.map(([remark], index) => [onceId(index), remark] as const),
      ...GOOD,
    ];
    await fleet.put(key, recordsCsv(rows));
    // Each wait is seen in its row before it is over.
    const waits = new Map<string, number>();
    await fleet.waitUntil(
      'all but those that wait for an hour have ended',
      async () => {
        const seen = await recordsOf(fleet, key);
        for (const { id, waitS } of seen)
          if (waitS !== null) waits.set(id ?? '', Math.max(waitS, waits.get(id ?? '') ?? 0));
        const open = seen.filter(({ state, waitS }) => ['PENDING', 'RUNNING'].includes(state) || waitS !== null);
        return seen.length === rows.length && open.every(({ waitS }) => (waitS ?? 0) > 60);
      },
      90_000,
    );
    const hour = ONCE.findIndex(([remark]) => remark.includes('3600'));
    expect((await recordById(fleet, key)).get(onceId(hour))).toMatchObject({
      state: 'FAILED',
      code: 'VERIFICATION_ERROR',
      cause: 'HTTP_503',
      tries: 1,
    });
    // A job counts what has ended when its chunk is settled, soon after.
    const job = await fleet.waitUntil(
      'one record is open',
      async () => {
        const now = await recordJobOf(fleet, key);
        return now?.openRecords === 1 && now;
      },
      60_000,
    );
    expect(job).toMatchObject({ state: 'WAITING', waitReason: 'RECORDS' });
    // The hour is over.
    await fleet.sql`UPDATE records SET next_attempt_at = now() WHERE next_attempt_at > now() + interval '1 minute'`;
    await untilFileEnded(fleet, key, 60_000);

    const ended = await recordById(fleet, key);
    const calls = Map.groupBy(await fleet.partner.calls(), ({ api, record }) => `${api} ${record}`);
    const callsOf = (remark: string, id: string) => calls.get(`${apiOf(remark)} ${id}`)?.length;
    for (const [index, [remark, code, cause, count]] of LASTING.entries()) {
      const row = ended.get(lastingId(index));
      expect(row, remark).toMatchObject({ state: 'FAILED', code, cause, tries: count, waitS: null });
      expect(callsOf(remark, lastingId(index)), remark).toBe(count);
    }
    for (const [index, [remark, leastS, mostS]] of ONCE.entries()) {
      expect(ended.get(onceId(index)), remark).toMatchObject({ state: 'SUCCESS', code: null, cause: null });
      expect(callsOf(remark, onceId(index)), remark).toBe(2);
      if (leastS > 0) expect(waits.get(onceId(index)), remark).toBeGreaterThanOrEqual(leastS);
      expect(waits.get(onceId(index)) ?? 0, remark).toBeLessThanOrEqual(mostS);
    }
    for (const [id] of GOOD) {
      expect(ended.get(id), id).toMatchObject({ state: 'SUCCESS', tries: 1 });
      for (const api of Object.values(APIS)) expect(calls.get(`${api} ${id}`), `${api} ${id}`).toHaveLength(1);
    }
    expect(await recordJobOf(fleet, key)).toMatchObject({ state: 'SUCCEEDED' });
  });

  test('whose tokens end in the middle of a run is shown one fresh token, and no record fails', async ({
    onTestFinished,
  }) => {
    onTestFinished(() => tokensTest.resolve());
    const key = `${CLIENT}/tokens/middle.csv`;
    await fleet.applyRoutes(
      definitions(throughGateway('tokens'), testRoute({ tenant: CLIENT, name: 'tokens', partner: 'tokens' })),
    );
    const rows = Array.from({ length: 40 }, (_, index) => [`token-${index}`, 'SIM:V:slow-100,A:slow-100'] as const);
    await fleet.put(key, recordsCsv(rows));
    const seen = async () => (await fleet.partner.calls()).filter(({ record }) => record.startsWith('token-')).length;
    await fleet.waitUntil('a third of the calls', async () => (await seen()) >= 40, 60_000);
    const issued = await fleet.partner.setIdentity({ rotateKey: true });
    await untilFileEnded(fleet, key, 60_000);
    expect((await recordsOf(fleet, key)).filter(({ state, tries }) => state !== 'SUCCESS' || tries !== 1)).toEqual([]);
    const failed = await fleet.sql`
      SELECT a.cause FROM record_attempts a JOIN jobs j ON j.id = a.job_id JOIN files f ON f.id = j.file_id
      WHERE f.key = ${key} AND a.outcome <> 'succeeded'`;
    expect([...failed]).toEqual([]);
    expect(await seen()).toBe(rows.length * 3);
    // The test next to this one asks for tokens too, and is given none before its secret is right.
    expect((await fleet.partner.setIdentity({})) - issued).toBe(1);
  });

  test('whose secret is wrong has its records wait with that cause, and go on by themselves once it is right', async () => {
    const key = `${CLIENT}/secret/wrong.csv`;
    const secretFile = (name: string) => join(fleet.home, 'keys', 'secrets', CLIENT, name);
    await writeSecret(secretFile('mistyped'), 'not-the-secret-of-this-client');
    await fleet.applyRoutes(
      definitions(
        throughGateway('mistyped', { clientSecret: 'mistyped', scope: 'rfi.validate' }),
        testRoute({
          tenant: CLIENT,
          name: 'secret',
          partner: 'mistyped',
          calls: [{ operation: 'validate', code: 'VALIDATION_ERROR' }],
          retry: PATIENT,
        }),
      ),
    );
    const rows = Array.from({ length: 10 }, (_, index) => [`secret-${index}`] as const);
    await fleet.put(key, recordsCsv(rows));
    await fleet.waitUntil(
      'each was refused twice',
      async () => {
        const refused = (await recordsOf(fleet, key)).filter(({ tries, state }) => tries >= 2 && state === 'FAILED');
        return refused.length === rows.length && refused;
      },
      60_000,
    );
    const attempts = await fleet.sql`
      SELECT DISTINCT a.code, a.cause, a.message, a.http_status FROM record_attempts a JOIN jobs j ON j.id = a.job_id
      JOIN files f ON f.id = j.file_id WHERE f.key = ${key}`;
    expect([...attempts]).toEqual([
      {
        code: 'VALIDATION_ERROR',
        cause: 'PARTNER_TOKEN_UNAVAILABLE',
        message: 'The token issuer answered HTTP 401.',
        http_status: null,
      },
    ]);
    expect(await fleet.partner.callsOf('secret-0')).toEqual([]);

    await tokensTest.promise;
    const secret = await readFile(secretFile('rfi-client-secret'), 'utf8');
    await writeSecret(secretFile('mistyped'), secret.trim());
    await untilFileEnded(fleet, key, 60_000);
    expect((await recordsOf(fleet, key)).filter(({ state }) => state !== 'SUCCESS')).toEqual([]);
    const pids = await fleet.sql`SELECT DISTINCT worker FROM record_attempts`;
    expect(pids).toHaveLength(1);
  });
});

test('a token that is not enough for one API fails its records there, with what the gateway said', async () => {
  const key = `${CLIENT}/narrow/scope.csv`;
  await fleet.applyRoutes(
    definitions(
      throughGateway('narrow', { scope: 'rfi.validate rfi.coupons' }),
      testRoute({ tenant: CLIENT, name: 'narrow', partner: 'narrow' }),
    ),
  );
  await fleet.put(key, recordsCsv([['narrow-1'], ['narrow-2']]));
  await untilFileEnded(fleet, key, 60_000);
  expect(await recordsOf(fleet, key)).toMatchObject(
    ['narrow-1', 'narrow-2'].map((id) => ({
      id,
      state: 'FAILED',
      step: 1,
      tries: 4,
      code: 'ASSIGNMENTS_ERROR',
      cause: 'HTTP_403',
      waitS: null,
    })),
  );
  expect(await recordJobOf(fleet, key)).toMatchObject({ state: 'FAILED', cause: 'RECORDS_FAILED' });
  expect((await fleet.partner.callsOf('narrow-1')).map(({ api }) => api)).toEqual(['validation']);
});

test('after all of it every guarantee holds', async () => {
  expect(await checkGuarantees(fleet)).toEqual([]);
});

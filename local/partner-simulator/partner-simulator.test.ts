import { appendFile, chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createLocalJWKSet, jwtVerify } from 'jose';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { createUndiciClient } from '#shared/http/create-undici-client.ts';
import { AUDIENCE, CLIENT, ISSUER, startTestPartner } from '#testkit/beds/partner-simulator-bed.ts';
import { startProcess } from '#testkit/servers/start-process.ts';
import { CallLedger } from './call-ledger.ts';
import { loadPartnerSimulatorConfig } from './config.ts';
import { findLedgerViolations } from './find-ledger-violations.ts';
import { findAskedFaults, parseFault } from './simulated-fault.ts';

const client = createUndiciClient({ timeoutMs: 60_000, maxBodyBytes: 100_000 });
/** For what never comes, or not whole. */
const hasty = createUndiciClient({ timeoutMs: 400, maxBodyBytes: 100_000 });

let partner: Awaited<ReturnType<typeof startTestPartner>>;
beforeEach(async () => {
  partner = await startTestPartner();
});
afterEach(() => partner.stop());

async function post(path: string, body: object, headers: Record<string, string> = {}, via = client) {
  const outcome = await via.send({
    method: 'POST',
    url: new URL(path, partner.simulator.url),
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify(body),
  });
  const headersOf: Readonly<Record<string, string | string[] | undefined>> =
    outcome.type === 'replied' ? outcome.headers : {};
  if (outcome.type !== 'replied') return { status: 0, headers: headersOf, outcome, json: undefined };
  const text = outcome.body.toString();
  return {
    status: outcome.status,
    headers: headersOf,
    outcome,
    json: text.startsWith('{') ? JSON.parse(text) : text,
  };
}

async function get(path: string) {
  const outcome = await client.send({ method: 'GET', url: new URL(path, partner.simulator.url) });
  if (outcome.type !== 'replied') throw new Error(outcome.message);
  return { status: outcome.status, json: JSON.parse(outcome.body.toString()) };
}

const callsOf = (record: string) => partner.simulator.ledger.find({ record });

describe('the three checks', () => {
  test('answer a good record, and are in the ledger', async () => {
    expect(await post('/validation', { recordKey: 'r1' })).toMatchObject({ status: 200, json: { status: 'VALID' } });
    expect(await get('/assignments?recordKey=r1')).toMatchObject({
      status: 200,
      json: { assignments: [{ active: true }] },
    });
    expect(await post('/baec/coupon-verifications', { recordKey: 'r1' })).toMatchObject({ json: { verified: true } });
    const { json } = await get('/_ledger?record=r1');
    expect(json.calls).toMatchObject([
      { seq: 1, api: 'validation', outcome: 'accepted', effect: 'none' },
      { seq: 2, api: 'assignments', outcome: 'accepted' },
      { seq: 3, api: 'coupon-verification', outcome: 'accepted' },
    ]);
    expect((await get('/_ledger/summary')).json).toMatchObject({
      calls: { validation: 1, assignments: 1, 'coupon-verification': 1 },
      violations: [],
    });
  });

  test('each reject a record in their own words', async () => {
    expect(await post('/validation', { recordKey: 'r', m: 'SIM:V:REJECT' })).toMatchObject({
      status: 422,
      json: { code: 'V042', final: false },
    });
    expect(await get('/assignments?recordKey=r&m=SIM:A:FINAL')).toMatchObject({
      status: 200,
      json: { code: 'A017', final: true },
    });
    expect(await post('/baec/coupon-verifications', { recordKey: 'r', m: 'SIM:C:REJECT' })).toMatchObject({
      status: 200,
      json: { verified: false, code: 'C009' },
    });
  });

  test('refuse what is no JSON object, too large, or another method, without a line in the ledger', async () => {
    const url = new URL('/validation', partner.simulator.url);
    for (const body of ['{', '[]', ''])
      expect(await client.send({ method: 'POST', url, body })).toMatchObject({ status: 400 });
    expect(await client.send({ method: 'POST', url, body: Buffer.alloc(1_100_000) })).toMatchObject({ status: 413 });
    expect(await client.send({ method: 'GET', url })).toMatchObject({ status: 405 });
    expect(partner.simulator.ledger.calls).toEqual([]);
  });
});

describe('a magic value', () => {
  test('fails as many calls of its record at its API as it says, and no others', async () => {
    const magic = { recordKey: 'r1', coupon: 'SIM:C:500:2,V:503:1   ' };
    const statuses: number[] = [];
    for (const path of ['/validation', '/validation', ...Array(3).fill('/baec/coupon-verifications')]) {
      statuses.push((await post(path, magic)).status);
    }
    expect(statuses).toEqual([503, 200, 500, 500, 200]);
    expect((await post('/baec/coupon-verifications', { recordKey: 'r2' })).status).toBe(200);
  });

  test.each([
    ['429-0', 429, '0'],
    ['429-5', 429, '5'],
    ['429-3600', 429, '3600'],
    ['503-5', 503, '5'],
    ['429', 429, undefined],
    ['500', 500, undefined],
    ['429-garbage', 429, 'soon, perhaps; -1'],
  ])('%s gives status and Retry-After', async (word, status, retryAfter) => {
    const reply = await post('/validation', { recordKey: 'r', m: `SIM:V:${word}` });
    expect(reply.status).toBe(status);
    expect(reply.headers['retry-after']).toBe(retryAfter);
  });

  test('429-date names a date ahead', async () => {
    const askedAt = Date.now();
    const { headers } = await post('/validation', { recordKey: 'r', m: 'SIM:V:429-date' });
    const date = Date.parse(String(headers['retry-after']));
    expect(date - askedAt).toBeGreaterThan(2_000);
    expect(date - Date.now()).toBeLessThan(6_000);
  });

  test.each([
    ['reset', { type: 'no-reply', cause: 'lost' }],
    ['timeout', { type: 'no-reply', cause: 'timeout' }],
    ['timeout-after', { type: 'no-reply', cause: 'timeout' }],
    ['drip', { type: 'replied', bodyFault: { cause: 'late' } }],
    ['bomb', { type: 'replied', bodyFault: { cause: 'too-large' } }],
    ['redirect', { type: 'replied', status: 302 }],
    ['not-json', { type: 'replied', status: 200, body: Buffer.from('<html>Welcome</html>') }],
    ['empty', { type: 'replied', status: 200, body: Buffer.alloc(0) }],
    ['short', { type: 'replied', bodyFault: { cause: 'cut-off' } }],
    ['headers', { type: 'no-reply' }],
  ])('%s goes wrong on the wire', async (word, expected) => {
    const isEndless = /^(timeout|drip)/.test(word);
    const { outcome } = await post(
      '/validation',
      { recordKey: 'r', m: `SIM:V:${word}` },
      {},
      isEndless ? hasty : client,
    );
    expect(outcome).toMatchObject(expected);
    expect(callsOf('r')).toMatchObject([{ outcome: 'faulted', fault: word }]);
    expect(partner.simulator.followedRedirects).toBe(0);
  });

  test('slow answers late and well', async () => {
    const begun = performance.now();
    expect((await post('/validation', { recordKey: 'r', m: 'SIM:V:slow-150' })).status).toBe(200);
    expect(performance.now() - begun).toBeGreaterThan(145);
    expect(callsOf('r')).toMatchObject([{ outcome: 'accepted' }]);
  });

  test('that says nothing known is plain data', () => {
    for (const value of ['SIM:', 'SIM:V', 'SIM:X:500', 'SIM:V:500:x', 'sim:V:500', ' SIM:V:500']) {
      expect(findAskedFaults([value], 'validation')).toEqual([]);
    }
    for (const word of ['', '200', '600', '429-', '429-999999', 'constructor', '__proto__']) {
      expect(parseFault(word, 0)).toBeUndefined();
    }
  });
});

describe('faults and latencies for all', () => {
  const put = (path: string, body: object) =>
    client.send({ method: 'PUT', url: new URL(path, partner.simulator.url), body: JSON.stringify(body) });

  test('hit their share of the calls, the same ones for the same seed', async () => {
    const run = async () => {
      const other = await startTestPartner({ seed: 7 });
      other.simulator.setBehaviour({ faults: [{ api: 'validation', fault: '500', share: 0.3 }] });
      const statuses: number[] = [];
      for (let index = 0; index < 60; index += 1) {
        const url = new URL('/validation', other.simulator.url);
        const outcome = await client.send({ method: 'POST', url, body: JSON.stringify({ recordKey: `r${index}` }) });
        statuses.push(outcome.type === 'replied' ? outcome.status : 0);
      }
      await other.stop();
      return statuses;
    };
    const first = await run();
    expect(await run()).toEqual(first);
    const failed = first.filter((status) => status === 500).length;
    expect(failed).toBeGreaterThan(8);
    expect(failed).toBeLessThan(30);
  });

  test('are set while it runs, and refused when they make no sense', async () => {
    expect(await put('/_behaviour', { latencies: [{ api: '*', fromMs: 100, toMs: 120 }] })).toMatchObject({
      status: 200,
    });
    const begun = performance.now();
    await post('/validation', { recordKey: 'r' });
    expect(performance.now() - begun).toBeGreaterThan(95);
    for (const wrong of [{ faults: [{ api: 'x', fault: '500' }] }, { faults: [{ api: '*', fault: 'x' }] }, { a: 1 }]) {
      expect(await put('/_behaviour', wrong)).toMatchObject({ status: 400 });
    }
  });
});

describe('an operation with effects', () => {
  const redeem = (recordKey: string, key: string, more: object = {}, via = client) =>
    post('/coupon-redemptions', { recordKey, ...more }, { 'idempotency-key': key }, via);

  test('has one effect per key, and answers the same again', async () => {
    const replies = await Promise.all([1, 2, 3, 4, 5].map(() => redeem('r1', 'k1')));
    expect(new Set(replies.map(({ json }) => json.reference)).size).toBe(1);
    expect(callsOf('r1').map(({ effect }) => effect)).toEqual(['made', 'replayed', 'replayed', 'replayed', 'replayed']);
    expect(findLedgerViolations(partner.simulator.ledger.calls)).toEqual([]);
  });

  test('refuses a key that comes with other contents', async () => {
    await redeem('r1', 'k1');
    expect(await redeem('r2', 'k1')).toMatchObject({ status: 422, json: { code: 'IDEMPOTENCY_KEY_REUSED' } });
    expect(callsOf('r2')).toMatchObject([{ effect: 'none', outcome: 'rejected' }]);
  });

  test.each([
    ['timeout', 'none'],
    ['timeout-after', 'made'],
    ['reset', 'none'],
    ['reset-after', 'made'],
    ['500', 'none'],
    ['500-after', 'made'],
    ['bomb', 'made'],
  ])('was done or not when %s hides it: %s', async (word, effect) => {
    await redeem('r1', 'k1', { m: `SIM:R:${word}:1` }, word.startsWith('timeout') ? hasty : client);
    expect(callsOf('r1')).toMatchObject([{ outcome: 'faulted', effect }]);
    expect(await redeem('r1', 'k1', { m: `SIM:R:${word}:1` })).toMatchObject({ status: 201 });
    expect(callsOf('r1').filter((call) => call.effect === 'made')).toHaveLength(1);
  });

  test('that knows no keys does it again each time, which the ledger tells', async () => {
    const headers = { 'idempotency-key': 'k1' };
    await post('/unkeyed-redemptions', { recordKey: 'r1' }, headers);
    await post('/unkeyed-redemptions', { recordKey: 'r1' }, headers);
    expect(callsOf('r1').map(({ effect }) => effect)).toEqual(['made', 'made']);
    expect(findLedgerViolations(partner.simulator.ledger.calls)).toHaveLength(1);
  });
});

test('the ledger tells of a step without the success of the one before', async () => {
  await post('/validation', { recordKey: 'r1', m: 'SIM:V:reset' });
  await get('/assignments?recordKey=r1');
  await get('/assignments?recordKey=r2');
  await post('/validation', { recordKey: 'r3' });
  await get('/assignments?recordKey=r3');
  expect((await get('/_ledger/summary')).json.violations).toEqual([
    'call 2: assignments of record r1 without a success of validation',
    'call 3: assignments of record r2 without a success of validation',
  ]);
});

test('the ledger holds no header but the key, the request and the subject', async () => {
  await post(
    '/validation',
    { recordKey: 'r1' },
    { authorization: 'Bearer secret-token', 'x-authorizer-subject': 'longshore' },
  );
  const text = await readFile(join(partner.directory, 'ledger.ndjson'), 'utf8');
  expect(text).not.toContain('secret-token');
  expect(JSON.parse(text)).toMatchObject({ subject: 'longshore' });
});

test('a line that a kill cut off is dropped, and the next is whole', async () => {
  const file = join(partner.directory, 'cut.ndjson');
  const first = new CallLedger(file);
  const call = {
    at: '2026-01-01T00:00:00Z',
    api: 'validation',
    record: 'r',
    outcome: 'accepted',
    effect: 'none',
    contentHash: 'x',
  } as const;
  first.append({ seq: 1, ...call });
  first.close();
  await appendFile(file, '{"seq":2,"at":"2026');
  const second = new CallLedger(file);
  expect(second.nextSeq).toBe(2);
  second.append({ seq: 2, ...call });
  second.close();
  const third = new CallLedger(file);
  expect(third.calls).toEqual([
    { seq: 1, ...call },
    { seq: 2, ...call },
  ]);
  expect(third.countCalls('validation', 'r')).toBe(2);
  third.close();
});

test('its behaviour from the start is a variable, refused with the place of its fault', async () => {
  const load = (behaviour: string) =>
    loadPartnerSimulatorConfig({
      LONGSHORE_HTTP_PORT: '1',
      LONGSHORE_SIMULATOR_DIRECTORY: '/nowhere',
      LONGSHORE_SIMULATOR_CLIENTS_FILE: '/nowhere/clients.json',
      LONGSHORE_SIMULATOR_BEHAVIOUR: behaviour,
    }).LONGSHORE_SIMULATOR_BEHAVIOUR;
  expect(() => load('{')).toThrow(/LONGSHORE_SIMULATOR_BEHAVIOUR: must be JSON/);
  expect(() => load('{"faults":[{"api":"*","fault":"boo"}]}')).toThrow(/faults.0.fault: is not a fault/);
  const behaviour = load('{"faults":[{"api":"validation","fault":"503"}]}');
  const faulty = await startTestPartner(behaviour === undefined ? {} : { behaviour });
  try {
    const url = new URL('/validation', faulty.simulator.url);
    expect(await client.send({ method: 'POST', url, body: '{}' })).toMatchObject({ status: 503 });
  } finally {
    await faulty.stop();
  }
});

test('a simulator that was killed remembers every call, every effect, and how often it failed', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'longshore-partner-'));
  const clientsFile = join(directory, 'clients.json');
  await writeFile(clientsFile, JSON.stringify([CLIENT]));
  await chmod(clientsFile, 0o600);
  const start = async () => {
    const child = startProcess([fileURLToPath(new URL('main.ts', import.meta.url))], {
      env: {
        LONGSHORE_HTTP_PORT: '0',
        LONGSHORE_SIMULATOR_DIRECTORY: directory,
        LONGSHORE_SIMULATOR_CLIENTS_FILE: clientsFile,
      },
    });
    const [, url] = await child.untilLine(/"url":"([^"]+)"/);
    const send = async (path: string, body: object, headers: Record<string, string> = {}) =>
      createUndiciClient({ timeoutMs: 5_000, maxBodyBytes: 1_000_000 }).send({
        method: path.startsWith('/_') ? 'GET' : 'POST',
        url: new URL(path, url),
        headers,
        ...(path.startsWith('/_') ? {} : { body: JSON.stringify(body) }),
      });
    return { send, kill: () => child.end('SIGKILL') };
  };
  try {
    const before = await start();
    const key = { 'idempotency-key': 'k1' };
    const magic = { recordKey: 'r1', m: 'SIM:V:500:2' };
    const redeemed = await before.send('/coupon-redemptions', { recordKey: 'r1' }, key);
    expect(await before.send('/validation', magic)).toMatchObject({ status: 500 });
    // A hundred under way while it dies: whatever was answered has to be in the ledger.
    const answered: string[] = [];
    const flood = Array.from({ length: 100 }, async (_, index) => {
      const outcome = await before.send('/validation', { recordKey: `f${index}` });
      if (outcome.type === 'replied') answered.push(`f${index}`);
      if (answered.length === 20) await before.kill();
    });
    await Promise.all(flood);
    expect(answered.length).toBeGreaterThanOrEqual(20);
    const after = await start();
    const ledger = await after.send('/_ledger', {});
    if (ledger.type !== 'replied') throw new Error(ledger.message);
    const { calls } = JSON.parse(ledger.body.toString()) as { calls: { record: string; seq: number }[] };
    expect(answered.filter((record) => !calls.some((call) => call.record === record))).toEqual([]);
    expect(calls.map(({ seq }) => seq)).toEqual(calls.map((_, index) => index + 1));
    expect(await after.send('/coupon-redemptions', { recordKey: 'r1' }, key)).toMatchObject({
      status: 201,
      body: redeemed.type === 'replied' ? redeemed.body : '',
    });
    expect(await after.send('/validation', magic)).toMatchObject({ status: 500 });
    expect(await after.send('/validation', magic)).toMatchObject({ status: 200 });
    await after.kill();
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
});

describe('its issuer of tokens', () => {
  const ask = (form: Record<string, string>, headers: Record<string, string> = {}) =>
    client.send({
      method: 'POST',
      url: new URL('/oauth/token', partner.simulator.url),
      headers: { 'content-type': 'application/x-www-form-urlencoded', ...headers },
      body: new URLSearchParams({ grant_type: 'client_credentials', ...form }).toString(),
    });
  const body = { client_id: CLIENT.id, client_secret: CLIENT.secret };

  test('gives a token that its public keys verify', async () => {
    const basic = Buffer.from(`${CLIENT.id}:${CLIENT.secret}`).toString('base64');
    for (const outcome of [
      await ask(body),
      await ask({ scope: 'rfi.validate' }, { authorization: `Basic ${basic}` }),
    ]) {
      if (outcome.type !== 'replied') throw new Error(outcome.message);
      const { access_token, expires_in } = JSON.parse(outcome.body.toString());
      expect(expires_in).toBe(300);
      const keys = createLocalJWKSet((await get('/.well-known/jwks.json')).json);
      const { payload } = await jwtVerify(access_token, keys, { issuer: ISSUER, audience: AUDIENCE });
      expect(payload).toMatchObject({ sub: 'longshore', scope: expect.stringContaining('rfi.validate') });
    }
    expect(partner.simulator.identity.issued).toBe(2);
  });

  test('gives none for a wrong secret, scope or grant', async () => {
    expect(await ask({ ...body, client_secret: 'wrong' })).toMatchObject({ status: 401 });
    expect(await ask({})).toMatchObject({ status: 401 });
    expect(await ask({ ...body, scope: 'admin' })).toMatchObject({ status: 400 });
    expect(await ask({ ...body, grant_type: 'password' })).toMatchObject({ status: 400 });
    expect(partner.simulator.identity.issued).toBe(0);
  });
});

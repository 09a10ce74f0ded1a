import { createHash, createHmac } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { createAddressGuard } from '#shared/http/address-guard.ts';
import { createLogger } from '#shared/runtime/logger.ts';
import { createFileSecretStore } from '#shared/runtime/secrets/file-secret-store.ts';
import { examplePartner } from '#testkit/beds/partner-bed.ts';
import { AUDIENCE, CLIENT, ISSUER, startTestPartner } from '#testkit/beds/partner-simulator-bed.ts';
import { startTokenGateway } from '#testkit/servers/start-token-gateway.ts';
import { createPartnerCaller, type PartnerCallerOptions } from './call-partner.ts';
import type { MadeCall } from './report-calls.ts';

let directory: string;
const closers: (() => unknown)[] = [];
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'longshore-calls-'));
  closers.push(() => rm(directory, { recursive: true, force: true }));
});
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

const putSecret = (name: string, text: string) => writeFile(join(directory, name), text, { mode: 0o600 });

function openCaller(baseUrl: string, changes: Record<string, unknown> = {}, more: Partial<PartnerCallerOptions> = {}) {
  const caller = createPartnerCaller({
    definition: examplePartner({ baseUrl, timeout: '20s', maxReply: '100KB', ...changes }),
    secrets: createFileSecretStore(directory),
    addressGuard: createAddressGuard({ allow: ['127.0.0.0/8'] }),
    ...more,
  });
  closers.push(caller.close);
  const call = (operation: string, record: Record<string, unknown> = {}, idempotencyKey?: string) =>
    caller.call({
      operation,
      values: {
        record: { key: 'r1', amount: 12.5, name: ' ann ', magic: '', ...record },
        replies: { validate: { reference: 'V-1' } },
        meta: {},
      },
      requestId: 'q-1',
      ...(idempotencyKey !== undefined && { idempotencyKey }),
    });
  return { caller, call };
}

async function openPartner() {
  const { simulator, stop } = await startTestPartner();
  closers.push(stop);
  return simulator;
}

/** Short where the test waits for it; where it does not, a busy machine must not meet it. */
const limitFor = (fault: string) => (/^(timeout|drip)/.test(fault) ? { timeout: '1s' } : {});

async function serve(listener: RequestListener) {
  const server = createServer(listener);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  closers.push(
    () => server.close(),
    () => server.closeAllConnections(),
  );
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

describe('one call is one request, and one outcome', () => {
  test('of a good record, with values of the record and of earlier replies', async () => {
    const partner = await openPartner();
    const { call } = openCaller(partner.url);
    expect(await call('validate')).toEqual({
      type: 'success',
      output: { reference: 'VAL-1' },
      reference: 'VAL-1',
      httpStatus: 200,
    });
    expect(await call('assignments')).toEqual({
      type: 'success',
      output: { assignment: 'A-2', active: true },
      httpStatus: 200,
    });
    expect(partner.ledger.calls).toMatchObject([{ record: 'r1', requestId: 'q-1' }, { record: 'r1' }]);
  });

  test('counts what was sent, and nothing else', async () => {
    const made: MadeCall[] = [];
    const partner = await openPartner();
    const { call } = openCaller(partner.url, {}, { onMade: (each) => made.push(each) });
    await call('validate');
    const gone = openCaller('http://127.0.0.1:1', { breaker: { failures: 1 } }, { onMade: (each) => made.push(each) });
    await gone.call('validate');
    expect(await gone.call('validate')).toMatchObject({ type: 'wait' });
    expect(made.map(({ durationMs, ...each }) => ({ ...each, isTimed: durationMs > 0 }))).toMatchObject([
      { outcome: 'success', httpStatus: 200, cause: undefined, isTimed: true },
      { outcome: 'retryable', httpStatus: undefined, cause: expect.stringMatching(/^PARTNER_/), isTimed: true },
    ]);
  });

  test.each([
    ['500', 'retryable', 'HTTP_500'],
    ['429-5', 'retryable', 'HTTP_429'],
    ['reset', 'retryable', 'PARTNER_CONNECTION_LOST'],
    ['timeout', 'retryable', 'PARTNER_TIMEOUT'],
    ['timeout-after', 'retryable', 'PARTNER_TIMEOUT'],
    ['drip', 'retryable', 'PARTNER_TIMEOUT'],
    ['bomb', 'retryable', 'PARTNER_REPLY_TOO_LARGE'],
    ['redirect', 'failed', 'PARTNER_REDIRECT'],
    ['not-json', 'retryable', 'PARTNER_REPLY_INVALID'],
    ['empty', 'retryable', 'PARTNER_REPLY_INVALID'],
    ['short', 'retryable', ''],
    ['headers', 'retryable', 'PARTNER_REPLY_INVALID'],
    ['reject', 'failed', 'BUSINESS_REJECTION'],
    ['final', 'failed', 'BUSINESS_REJECTION'],
  ])('when a check meets %s', async (fault, type, cause) => {
    const partner = await openPartner();
    const { call } = openCaller(partner.url, {
      ...limitFor(fault),
      operations: {
        check: {
          ...examplePartner().operations.validate,
          body: { recordKey: '{{ record.key }}', m: '{{ record.magic }}' },
        },
      },
    });
    const outcome = await call('check', { magic: `SIM:V:${fault}` });
    expect(outcome).toMatchObject({ type, cause: expect.stringContaining(cause) });
    expect(partner.ledger.calls).toHaveLength(1);
    expect(partner.followedRedirects).toBe(0);
  });

  test.each(['timeout-after', 'reset-after', 'timeout', 'bomb', '500-after'])(
    'and ambiguous, not sent again, when an effect without keys meets %s',
    async (fault) => {
      const partner = await openPartner();
      const { call } = openCaller(partner.url, limitFor(fault));
      expect(await call('redeem-unkeyed', { magic: `SIM:U:${fault}` }, 'k1')).toMatchObject({ type: 'ambiguous' });
      expect(partner.ledger.calls).toHaveLength(1);
    },
  );

  test('with one effect per idempotency key, however often it is called', async () => {
    const partner = await openPartner();
    const { call } = openCaller(partner.url);
    const outcomes = [await call('redeem', {}, 'k1'), await call('redeem', {}, 'k1')];
    expect(outcomes[0]).toEqual(outcomes[1]);
    expect(partner.ledger.calls.map(({ effect }) => effect)).toEqual(['made', 'replayed']);
  });

  test('which is not made when its caller has second thoughts right before it, or was stopped', async () => {
    const partner = await openPartner();
    const { caller, call } = openCaller(partner.url);
    const values = { record: { key: 'r1', magic: '' }, replies: {}, meta: {} };
    const redeem = { operation: 'redeem-unkeyed', values, requestId: 'q-1' };
    expect(await caller.call({ ...redeem, beforeSend: async () => false })).toEqual({ type: 'withdrawn' });
    expect(await caller.call({ ...redeem, signal: AbortSignal.abort() })).toEqual({ type: 'withdrawn' });
    await expect(caller.call({ ...redeem, beforeSend: () => Promise.reject(new Error('no')) })).rejects.toThrow('no');
    expect(partner.ledger.calls).toHaveLength(0);
    expect(await call('redeem-unkeyed')).toMatchObject({ type: 'success', httpStatus: 201 });
  });

  test('and none when no request can be made, or the address may not be called', async () => {
    const partner = await openPartner();
    const { call } = openCaller(partner.url);
    expect(await call('validate', { amount: undefined })).toMatchObject({
      type: 'failed',
      isFinal: true,
      cause: 'PARTNER_REQUEST_INVALID',
    });
    const guarded = openCaller(partner.url, {}, { addressGuard: createAddressGuard({ allow: [] }) });
    expect(await guarded.call('validate')).toMatchObject({ type: 'failed', cause: 'PARTNER_ADDRESS_REFUSED' });
    expect(partner.ledger.calls).toHaveLength(0);
  });
});

describe('who we are', () => {
  test('is a secret in a header, which a rotation changes at once; a missing one sends nothing', async () => {
    const seen: unknown[] = [];
    const url = await serve((request, response) => {
      seen.push(request.headers['x-api-key']);
      response.end('{"status":"VALID"}');
    });
    const { call } = openCaller(url, {
      auth: { type: 'static', header: 'X-Api-Key', prefix: 'k ', secret: 'api-key' },
    });
    const missing = await call('validate');
    expect(missing).toMatchObject({ type: 'retryable', cause: 'SECRET_UNAVAILABLE' });
    await putSecret('api-key', 'first');
    await call('validate');
    await putSecret('api-key', 'second-hush');
    expect(JSON.stringify(await call('validate'))).not.toContain('hush');
    await putSecret('api-key', 'with\nline ends');
    expect(await call('validate')).toMatchObject({ type: 'retryable', cause: 'SECRET_UNAVAILABLE' });
    expect(seen).toEqual(['k first', 'k second-hush']);
  });

  test('is a signature over time, method, path, query and body', async () => {
    const seen: { request: IncomingMessage; body: string }[] = [];
    const url = await serve(async (request, response) => {
      seen.push({ request, body: Buffer.concat(await request.toArray()).toString() });
      response.end('{}');
    });
    await putSecret('hmac', 'shared');
    const { call } = openCaller(url, { auth: { type: 'hmac', secret: 'hmac' } });
    await call('validate');
    await call('assignments');
    expect(seen).toHaveLength(2);
    for (const { request, body } of seen) {
      const hash = createHash('sha256').update(body).digest('hex');
      const signed = `${request.headers['x-timestamp']}.${request.method}.${request.url}.${hash}`;
      expect(request.headers['x-signature']).toBe(createHmac('sha256', 'shared').update(signed).digest('hex'));
    }
  });

  describe('is an access token at a gateway', () => {
    async function openGuarded(changes: Record<string, unknown> = {}) {
      const partner = await openPartner();
      const lines: string[] = [];
      const logger = createLogger({ service: 'gateway', destination: { write: (line: string) => lines.push(line) } });
      const gateway = await startTokenGateway({ partnerUrl: partner.url, issuer: ISSUER, audience: AUDIENCE, logger });
      closers.push(gateway.stop);
      await putSecret('client-secret', CLIENT.secret);
      const auth = {
        type: 'oauth2-client-credentials',
        tokenUrl: `${partner.url}/oauth/token`,
        clientId: CLIENT.id,
        clientSecret: 'client-secret',
        ...changes,
      };
      return { partner, ...openCaller(gateway.url, { auth }) };
    }

    test.each(['basic', 'body'])('fetched once for many calls, credentials in %s', async (credentials) => {
      const { partner, call } = await openGuarded({ credentials });
      const outcomes = await Promise.all(
        Array.from({ length: 10 }, (_, index) => call('validate', { key: `r${index}` })),
      );
      expect(outcomes.every(({ type }) => type === 'success')).toBe(true);
      expect(partner.identity.issued).toBe(1);
    });

    test('replaced once when it is refused in the middle, and the call goes on', async () => {
      const { partner, call } = await openGuarded();
      await call('validate');
      await partner.identity.rotateKey();
      expect(await call('validate')).toMatchObject({ type: 'success' });
      expect(partner.identity.issued).toBe(2);
      expect(partner.ledger.calls).toHaveLength(2);
    });

    test('not fetched again and again when fresh ones are refused too, nor when its scope does not suffice', async () => {
      const { partner, call } = await openGuarded({ scope: 'rfi.coupons' });
      expect(await call('validate')).toMatchObject({ type: 'failed', cause: 'HTTP_403' });
      expect(partner.identity.issued).toBe(1);
      let asked = 0;
      const url = await serve((request, response) => {
        request.resume();
        asked += 1;
        response.writeHead(401).end();
      });
      const tokenUrl = `${partner.url}/oauth/token`;
      const auth = { type: 'oauth2-client-credentials', tokenUrl, clientId: CLIENT.id, clientSecret: 'client-secret' };
      expect(await openCaller(url, { auth }).call('validate')).toMatchObject({ type: 'retryable', cause: 'HTTP_401' });
      expect([asked, partner.identity.issued]).toEqual([2, 3]);
      expect(partner.ledger.calls).toHaveLength(0);
    });

    test('not to be had with a wrong secret, until that is put right; nobody reads it meanwhile', async () => {
      const { partner, call } = await openGuarded();
      await putSecret('client-secret', 'wrong-and-hush');
      const outcome = await call('validate');
      expect(outcome).toMatchObject({ type: 'retryable', cause: 'PARTNER_TOKEN_UNAVAILABLE' });
      expect(JSON.stringify(outcome)).not.toContain('hush');
      await putSecret('client-secret', CLIENT.secret);
      expect(await call('validate')).toMatchObject({ type: 'success' });
      expect(partner.ledger.calls).toHaveLength(1);
    });
  });
});

test('a secret inside an encoded text is taken out of the words of a partner too', async () => {
  const secret = 'SEED/s+"TOKEN?~a1b2';
  const around = ['', 'k', 'Bearer '].map((before) => Buffer.from(`${before}${secret} after`));
  const hex = Buffer.from(secret).toString('hex');
  const spellings = [
    ...around.flatMap((text) => [text.toString('base64'), text.toString('base64url')]),
    hex,
    hex.toUpperCase(),
    encodeURIComponent(secret).replace(/%../g, (code) => code.toLowerCase()),
    new URLSearchParams({ secret }).toString(),
  ];
  let answered = 0;
  const url = await serve((_request, response) => {
    const asked = spellings[answered++];
    response.writeHead(422).end(JSON.stringify({ status: 'INVALID', code: 'X', message: `(${asked})` }));
  });
  await putSecret('api-key', secret);
  const { call } = openCaller(url, {
    auth: { type: 'static', header: 'Authorization', prefix: 'Bearer ', secret: 'api-key' },
  });
  for (const index of spellings.keys())
    expect(JSON.stringify(await call('validate', { requestId: String(index) })), spellings[index]).toContain(
      '[redacted]',
    );
});

test.each<[string, (secret: string) => string]>([
  ['wrapped', (secret) => secret.replace(/.{20}/g, '$&\r\n ')],
  ['in lower case', (secret) => secret.toLowerCase()],
  ['cut off', (secret) => `${secret.slice(0, 30)}...`],
  ['in two halves', (secret) => `${secret.slice(0, 25)} and ${secret.slice(25)}`],
  ['masked in its middle', (secret) => `${secret.slice(0, 20)}****${secret.slice(-20)}`],
  ['spread', (secret) => [...secret].join(' ')],
  ['wrapped as base64', (secret) => Buffer.from(`id:${secret}`).toString('base64').replace(/.{30}/g, '$&\n')],
])('a secret that comes back %s is in no word that is kept', async (_how, rewrite) => {
  const secret = 'SEEDk3y_Qw9ZpL0vTn4HsXb7RmYc2GdUf6JaEi8OoNe5';
  const url = await serve((_request, response) => {
    response
      .writeHead(422)
      .end(JSON.stringify({ status: 'INVALID', code: 'X', message: `the key ${rewrite(secret)} is unknown` }));
  });
  await putSecret('api-key', secret);
  const { call } = openCaller(url, {
    auth: { type: 'static', header: 'Authorization', prefix: 'Bearer ', secret: 'api-key' },
  });
  const outcome = JSON.stringify(await call('validate'));
  expect(outcome).toContain('[redacted]');
  const plain = outcome.replaceAll(/[\s\\]|\\[nr]/g, '').toLowerCase();
  for (const part of [secret, Buffer.from(`id:${secret}`).toString('base64')])
    for (let at = 0; at + 12 <= part.length; at += 1)
      expect(plain).not.toContain(part.slice(at, at + 12).toLowerCase());
  expect(outcome).toContain('the key');
});

test('what is sent as a secret is in no word that is kept of the partner, however it was written', async () => {
  const secret = 'SEED/static TOKEN+a1b2"c3';
  const url = await serve((request, response) => {
    const sent = String(request.headers.authorization);
    const spellings = [sent, Buffer.from(secret).toString('base64'), encodeURIComponent(secret)];
    response
      .writeHead(422)
      .end(JSON.stringify({ status: 'INVALID', code: spellings[0], message: spellings.join(' ') }));
  });
  await putSecret('api-key', secret);
  const { call } = openCaller(url, {
    auth: { type: 'static', header: 'Authorization', prefix: 'Bearer ', secret: 'api-key' },
  });
  const outcome = JSON.stringify(await call('validate'));
  expect(outcome).toContain('Bearer [redacted]');
  for (const part of ['SEED', 'a1b2', Buffer.from(secret).toString('base64').slice(0, 12)])
    expect(outcome).not.toContain(part);
});

test('a client key that is none is a secret to be put right: nothing is sent, and no effect is in doubt', async () => {
  const partner = await openPartner();
  await putSecret('pem', 'this is no PEM');
  const { call } = openCaller(partner.url.replace('http:', 'https:'), { tls: { key: 'pem', certificate: 'pem' } });
  const outcome = await call('redeem-unkeyed');
  expect(outcome).toMatchObject({ type: 'retryable', cause: 'SECRET_UNAVAILABLE' });
  expect(JSON.stringify(outcome)).not.toContain('no PEM');
  expect(partner.ledger.calls).toEqual([]);
});

describe('a token issuer', () => {
  const settings = { type: 'oauth2-client-credentials', clientId: 'c', clientSecret: 'client-secret' };

  async function openIssuer(answer: { status: number; body: string }) {
    let asked = 0;
    let nowMs = 1_000_000;
    const tokenUrl = await serve((request, response) => {
      request.resume();
      asked += 1;
      response.writeHead(answer.status).end(answer.body);
    });
    const url = await serve((request, response) => {
      request.resume();
      response.end('{"status":"VALID"}');
    });
    await putSecret('client-secret', 'hush-hush');
    const { call } = openCaller(url, { auth: { ...settings, tokenUrl } }, { now: () => nowMs });
    return { call, asked: () => asked, pass: (ms: number) => (nowMs += ms), answer };
  }

  test.each([
    ['BearerToken', '{"access_token":"t","token_type":"BearerToken"}'],
    ['blanks', '{"access_token":" t\\n","token_type":"Bearer "}'],
    ['no type', '{"access_token":"t"}'],
    ['a mark', '\ufeff{"access_token":"t","token_type":"bearer"}'],
    ['a lifetime as text', '{"access_token":"t","expires_in":"1799"}'],
    ['no lifetime', '{"access_token":"t","expires_in":null}'],
    ['a lifetime that is none', '{"access_token":"t","expires_in":"soon"}'],
  ])('with %s in its reply is understood, whatever its 2xx', async (_name, body) => {
    for (const status of [200, 201]) {
      const { call } = await openIssuer({ status, body });
      expect(await call('validate')).toMatchObject({ type: 'success' });
    }
  });

  test.each([500, 502, 503, 429, 408])(
    'that answers %i is waited for, ever longer, and asked once each time',
    async (status) => {
      const issuer = await openIssuer({ status, body: '' });
      const waits: number[] = [];
      for (let turn = 0; turn < 8; turn += 1) {
        const [outcome, again] = [await issuer.call('redeem-unkeyed'), await issuer.call('validate')];
        if (outcome.type !== 'wait' || again.type !== 'wait') throw new Error('a wait was expected');
        expect(outcome).toMatchObject({ reason: 'token', cause: 'PARTNER_TOKEN_UNAVAILABLE' });
        waits.push(outcome.afterMs);
        expect(issuer.asked()).toBe(turn + 1);
        issuer.pass(outcome.afterMs);
      }
      expect(waits).toEqual([1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000]);
      Object.assign(issuer.answer, { status: 200, body: '{"access_token":"t"}' });
      expect(await issuer.call('validate')).toMatchObject({ type: 'success' });
    },
  );

  test.each([
    [401, '{"error":"invalid_client"}'],
    [400, ''],
    [200, '<html>'],
    [200, '{"access_token":"t","token_type":"mac"}'],
  ])('that answers %i %s needs a person: the call fails, retryable', async (status, body) => {
    const { call } = await openIssuer({ status, body });
    expect(await call('redeem-unkeyed')).toMatchObject({ type: 'retryable', cause: 'PARTNER_TOKEN_UNAVAILABLE' });
  });

  test('that is not there is waited for', async () => {
    await putSecret('client-secret', 'hush-hush');
    const { call } = openCaller('http://127.0.0.1:1', { auth: { ...settings, tokenUrl: 'http://127.0.0.1:1/token' } });
    expect(await call('validate')).toMatchObject({ type: 'wait', reason: 'token' });
  });
});

describe('what has to be waited for is no failure, and sends nothing', () => {
  test('a breaker that is open, until one call finds the partner back', async () => {
    const partner = await openPartner();
    partner.setBehaviour({ faults: [{ api: '*', fault: '503' }] });
    const { call } = openCaller(partner.url, { breaker: { failures: 3, openFor: '300ms' } });
    for (let tries = 0; tries < 3; tries += 1) expect(await call('validate')).toMatchObject({ type: 'retryable' });
    const waiting = await call('validate');
    expect(waiting).toMatchObject({ type: 'wait', reason: 'breaker-open' });
    expect(partner.ledger.calls).toHaveLength(3);
    partner.setBehaviour({});
    await expect.poll(() => call('validate')).toMatchObject({ type: 'success' });
  });

  test('as long as it was meant to be, where this machine’s clock is set back meanwhile', async () => {
    const partner = await openPartner();
    partner.setBehaviour({ faults: [{ api: '*', fault: '503' }] });
    const limits = { breaker: { failures: 2, openFor: '300ms' }, limits: { ratePerSecond: 2 } };
    const { call, caller } = openCaller(partner.url, limits);
    for (let tries = 0; tries < 2; tries += 1) expect(await call('validate')).toMatchObject({ type: 'retryable' });
    partner.setBehaviour({});
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() - 3_600_000 });
    closers.push(() => vi.useRealTimers());
    expect(caller.breakerOpenForMs).toBeLessThanOrEqual(300);
    await expect.poll(() => call('validate')).toMatchObject({ type: 'success' });
  });

  test('business failures and 429 leave the breaker closed', async () => {
    const partner = await openPartner();
    partner.setBehaviour({
      faults: [
        { api: '*', fault: '429', share: 0.5 },
        { api: '*', fault: 'reject' },
      ],
    });
    const { call } = openCaller(partner.url, { breaker: { failures: 2 } });
    for (let tries = 0; tries < 10; tries += 1) expect((await call('validate')).type).not.toBe('wait');
  });

  test('a slot, while others are being called', async () => {
    const partner = await openPartner();
    partner.setBehaviour({ latencies: [{ api: '*', fromMs: 150, toMs: 150 }] });
    const { call } = openCaller(partner.url, { limits: { concurrency: 2 } });
    const outcomes = await Promise.all([1, 2, 3, 4].map(() => call('validate')));
    expect(outcomes.map(({ type }) => type).sort()).toEqual(['success', 'success', 'wait', 'wait']);
    expect(await call('validate')).toMatchObject({ type: 'success' });
    expect(partner.ledger.calls).toHaveLength(3);
  });

  test('the rate', async () => {
    const partner = await openPartner();
    let clock = 1_000;
    const { call } = openCaller(partner.url, { limits: { ratePerSecond: 3 } }, { now: () => clock });
    const types = async () => {
      const outcomes = [];
      for (let index = 0; index < 5; index += 1) outcomes.push((await call('validate')).type);
      return outcomes;
    };
    expect(await types()).toEqual(['success', 'success', 'success', 'wait', 'wait']);
    clock += 999;
    expect(await call('validate')).toEqual({ type: 'wait', afterMs: 1, reason: 'rate' });
    clock += 1;
    expect(await types()).toEqual(['success', 'success', 'success', 'wait', 'wait']);
    expect(partner.ledger.calls).toHaveLength(6);
  });
});

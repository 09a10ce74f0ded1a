import { createHmac } from 'node:crypto';
import { exportSPKI, importJWK } from 'jose';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { LongshoreError } from '#shared/errors.ts';
import {
  AUDIENCE,
  METHOD_ARN,
  makeKey,
  type SigningKey,
  showKeys,
  signToken,
  startAuthorizer,
  startIssuer,
} from '#testkit/beds/authorizer-bed.ts';
import { loadAuthorizerConfig } from './config.ts';

const STAGE = 'arn:aws:execute-api:us-east-1:123456789012:abc123/prod';

let key: SigningKey;
let issuer: Awaited<ReturnType<typeof startIssuer>>;
beforeEach(async () => {
  key = await makeKey('key-1');
  issuer = await startIssuer(showKeys(key.publicJwk));
});
afterEach(() => issuer.stop());

const base64url = (value: unknown) =>
  Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url');

describe('a good token', () => {
  test('is allowed what its scopes suffice for, in the whole stage, with its context', async () => {
    const { ask } = startAuthorizer(issuer.url);
    const answer = await ask(`Bearer ${await signToken(key, { claims: { client_id: 'c-1' } })}`);
    expect(answer).toMatchObject({
      principalId: 'longshore',
      policyDocument: {
        Version: '2012-10-17',
        Statement: [{ Action: 'execute-api:Invoke', Effect: 'Allow', Resource: [`${STAGE}/POST/validation`] }],
      },
      context: { subject: 'longshore', scope: 'rfi.validate', clientId: 'c-1', tokenId: 't-1' },
    });
    const more = await ask(`Bearer ${await signToken(key, { claims: { scope: 'coupons.redeem rfi.validate' } })}`);
    expect(more.policyDocument.Statement[0]?.Resource).toEqual([`${STAGE}/POST/validation`, `${STAGE}/POST/coupons/*`]);
  });

  test.each([
    ['in a header of any case', { headers: { AUTHORIZATION: '%' } }],
    ['in multi-value headers', { headers: { authorization: 'x' }, multiValueHeaders: { Authorization: ['%'] } }],
  ])('is found in a REQUEST event %s', async (_name, shape) => {
    const { authorize } = startAuthorizer(issuer.url);
    const token = `Bearer ${await signToken(key)}`;
    const event = JSON.parse(JSON.stringify(shape).replace('%', token));
    const answer = await authorize({ type: 'REQUEST', methodArn: METHOD_ARN, ...event });
    expect(answer.policyDocument.Statement[0]?.Effect).toBe('Allow');
  });

  test.each([
    ['RS256', 'scp', ['rfi.validate']],
    ['ES256', 'scp', 'rfi.validate other'],
    ['RS256', 'scope', 'rfi.validate'],
  ])('counts with %s and %s %j', async (alg, claim, scopes) => {
    const other = await makeKey('key-2', alg);
    issuer.state.reply = showKeys(key.publicJwk, other.publicJwk);
    const { ask } = startAuthorizer(issuer.url);
    const token = await signToken(other, { claims: { scope: undefined, [claim]: scopes } });
    expect((await ask(`Bearer ${token}`)).policyDocument.Statement[0]?.Effect).toBe('Allow');
  });

  test('makes one question to the issuer, however many come at once', async () => {
    const { ask } = startAuthorizer(issuer.url);
    const token = await signToken(key);
    await Promise.all(Array.from({ length: 20 }, () => ask(`Bearer ${token}`)));
    await ask(`bearer ${token}`);
    expect(issuer.state.asked).toBe(1);
  });
});

describe('a verified token without the scopes', () => {
  test.each([
    ['none', undefined],
    ['another', 'rfi.assignments'],
    ['part of a pair', 'coupons.redeem'],
    ['a longer name', 'rfi.validate.all'],
    ['another case', 'RFI.VALIDATE'],
    ['an object', { 'rfi.validate': true }],
  ])('is denied everything: %s', async (_name, scope) => {
    const { ask } = startAuthorizer(issuer.url);
    const answer = await ask(`Bearer ${await signToken(key, { claims: { scope } })}`);
    expect(answer.policyDocument.Statement).toEqual([
      { Action: 'execute-api:Invoke', Effect: 'Deny', Resource: [`${STAGE}/*`] },
    ]);
    expect(answer.context.reason).toBe('scope');
  });
});

describe('Unauthorized is', () => {
  const refusals: readonly [string, string, () => Promise<string>][] = [
    ['no token', 'missing', async () => ''],
    ['another scheme', 'malformed', async () => `Basic ${base64url('a:b')}`],
    ['two tokens', 'malformed', async () => `Bearer ${await signToken(key)}, Bearer ${await signToken(key)}`],
    ['an expired token', 'expired', () => bearer({ expiresInS: -60 })],
    ['a token not valid yet', 'not-yet-valid', () => bearer({ claims: { nbf: Math.floor(Date.now() / 1_000) + 600 } })],
    ['another audience', 'audience', () => bearer({ claims: { aud: 'other' } })],
    ['an audience that only begins alike', 'audience', () => bearer({ claims: { aud: `${AUDIENCE}-2` } })],
    ['another issuer', 'issuer', () => bearer({ claims: { iss: 'https://issuer.example.evil' } })],
    ['no subject', 'claims', () => bearer({ claims: { sub: undefined } })],
    ['a subject that would forge a header', 'claims', () => bearer({ claims: { sub: 'a\r\nx-admin: 1' } })],
    ['a huge token', 'too-large', () => bearer({ claims: { filler: 'x'.repeat(9_000) } })],
    ['a token of a megabyte', 'too-large', async () => `Bearer ${'a'.repeat(1_000_000)}`],
    ['a key signed by somebody else', 'signature', async () => `Bearer ${await signToken(await makeKey('key-1'))}`],
    ['a key that nobody knows', 'unknown-key', async () => `Bearer ${await signToken(await makeKey('key-9'))}`],
    ['a token without a key id', 'unknown-key', () => bearer({ header: { kid: undefined as never } })],
    ['a critical extension', 'malformed', () => tampered({ alg: 'ES256', kid: 'key-1', crit: ['x'], x: 1 })],
    [
      'an algorithm outside the list',
      'algorithm',
      async () => `Bearer ${await signToken(await makeKey('key-1', 'ES384'))}`,
    ],
    ['no algorithm', 'algorithm', () => unsigned('none')],
    ['no algorithm, in another case', 'algorithm', () => unsigned('nOnE')],
    ['HS256 with the public key as secret', 'algorithm', signedWithPublicKey],
    ['a key id that is a path', 'unknown-key', () => tampered({ alg: 'ES256', kid: '../../dev/null' })],
    ['a key id that is SQL', 'unknown-key', () => tampered({ alg: 'ES256', kid: "' OR 1=1 --" })],
    ['a key id that is a prototype', 'unknown-key', () => tampered({ alg: 'ES256', kid: '__proto__' })],
    ['a key id that is no text', 'unknown-key', () => tampered({ alg: 'ES256', kid: ['key-1'] })],
    ['claims changed after signing', 'signature', changedClaims],
    ['a header that is no JSON', 'malformed', async () => `Bearer ${base64url('{')}.${base64url({})}.AAAA`],
  ];

  const bearer = async (facts: Parameters<typeof signToken>[1]) => `Bearer ${await signToken(key, facts)}`;

  /** The header replaced, the signature as it was. */
  async function tampered(header: object): Promise<string> {
    const [, payload, signature] = (await signToken(key)).split('.');
    return `Bearer ${base64url(header)}.${payload}.${signature}`;
  }

  async function unsigned(alg: string): Promise<string> {
    const [, payload, signature] = (await signToken(key)).split('.');
    return `Bearer ${base64url({ alg, kid: 'key-1' })}.${payload}.${signature}`;
  }

  async function signedWithPublicKey(): Promise<string> {
    const publicKey = await importJWK({ ...key.publicJwk, ext: true } as never, 'ES256');
    const secret = await exportSPKI(publicKey as Parameters<typeof exportSPKI>[0]);
    const [, payload] = (await signToken(key)).split('.');
    const signed = `${base64url({ alg: 'HS256', kid: 'key-1' })}.${payload}`;
    return `Bearer ${signed}.${createHmac('sha256', secret).update(signed).digest('base64url')}`;
  }

  async function changedClaims(): Promise<string> {
    const [header, payload = '', signature] = (await signToken(key, { claims: { scope: 'none' } })).split('.');
    const claims = JSON.parse(Buffer.from(payload, 'base64url').toString());
    return `Bearer ${header}.${base64url({ ...claims, scope: 'rfi.validate' })}.${signature}`;
  }

  test.each(refusals)('%s', async (_name, reason, make) => {
    const { ask, lines } = startAuthorizer(issuer.url);
    const authorization = await make();
    await expect(ask(authorization)).rejects.toThrow(/^Unauthorized$/);
    expect(JSON.parse(lines[0] ?? '{}')).toMatchObject({ reason, msg: 'token refused' });
    const token = authorization.replace(/^Bearer /, '');
    if (token !== '') expect(lines.join('')).not.toContain(token.slice(0, 40));
  });

  test('a token that brings its own key or says where it lies, and nobody is asked for it', async () => {
    const attacker = await makeKey('key-1');
    const elsewhere = await startIssuer(showKeys(attacker.publicJwk));
    const { ask } = startAuthorizer(issuer.url);
    for (const header of [{ jwk: attacker.publicJwk }, { jku: elsewhere.url }, { x5u: elsewhere.url }]) {
      const token = await signToken(attacker, { header: header as never });
      await expect(ask(`Bearer ${token}`)).rejects.toThrow(/^Unauthorized$/);
    }
    expect(elsewhere.state.asked).toBe(0);
    await elsewhere.stop();
  });

  test('a REQUEST event with two Authorization headers, or none', async () => {
    const { authorize } = startAuthorizer(issuer.url);
    const good = `Bearer ${await signToken(key)}`;
    for (const multiValueHeaders of [
      { authorization: [good, good] },
      { authorization: [good], Authorization: [good] },
      {},
    ]) {
      const event = { type: 'REQUEST', methodArn: METHOD_ARN, multiValueHeaders };
      await expect(authorize(event)).rejects.toThrow(/^Unauthorized$/);
    }
  });
});

test('an event that is none of API Gateway is refused as such', async () => {
  const { authorize } = startAuthorizer(issuer.url);
  const authorizationToken = `Bearer ${await signToken(key)}`;
  const events = [
    undefined,
    'text',
    {},
    { type: 'TOKEN', authorizationToken },
    { type: 'TOKEN', authorizationToken, methodArn: '*' },
    { type: 'TOKEN', authorizationToken, methodArn: 'arn:aws:execute-api:us-east-1:123456789012:*/*/POST/validation' },
  ];
  for (const event of events) await expect(authorize(event)).rejects.toMatchObject({ code: 'REQUEST_INVALID' });
});

test('wildcards in the path of the caller get into no policy', async () => {
  const { authorize } = startAuthorizer(issuer.url);
  const authorizationToken = `Bearer ${await signToken(key)}`;
  const answer = await authorize({ type: 'TOKEN', authorizationToken, methodArn: `${STAGE}/POST/*` });
  expect(answer.policyDocument.Statement[0]?.Resource).toEqual([`${STAGE}/POST/validation`]);
});

describe('when the issuer', () => {
  const faults: readonly [string, Parameters<typeof startIssuer>[0]][] = [
    ['resets', (response) => void response.destroy()],
    ['is slow', () => {}],
    [
      'trickles',
      (response) => {
        const timer = setInterval(() => response.write(' '), 20);
        response.on('close', () => clearInterval(timer));
      },
    ],
    ['fails', (response) => void response.writeHead(500).end()],
    ['redirects', (response) => void response.writeHead(302, { location: 'http://127.0.0.1:1/' }).end()],
    ['answers garbage', (response) => void response.end('<html>')],
    ['answers no keys', (response) => void response.end('{"keys":[]}')],
    ['answers a secret', (response) => void response.end('{"keys":[{"kty":"oct","kid":"key-1","k":"AAAA"}]}')],
    ['floods', (response) => void response.end(`{"keys":[${' '.repeat(400_000)}]}`)],
  ];

  test.each(faults)('%s, nobody is let in, and it is not asked by every token', async (name, reply) => {
    issuer.state.reply = reply;
    const isEndless = name === 'is slow' || name === 'trickles';
    const { ask } = startAuthorizer(issuer.url, isEndless ? { LONGSHORE_AUTHORIZER_JWKS_TIMEOUT_MS: '3000' } : {});
    const token = await signToken(key);
    const failures = await Promise.allSettled([1, 2, 3].map(() => ask(`Bearer ${token}`)));
    const again = await Promise.allSettled([ask(`Bearer ${token}`)]);
    for (const result of [...failures, ...again]) {
      expect(result).toMatchObject({ status: 'rejected', reason: { code: 'DEPENDENCY_UNAVAILABLE' } });
      expect((result as PromiseRejectedResult).reason).toBeInstanceOf(LongshoreError);
      expect(String((result as PromiseRejectedResult).reason.message)).not.toBe('Unauthorized');
    }
    expect(issuer.state.asked).toBe(1);
  });

  test('comes back, tokens count again after the cool-down', async () => {
    issuer.state.reply = (response) => void response.destroy();
    const { ask, clock } = startAuthorizer(issuer.url);
    const token = await signToken(key);
    await expect(ask(`Bearer ${token}`)).rejects.toMatchObject({ code: 'DEPENDENCY_UNAVAILABLE' });
    issuer.state.reply = showKeys(key.publicJwk);
    clock.aheadMs = 11_000;
    await expect(ask(`Bearer ${token}`)).resolves.toMatchObject({ principalId: 'longshore' });
  });

  test('goes away, its keys serve on for a while and no longer; clock set back or not', async () => {
    const { ask, clock } = startAuthorizer(issuer.url);
    const token = await signToken(key, { expiresInS: 86_400 });
    await ask(`Bearer ${token}`);
    await issuer.stop();
    clock.aheadMs = 3_500_000;
    await ask(`Bearer ${token}`);
    clock.aheadMs = 3_700_000;
    await expect(ask(`Bearer ${token}`)).rejects.toMatchObject({ code: 'DEPENDENCY_UNAVAILABLE' });
    clock.aheadMs = -3_700_000;
    await expect(ask(`Bearer ${token}`)).rejects.toMatchObject({ code: 'DEPENDENCY_UNAVAILABLE' });
  });

  test('answers nonsense after good keys, the good ones stay', async () => {
    const { ask, clock } = startAuthorizer(issuer.url);
    const token = await signToken(key, { expiresInS: 86_400 });
    await ask(`Bearer ${token}`);
    issuer.state.reply = (response) => void response.end('null');
    clock.aheadMs = 700_000;
    await ask(`Bearer ${token}`);
    expect(issuer.state.asked).toBe(2);
  });

  test('changes its keys, new ones count after the cool-down and withdrawn ones no longer', async () => {
    const { ask, clock } = startAuthorizer(issuer.url);
    const oldToken = await signToken(key);
    await ask(`Bearer ${oldToken}`);
    const next = await makeKey('key-2');
    issuer.state.reply = showKeys(next.publicJwk);
    const newToken = await signToken(next);
    await expect(ask(`Bearer ${newToken}`)).rejects.toThrow(/^Unauthorized$/);
    expect(issuer.state.asked).toBe(1);
    clock.aheadMs = 10_500;
    await ask(`Bearer ${newToken}`);
    await expect(ask(`Bearer ${oldToken}`)).rejects.toThrow(/^Unauthorized$/);
    expect(issuer.state.asked).toBe(2);
  });

  test('is down while unknown keys and old ones are asked for, it is asked once per cool-down', async () => {
    const { ask, clock } = startAuthorizer(issuer.url);
    const good = await signToken(key, { expiresInS: 86_400 });
    await ask(`Bearer ${good}`);
    issuer.state.reply = (response) => void response.writeHead(503).end();
    clock.aheadMs = 700_000;
    for (let tries = 0; tries < 10; tries += 1) {
      await ask(`Bearer ${good}`);
      const unknown = await signToken({ ...key, kid: `made-up-${tries}` });
      await expect(ask(`Bearer ${unknown}`)).rejects.toMatchObject({ code: 'DEPENDENCY_UNAVAILABLE' });
    }
    expect(issuer.state.asked).toBe(2);
  });

  test('answers with a byte order mark, its keys count', async () => {
    issuer.state.reply = (response) => void response.end(`\uFEFF${JSON.stringify({ keys: [key.publicJwk] })}`);
    const { ask } = startAuthorizer(issuer.url);
    await expect(ask(`Bearer ${await signToken(key)}`)).resolves.toMatchObject({ principalId: 'longshore' });
  });

  test('is asked about made-up key ids once per cool-down, and good tokens pass meanwhile', async () => {
    const { ask, clock } = startAuthorizer(issuer.url);
    const good = await signToken(key);
    await ask(`Bearer ${good}`);
    clock.aheadMs = 10_500;
    for (let tries = 0; tries < 20; tries += 1) {
      const token = await signToken({ ...key, kid: `made-up-${tries}` });
      await expect(ask(`Bearer ${token}`)).rejects.toThrow(/^Unauthorized$/);
    }
    await ask(`Bearer ${good}`);
    expect(issuer.state.asked).toBe(2);
  });
});

describe('the configuration', () => {
  const good = {
    LONGSHORE_AUTHORIZER_ISSUER: 'https://i.example',
    LONGSHORE_AUTHORIZER_AUDIENCE: 'a, b',
    LONGSHORE_AUTHORIZER_JWKS_URL: 'https://i.example/jwks.json',
    LONGSHORE_AUTHORIZER_RULES: '[{"method":"POST","path":"/validation","scopes":["s"]}]',
  };

  test('has defaults for all but whom to believe', () => {
    expect(loadAuthorizerConfig(good)).toMatchObject({
      LONGSHORE_AUTHORIZER_AUDIENCE: ['a', 'b'],
      LONGSHORE_AUTHORIZER_ALGORITHMS: ['RS256', 'ES256'],
    });
    expect(() => loadAuthorizerConfig({})).toThrow(/ISSUER[\s\S]*AUDIENCE[\s\S]*JWKS_URL[\s\S]*RULES/);
  });

  test.each([
    ['LONGSHORE_AUTHORIZER_ALGORITHMS', 'HS256'],
    ['LONGSHORE_AUTHORIZER_ALGORITHMS', 'RS256,none'],
    ['LONGSHORE_AUTHORIZER_JWKS_URL', 'http://i.example/jwks.json'],
    ['LONGSHORE_AUTHORIZER_JWKS_URL', 'file:///etc/passwd'],
    ['LONGSHORE_AUTHORIZER_RULES', '{'],
    ['LONGSHORE_AUTHORIZER_RULES', '[]'],
    ['LONGSHORE_AUTHORIZER_RULES', '[{"method":"POST","path":"/a*b","scopes":["s"]}]'],
    ['LONGSHORE_AUTHORIZER_RULES', '[{"method":"POST","path":"/a","scopes":[]}]'],
  ])('refuses %s=%s', (name, value) => {
    expect(() => loadAuthorizerConfig({ ...good, [name]: value })).toThrow(name);
  });
});

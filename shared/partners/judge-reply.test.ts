import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { HttpOutcome } from '#shared/http/create-http-client.ts';
import { judgeReply } from './judge-reply.ts';
import { examplePartner } from './partner-test-bed.ts';
import { parseRetryAfterMs } from './retry-after.ts';

const NOW = Date.UTC(2026, 0, 1);
const partner = examplePartner();

function replied(status: number, body: unknown = {}, headers: Record<string, string> = {}): HttpOutcome {
  return {
    type: 'replied',
    status,
    headers,
    body: Buffer.from(typeof body === 'string' ? body : JSON.stringify(body)),
  };
}

function judge(operationName: string, reply: HttpOutcome, hasKey = false) {
  const operation = partner.operations[operationName];
  if (operation === undefined) throw new Error(`no operation ${operationName}`);
  return judgeReply({ reply, operation, hasKey, now: NOW });
}

const silence = (cause: Extract<HttpOutcome, { type: 'no-reply' }>['cause']): HttpOutcome => ({
  type: 'no-reply',
  cause,
  message: 'words of the system',
});

describe('the partner’s rules', () => {
  test.each([
    [
      'validate',
      replied(200, { status: 'VALID', reference: 'V-1' }),
      { type: 'success', output: { reference: 'V-1' }, reference: 'V-1' },
    ],
    [
      'validate',
      replied(422, { status: 'INVALID', code: 'V042', message: 'bad date', final: false }),
      {
        type: 'failed',
        isFinal: false,
        cause: 'BUSINESS_REJECTION',
        partnerCode: 'V042',
        message: 'The partner said: V042: bad date',
      },
    ],
    ['validate', replied(422, { status: 'INVALID', code: 'V042', final: true }), { type: 'failed', isFinal: true }],
    ['validate', replied(500, { status: 'INVALID', final: 'true' }), { type: 'failed', isFinal: false }],
    [
      'assignments',
      replied(200, { status: 'OK', assignments: [{ id: 'A-1', active: true }] }),
      { type: 'success', output: { assignment: 'A-1', active: true } },
    ],
    ['assignments', replied(200, { status: 'OK', assignments: [] }), { type: 'success', output: {} }],
    [
      'assignments',
      replied(200, { status: 'ERROR', code: 'A017' }),
      { type: 'failed', cause: 'NO_ASSIGNMENT', partnerCode: 'A017' },
    ],
    ['redeem-unkeyed', replied(201, { redeemed: true }), { type: 'success' }],
    [
      'redeem-unkeyed',
      replied(503, { code: 'BUSY' }, { 'retry-after': '5' }),
      { type: 'retryable', cause: 'HTTP_503', afterMs: 5_000 },
    ],
    ['redeem-unkeyed', replied(503, { code: 'OTHER' }), { type: 'ambiguous', cause: 'HTTP_503' }],
    ['redeem-unkeyed', replied(502), { type: 'ambiguous', cause: 'MAYBE' }],
  ])('%s %#', (operation, reply, expected) => {
    expect(judge(operation, reply)).toMatchObject(expected);
  });
});

/** operation, has key, what came, what it means for: a check | a keyed effect | an effect without keys. */
const UNCERTAIN: readonly [HttpOutcome, string][] = [
  [silence('timeout'), 'PARTNER_TIMEOUT'],
  [silence('reset'), 'PARTNER_CONNECTION_LOST'],
  [silence('aborted'), 'STEP_ABORTED'],
  [silence('other'), 'PARTNER_REPLY_INVALID'],
  [{ type: 'too-large', status: 200, message: 'over' }, 'PARTNER_REPLY_TOO_LARGE'],
  [replied(408), 'HTTP_408'],
  [replied(500), 'HTTP_500'],
  [replied(503), 'HTTP_503'],
  [replied(504), 'HTTP_504'],
];

describe('where it is not certain that nothing was done', () => {
  test.each(UNCERTAIN)('%#: %s', (reply, cause) => {
    expect(judge('validate', reply)).toMatchObject({ type: 'retryable', cause });
    expect(judge('redeem', reply, true)).toMatchObject({ type: 'retryable', cause });
    expect(judge('redeem', reply, false)).toMatchObject({ type: 'ambiguous', cause });
    expect(judge('redeem-unkeyed', reply, true)).toMatchObject({ type: 'ambiguous', cause });
  });

  test.each([
    ['not JSON', replied(200, '<html>'), 'PARTNER_REPLY_INVALID'],
    ['empty', replied(200, ''), 'PARTNER_REPLY_INVALID'],
    ['JSON that no rule fits', replied(200, { status: 'MAYBE' }), 'PARTNER_REPLY_UNEXPECTED'],
    ['JSON that is no object', replied(200, '[null]'), 'PARTNER_REPLY_UNEXPECTED'],
  ])('a 2xx that is %s is no success', (_name, reply, cause) => {
    expect(judge('validate', reply)).toMatchObject({ type: 'retryable', cause });
    expect(judge('redeem-unkeyed', reply)).toMatchObject({ type: 'ambiguous', cause });
  });
});

test.each([
  [silence('refused'), { type: 'retryable', cause: 'PARTNER_UNREACHABLE' }],
  [silence('unresolved'), { type: 'retryable', cause: 'PARTNER_UNREACHABLE' }],
  [silence('untrusted'), { type: 'retryable', cause: 'PARTNER_UNTRUSTED' }],
  [silence('forbidden'), { type: 'failed', isFinal: true, cause: 'PARTNER_ADDRESS_REFUSED' }],
  [replied(429, {}, { 'retry-after': '0' }), { type: 'retryable', cause: 'HTTP_429', afterMs: 0 }],
  [replied(429, {}, { 'retry-after': '3600' }), { type: 'retryable', cause: 'HTTP_429', afterMs: 3_600_000 }],
  [replied(401), { type: 'retryable', cause: 'HTTP_401' }],
  [replied(403), { type: 'failed', isFinal: false, cause: 'HTTP_403' }],
  [replied(404), { type: 'failed', isFinal: false, cause: 'HTTP_404' }],
  [replied(302), { type: 'failed', isFinal: false, cause: 'PARTNER_REDIRECT' }],
  [replied(501), { type: 'failed', isFinal: false, cause: 'HTTP_501' }],
])('where nothing was done, all operations are judged alike: %#', (reply, expected) => {
  for (const operation of ['validate', 'redeem', 'redeem-unkeyed'])
    expect(judge(operation, reply)).toMatchObject(expected);
});

test('a Retry-After is kept with a 503 of a check', () => {
  expect(judge('validate', replied(503, {}, { 'retry-after': '7' }))).toMatchObject({ afterMs: 7_000 });
});

test('words of a partner are short and printable in a message', () => {
  const words = `a\r\nb\u0000\u001b[31m${'x'.repeat(5_000)}`;
  const outcome = judge('validate', replied(422, { status: 'INVALID', code: words, message: { a: 1 } }));
  if (outcome.type !== 'failed') throw new Error('it failed');
  expect(outcome.message.length).toBeLessThan(300);
  expect(outcome.message).not.toMatch(/\p{Cc}/u);
});

test('whatever comes, an effect without keys is never retryable unless it is certain or said', () => {
  fc.assert(
    fc.property(fc.integer({ min: 100, max: 599 }), fc.jsonValue(), fc.string(), (status, body, header) => {
      const outcome = judge('redeem-unkeyed', replied(status, body, { 'retry-after': header }));
      if (outcome.type === 'retryable') expect([401, 425, 429, 503]).toContain(status);
    }),
  );
});

test('paths of a reply reach no prototype', () => {
  const reply = replied(200, '{"__proto__":{"status":"VALID"},"constructor":{"name":"x"}}');
  expect(judge('validate', reply)).toMatchObject({ cause: 'PARTNER_REPLY_UNEXPECTED' });
  expect(({} as Record<string, unknown>).status).toBeUndefined();
});

test.each([
  ['0', 0],
  ['5', 5_000],
  [' 5 ', 5_000],
  ['3600', 3_600_000],
  ['9999999999', 86_400_000],
  ['Thu, 01 Jan 2026 00:00:30 GMT', 30_000],
  ['Wed, 31 Dec 2025 23:00:00 GMT', 0],
  ['Fri, 01 Jan 2027 00:00:00 GMT', 86_400_000],
  ['2026-01-01T00:00:30Z', undefined],
  ['Thu, 99 Jan 2026 00:00:30 GMT', undefined],
  ['-5', undefined],
  ['1.5', undefined],
  ['1e3', undefined],
  ['soon, perhaps; -1', undefined],
  ['', undefined],
  [undefined, undefined],
  [['5', '6'], undefined],
])('Retry-After %j is %j ms', (header, ms) => {
  expect(parseRetryAfterMs(header, NOW)).toBe(ms);
});

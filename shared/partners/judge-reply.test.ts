import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { BodyFault, HttpOutcome, HttpReply, NoReply } from '#shared/http/http-client.ts';
import { examplePartner } from '#testkit/beds/partner-bed.ts';
import { judgeReply } from './judge-reply.ts';
import { readHere } from './reply-reader.ts';
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

const bodyOf = (reply: HttpOutcome) =>
  reply.type === 'replied' && reply.bodyFault === undefined ? readHere(reply) : undefined;

function judge(operationName: string, reply: HttpOutcome, hasKey = false) {
  const operation = partner.operations[operationName];
  if (operation === undefined) throw new Error(`no operation ${operationName}`);
  return judgeReply({ reply, body: bodyOf(reply), operation, hasKey, now: NOW });
}

/** An operation that must not be repeated, with these changes. */
function judgeOf(changes: Record<string, unknown>, reply: HttpOutcome, redact?: (text: string) => string) {
  const { operations } = examplePartner({
    operations: { one: { method: 'POST', path: '/one', idempotent: false, ...changes } },
  });
  const operation = operations.one;
  if (operation === undefined) throw new Error('there is one');
  return judgeReply({
    reply,
    body: bodyOf(reply),
    operation,
    hasKey: false,
    now: NOW,
    ...(redact !== undefined && { redact }),
  });
}

const silence = (cause: NoReply['cause'], wasSent = true): HttpOutcome => ({
  type: 'no-reply',
  wasSent,
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
  [silence('lost'), 'PARTNER_CONNECTION_LOST'],
  [silence('aborted'), 'STEP_ABORTED'],
  [replied(408), 'HTTP_408'],
  [replied(499), 'HTTP_499'],
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
    ['too-large', 'PARTNER_REPLY_TOO_LARGE'],
    ['late', 'PARTNER_TIMEOUT'],
    ['cut-off', 'PARTNER_CONNECTION_LOST'],
    ['undecodable', 'PARTNER_REPLY_INVALID'],
  ] as const)(
    'a 2xx whose body is %s and asked for is uncertain, and speaks for itself where nothing asks',
    (cause, expected) => {
      const reply: HttpOutcome = {
        type: 'replied',
        status: 200,
        headers: {},
        body: Buffer.from('{"red'),
        bodyFault: { cause, message: 'why' } satisfies BodyFault,
      };
      expect(judge('redeem-unkeyed', reply)).toMatchObject({ type: 'ambiguous', cause: expected });
      expect(judgeOf({ judge: [], output: {} }, reply)).toMatchObject({ type: 'success' });
      expect(judgeOf({ judge: [{ when: { status: 409 }, is: 'business-failure' }], output: {} }, reply)).toMatchObject({
        type: 'success',
      });
    },
  );

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
  [silence('unreachable', false), { type: 'retryable', cause: 'PARTNER_UNREACHABLE' }],
  [silence('timeout', false), { type: 'retryable', cause: 'PARTNER_UNREACHABLE' }],
  [silence('aborted', false), { type: 'retryable', cause: 'STEP_ABORTED' }],
  [silence('untrusted', false), { type: 'retryable', cause: 'PARTNER_UNTRUSTED' }],
  [silence('invalid', false), { type: 'failed', isFinal: true, cause: 'PARTNER_REQUEST_INVALID' }],
  [silence('forbidden', false), { type: 'failed', isFinal: true, cause: 'PARTNER_ADDRESS_REFUSED' }],
  [replied(429, {}, { 'retry-after': '0' }), { type: 'retryable', cause: 'HTTP_429', afterMs: 0 }],
  [replied(429, {}, { 'retry-after': '3600' }), { type: 'retryable', cause: 'HTTP_429', afterMs: 3_600_000 }],
  [replied(401), { type: 'retryable', cause: 'HTTP_401' }],
  [replied(403), { type: 'failed', isFinal: false, cause: 'HTTP_403' }],
  [replied(404), { type: 'failed', isFinal: false, cause: 'HTTP_404' }],
  [replied(307), { type: 'failed', isFinal: false, cause: 'PARTNER_REDIRECT' }],
  [replied(501), { type: 'failed', isFinal: false, cause: 'HTTP_501' }],
])('where nothing was done, all operations are judged alike: %#', (reply, expected) => {
  for (const operation of ['validate', 'redeem', 'redeem-unkeyed'])
    expect(judge(operation, reply)).toMatchObject(expected);
});

test.each([302, 303])('%i may be said of what was done', (status) => {
  expect(judge('redeem-unkeyed', replied(status))).toMatchObject({ type: 'ambiguous', cause: 'PARTNER_REDIRECT' });
  for (const operation of ['validate', 'redeem'])
    expect(judge(operation, replied(status), true)).toMatchObject({ type: 'failed', isFinal: false });
});

describe('a success by its status whose output cannot be read', () => {
  const rules = { judge: [{ when: { status: '2xx' }, is: 'success' }], output: { id: 'id' } };

  test.each([
    ['half of it came', { bodyFault: { cause: 'cut-off', message: 'why' } }, 'PARTNER_CONNECTION_LOST'],
    ['it is not JSON', { body: Buffer.from('<html>') }, 'PARTNER_REPLY_INVALID'],
  ] as const)('is asked for again where that is harmless: %s', (_name, changes, cause) => {
    const reply = { ...(replied(200, '{"id":') as HttpReply), ...changes };
    expect(judgeOf({ ...rules, idempotent: true }, reply)).toMatchObject({ type: 'retryable', cause });
    expect(judgeOf(rules, reply)).toMatchObject({ type: 'success' });
  });

  test('stays one where nothing came', () => {
    expect(judgeOf({ ...rules, idempotent: true }, replied(204, ''))).toMatchObject({ type: 'success', output: {} });
  });
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
  expect(parseRetryAfterMs({ 'retry-after': header }, NOW)).toBe(ms);
});

test.each([
  ['of its own day', 'Mon, 01 Jun 2026 08:00:00 GMT', 30_000],
  ['that is not a date', 'today', 86_400_000],
])('a date in Retry-After counts from the Date of the reply: one %s', (_what, date, ms) => {
  expect(parseRetryAfterMs({ 'retry-after': 'Mon, 01 Jun 2026 08:00:30 GMT', date }, NOW)).toBe(ms);
});

describe('successful replies in unlucky packing', () => {
  const output = { id: 'id' };
  const json = '{"id":"A-1"}';
  const inBytes = (body: Buffer, headers: Record<string, string> = {}): HttpOutcome => ({
    type: 'replied',
    status: 200,
    headers,
    body,
  });

  test.each([
    ['a byte order mark', inBytes(Buffer.from(`\ufeff${json}`))],
    ['two of them', inBytes(Buffer.from(`\ufeff\ufeff${json}`))],
    ['blanks and line breaks around it', inBytes(Buffer.from(` \r\n${json}\r\n `))],
    ['NULs at its end', inBytes(Buffer.from(`${json}\0\0\0`))],
    ['a guard against scripts', inBytes(Buffer.from(`)]}',\n${json}`))],
    ['blanks between NULs at its end', inBytes(Buffer.from(`${json}\0\r\n\0 `))],
    ['a loop as a guard against scripts', inBytes(Buffer.from(`for (;;);${json}`))],
    ['UTF-16 without any', inBytes(Buffer.from(json, 'utf16le'))],
    ['UTF-16 in the other order without any', inBytes(Buffer.from(json, 'utf16le').swap16())],
    ['UTF-16 with a mark', inBytes(Buffer.from(`\ufeff${json}`, 'utf16le'))],
    [
      'UTF-16 by its header',
      inBytes(Buffer.from(json, 'utf16le'), { 'content-type': 'application/json; charset=utf-16le' }),
    ],
    ['a charset that nobody knows', inBytes(Buffer.from(json), { 'content-type': 'application/json;charset=none' })],
    ['another content type', inBytes(Buffer.from(json), { 'content-type': 'text/html' })],
  ])('with %s', (_name, reply) => {
    expect(judgeOf({ output }, reply)).toMatchObject({ type: 'success', output: { id: 'A-1' } });
  });

  test.each(['iso-8859-1', 'windows-1252', 'latin1'])('words in %s are read as such', (charset) => {
    const reply: HttpOutcome = {
      type: 'replied',
      status: 422,
      headers: { 'content-type': `application/json; charset="${charset}"` },
      body: Buffer.from('{"m":"K\u00f6nig"}', 'latin1'),
    };
    const judged = judgeOf({ judge: [{ when: { status: 422 }, is: 'business-failure', messageFrom: 'm' }] }, reply);
    expect(judged).toMatchObject({ message: 'The partner said: K\u00f6nig' });
  });

  test.each([204, 205])('%i without any body is a success where no rule or output asks for one', (status) => {
    const empty: HttpOutcome = {
      type: 'replied',
      status,
      headers: { 'content-type': 'application/json' },
      body: Buffer.alloc(0),
    };
    expect(judgeOf({ judge: [{ when: { status: 409 }, is: 'business-failure' }] }, empty)).toMatchObject({
      type: 'success',
    });
    expect(judgeOf({ judge: [{ when: { body: { ok: true } }, is: 'business-failure' }] }, empty)).toMatchObject({
      type: 'ambiguous',
    });
  });
});

describe('numbers of replies', () => {
  test.each(['9007199254740993', '1.10', '-0', '1e400', '123456789012345678901234567890.125'])(
    '%s goes on as the partner wrote it',
    (number) => {
      const judged = judgeOf({ output: { n: 'n' }, referenceFrom: 'n' }, replied(200, `{"n":${number}}`));
      if (judged.type !== 'success') throw new Error('a success was expected');
      expect(JSON.stringify(judged.output)).toBe(`{"n":${number}}`);
      expect(judged.reference).toBe(number);
    },
  );

  test.each([
    [0, '"0"'],
    [0, '0.0'],
    ['0', '0'],
    [1.1, '1.10'],
    ['9007199254740993', '9007199254740993'],
  ])('a rule for %j fits %s', (wanted, stored) => {
    const rules = [{ when: { body: { status: wanted } }, is: 'success' }];
    expect(judgeOf({ judge: rules }, replied(200, `{"status":${stored}}`))).toMatchObject({ type: 'success' });
  });

  test.each([
    [0, 'null'],
    [0, '""'],
    [0, 'false'],
    ['', '0'],
    [1, '"1 "'],
  ])('a rule for %j does not fit %s', (wanted, stored) => {
    const rules = [{ when: { body: { status: wanted } }, is: 'success' }];
    expect(judgeOf({ judge: rules }, replied(200, `{"status":${stored}}`))).toMatchObject({ type: 'ambiguous' });
  });
});

test.each([
  ['of a hundred thousand digits', '9'.repeat(100_000)],
  ['beyond the range of the database', '1e999999'],
])('a number %s is handed on as a text', (_name, number) => {
  const judged = judgeOf({ output: { n: 'n' } }, replied(200, `{"n":${number}}`));
  expect(judged).toMatchObject({ type: 'success', output: { n: number.slice(0, 1_024) } });
});

test('a reply of nothing but blanks within is read in time', () => {
  expect(judgeOf({ output: { n: 'n' } }, replied(200, `{"n":1${' '.repeat(1_000_000)}}`))).toMatchObject({
    type: 'success',
    output: { n: 1 },
  });
});

test('a partner’s words are printable, and without what was sent as a secret, also where they are cut', () => {
  const rules = [{ when: { status: 422 }, is: 'business-failure', codeFrom: 'c', messageFrom: 'm' }];
  const reply = replied(422, { c: '\u001b[31mA\r\nFORGED\u202e', m: `${'x'.repeat(190)}s3cret-token` });
  const judged = judgeOf({ judge: rules }, reply, (text) => text.replaceAll('s3cret-token', '[redacted]'));
  if (!('message' in judged)) throw new Error('a failure was expected');
  for (const hidden of ['\u001b', '\u202e', '\r', '\n', 's3cr']) expect(judged.message).not.toContain(hidden);
  expect(judged).toMatchObject({ partnerCode: ' [31mA FORGED ' });
});

/** `post` to a real HTTP server: what it is sent, what happens to its replies, and that nothing is sent twice that must not be. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { partnerDocumentSchema } from '#shared/definitions/partner-schema.ts';
import type { ObjectLocation } from '#shared/files/object-location.ts';
import { createAddressGuard } from '#shared/http/address-guard.ts';
import { createPartnerCaller, type PartnerCaller } from '#shared/partners/call-partner.ts';
import type { OpenPartner } from '#shared/partners/partner-directory.ts';
import { memoryEffectLog, NO_TARGETS, runStep, type StepBench, startStepBench } from '#testkit/beds/step-bed.ts';
import { postOptions } from './options.ts';
import { LARGEST_POSTED_BYTES, postStep } from './run.ts';

interface Sent {
  readonly url: string;
  readonly headers: IncomingMessage['headers'];
  readonly body: Buffer;
}
type Answer = (response: ServerResponse, sent: Sent) => void;

let bench: StepBench;
let server: Server;
/** The partner's ledger: every request that reached it. */
let ledger: Sent[];
let answers: Answer[];
let caller: PartnerCaller;
let isPaused: boolean;

beforeAll(async () => {
  bench = await startStepBench();
});
afterAll(() => bench.stop());

beforeEach(async () => {
  [ledger, answers, isPaused] = [[], [], false];
  server = createServer(async (request, response) => {
    const pieces: Buffer[] = [];
    for await (const piece of request) pieces.push(piece as Buffer);
    const sent = { url: request.url ?? '', headers: request.headers, body: Buffer.concat(pieces) };
    ledger.push(sent);
    const answer = answers.shift() ?? json(200, { id: 'r-1' });
    answer(response, sent);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
});
afterEach(() => {
  caller?.close();
  server.closeAllConnections();
  server.close();
});

function json(status: number, body: object): Answer {
  return (response) => response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
}
const closed: Answer = (response) => response.destroy();

const SECRET = 'hunter2-of-the-coupon-desk';
const REPLY = { output: { reference: 'id' }, referenceFrom: 'id' };

function post(object: ObjectLocation, operations: Record<string, object>, request: Record<string, unknown> = {}) {
  const { port } = server.address() as AddressInfo;
  const definition = partnerDocumentSchema.parse({
    ...{ kind: 'partner', tenant: 'acme', name: 'coupon-desk', baseUrl: `http://127.0.0.1:${port}/v1`, timeout: '5s' },
    auth: { type: 'static', secret: 'desk', prefix: 'Bearer ' },
    operations: Object.fromEntries(
      Object.entries(operations).map(([name, operation]) => [name, { method: 'POST', path: `/${name}`, ...operation }]),
    ),
  });
  caller = createPartnerCaller({
    definition,
    secrets: { read: async () => ({ text: SECRET, version: '1' }) },
    addressGuard: createAddressGuard({ allow: ['127.0.0.1'] }),
  });
  if (isPaused) caller.obey({ isPaused, openForMs: 0, trials: 0 });
  const partner = {
    definition,
    isPaused,
    closedForMs: caller.heldBy?.afterMs ?? 0,
    call: (call: never) => caller.call(call),
  } as unknown as OpenPartner;
  return runStep(bench, {
    ...{ step: postStep, kind: postOptions, object, options: { partner: 'coupon-desk', operation: 'upload' } },
    targets: { ...NO_TARGETS, findPartner: async () => ({ ok: true, partner }) },
    ...request,
  });
}

const KEYED = { file: 'body', idempotent: false, idempotencyHeader: 'Idempotency-Key', ...REPLY };
const UNKEYED = { file: 'body', idempotent: false, ...REPLY };
const land = (name = 'statement.csv', body: Uint8Array | string = 'a,b\n1,2\n') => bench.land(name, body);

describe('the file is sent', () => {
  test('as the body, with its type, its key and the reference that the partner gives', async () => {
    const effects = memoryEffectLog();
    expect(await post(await land(), { upload: KEYED }, { effects })).toMatchObject({
      type: 'succeeded',
      output: { partner: 'coupon-desk', operation: 'upload', reference: 'r-1', wasThere: false },
    });
    expect(ledger).toMatchObject([
      { url: '/v1/upload', headers: { 'idempotency-key': 'acme/job-1/1', authorization: `Bearer ${SECRET}` } },
    ]);
    expect(ledger[0]?.body.toString()).toBe('a,b\n1,2\n');
    expect(await post(await land(), { upload: KEYED }, { effects })).toMatchObject({ output: { wasThere: true } });
    expect(ledger).toHaveLength(1);
  });

  test('as a part of a form that any server reads, whatever its name and bytes', async () => {
    const bytes = Buffer.from([0, 13, 10, 45, 45, 255]);
    const object = await land('a"b\u00e4.csv', bytes);
    await post(object, { upload: { ...KEYED, file: 'multipart', body: { note: 'for {{ meta.tenant }}' } } });
    const form = await new Response(ledger[0]?.body, {
      headers: { 'content-type': ledger[0]?.headers['content-type'] ?? '' },
    }).formData();
    expect(form.get('note')).toBe('for acme');
    const file = form.get('file') as File;
    expect([file.name, Buffer.from(await file.arrayBuffer())]).toEqual(['a"b\u00e4.csv', bytes]);
  });

  test('in base64 in the JSON of the template', async () => {
    await post(await land(), {
      upload: { ...KEYED, file: 'base64', fileField: 'data', body: { name: '{{ meta.name }}' } },
    });
    const sent = JSON.parse(ledger[0]?.body.toString() ?? '');
    expect([sent.name, Buffer.from(sent.data, 'base64').toString()]).toEqual(['statement.csv', 'a,b\n1,2\n']);
  });

  test('not at all when it is too large', async () => {
    const object = await land('large.bin', Buffer.alloc(LARGEST_POSTED_BYTES + 1));
    expect(await post(object, { upload: KEYED })).toMatchObject({ type: 'failed', cause: 'CONTENT_TOO_LARGE' });
    expect(ledger).toEqual([]);
  });
});

describe('a target that', () => {
  test.each<[string, Answer]>([
    ['closes before its reply', closed],
    ['never answers', () => {}],
    ['fails', json(500, {})],
  ])('%s is called again with the same key, where it knows one', async (_name, answer) => {
    answers = [answer];
    const effects = memoryEffectLog();
    const object = await land();
    expect(await post(object, { upload: KEYED }, { effects })).toMatchObject({ type: 'retry' });
    expect(await post(object, { upload: KEYED }, { effects })).toMatchObject({ type: 'succeeded' });
    expect(ledger.map(({ headers }) => headers['idempotency-key'])).toEqual(['acme/job-1/1', 'acme/job-1/1']);
    expect(ledger[0]?.body).toEqual(ledger[1]?.body);
  });

  test.each<[string, Answer]>([
    ['closes before its reply', closed],
    ['never answers', () => {}],
    ['fails', json(500, {})],
  ])('%s is ambiguous where it knows no key, and never called again', async (_name, answer) => {
    answers = [answer];
    const effects = memoryEffectLog();
    const object = await land();
    for (let time = 0; time < 3; time += 1)
      expect(await post(object, { upload: UNKEYED }, { effects })).toMatchObject({
        type: 'ambiguous',
        cause: 'EFFECT_UNKNOWN',
      });
    expect([ledger.length, effects.rows.get(0)?.stage]).toEqual([1, 'UNKNOWN']);
  });

  test.each<[string, Answer, string, number]>([
    ['has it', json(200, { id: 'r-7' }), 'succeeded', 1],
    ['does not have it', json(404, {}), 'retry', 2],
  ])('is asked by its own operation whether it %s', async (_name, told, came, uploads) => {
    answers = [closed, told];
    const effects = memoryEffectLog();
    const object = await land();
    const look = { method: 'GET', path: '/uploads/{{ meta.key }}', idempotent: true, ...REPLY };
    const operations = { upload: { ...UNKEYED, ask: 'look' }, look };
    const first = await post(object, operations, { effects });
    expect(first).toMatchObject({ type: came });
    if (came === 'retry') expect(await post(object, operations, { effects })).toMatchObject({ type: 'succeeded' });
    expect(ledger.filter(({ url }) => url === '/v1/upload')).toHaveLength(uploads);
    expect(ledger[1]?.url).toBe('/v1/uploads/acme%2Fjob-1%2F1');
  });

  test('refuses ends the step, its words kept short and without the secret', async () => {
    answers = [(response, { headers }) => json(400, { why: `no ${headers.authorization}` })(response, {} as Sent)];
    const judge = [{ when: { status: 400 }, is: 'business-failure', messageFrom: 'why' }];
    const outcome = await post(await land(), { upload: { ...KEYED, judge } });
    expect(outcome).toMatchObject({
      type: 'failed',
      cause: 'BUSINESS_REJECTION',
      message: 'The partner said: no Bearer [redacted]',
    });
    expect(JSON.stringify(outcome)).not.toContain(SECRET);
  });

  test('is busy is waited for, as long as it says', async () => {
    answers = [(response) => response.writeHead(429, { 'retry-after': '7' }).end()];
    expect(await post(await land(), { upload: KEYED })).toMatchObject({
      type: 'retry',
      cause: 'HTTP_429',
      afterMs: 7_000,
    });
  });
});

test('an operation that takes no file is told as such', async () => {
  expect(await post(await land(), { upload: { idempotent: true } })).toMatchObject({
    type: 'retry',
    cause: 'PARTNER_UNKNOWN',
  });
});

test('a partner that an operator paused is waited for, with nothing sent and no effect begun', async () => {
  const effects = memoryEffectLog();
  const object = await land();
  isPaused = true;
  expect(await post(object, { upload: UNKEYED }, { effects })).toEqual({
    type: 'wait',
    reason: 'PARTNER_PAUSED',
    afterMs: 300_000,
  });
  expect(ledger).toEqual([]);
  isPaused = false;
  expect(await post(object, { upload: UNKEYED }, { effects })).toMatchObject({ output: { wasThere: false } });
  expect(ledger).toHaveLength(1);
});

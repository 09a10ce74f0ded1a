import { describe, expect, expectTypeOf, it } from 'vitest';
import { z } from 'zod';
import { decodeMessage, defineExternalMessage, defineMessage, type MessageOf } from '#shared/queue/define-message.ts';

const fileArrived = defineMessage({
  name: 'file.arrived',
  version: 3,
  schema: z.object({ fileId: z.string(), sizeBytes: z.number() }),
  older: [
    {
      version: 2,
      schema: z.object({ fileId: z.string(), size: z.number() }),
      upgrade: ({ fileId, size }) => ({ fileId, sizeBytes: size }),
    },
    {
      version: 1,
      schema: z.object({ id: z.string() }),
      upgrade: ({ id }) => ({ fileId: id, size: 0 }),
    },
  ],
});
const wakeUp = defineMessage({ name: 'step.wake-up', version: 1, schema: z.object({ jobId: z.string() }) });
const objectCreated = defineExternalMessage({
  name: 's3.object-created',
  accepts: (body) => body.source === 'aws.s3',
  schema: z.object({ source: z.string(), detail: z.object({ key: z.string() }) }),
});
const definitions = [fileArrived, wakeUp, objectCreated] as const;
type Message = MessageOf<(typeof definitions)[number]>;

function decode(body: string | undefined) {
  return decodeMessage<Message>(definitions, body);
}

describe('a typed message', () => {
  it('comes back from its body as it went in', () => {
    const message: MessageOf<typeof fileArrived> = { type: 'file.arrived', fileId: 'f1', sizeBytes: 5 };
    const body = fileArrived.encode(message);
    expect(JSON.parse(body)).toEqual({ type: 'file.arrived', v: 3, fileId: 'f1', sizeBytes: 5 });
    expect(decode(body)).toEqual({ ok: true, message });
    expectTypeOf<Message['type']>().toEqualTypeOf<'file.arrived' | 'step.wake-up' | 's3.object-created'>();
  });

  it('is read in the versions before, upgraded step by step', () => {
    expect(decode('{"type":"file.arrived","v":2,"fileId":"f1","size":7}')).toEqual({
      ok: true,
      message: { type: 'file.arrived', fileId: 'f1', sizeBytes: 7 },
    });
    expect(decode('{"type":"file.arrived","v":1,"id":"f1"}')).toEqual({
      ok: true,
      message: { type: 'file.arrived', fileId: 'f1', sizeBytes: 0 },
    });
  });

  it('carries any text in characters that every SQS server takes', () => {
    const fileId = 'é 😀 \u0000 \u001f \ufffe \ud800';
    const body = fileArrived.encode({ type: 'file.arrived', fileId, sizeBytes: 0 });
    expect(body).toMatch(/^[\x20-\x7eé]+$/);
    expect(decode(body)).toMatchObject({ ok: true, message: { fileId } });
  });

  it('is refused at the sender when it does not fit its schema', () => {
    expect(() => wakeUp.encode({ type: 'step.wake-up', jobId: 5 as unknown as string })).toThrow(z.ZodError);
  });
});

describe('an external message', () => {
  it('is recognised by its own shape and gets its type here', () => {
    const body = JSON.stringify({ source: 'aws.s3', 'detail-type': 'Object Created', detail: { key: 'a' } });
    expect(decode(body)).toEqual({
      ok: true,
      message: { type: 's3.object-created', source: 'aws.s3', detail: { key: 'a' } },
    });
  });

  it('keeps its own field named type out of ours', () => {
    const body = JSON.stringify({ source: 'aws.s3', type: 'x', detail: { key: 'a' } });
    expect(decode(body)).toMatchObject({ ok: true, message: { type: 's3.object-created' } });
  });
});

describe('an unreadable body', () => {
  it.each([
    [undefined, 'not JSON'],
    ['', 'not JSON'],
    ['{"type":', 'not JSON'],
    ['null', 'not a JSON object'],
    ['[]', 'not a JSON object'],
    ['5', 'not a JSON object'],
    ['{}', 'not one of the message types'],
    ['{"type":"nobody.knows","v":1}', 'not one of the message types'],
    ['{"type":"__proto__","v":1}', 'not one of the message types'],
    ['{"type":"file.arrived","v":4,"fileId":"f1"}', 'version 4 is not known'],
    ['{"type":"file.arrived","fileId":"f1"}', 'is not known'],
    ['{"type":"file.arrived","v":3,"fileId":7}', 'fileId'],
    ['{"type":"file.arrived","v":1,"id":7}', 'id'],
  ])('%j is a value that says why: %s', (body, reason) => {
    expect(decode(body)).toMatchObject({ ok: false, code: 'MESSAGE_INVALID', reason: expect.stringContaining(reason) });
  });

  it('is a value even when a definition trips over it', () => {
    const fragile = defineExternalMessage({
      name: 'test.fragile',
      accepts: (body) => (body.detail as { kind: string }).kind === 'x',
      schema: z.object({}),
    });
    expect(decodeMessage([fragile], '{}')).toMatchObject({ ok: false, code: 'MESSAGE_INVALID' });
  });

  it('is a value even when it is nested 100 000 deep', () => {
    const body = `{"type":"step.wake-up","v":1,"jobId":${'['.repeat(100_000)}${']'.repeat(100_000)}}`;
    expect(decode(body)).toMatchObject({ ok: false, code: 'MESSAGE_INVALID' });
  });

  it('leaves prototypes alone', () => {
    const decoded = decode('{"type":"step.wake-up","v":1,"jobId":"j","__proto__":{"polluted":true}}');
    expect(decoded).toEqual({ ok: true, message: { type: 'step.wake-up', jobId: 'j' } });
    expect(({} as Record<string, unknown>).polluted).toBeUndefined();
  });
});

/** What a data connection brings: whole, in its order, and never more of it than is taken. */
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { setImmediate as turn } from 'node:timers/promises';
import type { TLSSocket } from 'node:tls';
import { expect, test } from 'vitest';
import { DataReader } from './read-data.ts';

function bed(leftBytes?: number) {
  let isPaused = false;
  const reader = new DataReader(leftBytes);
  reader.socket = {
    isPaused: () => isPaused,
    pause: () => {
      isPaused = true;
    },
    resume: () => {
      isPaused = false;
    },
  } as unknown as TLSSocket;
  const { buffer, callback } = reader.onread;
  /** As TLS does: into the one buffer, record by record. */
  const bring = (bytes: Uint8Array): void => {
    for (let at = 0; at < bytes.length; at += 16_384) {
      const record = bytes.subarray(at, at + 16_384);
      buffer.set(record);
      callback(record.length, buffer);
    }
  };
  return { reader, bring, isPaused: () => isPaused };
}

test.each([undefined, 0, 5, 700_001, 10_000_000])(
  'bytes come whole and in their order, with %s that were expected',
  async (expected) => {
    const { reader, bring } = bed(expected);
    const content = randomBytes(700_001);
    const pieces: Uint8Array[] = [];
    const reading = (async () => {
      for await (const piece of reader.pieces()) pieces.push(piece);
    })();
    for (let at = 0; at < content.length; at += 50_000) {
      bring(content.subarray(at, at + 50_000));
      if (at % 150_000 === 0) await turn();
    }
    reader.end.end();
    await reading;
    expect(Buffer.concat(pieces).equals(content)).toBe(true);
  },
);

test('who waits gets the little that came', async () => {
  const { reader, bring } = bed();
  const pieces = reader.pieces();
  for (const text of ['a', 'bc', 'd']) {
    const next = pieces.next();
    bring(Buffer.from(text));
    expect(String((await next).value)).toBe(text);
  }
});

test('the socket is paused while a mebibyte waits, and goes on once some of it was taken', async () => {
  const { reader, bring, isPaused } = bed();
  bring(Buffer.alloc(1_000_000));
  expect(isPaused()).toBe(false);
  bring(Buffer.alloc(100_000));
  expect(isPaused()).toBe(true);
  await reader.pieces().next();
  expect(isPaused()).toBe(false);
});

test('what came before a failure is given first', async () => {
  const { reader, bring } = bed();
  bring(Buffer.from('half'));
  reader.fail(new Error('lost'));
  const pieces = reader.pieces();
  expect(String((await pieces.next()).value)).toBe('half');
  await expect(pieces.next()).rejects.toThrow('lost');
});

test('what comes as a stream is taken too', async () => {
  const { reader } = bed();
  reader.end.end('as a stream');
  await once(reader.end, 'finish');
  expect(String((await reader.pieces().next()).value)).toBe('as a stream');
});

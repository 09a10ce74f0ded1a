import { createHash, createHmac } from 'node:crypto';
import { expect, test } from 'vitest';
import { RequestSha256 } from './request-sha256.ts';

const hex = async (hash: RequestSha256) => Buffer.from(await hash.digest()).toString('hex');
const SECRETS = [
  'AWS4secret',
  Buffer.from('bytes'),
  new Uint8Array([1, 2, 3]).subarray(1),
  new Uint8Array([7, 8]).buffer,
];
const PIECES: readonly (readonly (string | Uint8Array)[])[] = [
  [],
  [''],
  ['whole'],
  ['in ', Buffer.from('several '), 'pieces, ü'],
];

test.each(PIECES.map((pieces) => ({ pieces })))(
  'hashes $pieces as Node does, as often as it is asked',
  async ({ pieces }) => {
    const hash = new RequestSha256();
    const expected = createHash('sha256');
    for (const piece of pieces) {
      hash.update(piece);
      expected.update(piece);
    }
    const digest = expected.digest('hex');
    expect(await hex(hash)).toBe(digest);
    expect(await hex(hash)).toBe(digest);
    hash.reset();
    hash.update('again');
    expect(await hex(hash)).toBe(createHash('sha256').update('again').digest('hex'));
  },
);

test.each(SECRETS.map((secret) => ({ secret })))('signs with $secret as Node does, each time', async ({ secret }) => {
  const key = typeof secret === 'string' ? secret : Buffer.from(secret as Uint8Array);
  for (const pieces of [...PIECES, ...PIECES]) {
    const hash = new RequestSha256(secret);
    const expected = createHmac('sha256', key);
    for (const piece of pieces) {
      hash.update(piece);
      expected.update(piece);
    }
    expect(await hex(hash)).toBe(expected.digest('hex'));
  }
});

test('keys of more secrets than are kept are made again', async () => {
  for (const round of [1, 2]) {
    for (let index = 0; index < 250; index += 1) {
      const hash = new RequestSha256(`secret ${index}`);
      hash.update(`${round}`);
      expect(await hex(hash)).toBe(createHmac('sha256', `secret ${index}`).update(`${round}`).digest('hex'));
    }
  }
});

import { crc32 } from 'node:zlib';
import { expect, it } from 'vitest';
import { partChecksum } from './part-checksum.ts';

/** CRC RevEng catalogue, column "check": of the nine digits. */
it.each([
  ['CRC64NVME', 'ae8b14860a799888'],
  ['CRC32C', 'e3069283'],
  ['CRC32', 'cbf43926'],
] as const)('%s is what the catalogue has', async (algorithm, check) => {
  const digits = Buffer.from('123456789');
  const both = await Promise.all([partChecksum(algorithm, digits), partChecksum(algorithm, digits)]);
  expect(both).toEqual([hex(check), hex(check)]);
});

it('a checksum that begins with zeros keeps them', async () => {
  const text = Array.from({ length: 10_000 }, (_, n) => `${n}`).find((digits) => crc32(digits) < 2 ** 24) ?? '';
  const bytes = Buffer.from(await partChecksum('CRC32', Buffer.from(text)), 'base64');
  expect([bytes.length, bytes[0], bytes.readUInt32BE()]).toEqual([4, 0, crc32(text)]);
});

function hex(value: string): string {
  return Buffer.from(value, 'hex').toString('base64');
}

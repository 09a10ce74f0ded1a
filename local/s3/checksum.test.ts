import { randomBytes } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createDigest, multipartChecksum } from '#local/s3/checksum.ts';

const CHECK_INPUT = Buffer.from('123456789');

describe('checksums', () => {
  // Check values of the CRC RevEng catalogue.
  it.each([
    ['CRC32', 'cbf43926'],
    ['CRC32C', 'e3069283'],
    ['CRC64NVME', 'ae8b14860a799888'],
  ] as const)('%s gives the catalogue value', (algorithm, expected) => {
    const digest = createDigest(algorithm);
    digest.update(CHECK_INPUT);
    expect(digest.digest().toString('hex')).toBe(expected);
  });

  it.each(['CRC32', 'CRC32C', 'CRC64NVME'] as const)('%s does not depend on how the bytes are cut', (algorithm) => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), fc.nat(300), fc.nat(7), (bytes, cut, offset) => {
        const shifted = Buffer.concat([Buffer.alloc(offset), bytes]).subarray(offset);
        const whole = createDigest(algorithm);
        whole.update(Buffer.from(bytes));
        const pieces = createDigest(algorithm);
        pieces.update(shifted.subarray(0, cut));
        pieces.update(shifted.subarray(cut));
        expect(pieces.digest()).toEqual(whole.digest());
      }),
    );
  });

  it.each(['CRC32', 'CRC32C', 'CRC64NVME'] as const)('%s of an object comes from those of its parts', (algorithm) => {
    const parts = [randomBytes(70_001), randomBytes(70_001), Buffer.alloc(0), randomBytes(3)];
    const digestOf = (bytes: Buffer) => {
      const digest = createDigest(algorithm);
      digest.update(bytes);
      return digest.digest().toString('base64');
    };
    const combined = multipartChecksum(
      algorithm,
      'FULL_OBJECT',
      parts.map((part) => ({ value: digestOf(part), sizeBytes: part.length })),
    );
    expect(combined).toEqual({ algorithm, type: 'FULL_OBJECT', value: digestOf(Buffer.concat(parts)) });
  });
});

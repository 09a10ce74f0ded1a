import { createCipheriv, randomBytes } from 'node:crypto';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { createCfbDecipher } from './cfb-decipher.ts';

test('decrypts what OpenSSL encrypts, in pieces of any size, from any place in memory', () => {
  fc.assert(
    fc.property(
      fc.constantFrom(16, 24, 32),
      fc.uint8Array({ maxLength: 400 }),
      fc.array(fc.integer({ min: 0, max: 50 }), { maxLength: 30 }),
      (keyBytes, content, sizes) => {
        const cipher = `aes-${keyBytes * 8}-cfb`;
        const key = randomBytes(keyBytes);
        const encrypted = createCipheriv(cipher, key, Buffer.alloc(16)).update(content);
        const decipher = createCfbDecipher(cipher, key);
        const parts: Buffer[] = [];
        let at = 0;
        for (const size of [...sizes, content.length]) {
          const odd = Buffer.concat([Buffer.from([0]), encrypted.subarray(at, at + size)]).subarray(1);
          parts.push(decipher.update(odd));
          at += odd.length;
        }
        expect(Buffer.compare(Buffer.concat([...parts, decipher.final()]), Buffer.from(content))).toBe(0);
      },
    ),
    { numRuns: 300 },
  );
});

test('pieces that are long, and one byte too long', () => {
  const [key, content] = [randomBytes(32), randomBytes(200_001)];
  const encrypted = createCipheriv('aes-256-cfb', key, Buffer.alloc(16)).update(content);
  for (const size of [65_536, 65_537, 100_000, 200_001]) {
    const decipher = createCfbDecipher('aes-256-cfb', key);
    const parts: Buffer[] = [];
    for (let at = 0; at < encrypted.length; at += size) parts.push(decipher.update(encrypted.subarray(at, at + size)));
    expect(Buffer.compare(Buffer.concat([...parts, decipher.final()]), content)).toBe(0);
  }
});

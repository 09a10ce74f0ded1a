/**
 * AES-CFB, to decrypt with. Each block of the content is one of the message, combined with the encrypted block before it (NIST SP 800-38A,
 * 6.3), and all of those are known: they are encrypted at once, block by block. OpenSSL's own CFB does one after the other, which takes
 * three times as long.
 */
import { createCipheriv } from 'node:crypto';

const BLOCK_BYTES = 16;

export interface CfbDecipher {
  /** Of whole blocks; what is left comes with the next, or at the end. */
  update(piece: Uint8Array): Buffer;
  final(): Buffer;
}

/** `cipher` such as `aes-256-cfb`; the first vector is of zeros, as PGP has it. */
export function createCfbDecipher(cipher: string, key: Uint8Array): CfbDecipher {
  const blocks = createCipheriv(cipher.replace(/cfb$/, 'ecb'), key, null).setAutoPadding(false);
  let before: Buffer = Buffer.alloc(BLOCK_BYTES);
  let rest: Buffer = Buffer.alloc(0);

  /** `encrypted`: the block before, and then what is decrypted, of whole words. */
  function combine(encrypted: Buffer, sizeBytes: number): Buffer {
    const plain = blocks.update(encrypted.subarray(0, sizeBytes));
    const into = words(plain);
    const from = words(encrypted.subarray(BLOCK_BYTES));
    for (let index = 0; index < into.length; index += 1)
      into[index] = (into[index] as number) ^ (from[index] as number);
    return plain;
  }

  return {
    update(piece) {
      const whole = (rest.length + piece.length) & -BLOCK_BYTES;
      const encrypted = Buffer.allocUnsafe(BLOCK_BYTES + rest.length + piece.length);
      encrypted.set(before);
      encrypted.set(rest, BLOCK_BYTES);
      encrypted.set(piece, BLOCK_BYTES + rest.length);
      rest = encrypted.subarray(BLOCK_BYTES + whole);
      before = encrypted.subarray(whole, whole + BLOCK_BYTES);
      return combine(encrypted, whole);
    },
    final() {
      const encrypted = Buffer.alloc(2 * BLOCK_BYTES);
      encrypted.set(before);
      encrypted.set(rest, BLOCK_BYTES);
      return combine(encrypted, BLOCK_BYTES).subarray(0, rest.length);
    },
  };
}

/** Whole ones; both sides begin where words may. */
function words({ buffer, byteOffset, length }: Buffer): Int32Array {
  return new Int32Array(buffer, byteOffset, length >> 2);
}

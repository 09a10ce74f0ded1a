/** Secrets made here: 256 random bits, stored as their SHA-256. Because they are random, one SHA-256 is enough; slow hashes are for passwords. */
import { createHash, randomBytes } from 'node:crypto';

export function newToken(): string {
  return randomBytes(32).toString('base64url');
}

/** Hex. */
export function hashToken(token: string): string {
  return createHash('sha256').update(token).digest('hex');
}

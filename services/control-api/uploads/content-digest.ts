/** `Content-Digest` (RFC 9530) and hex digests: what a sender says of the bytes, compared as they go by. */
import { createHash } from 'node:crypto';
import { LongshoreError } from '#shared/errors.ts';

export interface GivenDigest {
  readonly algorithm: 'sha256' | 'sha512';
  readonly value: Buffer;
}

const ALGORITHMS: Readonly<Record<string, GivenDigest['algorithm']>> = { 'sha-256': 'sha256', 'sha-512': 'sha512' };
const BYTES = { sha256: 32, sha512: 64 } as const;

/** @throws LongshoreError `REQUEST_INVALID` for a header that names no digest that can be compared. */
export function parseContentDigest(header: string | string[] | undefined): GivenDigest[] {
  if (header === undefined) return [];
  const given = [...String(header).matchAll(/(?:^|,)\s*([a-z0-9-]+)=:([A-Za-z0-9+/]*={0,2}):/g)].flatMap(
    ([, name = '', text = '']): GivenDigest[] => {
      const algorithm = ALGORITHMS[name];
      return algorithm === undefined ? [] : [{ algorithm, value: Buffer.from(text, 'base64') }];
    },
  );
  if (given.length === 0 || given.some(({ algorithm, value }) => value.length !== BYTES[algorithm]))
    throw new LongshoreError('REQUEST_INVALID', 'The header content-digest is not valid.', {
      hint: 'Send `content-digest: sha-256=:<base64>:` (RFC 9530); sha-512 is taken, too.',
    });
  return given;
}

export interface DigestCheck {
  update(piece: Uint8Array): void;
  /** @throws LongshoreError `UPLOAD_MISMATCH` */
  finish(): void;
}

export function checkDigests(given: readonly GivenDigest[]): DigestCheck {
  const running = given.map(({ algorithm, value }) => ({ algorithm, value, hash: createHash(algorithm) }));
  return {
    update(piece) {
      for (const { hash } of running) hash.update(piece);
    },
    finish() {
      for (const { algorithm, value, hash } of running)
        if (!hash.digest().equals(value))
          throw new LongshoreError(
            'UPLOAD_MISMATCH',
            `The bytes that arrived have another ${algorithm} than the one given.`,
          );
    },
  };
}

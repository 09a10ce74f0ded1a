/**
 * The keys of receipts, in the secret store: a private JWK of Ed25519, or a set of them. The first one signs; the public halves of all are
 * published, so that receipts of a key that was replaced can still be verified.
 */
import { createHash, generateKeyPairSync } from 'node:crypto';
import type { JWK } from 'jose';
import { z } from 'zod';
import { type SecretStore, unavailableSecret } from '#shared/runtime/secrets/secret-store.ts';
import { parseJson } from '#shared/text/parse-json.ts';

const MOST_KEYS = 20;
const base64url = z.string().regex(/^[A-Za-z0-9_-]{43}$/);
const keySchema = z.object({ kty: z.literal('OKP'), crv: z.literal('Ed25519'), x: base64url, d: base64url });
const keysSchema = z.union([
  keySchema.transform((key) => [key]),
  z.object({ keys: z.array(keySchema).min(1).max(MOST_KEYS) }).transform(({ keys }) => keys),
]);

export interface ReceiptKeys {
  /** JWS in compact form. @throws SecretError */
  sign(payload: object): Promise<string>;
  /** Without anything private. @throws SecretError */
  published(): Promise<{ readonly keys: readonly JWK[] }>;
}

export function createReceiptKeys(secrets: SecretStore, secretName: string): ReceiptKeys {
  async function read(): Promise<z.output<typeof keysSchema>> {
    const { text } = await secrets.read(secretName);
    const parsed = keysSchema.safeParse(parseJson(text));
    if (parsed.success) return parsed.data;
    throw unavailableSecret(`The secret ${secretName} is not a private JWK of Ed25519, nor a set of them.`);
  }

  return {
    async sign(payload) {
      const [key] = await read();
      if (key === undefined) throw unavailableSecret(`The secret ${secretName} has no key.`);
      const { CompactSign, importJWK } = await import('jose');
      return await new CompactSign(Buffer.from(JSON.stringify(payload)))
        .setProtectedHeader({ alg: 'EdDSA', typ: RECEIPT_TYPE, kid: thumbprintOf(key) })
        .sign(await importJWK(key, 'EdDSA'));
    },
    async published() {
      const keys = await read();
      return {
        keys: keys.map(({ kty, crv, x, ...key }) => ({
          kty,
          crv,
          x,
          kid: thumbprintOf({ x, ...key }),
          use: 'sig',
          alg: 'EdDSA',
        })),
      };
    },
  };
}

export const RECEIPT_TYPE = 'longshore-receipt+jws';

/** RFC 7638. */
function thumbprintOf({ x }: { readonly x: string }): string {
  return createHash('sha256')
    .update(JSON.stringify({ crv: 'Ed25519', kty: 'OKP', x }))
    .digest('base64url');
}

/** As the secret has it. */
export function makeReceiptKey(): string {
  return JSON.stringify(generateKeyPairSync('ed25519').privateKey.export({ format: 'jwk' }));
}

/** The operations of `transform` with PGP: `pgp-decrypt`, `pgp-verify`, `pgp-encrypt`, `pgp-sign`. */
import { z } from 'zod';
import { openPgpMessage } from '#shared/content/pgp/open-message.ts';
import { readPrivateKeys, readPublicKeys } from '#shared/content/pgp/pgp-keys.ts';
import { sealPgpMessage } from '#shared/content/pgp/seal-message.ts';
import { secretNameSchema } from '#shared/definitions/name-schemas.ts';
import { sizeSchema } from '#shared/definitions/size.ts';
import type { SecretStore } from '#shared/runtime/secrets/secret-store.ts';

const namesSchema = z.array(secretNameSchema).min(1).max(20);
const maxBytesSchema = sizeSchema.default(10_000_000_000);

export const pgpOperations = {
  'pgp-decrypt': z
    .strictObject({
      /** Secrets with private keys; the next one is added before the sender changes. */
      key: z.union([secretNameSchema, namesSchema]),
      passphrase: secretNameSchema.optional(),
      /** Secrets with public keys of senders. */
      signedBy: namesSchema.optional(),
      onUnsigned: z.enum(['fail', 'accept']).default('fail'),
      maxBytes: maxBytesSchema,
    })
    .refine(({ signedBy, onUnsigned }) => (signedBy === undefined) === (onUnsigned === 'accept'), {
      error: 'name the keys of senders, or say onUnsigned: accept without them',
      path: ['signedBy'],
    }),
  'pgp-verify': z.strictObject({ signedBy: namesSchema, maxBytes: maxBytesSchema }),
  'pgp-encrypt': z.strictObject({
    /** Secrets with public keys of recipients. */
    to: namesSchema,
    /** Secret with our private key. */
    sign: secretNameSchema.optional(),
    passphrase: secretNameSchema.optional(),
    armor: z.boolean().default(false),
  }),
  'pgp-sign': z.strictObject({
    key: secretNameSchema,
    passphrase: secretNameSchema.optional(),
    armor: z.boolean().default(false),
  }),
};

type Operations = typeof pgpOperations;
export type PgpOperation = { readonly [Kind in keyof Operations]?: z.output<Operations[Kind]> | undefined };

/** Undefined when it is another operation. Keys are read at the first byte. */
export function applyPgp(
  bytes: AsyncIterable<Uint8Array>,
  operation: PgpOperation,
  secrets: SecretStore,
): AsyncIterable<Uint8Array> | undefined {
  const { 'pgp-decrypt': decrypt, 'pgp-verify': verify, 'pgp-encrypt': encrypt, 'pgp-sign': sign } = operation;
  if (decrypt !== undefined) return opened(bytes, secrets, decrypt);
  if (verify !== undefined) return opened(bytes, secrets, verify);
  if (encrypt !== undefined) {
    const { to, sign: key, passphrase, armor } = encrypt;
    return sealed(bytes, secrets, { to, own: key === undefined ? undefined : { key, passphrase }, armor });
  }
  if (sign !== undefined) return sealed(bytes, secrets, { to: [], own: sign, armor: sign.armor });
  return undefined;
}

interface ToOpen {
  readonly key?: string | readonly string[];
  readonly passphrase?: string | undefined;
  readonly signedBy?: readonly string[] | undefined;
  readonly maxBytes: number;
}

async function* opened(
  bytes: AsyncIterable<Uint8Array>,
  secrets: SecretStore,
  { key, passphrase, signedBy, maxBytes }: ToOpen,
): AsyncGenerator<Uint8Array> {
  const decryptionKeys = key === undefined ? [] : await readPrivateKeys(secrets, { key, passphrase });
  const verificationKeys = await readPublicKeys(secrets, signedBy ?? []);
  const isSignatureRequired = signedBy !== undefined;
  yield* openPgpMessage(bytes, { decryptionKeys, verificationKeys, isSignatureRequired, maxBytes });
}

interface ToSeal {
  readonly to: readonly string[];
  readonly own: { readonly key: string; readonly passphrase?: string | undefined } | undefined;
  readonly armor: boolean;
}

async function* sealed(
  bytes: AsyncIterable<Uint8Array>,
  secrets: SecretStore,
  { to, own, armor }: ToSeal,
): AsyncGenerator<Uint8Array> {
  const encryptionKeys = await readPublicKeys(secrets, to);
  const signingKeys = own === undefined ? [] : await readPrivateKeys(secrets, own);
  yield* sealPgpMessage(bytes, { encryptionKeys, signingKeys, isArmored: armor });
}

/** The usual extensions. */
export function nameAfterPgp(operation: PgpOperation, name: string): string | undefined {
  if (operation['pgp-decrypt'] !== undefined || operation['pgp-verify'] !== undefined)
    return name.replace(/(?<=.)\.(?:pgp|gpg|asc|sig)$/i, '');
  const made = operation['pgp-encrypt'] ?? operation['pgp-sign'];
  return made === undefined ? undefined : `${name}${made.armor ? '.asc' : '.pgp'}`;
}

/** PGP keys out of a tenant's secrets: armored, one or several in a secret. */
import type { PrivateKey, PublicKey } from 'openpgp';
import { FormatFault } from '#shared/formats/format-fault.ts';
import type { SecretStore } from '#shared/runtime/secrets/secret-store.ts';

/** 17 MB of code that only routes with PGP need. */
export const loadOpenpgp = () => import('openpgp');

/** @throws SecretError; FormatFault `PGP_KEY_INVALID` */
export async function readPublicKeys(secrets: SecretStore, names: readonly string[]): Promise<PublicKey[]> {
  const { readKeys } = await loadOpenpgp();
  const keys = names.map(async (name) => {
    const { text } = await secrets.read(name);
    return await readKeys({ armoredKeys: text }).catch(() => {
      throw invalidKey(name, 'it is not an armored PGP key');
    });
  });
  return (await Promise.all(keys)).flat().map((key) => key.toPublic());
}

export interface PrivateKeySecrets {
  readonly key: string | readonly string[];
  readonly passphrase?: string | undefined;
}

/** Unlocked; they never leave memory. @throws SecretError; FormatFault `PGP_KEY_INVALID` */
export async function readPrivateKeys(
  secrets: SecretStore,
  { key, passphrase: passphraseName }: PrivateKeySecrets,
): Promise<PrivateKey[]> {
  const { decryptKey, readPrivateKeys: read } = await loadOpenpgp();
  const passphrase = passphraseName === undefined ? undefined : (await secrets.read(passphraseName)).text;
  const keys = [key].flat().map(async (name) => {
    const { text } = await secrets.read(name);
    const found = await read({ armoredKeys: text }).catch(() => {
      throw invalidKey(name, 'it is not an armored private PGP key');
    });
    return await Promise.all(
      found.map(async (one) => {
        if (one.isDecrypted()) return one;
        if (passphrase === undefined) throw invalidKey(name, 'it has a passphrase, and the route names none');
        return await decryptKey({ privateKey: one, passphrase }).catch(() => {
          throw invalidKey(name, 'the passphrase does not open it');
        });
      }),
    );
  });
  return (await Promise.all(keys)).flat();
}

export function invalidKey(name: string, why: string): FormatFault {
  return new FormatFault('PGP_KEY_INVALID', `The secret ${name} cannot be used as a PGP key: ${why}.`);
}

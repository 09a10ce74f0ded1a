/**
 * Secrets as files in one directory: the store of a single machine.
 *
 * 1. A file that others may read or write is refused, and so is a link: both say that something is wrong.
 * 2. A secret is read again when its file has changed (another inode, size or time), so a rotation needs no restart; otherwise a
 *    call costs one `stat`.
 * 3. A name never leaves the directory.
 */
import { constants } from 'node:fs';
import { type FileHandle, lstat, open } from 'node:fs/promises';
import { join } from 'node:path';
import { LongshoreError } from '#shared/errors.ts';
import { isSecretName, type Secret, type SecretStore, unavailableSecret } from './secret-store.ts';

export const LARGEST_SECRET_BYTES = 65_536;
const OTHERS = 0o077;

export function createFileSecretStore(directory: string): SecretStore {
  const held = new Map<string, Secret>();

  return {
    async read(name) {
      if (!isSecretName(name)) throw unavailableSecret('A secret has a name that cannot be one.');
      const path = join(directory, name);
      try {
        const known = held.get(name);
        if (known !== undefined && known.version === versionOf(await lstat(path, { bigint: true }))) return known;
        const secret = await readSecret(path, name);
        held.set(name, secret);
        return secret;
      } catch (error) {
        held.delete(name);
        if (error instanceof LongshoreError) throw error;
        const code = error instanceof Error && 'code' in error ? String(error.code) : 'unknown';
        throw unavailableSecret(`The secret ${name} cannot be read (${code}).`);
      }
    },
  };
}

async function readSecret(path: string, name: string): Promise<Secret> {
  const file: FileHandle = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  try {
    const facts = await file.stat({ bigint: true });
    if (!facts.isFile()) throw unavailableSecret(`The secret ${name} is not a file.`);
    if ((Number(facts.mode) & OTHERS) !== 0) {
      throw unavailableSecret(
        `The file of the secret ${name} can be read or written by others; it must have mode 0600.`,
      );
    }
    if (facts.size === 0n || facts.size > LARGEST_SECRET_BYTES) {
      throw unavailableSecret(`The secret ${name} is empty or over ${LARGEST_SECRET_BYTES} bytes.`);
    }
    const text = (await file.readFile('utf8')).replace(/\r?\n$/, '');
    return { text, version: versionOf(facts), changedAt: facts.mtime.toISOString() };
  } finally {
    await file.close();
  }
}

interface FileFacts {
  readonly ino: bigint;
  readonly size: bigint;
  readonly mtimeNs: bigint;
  readonly ctimeNs: bigint;
}

/** The time of the inode's change too, so that a secret of the same length in the same tick of the clock is seen. */
function versionOf({ ino, size, mtimeNs, ctimeNs }: FileFacts): string {
  return `${ino}-${size}-${mtimeNs}-${ctimeNs}`;
}

/** The gateway's host key: ed25519, made at the first start, kept so that clients see the same server ever after. */
import { chmodSync, existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { makeSshKey } from './make-ssh-key.ts';

/** Returns the private key in OpenSSH form. The file has mode 0600; it is written whole or not at all. */
export function loadOrCreateHostKey(file: string): string {
  if (!existsSync(file)) {
    mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
    const unfinished = `${file}.${process.pid}`;
    writeFileSync(unfinished, makeSshKey().private, { mode: 0o600 });
    renameSync(unfinished, file);
  }
  chmodSync(file, 0o600);
  return readFileSync(file, 'utf8');
}

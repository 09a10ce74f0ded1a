/**
 * ed25519 key pairs, in the forms that OpenSSH reads.
 *
 * ssh2 (1.17.0) writes one in 256 a byte short, the one whose public half begins with a zero, and nobody can read that: such a pair is
 * made again.
 */

import { chmodSync, existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import ssh2 from 'ssh2';

export function makeSshKey(comment = ''): { readonly private: string; readonly public: string } {
  for (;;) {
    const pair = ssh2.utils.generateKeyPairSync('ed25519', { comment });
    if (!(ssh2.utils.parseKey(pair.private) instanceof Error)) return pair;
  }
}

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

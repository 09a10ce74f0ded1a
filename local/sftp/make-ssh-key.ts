/**
 * ed25519 key pairs, in the forms that OpenSSH reads.
 *
 * ssh2 (1.17.0) writes one in 256 a byte short, the one whose public half begins with a zero, and nobody can read that: such a pair is
 * made anew.
 */
import ssh2 from 'ssh2';

export function makeSshKey(comment = ''): { readonly private: string; readonly public: string } {
  for (;;) {
    const pair = ssh2.utils.generateKeyPairSync('ed25519', { comment });
    if (!(ssh2.utils.parseKey(pair.private) instanceof Error)) return pair;
  }
}

/**
 * What the gateway agrees to speak: nothing that rests on SHA-1, no CBC, only encrypt-then-mac.
 *
 * Strict key exchange (`kex-strict-s-v00@openssh.com`) is always offered by ssh2 and needs no entry here. Given as whole
 * lists, because ssh2's defaults still offer hmac-sha1 and, for RSA host keys, ssh-rsa.
 */
import type { Algorithms } from 'ssh2';

export const SFTP_ALGORITHMS = {
  kex: [
    'curve25519-sha256',
    'curve25519-sha256@libssh.org',
    'ecdh-sha2-nistp256',
    'ecdh-sha2-nistp384',
    'ecdh-sha2-nistp521',
    'diffie-hellman-group14-sha256',
    'diffie-hellman-group16-sha512',
    'diffie-hellman-group18-sha512',
  ],
  serverHostKey: ['ssh-ed25519'],
  cipher: [
    'aes128-gcm@openssh.com',
    'aes256-gcm@openssh.com',
    'chacha20-poly1305@openssh.com',
    'aes128-ctr',
    'aes192-ctr',
    'aes256-ctr',
  ],
  hmac: ['hmac-sha2-256-etm@openssh.com', 'hmac-sha2-512-etm@openssh.com'],
  compress: ['none'],
} as const satisfies Algorithms;

/**
 * What ssh2 does again for every packet and need not, set right after each handshake, the repeated ones too.
 *
 * 1. It makes a cipher from the bytes of its key; Node turns them into a key object each time, which costs more than encrypting a small packet.
 *    So they become one, once. A cipher that keeps its key elsewhere is left as it is.
 * 2. With AES-GCM it keeps nothing of what it is given: every packet is deciphered into its own buffer. So the reads may share theirs.
 */
import { createSecretKey } from 'node:crypto';
import type { Client, NegotiatedAlgorithms } from 'ssh2';
import type { SocketReads } from './socket-reads.ts';

/** Where ssh2 1.17 keeps what it gives to `createCipheriv`, `createDecipheriv` and `createHmac`, and to nothing else. */
const KEYS = ['_encKey', '_encKeyMain', '_encKeyPktLen', '_decipherKey', '_decKeyMain', '_decKeyPktLen', '_macKey'];

interface Inside {
  readonly _protocol?: { readonly _cipher?: Record<string, unknown>; readonly _decipher?: Record<string, unknown> };
}

export function tuneSsh2(client: Client, reads: SocketReads): void {
  client.on('handshake', ({ sc }: NegotiatedAlgorithms) => {
    const { _protocol: protocol } = client as unknown as Inside;
    for (const cipher of [protocol?._cipher, protocol?._decipher]) if (cipher !== undefined) keepKeys(cipher);
    reads.share(/^aes\d+-gcm/.test(sc.cipher));
  });
}

function keepKeys(cipher: Record<string, unknown>): void {
  for (const name of KEYS) {
    const key = cipher[name];
    if (Buffer.isBuffer(key)) cipher[name] = createSecretKey(key);
  }
}

/**
 * Tells clients by which algorithms they may sign their login (RFC 8308, `server-sig-algs`).
 *
 * ssh2 sends a list that it does not let its user set: a comma is missing in it, so that a client that signs only with rsa-sha2-512
 * does not find its algorithm, and it names ssh-rsa and ssh-dss, which are refused. So its message is held back, by denying that
 * the client takes any, and this one is sent in its place. `gateway-clients.test.ts` fails when the parts of ssh2 that this rests on change.
 */
import type { Connection } from 'ssh2';

const SIGNATURE_ALGORITHMS = [
  'ssh-ed25519',
  'ecdsa-sha2-nistp256',
  'ecdsa-sha2-nistp384',
  'ecdsa-sha2-nistp521',
  'rsa-sha2-512',
  'rsa-sha2-256',
];
const MESSAGE_EXT_INFO = 7;

interface Protocol {
  _kex: { remoteExtInfoEnabled: boolean };
  _onHandshakeComplete(...negotiated: unknown[]): void;
  readonly _packetRW: {
    readonly write: { readonly allocStart: number; alloc(bytes: number): Buffer; finalize(packet: Buffer): Buffer };
  };
  readonly _cipher: { encrypt(packet: Buffer): void };
}

/** To be called before the handshake. */
export function announceSignatureAlgorithms(client: Connection): void {
  const { _protocol: protocol } = client as unknown as { readonly _protocol: Protocol };
  const complete = protocol._onHandshakeComplete;
  protocol._onHandshakeComplete = (...negotiated) => {
    protocol._onHandshakeComplete = complete;
    const isWanted = protocol._kex.remoteExtInfoEnabled;
    protocol._kex.remoteExtInfoEnabled = false;
    if (isWanted) sendPacket(protocol, extensionInfo());
    complete(...negotiated);
  };
}

function extensionInfo(): Buffer {
  const count = Buffer.alloc(4);
  count.writeUInt32BE(1);
  const extension = [sshString('server-sig-algs'), sshString(SIGNATURE_ALGORITHMS.join(','))];
  return Buffer.concat([Buffer.from([MESSAGE_EXT_INFO]), count, ...extension]);
}

function sshString(text: string): Buffer {
  const length = Buffer.alloc(4);
  length.writeUInt32BE(Buffer.byteLength(text));
  return Buffer.concat([length, Buffer.from(text)]);
}

function sendPacket({ _packetRW: { write }, _cipher: cipher }: Protocol, payload: Buffer): void {
  const packet = write.alloc(payload.length);
  packet.set(payload, write.allocStart);
  cipher.encrypt(write.finalize(packet));
}

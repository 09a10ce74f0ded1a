/** Which certificates a server may show: by an authority, by the pins of its key, or by both. */
import { createHash, X509Certificate } from 'node:crypto';
import { isIP } from 'node:net';
import { type ConnectionOptions, checkServerIdentity, type TLSSocket } from 'node:tls';
import type { FtpsRemote, HttpsRemote } from '#shared/definitions/remote-schema.ts';
import type { RemoteIdentity } from '../remote-connection.ts';

export interface Trust {
  /** For control and data connections. */
  readonly tls: ConnectionOptions;
  /** Of a connection whose handshake is over. */
  judge(socket: TLSSocket): RemoteIdentity;
  /** What the last handshake showed, also where it failed. */
  shown(): Omit<RemoteIdentity, 'isTrusted'> | undefined;
}

/** `authority`: PEM. */
export function trustOf(
  { host, tls }: Pick<FtpsRemote | HttpsRemote, 'host' | 'tls'>,
  authority: string | undefined,
): Trust {
  const { pins, minVersion } = tls;
  const isPinnedOnly = pins !== undefined && authority === undefined;
  let last: Omit<RemoteIdentity, 'isTrusted'> | undefined;
  const describe = (raw: Buffer): Omit<RemoteIdentity, 'isTrusted'> => {
    const certificate = new X509Certificate(raw);
    const key = certificate.publicKey.export({ type: 'spki', format: 'der' });
    return {
      fingerprint: `sha256/${createHash('sha256').update(key).digest('base64')}`,
      certificateEndsAt: certificate.validToDate.toISOString(),
    };
  };
  return {
    tls: {
      host,
      minVersion,
      // A pinned key is who it is, whoever signed it.
      rejectUnauthorized: !isPinnedOnly,
      ...(isIP(host) === 0 && { servername: host }),
      ...(authority !== undefined && { ca: authority }),
      checkServerIdentity(_name, certificate) {
        last = describe(certificate.raw);
        return isPinnedOnly ? undefined : checkServerIdentity(host, certificate);
      },
    },
    judge(socket) {
      // A resumed session is that of a connection that was judged.
      if (socket.isSessionReused() && last !== undefined) return { ...last, isTrusted: true };
      const raw = socket.getPeerX509Certificate()?.raw;
      if (raw === undefined) return { fingerprint: 'none', isTrusted: false };
      last = describe(raw);
      const isChained = isPinnedOnly || socket.authorized;
      return { ...last, isTrusted: isChained && (pins === undefined || pins.includes(last.fingerprint)) };
    },
    shown: () => last,
  };
}

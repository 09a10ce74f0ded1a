/** What a TLS handshake that failed says of the server: only a certificate that does not hold is a matter of trust. */
import { isCertificateFault } from '#shared/http/http-exchange.ts';
import { reasonOf } from '../connect-socket.ts';
import type { RemoteIdentity } from '../remote-connection.ts';
import { RemoteError } from '../remote-error.ts';

export function untrusted(identity: Pick<RemoteIdentity, 'fingerprint'> | undefined, reason?: string): RemoteError {
  const shown = identity === undefined ? '' : ` with the key ${identity.fingerprint}`;
  return new RemoteError(
    'untrusted',
    `the server shows a certificate${shown} that is not trusted${reason === undefined ? '' : ` (${reason})`}`,
    { hint: 'Ask the partner whether it is theirs, then name its authority or add the key to tls.pins.' },
  );
}

/** `error`: of the handshake. `onIdentity` gets what the server showed where it is not trusted. */
export function handshakeFailed(
  error: unknown,
  {
    shown,
    onIdentity,
  }: {
    readonly shown: Omit<RemoteIdentity, 'isTrusted'> | undefined;
    readonly onIdentity: ((identity: RemoteIdentity) => void) | undefined;
  },
): RemoteError {
  const reason = reasonOf(error);
  if (isCertificateFault(error)) {
    if (shown !== undefined) onIdentity?.({ ...shown, isTrusted: false });
    return untrusted(shown, reason);
  }
  // Both sides spoke, and share no version or cipher; or what came is not TLS.
  if (/^(?:ERR_SSL_|EPROTO)/.test(reason)) return new RemoteError('protocol', `no TLS could be agreed on (${reason})`);
  return new RemoteError('unreachable', `the server ended the TLS handshake (${reason})`);
}

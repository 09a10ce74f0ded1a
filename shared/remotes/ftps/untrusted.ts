/** The error of a server whose certificate does not hold, which shows what it showed. */
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

/**
 * A client of one HTTPS server with files.
 *
 * 1. The certificate is judged before anything is sent, on every socket that is opened.
 * 2. One request at a time; what makes no progress for `timeouts.stall` is ended, a long transfer that goes on is not.
 */
import { once } from 'node:events';
import { type TLSSocket, connect as tlsConnect } from 'node:tls';
import { type buildConnector, Client } from 'undici';
import { type HttpsRemote, portOf } from '#shared/definitions/remote-schema.ts';
import type { AddressGuard } from '#shared/http/address-guard.ts';
import { connectSocket, reasonOf } from '../connect-socket.ts';
import { trustOf } from '../ftps/trust-certificate.ts';
import { untrusted } from '../ftps/untrusted.ts';
import type { RemoteIdentity } from '../remote-connection.ts';
import { RemoteError } from '../remote-error.ts';

export interface OpenHttpsOptions {
  readonly guard: AddressGuard;
  readonly signal?: AbortSignal | undefined;
  readonly onIdentity?: ((identity: RemoteIdentity) => void) | undefined;
}

export interface HttpsClient {
  readonly client: Client;
  readonly origin: string;
  /** Of the last socket. */
  readonly identity: () => RemoteIdentity | undefined;
}

/** Resolves to what `logIn` makes of the client, which is closed when that fails. */
export async function openHttpsClient<Opened>(
  remote: HttpsRemote,
  authority: string | undefined,
  { guard, signal, onIdentity }: OpenHttpsOptions,
  logIn: (client: HttpsClient) => Promise<Opened>,
): Promise<Opened> {
  const { connect: connectMs, stall: stallMs } = remote.timeouts;
  const place = { host: remote.host, port: portOf(remote) };
  const trust = trustOf(remote, authority);
  let identity: RemoteIdentity | undefined;

  async function openSocket(deadline: AbortSignal): Promise<TLSSocket> {
    const socket = await connectSocket(place, { guard, signal: deadline });
    const secured = tlsConnect({ ...trust.tls, socket, ALPNProtocols: ['http/1.1'] });
    try {
      await once(secured, 'secureConnect', { signal: deadline });
    } catch (error) {
      socket.destroy();
      if (deadline.aborted) throw new RemoteError('unreachable', `${place.host}:${place.port} did not answer in time`);
      const shown = trust.shown();
      if (shown !== undefined) onIdentity?.({ ...shown, isTrusted: false });
      throw untrusted(shown, reasonOf(error));
    }
    identity = trust.judge(secured);
    onIdentity?.(identity);
    if (identity.isTrusted) return secured;
    secured.destroy();
    throw untrusted(identity);
  }

  const connector: buildConnector.connector = (_to, done) => {
    openSocket(AbortSignal.timeout(connectMs)).then(
      (socket) => done(null, socket),
      (error: Error) => done(error, null),
    );
  };
  const host = place.host.includes(':') ? `[${place.host}]` : place.host;
  const origin = new URL(`https://${host}:${place.port}`).origin;
  const client = new Client(origin, {
    connect: connector,
    ...{ headersTimeout: stallMs, bodyTimeout: stallMs, pipelining: 1 },
  });
  const onAbort = (): void => void client.destroy();
  signal?.addEventListener('abort', onAbort, { once: true });
  try {
    return await logIn({ client, origin, identity: () => identity });
  } catch (error) {
    client.destroy().catch(() => {});
    if (signal?.aborted) throw new RemoteError('lost', 'the connection was given up');
    throw error;
  } finally {
    signal?.removeEventListener('abort', onAbort);
  }
}

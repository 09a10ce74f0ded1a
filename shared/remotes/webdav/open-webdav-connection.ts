/**
 * A connection to a WebDAV server, over HTTPS.
 *
 * 1. The certificate is judged before user and password are sent, on every socket that is opened.
 * 2. The password is tried once, by asking for the first of the remote's paths.
 * 3. No redirect is followed: the password never goes elsewhere.
 */
import { once } from 'node:events';
import { type TLSSocket, connect as tlsConnect } from 'node:tls';
import { type buildConnector, Client } from 'undici';
import { portOf, type WebdavRemote } from '#shared/definitions/remote-schema.ts';
import type { AddressGuard } from '#shared/http/address-guard.ts';
import { connectSocket, reasonOf } from '../connect-socket.ts';
import { trustOf } from '../ftps/trust-certificate.ts';
import { untrusted } from '../ftps/untrusted.ts';
import type { RemoteConnection, RemoteIdentity } from '../remote-connection.ts';
import { RemoteError } from '../remote-error.ts';
import { WebdavConnection } from './webdav-connection.ts';

export interface OpenWebdavOptions {
  readonly guard: AddressGuard;
  readonly signal?: AbortSignal | undefined;
  readonly onIdentity?: ((identity: RemoteIdentity) => void) | undefined;
}

export async function openWebdavConnection(
  remote: WebdavRemote,
  secrets: { readonly password: string; readonly authority?: string | undefined },
  options: OpenWebdavOptions,
): Promise<RemoteConnection> {
  const { connect: connectMs, stall: stallMs } = remote.timeouts;
  const place = { host: remote.host, port: portOf(remote) };
  const trust = trustOf(remote, secrets.authority);
  let identity: RemoteIdentity | undefined;

  async function openSocket(signal: AbortSignal): Promise<TLSSocket> {
    const socket = await connectSocket(place, { guard: options.guard, signal });
    const secured = tlsConnect({ ...trust.tls, socket, ALPNProtocols: ['http/1.1'] });
    try {
      await once(secured, 'secureConnect', { signal });
    } catch (error) {
      socket.destroy();
      if (signal.aborted) throw new RemoteError('unreachable', `${place.host}:${place.port} did not answer in time`);
      const shown = trust.shown();
      if (shown !== undefined) options.onIdentity?.({ ...shown, isTrusted: false });
      throw untrusted(shown, reasonOf(error));
    }
    identity = trust.judge(secured);
    options.onIdentity?.(identity);
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
    // What stands still is ended; a long transfer that goes on is not.
    ...{ headersTimeout: stallMs, bodyTimeout: stallMs, pipelining: 1 },
  });
  const onAbort = (): void => void client.destroy();
  options.signal?.addEventListener('abort', onAbort, { once: true });
  try {
    const authorization = `Basic ${Buffer.from(`${remote.user}:${secrets.password}`).toString('base64')}`;
    const connection = new WebdavConnection({ client, origin, authorization, identity: () => identity });
    await connection.logIn(remote.paths[0] ?? '/');
    return connection;
  } catch (error) {
    client.destroy().catch(() => {});
    if (options.signal?.aborted) throw new RemoteError('lost', 'the connection was given up');
    throw error;
  } finally {
    options.signal?.removeEventListener('abort', onAbort);
  }
}

/**
 * A client of one HTTPS server with files, and of others that it names.
 *
 * 1. The certificate is judged before anything is sent, on every socket that is opened. Pinned keys are those of the server itself.
 * 2. One request at a time; what makes no progress for `timeouts.stall` is ended, a long transfer that continues is not.
 */
import { once } from 'node:events';
import { type TLSSocket, connect as tlsConnect } from 'node:tls';
import { Agent, type buildConnector } from 'undici';
import { type HttpsRemote, portOf } from '#shared/definitions/remote-schema.ts';
import type { AddressGuard } from '#shared/http/address-guard.ts';
import { connectSocket, type SocketPlace } from '../connect-socket.ts';
import { trustOf } from '../ftps/trust-certificate.ts';
import { handshakeFailed, untrusted } from '../ftps/untrusted.ts';
import type { RemoteIdentity } from '../remote-connection.ts';
import { RemoteError } from '../remote-error.ts';

const HTTPS_PORT = 443;

export interface OpenHttpsOptions {
  readonly guard: AddressGuard;
  readonly signal?: AbortSignal | undefined;
  readonly onIdentity?: ((identity: RemoteIdentity) => void) | undefined;
}

export interface HttpsClient {
  readonly client: Agent;
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
  const { host: ownHost } = remote;
  const ownTrust = trustOf(remote, authority);
  let identity: RemoteIdentity | undefined;

  async function openSocket(place: SocketPlace, deadline: AbortSignal): Promise<TLSSocket> {
    const isOwn = place.host === ownHost;
    const { pins: _pins, ...unpinned } = remote.tls;
    const trust = isOwn ? ownTrust : trustOf({ host: place.host, tls: unpinned }, authority);
    const socket = await connectSocket(place, { guard, signal: deadline });
    const secured = tlsConnect({ ...trust.tls, socket, ALPNProtocols: ['http/1.1'] });
    try {
      await once(secured, 'secureConnect', { signal: deadline });
    } catch (error) {
      socket.destroy();
      if (deadline.aborted) throw new RemoteError('unreachable', `${place.host}:${place.port} did not answer in time`);
      throw handshakeFailed(error, { shown: trust.shown(), onIdentity: isOwn ? onIdentity : undefined });
    }
    const judged = trust.judge(secured);
    if (isOwn) {
      identity = judged;
      onIdentity?.(judged);
    }
    if (judged.isTrusted) return secured;
    secured.destroy();
    throw untrusted(judged);
  }

  const connector: buildConnector.connector = ({ hostname, port }, done) => {
    const place = { host: hostname.replace(/^\[|\]$/g, ''), port: Number(port || HTTPS_PORT) };
    openSocket(place, AbortSignal.timeout(connectMs)).then(
      (socket) => done(null, socket),
      (error: Error) => done(error, null),
    );
  };
  const host = ownHost.includes(':') ? `[${ownHost}]` : ownHost;
  const origin = new URL(`https://${host}:${portOf(remote)}`).origin;
  const client = new Agent({
    connect: connector,
    ...{ headersTimeout: stallMs, bodyTimeout: stallMs, pipelining: 1, connections: 1 },
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

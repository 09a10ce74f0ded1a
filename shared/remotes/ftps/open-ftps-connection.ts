/**
 * A connection to an FTPS server, by basic-ftp.
 *
 * 1. The certificate is judged before user and password are sent: by an authority, by the pins of its key, or by both.
 * 2. The password is tried once.
 * 3. Data connections go to the address of the control connection alone, whatever the server says, and resume its TLS session.
 */
import { once } from 'node:events';
import { type TLSSocket, connect as tlsConnect } from 'node:tls';
import { Client, FTPError } from 'basic-ftp';
import { type FtpsRemote, portOf } from '#shared/definitions/remote-schema.ts';
import type { AddressGuard } from '#shared/http/address-guard.ts';
import { connectSocket, reasonOf } from '../connect-socket.ts';
import type { RemoteConnection, RemoteIdentity } from '../remote-connection.ts';
import { RemoteError } from '../remote-error.ts';
import { dataSetsOver } from './data-sets.ts';
import { FtpsConnection } from './ftps-connection.ts';
import { openDataConnection } from './open-data-connection.ts';
import { trustOf } from './trust-certificate.ts';
import { handshakeFailed, untrusted } from './untrusted.ts';

export interface FtpsSecrets {
  readonly password: string;
  /** PEM. */
  readonly authority?: string | undefined;
}

export interface OpenFtpsOptions {
  readonly guard: AddressGuard;
  readonly signal?: AbortSignal | undefined;
  readonly onIdentity?: ((identity: RemoteIdentity) => void) | undefined;
}

/** Some servers answer the password with 530 where too many are logged in already (proftpd, IIS); as lftp takes them. */
const TOO_MANY = /too many|maximum number|already connected|simultaneous|connection limit|try (?:again |back )?later/i;
/** These are about the account, and a second try could lock it. */
const OF_ACCOUNT = /fail|attempt|lock|password|incorrect|authent|denied|disabled|expired/i;

/** A listing is read as it comes (`list-directory.ts`); this is for what basic-ftp gathers itself. */
const MOST_GATHERED_BYTES = 1_048_576;

export async function openFtpsConnection(
  remote: FtpsRemote,
  secrets: FtpsSecrets,
  options: OpenFtpsOptions,
): Promise<RemoteConnection> {
  const deadline = AbortSignal.timeout(remote.timeouts.connect);
  const signal = options.signal === undefined ? deadline : AbortSignal.any([options.signal, deadline]);
  const place = { host: remote.host, port: portOf(remote) };
  const trust = trustOf(remote, secrets.authority);
  const client = new Client(remote.timeouts.stall, {
    allowSeparateTransferHost: false,
    maxListingBytes: MOST_GATHERED_BYTES,
  });
  const onAbort = (): void => client.close();
  signal.addEventListener('abort', onAbort, { once: true });
  let doing = 'connect' as 'connect' | 'secure' | 'log in' | 'site' | 'settle';
  let identity: RemoteIdentity | undefined;
  try {
    const socket = await connectSocket(place, { guard: options.guard, signal });
    client.prepareTransfer = (ftp) => openDataConnection(ftp, trust);
    const secure = async (): Promise<TLSSocket> => {
      doing = 'secure';
      const secured = tlsConnect({ ...trust.tls, socket });
      await once(secured, 'secureConnect', { signal });
      identity = trust.judge(secured);
      options.onIdentity?.(identity);
      if (!identity.isTrusted) throw untrusted(identity);
      doing = 'settle';
      return secured;
    };
    if (remote.tls.mode === 'implicit') {
      client.ftp.socket = await secure();
      await welcome(client);
    } else {
      client.ftp.socket = socket;
      await welcome(client);
      await client.send('AUTH TLS');
      // Nothing that came before the handshake may be taken for a reply.
      socket.removeAllListeners('data');
      client.ftp.socket = await secure();
    }
    client.ftp.tlsOptions = trust.tls;
    doing = 'log in';
    await client.login(remote.user, secrets.password);
    doing = 'settle';
    await client.useDefaultSettings();
    for (const line of remote.site ?? []) {
      doing = 'site';
      await client.send(`SITE ${line}`);
    }
    doing = 'settle';
    const { fingerprint, certificateEndsAt } = identity as RemoteIdentity;
    const features = await client.features();
    const connection = new FtpsConnection({
      client,
      fingerprint,
      certificateEndsAt,
      features: new Set([...features.keys()].map((name) => name.toUpperCase())),
    });
    return remote.dialect === 'zos'
      ? dataSetsOver({ connection, lines: (directory) => connection.lines(directory) })
      : connection;
  } catch (error) {
    client.close();
    if (error instanceof RemoteError) throw error;
    if (deadline.aborted) throw new RemoteError('unreachable', `${place.host}:${place.port} did not answer in time`);
    if (options.signal?.aborted) throw new RemoteError('lost', 'the connection was given up');
    if (error instanceof FTPError) {
      if (error.code === 421) throw new RemoteError('busy', 'the server takes no more connections', { reply: 421 });
      if (doing === 'log in' && TOO_MANY.test(error.message) && !OF_ACCOUNT.test(error.message))
        throw new RemoteError('busy', 'the server takes no more logins of this user', { reply: error.code });
      if (doing === 'log in')
        throw new RemoteError('auth-failed', 'the server does not accept user and password', { reply: error.code });
      if (doing === 'site')
        throw new RemoteError('protocol', 'the server refuses a line of `site`', { reply: error.code });
      throw new RemoteError('protocol', 'the server refuses what FTPS needs', { reply: error.code });
    }
    if (doing === 'secure') throw handshakeFailed(error, { shown: trust.shown(), onIdentity: options.onIdentity });
    throw new RemoteError('unreachable', `${place.host}:${place.port} closed the connection (${reasonOf(error)})`);
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}

/** The greeting; `120` promises another one. */
async function welcome(client: Client): Promise<void> {
  await client.ftp.handle(undefined, (reply, task) => {
    if (reply instanceof Error) task.reject(reply);
    else if (reply.code >= 200) task.resolve(reply);
  });
}

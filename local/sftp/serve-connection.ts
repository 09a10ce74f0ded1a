/**
 * One connection from its first byte to its last: handshake, login, channels, end.
 *
 * 1. A connection whose logins are refused too often is cut; the deadline for logging in is the gateway's.
 * 2. Every object of ssh2 that can emit `error` has a listener; an error ends this connection only.
 * 3. A session asks again and again whether its user, with the key that it logged in with, may still be there, and ends when not. An answer
 *    that does not come ends nothing: while the database is down nobody is disabled.
 * 4. `ended` resolves when the socket is closed and every upload of the connection is settled.
 */
import { randomBytes } from 'node:crypto';
import type { Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import type { S3Client } from '@aws-sdk/client-s3';
import type { AuthContext, Connection, Session } from 'ssh2';
import type { Logger } from '#shared/runtime/logger.ts';
import { authenticate, type FindUser, isKeyOf } from './authenticate.ts';
import { createConnectionFlow } from './connection-flow.ts';
import type { AdmittedSocket } from './connection-limits.ts';
import { createFileTree } from './file-tree.ts';
import type { GatewayLimits } from './limits.ts';
import type { SftpMetrics } from './metrics.ts';
import type { SessionContext } from './session-context.ts';
import { type SftpChannel, serveSftpChannel } from './sftp-channel.ts';
import { announceSignatureAlgorithms } from './signature-algorithms.ts';
import type { ServerIdentity } from './transfer-event.ts';
import type { TransferJournal } from './transfer-journal.ts';
import { createUserRoot, type SftpUser } from './user-root.ts';

export interface GatewayParts {
  readonly findUser: FindUser;
  readonly store: S3Client;
  readonly landingBucket: string;
  readonly outboundBucket: string;
  readonly journal: TransferJournal;
  readonly server: ServerIdentity;
  readonly partSizeBytes: number;
  readonly limits: GatewayLimits;
  readonly metrics: SftpMetrics;
  readonly logger: Logger;
}

export interface ServedConnection {
  readonly ended: Promise<void>;
  /** Lets transfers end until `deadline` aborts, settles what is open then, and ends the connection. */
  stop(deadline: AbortSignal): Promise<void>;
}

/** For the peer to close its half; a peer that is gone never does. */
const CLOSE_GRACE_MS = 1_000;
const IDLE_LOOK_INTERVAL_MS = 50;

export function serveConnection(
  parts: GatewayParts,
  { client, socket, place }: { client: Connection; socket: Socket; place: AdmittedSocket },
): ServedConnection {
  const { limits, metrics } = parts;
  const sessionId = randomBytes(12).toString('hex');
  const clientIp = socket.remoteAddress ?? '';
  const startedAt = Date.now();
  const channels = new Set<SftpChannel>();
  const { promise: ended, resolve: markEnded } = Promise.withResolvers<void>();
  let logger = parts.logger.child({ session: sessionId, clientIp });
  let refusals = 0;
  let login: { readonly user: SftpUser; readonly username: string; readonly key: Buffer } | undefined;
  let accessTimer: NodeJS.Timeout | undefined;

  function disconnect(): void {
    client.end();
    setTimeout(() => socket.destroy(), CLOSE_GRACE_MS).unref();
  }

  const idleTimer = setTimeout(() => {
    metrics.refusedConnections.inc({ reason: 'idle' });
    logger.info('session idle');
    disconnect();
  }, limits.idleTimeoutMs);

  async function onAuthentication(context: AuthContext): Promise<void> {
    const result = await authenticate(context, parts.findUser);
    if (result.kind === 'key-known') return context.accept();
    if (result.kind === 'accepted') {
      if (place.logIn(context.username)) {
        login = { user: result.user, username: context.username, key: result.key };
        return context.accept();
      }
      metrics.refusedConnections.inc({ reason: 'sessions-of-user' });
    }
    const reason = result.kind === 'accepted' ? 'sessions-of-user' : result.reason;
    // The first request of every client is `none`, to learn the methods: that is not a failure.
    if (context.method !== 'none') {
      metrics.authFailures.inc({ reason });
      const err = 'error' in result ? result.error : undefined;
      logger.warn({ username: context.username, method: context.method, reason, err }, 'login refused');
    }
    refusals += 1;
    if (refusals > limits.maxAuthAttempts) return disconnect();
    context.reject(['publickey']);
  }

  async function checkAccess({ user, username, key }: NonNullable<typeof login>): Promise<void> {
    const found = await parts.findUser(username).catch((error: unknown) => {
      logger.warn({ err: error }, 'access could not be checked');
      return user;
    });
    const isSame = found?.tenantId === user.tenantId && found.homePrefix === user.homePrefix;
    if (found !== undefined && isSame && isKeyOf(found, key)) return;
    clearInterval(accessTimer);
    metrics.refusedConnections.inc({ reason: 'access-ended' });
    logger.info('access ended');
    disconnect();
  }

  function onSession(session: Session, context: SessionContext): void {
    session.on('error', (error: Error) => logger.warn({ reason: error.message }, 'channel failed'));
    session.on('sftp', (accept, reject) => {
      if (channels.size >= limits.maxChannels) return reject();
      const sftp = accept();
      const channel = serveSftpChannel(sftp, context);
      channels.add(channel);
      sftp.once('close', () => void channel.end().then(() => channels.delete(channel)));
    });
  }

  announceSignatureAlgorithms(client);
  client.on('authentication', (context) => {
    onAuthentication(context).catch((error: unknown) => {
      logger.error({ err: error }, 'login failed');
      disconnect();
    });
  });
  client.on('ready', () => {
    // `accept` was called with a user, and nothing else leads here.
    const context = createSessionContext(login!);
    logger = context.logger;
    logger.info('session opened');
    accessTimer = setInterval(() => void checkAccess(login!), limits.accessCheckMs);
    client.on('session', (accept) => onSession(accept(), context));
  });
  client.on('error', (error: Error) => {
    logger.warn({ reason: error.message }, 'connection failed');
    setTimeout(() => socket.destroy(), CLOSE_GRACE_MS).unref();
  });
  socket.once('close', () => void onClose());

  function createSessionContext({ user, username }: NonNullable<typeof login>): SessionContext {
    const { server } = parts;
    const session = { sessionId, username, clientIp };
    const root = createUserRoot({ user, ...parts });
    const metadata = { 'user-agent': 'AWSTransfer', 'user-agent-id': `${username}@${server.serverId}` };
    return {
      ...parts,
      root,
      tree: createFileTree({ client: parts.store, root, metadata }),
      metadata,
      session,
      logger: logger.child({ tenant: user.tenantId, username }),
      flow: createConnectionFlow(socket, limits.maxUnstoredBytes),
      touch: () => void idleTimer.refresh(),
      disconnect,
    };
  }

  async function onClose(): Promise<void> {
    clearTimeout(idleTimer);
    clearInterval(accessTimer);
    place.leave();
    await Promise.all([...channels].map((channel) => channel.end()));
    if (login !== undefined) logger.info({ durationMs: Date.now() - startedAt }, 'session closed');
    markEnded();
  }

  return {
    ended,
    async stop(deadline) {
      const isBusy = (): boolean => [...channels].some((channel) => !channel.isIdle);
      while (isBusy() && !deadline.aborted) await delay(IDLE_LOOK_INTERVAL_MS);
      await Promise.all([...channels].map((channel) => channel.end()));
      disconnect();
      await ended;
    },
  };
}

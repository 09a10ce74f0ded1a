/**
 * The SFTP gateway: front door of one-machine mode, in place of AWS Transfer Family.
 *
 * 1. Public keys and modern algorithms only; limits apply before the first byte is parsed.
 * 2. What an earlier process left open in the object store is aborted at the start.
 * 3. `stop` takes no new connection, settles every upload, and is bounded.
 */
import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import { AbortMultipartUploadCommand, type S3Client, S3ServiceException } from '@aws-sdk/client-s3';
import ssh2 from 'ssh2';
import { limitRequests } from '#shared/files/s3-requests.ts';
import { SFTP_ALGORITHMS } from './algorithms.ts';
import { type AdmittedSocket, createConnectionLimits } from './connection-limits.ts';
import { DEFAULT_LIMITS, type GatewayLimits } from './limits.ts';
import { createSftpMetrics, type SftpMetrics } from './metrics.ts';
import { type GatewayParts, type ServedConnection, serveConnection } from './serve-connection.ts';
import type { TransferJournal } from './transfer-journal.ts';

export interface SftpGatewayOptions extends Omit<GatewayParts, 'limits' | 'metrics' | 'partSizeBytes'> {
  readonly host: string;
  /** 0 lets the system choose. */
  readonly port: number;
  /** A private key in OpenSSH or PEM form. */
  readonly hostKey: string;
  readonly limits?: Partial<GatewayLimits>;
  readonly metrics?: SftpMetrics;
  /** 8 MiB when absent; at least 5 MiB. */
  readonly partSizeBytes?: number;
}

export interface SftpGateway {
  readonly port: number;
  readonly metrics: SftpMetrics;
  /** Idempotent. Transfers that do not end within `drainTimeoutMs` are cut off and reported. */
  stop(drainTimeoutMs?: number): Promise<void>;
}

const DEFAULT_PART_BYTES = 8 * 1_024 * 1_024;
const DEFAULT_DRAIN_TIMEOUT_MS = 5_000;
/** For uploads that did not end in time to be settled before their sockets are cut. */
const SETTLE_GRACE_MS = 1_500;
const KEEPALIVE_INTERVAL_MS = 30_000;
/** While the object store is slow the socket is not read, so replies to keep-alives may stay away for a while. */
const KEEPALIVE_MISSES = 4;

export async function startSftpGateway(options: SftpGatewayOptions): Promise<SftpGateway> {
  const limits = { ...DEFAULT_LIMITS, ...options.limits };
  const metrics = options.metrics ?? createSftpMetrics();
  const parts: GatewayParts = {
    ...options,
    limits,
    metrics,
    partSizeBytes: options.partSizeBytes ?? DEFAULT_PART_BYTES,
  };
  limitRequests(options.store, limits.maxStoreRequests);
  await abortOpenUploads(options.store, options.journal);

  const connectionLimits = createConnectionLimits(limits, metrics);
  const connections = new Set<ServedConnection>();
  /** By the peer's address and port, by which ssh2 names a connection. */
  const admitted = new Map<string, { readonly socket: Socket; readonly place: AdmittedSocket }>();
  const ssh = new ssh2.Server({
    hostKeys: [options.hostKey],
    algorithms: SFTP_ALGORITHMS,
    ident: 'Longshore',
    keepaliveInterval: KEEPALIVE_INTERVAL_MS,
    keepaliveCountMax: KEEPALIVE_MISSES,
  });
  ssh.on('error', (error: Error) => options.logger.error({ err: error }, 'SSH server failed'));

  ssh.on('connection', (client, { ip, port }) => {
    const found = admitted.get(addressOf(ip, port));
    if (found === undefined) return void client.on('error', () => undefined).end();
    const connection = serveConnection(parts, { client, ...found });
    connections.add(connection);
    void connection.ended.then(() => connections.delete(connection));
  });

  // Our own listener in front of ssh2's, because ssh2 tells of a connection only after the peer has spoken.
  const server = createServer((socket) => {
    const place = connectionLimits.admit(socket);
    if (place === undefined) return void socket.destroy();
    const address = addressOf(socket.remoteAddress, socket.remotePort);
    const loginTimer = setTimeout(() => {
      if (place.isLoggedIn) return;
      metrics.refusedConnections.inc({ reason: 'login-timeout' });
      socket.destroy();
    }, limits.loginTimeoutMs);
    admitted.set(address, { socket, place });
    socket.setNoDelay(true);
    socket.on('error', () => socket.destroy());
    socket.once('close', () => {
      clearTimeout(loginTimer);
      admitted.delete(address);
      place.leave();
    });
    ssh.injectSocket(socket);
  });
  server.listen({ host: options.host, port: options.port });
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('a listening socket has an address');

  async function stop(drainTimeoutMs: number): Promise<void> {
    const closed = new Promise((resolve) => server.close(resolve));
    const deadline = AbortSignal.timeout(drainTimeoutMs);
    const settled = Promise.all([...connections].map((connection) => connection.stop(deadline)));
    const cutTimer = setTimeout(() => {
      for (const { socket } of admitted.values()) socket.destroy();
    }, drainTimeoutMs + SETTLE_GRACE_MS);
    for (const { socket, place } of admitted.values()) if (!place.isLoggedIn) socket.destroy();
    await Promise.all([settled, closed]);
    clearTimeout(cutTimer);
  }

  let stopping: Promise<void> | undefined;
  return {
    port: address.port,
    metrics,
    stop(drainTimeoutMs = DEFAULT_DRAIN_TIMEOUT_MS) {
      stopping ??= stop(drainTimeoutMs);
      return stopping;
    },
  };
}

function addressOf(ip: string | undefined, port: number | undefined): string {
  return `${ip}|${port}`;
}

/** A multipart upload that cannot be aborted now stays noted for the next start. */
async function abortOpenUploads(store: S3Client, journal: TransferJournal): Promise<void> {
  for (const { bucket, key, uploadId } of journal.openUploads.list()) {
    const abort = new AbortMultipartUploadCommand({ Bucket: bucket, Key: key, UploadId: uploadId });
    const isGone = await store.send(abort).then(
      () => true,
      (error: unknown) => error instanceof S3ServiceException && error.$metadata.httpStatusCode === 404,
    );
    if (isGone) journal.openUploads.remove(uploadId);
  }
}

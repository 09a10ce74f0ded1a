/**
 * Longshore's S3 server: streaming, versioned, on disk, for one machine.
 *
 * 1. Every request is authenticated before anything of it is looked at; only `/_health` and preflights of browsers are open.
 * 2. A reply of success is sent after the commit. What a killed process had not committed is not there.
 * 3. A client that stops sending or reading is cut off; one that waits for the server is not.
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { chooseHandler } from '#local/s3/choose-handler.ts';
import { answerCrossOrigin } from '#local/s3/cross-origin.ts';
import { ObjectStore } from '#local/s3/object-store.ts';
import { type ReplicationTarget, replicateObjects } from '#local/s3/replicate-objects.ts';
import type { ReplicationRule } from '#local/s3/replication-queue.ts';
import { S3Error } from '#local/s3/s3-error.ts';
import { parseS3Request } from '#local/s3/s3-request.ts';
import { sendError, sendReply } from '#local/s3/send-reply.ts';
import { createSignatureChecker, type S3Credential } from '#local/s3/signature.ts';
import type { Logger } from '#shared/runtime/logger.ts';

export interface S3ServerOptions {
  /** Everything is below it, the journal of events too. One server at a time. */
  readonly directory: string;
  readonly host?: string;
  /** 0: any free one. */
  readonly port: number;
  readonly credentials: readonly S3Credential[];
  /** When absent, signatures for any region are taken. */
  readonly region?: string;
  readonly logger: Logger;
  /** Also survive a power cut; a killed process loses nothing either way. */
  readonly syncToDisk?: boolean;
  /** Of pages whose scripts may put and get by presigned URLs. */
  readonly origins?: readonly string[];
  /** How long a client may neither send nor read; 30 s when absent. */
  readonly idleTimeoutMs?: number;
  /** Milliseconds since 1970. */
  readonly now?: () => number;
  /** Of all parts of an upload but the last; S3's 5 MiB when absent. */
  readonly smallestPartBytes?: number;
  /** What is written to these buckets is copied to another server. */
  readonly replication?: ReplicationTarget & { readonly rules: readonly ReplicationRule[] };
}

export interface S3Server {
  readonly url: string;
  readonly port: number;
  /** Idempotent; with versioning, and with events in the journal where asked for. */
  createBucket(name: string, options?: { readonly hasEvents?: boolean }): void;
  /** Lets requests in progress end for a while, then cuts them. Idempotent. */
  stop(): Promise<void>;
}

/** Of every part but the last, as Amazon S3 has it. */
const SMALLEST_PART_BYTES = 5 * 1024 * 1024;
const IDLE_TIMEOUT_MS = 30_000;
const HEADERS_TIMEOUT_MS = 20_000;
/** Longer than the SDK keeps a socket for reuse, so that it never meets one that closes. */
const KEEP_ALIVE_MS = 75_000;
const MAX_HEADER_BYTES = 32 * 1024;
const DRAIN_MS = 10_000;
const HEALTH_PATH = '/_health';
const DEFAULT_REGION = 'us-east-1';

/** @throws when the port is taken or the directory cannot be written. */
export async function startS3Server(options: S3ServerOptions): Promise<S3Server> {
  const { directory, host = '127.0.0.1', logger, credentials, region, syncToDisk = false, now = Date.now } = options;
  const { smallestPartBytes = SMALLEST_PART_BYTES } = options;
  const origins = new Set(options.origins ?? []);
  const store = new ObjectStore({
    ...{ directory, logger, syncToDisk, now, smallestPartBytes },
    replicationRules: options.replication?.rules ?? [],
  });
  await store.bodies.recover();
  const authenticate = createSignatureChecker({ credentials, now, ...(region === undefined ? {} : { region }) });
  // Their clients have sent all and wait: a long copy must not look like an idle client.
  const working = new WeakSet<Socket>();
  const inFlight = new Set<Promise<void>>();
  const requestIdPrefix = Date.now().toString(36).toUpperCase();
  let requestCount = 0;

  async function handle(message: IncomingMessage, response: ServerResponse, acceptBody: () => void): Promise<void> {
    const requestId = `${requestIdPrefix}${(++requestCount).toString(36).toUpperCase().padStart(8, '0')}`;
    response.setHeader('x-amz-request-id', requestId);
    if (message.url === HEALTH_PATH) {
      response.end('ok\n');
      return;
    }
    if (answerCrossOrigin(message, response, origins)) return;
    const { socket } = message;
    working.add(socket);
    let isAnswered = false;
    const receive = () => {
      working.delete(socket);
      message.once('end', () => {
        if (!isAnswered) working.add(socket);
      });
      acceptBody();
    };
    const endWork = () => {
      isAnswered = true;
      working.delete(socket);
    };
    try {
      const request = parseS3Request(message);
      const auth = authenticate(request);
      const handler = chooseHandler(request);
      const reply = await handler({ request, auth, store, region: region ?? DEFAULT_REGION, acceptBody: receive });
      endWork();
      await sendReply(message, response, reply);
    } catch (error) {
      endWork();
      if (!(error instanceof S3Error) && !message.destroyed && !message.errored)
        logger.error({ err: error, requestId, method: message.method }, 'request failed');
      sendError(message, response, { error, requestId });
    }
  }

  function onRequest(message: IncomingMessage, response: ServerResponse, acceptBody: () => void): void {
    const handling: Promise<void> = handle(message, response, acceptBody).finally(() => inFlight.delete(handling));
    inFlight.add(handling);
  }

  const server = createServer(
    { maxHeaderSize: MAX_HEADER_BYTES, keepAliveTimeout: KEEP_ALIVE_MS },
    (message, response) => onRequest(message, response, () => undefined),
  );
  // A client that waits for 100 is let send its body only once its request was found good.
  server.on('checkContinue', (message: IncomingMessage, response: ServerResponse) =>
    onRequest(message, response, () => response.writeContinue()),
  );
  // Other expectations are ignored, as Amazon S3 does.
  server.on('checkExpectation', (message: IncomingMessage, response: ServerResponse) =>
    onRequest(message, response, () => undefined),
  );
  // Bodies may take as long as they keep coming; idleness is what is bounded.
  server.requestTimeout = 0;
  server.headersTimeout = HEADERS_TIMEOUT_MS;
  server.setTimeout(options.idleTimeoutMs ?? IDLE_TIMEOUT_MS, (socket: Socket) => {
    if (!working.has(socket)) socket.destroy();
  });

  try {
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(options.port, host, resolve);
    });
  } catch (error) {
    store.close();
    throw error;
  }
  const { port } = server.address() as AddressInfo;
  const replication = options.replication && replicateObjects({ store, target: options.replication, logger });

  let stopping: Promise<void> | undefined;
  async function stop(): Promise<void> {
    const closed = new Promise<void>((resolve) => server.close(() => resolve()));
    server.closeIdleConnections();
    const timer = setTimeout(() => server.closeAllConnections(), DRAIN_MS);
    await closed;
    clearTimeout(timer);
    // A handler may still be writing for a client that is gone.
    await Promise.allSettled(inFlight);
    await replication?.stop();
    store.close();
  }

  return {
    url: `http://${host.includes(':') ? `[${host}]` : host}:${port}`,
    port,
    createBucket(name, { hasEvents } = {}) {
      const bucket = store.buckets.find(name) ?? store.buckets.create(name);
      store.buckets.update(bucket, { versioning: 'Enabled', ...(hasEvents === undefined ? {} : { hasEvents }) });
    },
    stop: () => (stopping ??= stop()),
  };
}

/**
 * SQS and SNS on one machine: fauxqs with its data directory, on loopback, without its S3.
 *
 * 1. A message that was accepted survives `kill -9` of this process: every change is in SQLite's log before the answer. It is not
 *    synced to the disk each time, because a message is only a wake-up: after a power cut the database tells what is due.
 * 2. Queue URLs name this server as its clients reach it, also after the home moved to other ports.
 * 3. A message that its receiver gives back is there again at once. fauxqs alone loses it, and blocks its group for ever: it stores the
 *    change as a NULL receive count, which its own table refuses, after it forgot the message.
 * 4. Only SQS, SNS and the health check answer, and only requests that are signed with the server's credentials (`require-signature.ts`).
 */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { buildApp } from 'fauxqs';
import { loadFauxqsParts } from '#local/fauxqs/fauxqs-parts.ts';
import { requireSignature } from '#local/fauxqs/require-signature.ts';
import { makePrivate } from '#local/private-file.ts';

export interface StartQueueServerOptions {
  readonly directory: string;
  readonly host: string;
  /** 0 takes a free one. */
  readonly port: number;
  readonly region: string;
  /** Those of its clients. */
  readonly credentials: { readonly accessKeyId: string; readonly secretAccessKey: string };
  /** Milliseconds since 1970. */
  readonly now?: () => number;
}

export interface QueueServer {
  /** Endpoint for SQS and SNS alike; `/health` answers 200. */
  readonly url: string;
  stop(): Promise<void>;
}

/** All queues of fauxqs are in this account. */
const ACCOUNT = '000000000000';
/** By that name fauxqs opens it. */
const DATABASE_FILE = 'fauxqs.db';
const HEALTH_PATH = '/health';

export async function startQueueServer(options: StartQueueServerOptions): Promise<QueueServer> {
  const { PersistenceManager, SqsStore, SnsStore, S3Store } = await loadFauxqsParts();
  const [sqsStore, snsStore, s3Store] = [new SqsStore(), new SnsStore(), new S3Store()];
  mkdirSync(options.directory, { recursive: true, mode: 0o700 });
  makePrivate(join(options.directory, DATABASE_FILE));
  const persistence = new PersistenceManager(options.directory);
  persistence.db.exec('PRAGMA synchronous = NORMAL');
  const giveBack = persistence.db.prepare(
    'UPDATE sqs_messages SET receipt_handle = NULL, visibility_deadline = NULL WHERE message_id = ?',
  );
  Object.assign(persistence, { updateMessageReady: (messageId: string) => void giveBack.run(messageId) });
  if (options.port !== 0) {
    persistence.db
      .prepare('UPDATE sqs_queues SET url = ? || name')
      .run(`http://${options.host}:${options.port}/${ACCOUNT}/`);
  }
  persistence.loadSqsAndSns(sqsStore, snsStore);
  // Stores write through from now on; while loading they would have written back what they read.
  Object.assign(sqsStore, { persistence });
  Object.assign(snsStore, { persistence });
  for (const queue of sqsStore.allQueues()) Object.assign(queue, { persistence });
  // Without its own host, fauxqs builds queue URLs from the address that the client used.
  Object.assign(sqsStore, { host: '', region: options.region });

  const app = buildApp({ logger: false, defaultRegion: options.region, stores: { sqsStore, snsStore, s3Store } });
  app.addHook('onRequest', async (request, reply) => {
    const path = request.url.split('?')[0];
    const isQueueCall = request.method === 'POST' && path === '/';
    if (!isQueueCall && path !== HEALTH_PATH)
      await reply.code(404).send({ message: 'only SQS and SNS are served here' });
  });
  requireSignature(app, options);
  app.addHook('onClose', async () => persistence.close());
  const url = await app.listen({ host: options.host, port: options.port });
  return { url, stop: () => app.close() };
}

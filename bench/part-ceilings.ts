/**
 * What the parts can do on their own, on this machine and in this run: nothing built on them can be faster.
 *
 * Each is driven as the fleet drives it, by the same clients, from as many tasks side by side.
 */
import { CopyObjectCommand, DeleteObjectCommand, PutObjectCommand, type S3Client } from '@aws-sdk/client-s3';
import { Registry } from 'prom-client';
import { z } from 'zod';
import type { Sql } from '#shared/db/connect-database.ts';
import { createQueues } from '#shared/queue/create-queues.ts';
import { defineMessage } from '#shared/queue/define-message.ts';
import { acknowledge } from '#shared/queue/disposition.ts';
import { createQueueMetrics } from '#shared/queue/queue-metrics.ts';
import { createSender } from '#shared/queue/send-messages.ts';
import { createSqsClient, type SqsClientOptions } from '#shared/queue/sqs-client.ts';
import { createWorker } from '#shared/queue/worker.ts';
import { createLogger } from '#shared/runtime/logger.ts';

const SIDE_BY_SIDE = 16;
const HOPS_TIMEOUT_MS = 120_000;

export interface Ceilings {
  /** Rounds of put, copy and delete. */
  readonly s3PutCopyDeletePerSecond: number;
  /** Messages sent, received and deleted. */
  readonly queueHopsPerSecond: number;
  /** Single-row updates, each its own transaction. */
  readonly statementsPerSecond: number;
}

export async function measureS3Rounds(
  client: S3Client,
  options: { readonly bucket: string; readonly body: Buffer; readonly rounds: number },
): Promise<number> {
  const { bucket, body, rounds } = options;
  return await perSecond(rounds, async (index) => {
    const key = `bench-ceiling/${index}`;
    await client.send(new PutObjectCommand({ Bucket: bucket, Key: key, Body: body }));
    await client.send(new CopyObjectCommand({ Bucket: bucket, Key: `${key}.copy`, CopySource: `${bucket}/${key}` }));
    await client.send(new DeleteObjectCommand({ Bucket: bucket, Key: key }));
  });
}

export async function measureStatements(sql: Sql, statements: number): Promise<number> {
  await sql`CREATE TABLE IF NOT EXISTS bench_rows (id int PRIMARY KEY, n int NOT NULL)`;
  await sql`INSERT INTO bench_rows SELECT g, 0 FROM generate_series(0, 999) AS g ON CONFLICT DO NOTHING`;
  const rate = await perSecond(statements, async (index) => {
    await sql`UPDATE bench_rows SET n = n + 1 WHERE id = ${index % 1_000}`;
  });
  await sql`DROP TABLE bench_rows`;
  return rate;
}

const hop = defineMessage({ name: 'bench.hop', version: 1, schema: z.object({ n: z.number() }) });

export async function measureQueueHops(server: Omit<SqsClientOptions, 'metrics'>, messages: number): Promise<number> {
  const metrics = createQueueMetrics(new Registry());
  const client = createSqsClient({ ...server, metrics });
  const { 'partner-steps': queue } = await createQueues({ client, prefix: 'bench' });
  const sender = createSender({ client, queueUrl: queue.url, fifo: false, messages: [hop] });
  const { promise: allHandled, resolve, reject } = Promise.withResolvers<void>();
  const timer = setTimeout(() => reject(new Error('the queue ceiling took too long')), HOPS_TIMEOUT_MS);
  let handled = 0;
  const worker = createWorker({
    queue: 'partner-steps',
    queueUrl: queue.url,
    client,
    messages: [hop],
    slots: 100,
    visibilityTimeoutMs: 30_000,
    deadlineMs: 60_000,
    waitTimeSeconds: 1,
    logger: createLogger({ service: 'bench', level: 'error' }),
    metrics,
    handle: async () => {
      handled += 1;
      if (handled === messages) resolve();
      return acknowledge;
    },
  });
  const startedMs = performance.now();
  try {
    worker.start();
    const entries = Array.from({ length: messages }, (_, n) => ({ message: { type: 'bench.hop' as const, n } }));
    await Promise.all([sender.send(entries), allHandled]);
    return (messages * 1_000) / (performance.now() - startedMs);
  } finally {
    clearTimeout(timer);
    await worker.stop({ timeoutMs: 5_000 });
    client.destroy();
  }
}

async function perSecond(count: number, run: (index: number) => Promise<void>): Promise<number> {
  let next = 0;
  const startedMs = performance.now();
  await Promise.all(
    Array.from({ length: SIDE_BY_SIDE }, async () => {
      while (next < count) {
        const index = next;
        next += 1;
        await run(index);
      }
    }),
  );
  return (count * 1_000) / (performance.now() - startedMs);
}

/** A worker process for the kill test: takes a message, prints that it did, and never ends. */
import { pino } from 'pino';
import { Registry } from 'prom-client';
import { createQueueMetrics } from '#shared/queue/queue-metrics.ts';
import { createSqsClient } from '#shared/queue/sqs-client.ts';
import { createWorker } from '#shared/queue/worker.ts';

const [, , endpoint = '', queueUrl = ''] = process.argv;

createWorker({
  queue: 'landing',
  queueUrl,
  client: createSqsClient({
    region: 'us-east-1',
    endpoint,
    credentials: { accessKeyId: 'test', secretAccessKey: 'test' },
  }),
  messages: 'raw',
  slots: 1,
  visibilityTimeoutMs: 1_000,
  deadlineMs: 600_000,
  waitTimeSeconds: 1,
  logger: pino({ level: 'silent' }),
  metrics: createQueueMetrics(new Registry()),
  handle: async () => {
    console.log('started');
    return new Promise(() => {});
  },
}).start();

/**
 * `npm run bench -- queue`: our worker against bare sqs-consumer, on the same fauxqs in the same run.
 *
 * 1. Both use one poller, requests of 10 and a client of the same settings; a round ends when every message is deleted.
 * 2. The no-op rounds alternate and each side's median counts: server and machine warm up, and neither is to profit from that.
 * 3. In the other run 1 % of the messages take 2 s. A batch consumer waits for them, a worker with slots does not.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { pino } from 'pino';
import { Registry } from 'prom-client';
import { z } from 'zod';
import { createQueues } from '#shared/queue/create-queues.ts';
import { defineMessage } from '#shared/queue/define-message.ts';
import { acknowledge } from '#shared/queue/disposition.ts';
import { createQueueMetrics, type QueueMetrics } from '#shared/queue/queue-metrics.ts';
import { createSender } from '#shared/queue/send-messages.ts';
import { createSqsClient } from '#shared/queue/sqs-client.ts';
import { createWorker } from '#shared/queue/worker.ts';
import { startBareConsumer } from './bare-consumer.ts';
import { startFauxqsProcess } from './fauxqs-process.ts';

const ROUNDS = 5;
const SLOTS = 100;
const SLOW_MS = 2_000;
const ROUND_TIMEOUT_MS = 300_000;

export interface QueueBenchOptions {
  readonly messages: number;
  readonly slowMessages: number;
  readonly json: boolean;
}

interface Comparison {
  readonly workerPerSecond: number;
  readonly barePerSecond: number;
  readonly ratio: number;
}

type Handle = (n: number) => Promise<void>;
type Client = ReturnType<typeof createSqsClient>;
/** Starts one side; resolves to what stops it. */
type Start = (client: Client, queueUrl: string, handle: Handle) => () => unknown;

const numbered = defineMessage({ name: 'bench.numbered', version: 1, schema: z.object({ n: z.number() }) });

export async function runQueueBench({ messages, slowMessages, json }: QueueBenchOptions): Promise<void> {
  const server = await startFauxqsProcess();
  try {
    const metrics = createQueueMetrics(new Registry());
    const client = createSqsClient({ ...server.clientOptions, metrics });
    const { landing } = await createQueues({ client, prefix: 'bench' });
    const bench = { client, queueUrl: landing.url, startWorker: workerStarter(metrics) };
    const result = {
      messages,
      slots: SLOTS,
      noop: await compare({ ...bench, count: messages, rounds: ROUNDS, handle: async () => {} }),
      slow: await compare({
        ...bench,
        count: slowMessages,
        rounds: 1,
        handle: async (n) => void (n % 100 === 99 && (await sleep(SLOW_MS))),
      }),
      wanted: { noopRatio: 0.9, slowRatio: 5 },
    };
    client.destroy();
    console.log(json ? JSON.stringify(result) : describe(result));
  } finally {
    await server.stop();
  }
}

interface CompareOptions {
  readonly client: Client;
  readonly queueUrl: string;
  readonly startWorker: Start;
  readonly count: number;
  readonly rounds: number;
  readonly handle: Handle;
}

async function compare({ startWorker, rounds, ...round }: CompareOptions): Promise<Comparison> {
  const bare: number[] = [];
  const worker: number[] = [];
  for (let index = 0; index < rounds; index += 1) {
    const isBareFirst = index % 2 === 0;
    if (isBareFirst) bare.push(await measure({ ...round, start: startBare }));
    worker.push(await measure({ ...round, start: startWorker }));
    if (!isBareFirst) bare.push(await measure({ ...round, start: startBare }));
  }
  const workerPerSecond = median(worker);
  const barePerSecond = median(bare);
  return { workerPerSecond, barePerSecond, ratio: Math.round((workerPerSecond / barePerSecond) * 100) / 100 };
}

const startBare: Start = (client, queueUrl, handle) => startBareConsumer({ client, queueUrl, handle });

function workerStarter(metrics: QueueMetrics): Start {
  return (client, queueUrl, handle) => {
    const worker = createWorker({
      queue: 'landing',
      queueUrl,
      client,
      messages: [numbered],
      slots: SLOTS,
      visibilityTimeoutMs: 30_000,
      deadlineMs: 60_000,
      waitTimeSeconds: 1,
      logger: pino({ level: 'warn' }),
      metrics,
      handle: async ({ message }) => {
        await handle(message.n);
        return acknowledge;
      },
    });
    worker.start();
    return () => worker.stop({ timeoutMs: 5_000 });
  };
}

/** Messages per second, from the first poll to the last delete. */
async function measure({
  client,
  queueUrl,
  count,
  handle,
  start,
}: Omit<CompareOptions, 'startWorker' | 'rounds'> & { readonly start: Start }): Promise<number> {
  await fill(client, queueUrl, count);
  const deletes = countDeletes(client, count);
  const startedAtMs = performance.now();
  const stop = start(client, queueUrl, handle);
  await Promise.race([deletes.all, sleep(ROUND_TIMEOUT_MS, undefined, { ref: false }).then(failRound)]);
  const tookMs = performance.now() - startedAtMs;
  deletes.end();
  await stop();
  // Bare sqs-consumer says `stopped` while its last poll is still out; it must not take the next round's messages.
  await sleep(1_200);
  return Math.round((count / tookMs) * 1_000);
}

async function fill(client: Client, queueUrl: string, count: number): Promise<void> {
  const sender = createSender({ client, queueUrl, fifo: false, messages: [numbered] });
  const entries = Array.from({ length: count }, (_, n) => ({ message: { type: 'bench.numbered' as const, n } }));
  const results = await sender.send(entries);
  const failed = results.find((result) => !result.ok);
  if (failed !== undefined) throw new Error(`The queue could not be filled: ${JSON.stringify(failed)}`);
}

function countDeletes(client: Client, count: number): { readonly all: Promise<void>; readonly end: () => void } {
  const { promise: all, resolve } = Promise.withResolvers<void>();
  let deleted = 0;
  const middleware = 'benchCountDeletes';
  client.middlewareStack.add(
    (next, context) => async (args) => {
      const result = await next(args);
      if (context.commandName === 'DeleteMessageBatchCommand') {
        deleted += (result.output as { Successful?: unknown[] }).Successful?.length ?? 0;
        if (deleted >= count) resolve();
      }
      return result;
    },
    { step: 'initialize', name: middleware },
  );
  return { all, end: () => void client.middlewareStack.remove(middleware) };
}

function failRound(): never {
  throw new Error(`A round did not end within ${ROUND_TIMEOUT_MS} ms.`);
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;
}

function describe({
  noop,
  slow,
  wanted,
}: {
  noop: Comparison;
  slow: Comparison;
  wanted: Record<string, number>;
}): string {
  const line = (name: string, { workerPerSecond, barePerSecond, ratio }: Comparison, goal: number | undefined) =>
    `${name}  worker ${workerPerSecond}/s  bare sqs-consumer ${barePerSecond}/s  ratio ${ratio} (wanted ${goal})`;
  return [line('no-op        ', noop, wanted.noopRatio), line('1 % take 2 s ', slow, wanted.slowRatio)].join('\n');
}

import { setTimeout as sleep } from 'node:timers/promises';
import { pino } from 'pino';
import { Registry } from 'prom-client';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { z } from 'zod';
import { defineMessage } from '#shared/queue/define-message.ts';
import { acknowledge, release } from '#shared/queue/disposition.ts';
import { createQueueMetrics } from '#shared/queue/queue-metrics.ts';
import { createSqsClient } from '#shared/queue/sqs-client.ts';
import { createWorker, type Worker } from '#shared/queue/worker.ts';
import type { WorkerOptions } from '#shared/queue/worker-options.ts';
import { FAUXQS_CREDENTIALS, FAUXQS_REGION } from '#testkit/servers/start-fauxqs.ts';
import {
  allDone,
  type Script,
  type ScriptedAnswer,
  type ScriptedSqs,
  scriptedMessage,
  startScriptedSqs,
} from '#testkit/servers/start-scripted-sqs.ts';

const counted = defineMessage({ name: 'test.counted', version: 1, schema: z.object({ n: z.number() }) });
const body = (n: number) => counted.encode({ type: 'test.counted', n });
type Options = WorkerOptions<readonly [typeof counted]>;

const metrics = createQueueMetrics(new Registry());
const cleanups: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function scripted(script: Script): Promise<ScriptedSqs> {
  const server = await startScriptedSqs(script);
  cleanups.push(() => server.stop());
  return server;
}

function startWorker(client: Options['client'], options: Partial<Options> & { fifo?: boolean }): Worker {
  const { fifo = false, ...rest } = options;
  const worker = createWorker({
    queue: fifo ? 'work' : 'landing',
    queueUrl: `http://scripted/1/q${fifo ? '.fifo' : ''}`,
    client,
    messages: [counted],
    slots: 10,
    visibilityTimeoutMs: 30_000,
    deadlineMs: 60_000,
    waitTimeSeconds: 1,
    logger: pino({ level: 'silent' }),
    metrics,
    ...rest,
  });
  cleanups.push(() => worker.stop({ timeoutMs: 2_000 }));
  worker.start();
  return worker;
}

/** Answers the first receive with `messages`, later ones emptily after a moment, as a long poll would. */
function receiveOnce(messages: readonly unknown[]): () => Promise<ScriptedAnswer> {
  let isFirst = true;
  return async () => {
    if (!isFirst) await sleep(200);
    const Messages = isFirst ? messages : undefined;
    isFirst = false;
    return { body: { Messages } };
  };
}

/** What the worker told the queue: `deleted 1`, `released 2 after 0`. */
function told({ requests }: ScriptedSqs): string[] {
  return requests.flatMap(({ operation, input: { Entries = [] } }) =>
    Entries.map(({ ReceiptHandle = '', VisibilityTimeout }) => {
      const id = ReceiptHandle.split('/')[0];
      return operation === 'DeleteMessageBatch' ? `deleted ${id}` : `released ${id} after ${VisibilityTimeout}`;
    }),
  );
}

it('messages of a standard queue with one group run side by side: the group marks their tenant only', async () => {
  const receive = receiveOnce([1, 2].map((n) => scriptedMessage(String(n), body(n), { groupId: 'g' })));
  const server = await scripted((request) => (request.operation === 'ReceiveMessage' ? receive() : allDone(request)));
  const { promise: bothRun, resolve: finish } = Promise.withResolvers<void>();
  let running = 0;
  startWorker(server.sqs, {
    handle: async () => {
      running += 1;
      if (running === 2) finish();
      await bothRun;
      return acknowledge;
    },
  });
  await vi.waitFor(() => expect(told(server).toSorted()).toEqual(['deleted 1', 'deleted 2']), { timeout: 60_000 });
});

describe('a FIFO receive with several messages of one group', () => {
  const group = [1, 2, 3].map((n) => scriptedMessage(String(n), body(n), { groupId: 'g' }));
  const other = scriptedMessage('9', body(9), { groupId: 'other' });

  it('runs them one after the other, each after the one before is deleted', async () => {
    const receive = receiveOnce(group);
    const server = await scripted((request) => (request.operation === 'ReceiveMessage' ? receive() : allDone(request)));
    const order: string[] = [];
    startWorker(server.sqs, {
      fifo: true,
      handle: async ({ message }) => {
        order.push(`run ${message.n} after ${told(server).length} deletes`);
        return acknowledge;
      },
    });
    await vi.waitFor(() => expect(told(server)).toEqual(['deleted 1', 'deleted 2', 'deleted 3']), { timeout: 60_000 });
    expect(order).toEqual(['run 1 after 0 deletes', 'run 2 after 1 deletes', 'run 3 after 2 deletes']);
  });

  it('gives the later ones back unrun when the first is not acknowledged', async () => {
    const receive = receiveOnce([...group, other]);
    const server = await scripted((request) => (request.operation === 'ReceiveMessage' ? receive() : allDone(request)));
    const run: number[] = [];
    startWorker(server.sqs, {
      fifo: true,
      handle: async ({ message }) => {
        run.push(message.n);
        return message.n === 1 ? release(7_000) : acknowledge;
      },
    });
    await vi.waitFor(() => expect(told(server)).toHaveLength(4), { timeout: 60_000 });
    expect(told(server).toSorted()).toEqual([
      'deleted 9',
      'released 1 after 7',
      'released 2 after 0',
      'released 3 after 0',
    ]);
    expect(run.toSorted()).toEqual([1, 9]);
  });

  it('gives the later ones back when the first was handled but cannot be deleted', async () => {
    const receive = receiveOnce(group);
    const server = await scripted((request) => {
      if (request.operation === 'ReceiveMessage') return receive();
      if (request.operation !== 'DeleteMessageBatch') return allDone(request);
      const Failed = request.input.Entries?.map(({ Id }) => ({
        Id,
        Code: 'ReceiptHandleIsInvalid',
        SenderFault: true,
      }));
      return { body: { Successful: [], Failed } };
    });
    const run: number[] = [];
    startWorker(server.sqs, {
      fifo: true,
      handle: async ({ message }) => {
        run.push(message.n);
        return acknowledge;
      },
    });
    await vi.waitFor(() => expect(told(server)).toContain('released 3 after 0'), { timeout: 60_000 });
    expect(told(server)).toContain('released 2 after 0');
    expect(run).toEqual([1]);
  });

  it('runs the good ones behind an unreadable one, which is left for the DLQ', async () => {
    const bad = scriptedMessage('0', 'not json', { groupId: 'g' });
    const receive = receiveOnce([bad, ...group]);
    const server = await scripted((request) => (request.operation === 'ReceiveMessage' ? receive() : allDone(request)));
    startWorker(server.sqs, { fifo: true, handle: async () => acknowledge });
    await vi.waitFor(() => expect(told(server)).toHaveLength(4), { timeout: 60_000 });
    expect(told(server).toSorted()).toEqual(['deleted 1', 'deleted 2', 'deleted 3', 'released 0 after 1']);
  });
});

describe('acknowledgements', () => {
  it('repeats the entries that failed, and only those', async () => {
    const receive = receiveOnce([1, 2, 3].map((n) => scriptedMessage(String(n), body(n))));
    let isFirst = true;
    const server = await scripted((request) => {
      if (request.operation === 'ReceiveMessage') return receive();
      if (!isFirst) return allDone(request);
      isFirst = false;
      const [one, ...others] = request.input.Entries ?? [];
      return {
        body: { Successful: others.map(({ Id }) => ({ Id })), Failed: [{ Id: one?.Id, Code: 'InternalError' }] },
      };
    });
    startWorker(server.sqs, { handle: async () => acknowledge });
    await vi.waitFor(() => expect(told(server)).toHaveLength(4), { timeout: 60_000 });
    expect(told(server)).toEqual(['deleted 1', 'deleted 2', 'deleted 3', 'deleted 1']);
  });

  it('counts what cannot be deleted after all tries and goes on', async () => {
    const receive = receiveOnce([scriptedMessage('1', body(1))]);
    const server = await scripted((request) => {
      if (request.operation === 'ReceiveMessage') return receive();
      const Failed = request.input.Entries?.map(({ Id }) => ({ Id, Code: 'InternalError' }));
      return { body: { Successful: [], Failed } };
    });
    const before = await total('acknowledgeFailures');
    const worker = startWorker(server.sqs, { handle: async () => acknowledge });
    await vi.waitFor(async () => expect(await total('acknowledgeFailures')).toBe(before + 1), { timeout: 60_000 });
    expect(told(server)).toEqual(['deleted 1', 'deleted 1', 'deleted 1']);
    expect(worker.isLive().ok).toBe(true);
  });

  it.each([
    ['gives a message back', release(0), 'released 1 after 0'],
    ['deletes a message', acknowledge, 'deleted 1'],
  ])(
    '%s only after the heartbeat under way was answered, which comes too late otherwise',
    async (_, disposition, end) => {
      const receive = receiveOnce([scriptedMessage('1', body(1))]);
      const events: string[] = [];
      const server = await scripted(async (request) => {
        if (request.operation === 'ReceiveMessage') return receive();
        const [entry] = request.input.Entries ?? [];
        const isHeartbeat = entry?.VisibilityTimeout === 2;
        events.push(isHeartbeat ? 'heartbeat asked' : 'ended');
        if (isHeartbeat) await sleep(300);
        if (isHeartbeat) events.push('heartbeat answered');
        return allDone(request);
      });
      startWorker(server.sqs, {
        visibilityTimeoutMs: 2_000,
        heartbeatIntervalMs: 50,
        handle: async () => {
          await vi.waitFor(() => expect(events).toHaveLength(1), { timeout: 60_000, interval: 5 });
          return disposition;
        },
      });
      await vi.waitFor(() => expect(events).toHaveLength(3), { timeout: 60_000 });
      expect(events).toEqual(['heartbeat asked', 'heartbeat answered', 'ended']);
      expect(told(server)).toContain(end);
    },
  );

  it('hides the message of a handler that ran into its deadline a little longer each time', async () => {
    const receive = receiveOnce([1, 2].map((n) => scriptedMessage(String(n), body(n), { receiveCount: n })));
    const server = await scripted((request) => (request.operation === 'ReceiveMessage' ? receive() : allDone(request)));
    startWorker(server.sqs, {
      deadlineMs: 50,
      random: () => 0,
      handle: (_received, { signal }) =>
        new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason))),
    });
    await vi.waitFor(() => expect(told(server)).toHaveLength(2), { timeout: 60_000 });
    expect(told(server).toSorted()).toEqual(['released 1 after 1', 'released 2 after 2']);
  });

  it('hides the message of a handler that fails while its worker stops, as at any other time', async () => {
    const receive = receiveOnce([1, 2].map((n) => scriptedMessage(String(n), body(n), { receiveCount: n })));
    const server = await scripted((request) => (request.operation === 'ReceiveMessage' ? receive() : allDone(request)));
    const { promise: failure, reject: fail } = Promise.withResolvers<never>();
    const worker = startWorker(server.sqs, { random: () => 0, handle: () => failure });
    await vi.waitFor(() => expect(worker.inFlight()).toBe(2), { timeout: 60_000 });
    const stopped = worker.stop({ timeoutMs: 60_000 });
    fail(new Error('the partner is away'));
    expect(await stopped).toBe(true);
    expect(told(server).toSorted()).toEqual(['released 1 after 1', 'released 2 after 2']);
  });
});

describe('a server in trouble', () => {
  it('is asked ever more rarely when it throttles, and again once it answers', async () => {
    let isThrottling = true;
    const receive = receiveOnce([scriptedMessage('1', body(1))]);
    const server = await scripted((request) => {
      if (request.operation !== 'ReceiveMessage') return allDone(request);
      if (!isThrottling) return receive();
      return { status: 400, body: { __type: 'com.amazonaws.sqs#RequestThrottled', message: 'slow down' } };
    });
    const handle = vi.fn(async () => acknowledge);
    const worker = startWorker(server.sqs, { handle });
    await sleepUntil(() => server.requests.length >= 4, 8_000);
    expect(server.requests.length).toBeLessThan(20);
    expect(worker.isLive().ok).toBe(true);
    isThrottling = false;
    await vi.waitFor(() => expect(told(server)).toEqual(['deleted 1']), { timeout: 60_000 });
  });

  it('does not make the worker loop hot when it refuses connections, nor keep it from stopping', async () => {
    const client = createSqsClient({
      region: FAUXQS_REGION,
      credentials: FAUXQS_CREDENTIALS,
      endpoint: 'http://127.0.0.1:9',
    });
    const before = await total('pollErrors');
    const worker = startWorker(client, { handle: async () => acknowledge });
    const startedAtMs = performance.now();
    await sleepUntil(async () => (await total('pollErrors')) >= before + 3, 8_000);
    expect(performance.now() - startedAtMs).toBeGreaterThan(300);
    expect(await worker.stop({ timeoutMs: 30_000 })).toBe(true);
    client.destroy();
  });

  it('is not asked in a tight loop when it answers emptily without waiting', async () => {
    const server = await scripted(() => ({ body: {} }));
    const startedAtMs = performance.now();
    startWorker(server.sqs, { handle: async () => acknowledge });
    await sleepUntil(() => performance.now() - startedAtMs > 1_500 && server.requests.length > 4, 60_000);
    expect(server.requests.length).toBeGreaterThan(4);
    expect(server.requests.length).toBeLessThan(40);
  });

  it('is asked again at once when it answers emptily after the wait, however often', async () => {
    let nowMs = 0;
    const random = vi.fn(() => 0);
    const server = await scripted(() => {
      nowMs += 1_000;
      return { body: {} };
    });
    startWorker(server.sqs, { handle: async () => acknowledge, now: () => nowMs, random });
    await sleepUntil(() => server.requests.length >= 10, 60_000);
    // It is asked only for the length of a pause.
    expect(random).not.toHaveBeenCalled();
  });

  it('leaves a worker live whose handlers fill its slots, and no longer than they may', async () => {
    let aheadMs = 0;
    const receive = receiveOnce([scriptedMessage('1', body(1))]);
    const server = await scripted((request) => (request.operation === 'ReceiveMessage' ? receive() : allDone(request)));
    const { promise: done, resolve: finish } = Promise.withResolvers<void>();
    const handle = vi.fn(async () => {
      await done;
      return acknowledge;
    });
    const worker = startWorker(server.sqs, { slots: 1, handle, now: () => performance.now() + aheadMs });
    await vi.waitFor(() => expect(handle).toHaveBeenCalledTimes(1), { timeout: 60_000 });
    // Longer than a poll may take, within the deadline of the handler.
    aheadMs = 60_000;
    expect(worker.isLive().ok).toBe(true);
    aheadMs = 600_000;
    expect(worker.isLive().ok).toBe(false);
    finish();
    await vi.waitFor(() => expect(told(server)).toContain('deleted 1'), { timeout: 60_000 });
  });

  it('does not survive as live when its polls never end', async () => {
    let aheadMs = 0;
    const server = await scripted(() => new Promise<ScriptedAnswer>(() => {}));
    const worker = startWorker(server.sqs, { handle: async () => acknowledge, now: () => performance.now() + aheadMs });
    await vi.waitFor(() => expect(server.requests).toHaveLength(1), { timeout: 60_000 });
    expect(worker.isLive().ok).toBe(true);
    aheadMs = 60_000;
    expect(worker.isLive().ok).toBe(false);
    expect(worker.isLive().lastPollAgeMs).toBeGreaterThanOrEqual(60_000);
  });
});

async function total(name: 'acknowledgeFailures' | 'pollErrors'): Promise<number> {
  const { values } = await metrics[name].get();
  return values.reduce((sum, { value }) => sum + value, 0);
}

async function sleepUntil(condition: () => boolean | Promise<boolean>, timeout: number): Promise<void> {
  await vi.waitFor(async () => expect(await condition()).toBe(true), { timeout });
}

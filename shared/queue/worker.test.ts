import { SendMessageCommand } from '@aws-sdk/client-sqs';
import { pino } from 'pino';
import { Registry } from 'prom-client';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { z } from 'zod';
import { type CreatedQueue, createQueues } from '#shared/queue/create-queues.ts';
import { defineMessage } from '#shared/queue/define-message.ts';
import { acknowledge, leave, release } from '#shared/queue/disposition.ts';
import { readQueueDepth } from '#shared/queue/queue-depth.ts';
import { createQueueMetrics } from '#shared/queue/queue-metrics.ts';
import { createSender } from '#shared/queue/send-messages.ts';
import { createSqsClient } from '#shared/queue/sqs-client.ts';
import { createWorker, type Worker } from '#shared/queue/worker.ts';
import type { WorkerOptions } from '#shared/queue/worker-options.ts';
import type { QueueId } from '#shared/runtime/config/resource-names.ts';
import { FAUXQS_CREDENTIALS, FAUXQS_REGION, type Fauxqs, startFauxqs } from '#testkit/servers/start-fauxqs.ts';

const counted = defineMessage({ name: 'test.counted', version: 1, schema: z.object({ n: z.number() }) });
const messages = [counted] as const;
type Options = WorkerOptions<typeof messages>;

let fauxqs: Fauxqs;
let queues: Record<QueueId, CreatedQueue>;
let workers: Worker[] = [];
let clients: { destroy(): void }[] = [];
let prefixes = 0;
const logger = pino({ level: 'silent' });
const registry = new Registry();
const metrics = createQueueMetrics(registry);

beforeAll(async () => {
  fauxqs = await startFauxqs();
});
afterAll(() => fauxqs.stop());

beforeEach(async () => {
  registry.resetMetrics();
  prefixes += 1;
  queues = await createQueues({ client: fauxqs.sqs, prefix: `t${prefixes}` });
});
afterEach(async () => {
  await Promise.all(workers.map((worker) => worker.stop({ timeoutMs: 3_000 })));
  for (const client of clients) client.destroy();
  workers = [];
  clients = [];
});

function startWorker(options: Partial<Options> & { queue?: QueueId }): Worker {
  const { queue = 'landing' } = options;
  const worker = createWorker({
    queue,
    queueUrl: queues[queue].url,
    client: fauxqs.sqs,
    messages,
    slots: 10,
    visibilityTimeoutMs: 30_000,
    deadlineMs: 60_000,
    waitTimeSeconds: 1,
    logger,
    metrics,
    ...options,
  });
  workers.push(worker);
  worker.start();
  return worker;
}

async function send(queue: QueueId, ns: readonly number[], groupOf: (n: number) => string = () => 'g'): Promise<void> {
  const fifo = queues[queue].url.endsWith('.fifo');
  const sender = createSender({ client: fauxqs.sqs, queueUrl: queues[queue].url, fifo, messages });
  const results = await sender.send(
    ns.map((n) => ({
      message: { type: 'test.counted', n },
      ...(fifo ? { groupId: groupOf(n), deduplicationId: String(n) } : {}),
    })),
  );
  expect(results.filter(({ ok }) => !ok)).toEqual([]);
}

function sendRaw(queue: QueueId, body: string): Promise<unknown> {
  return fauxqs.sqs.send(new SendMessageCommand({ QueueUrl: queues[queue].url, MessageBody: body }));
}

function depth(queueUrl: string) {
  return readQueueDepth({ client: fauxqs.sqs, queueUrl });
}

async function expectEmpty(queue: QueueId): Promise<void> {
  await vi.waitFor(
    async () => expect(await depth(queues[queue].url)).toEqual({ visible: 0, inFlight: 0, delayed: 0 }),
    { timeout: 60_000 },
  );
}

function range(length: number): number[] {
  return Array.from({ length }, (_, index) => index);
}

describe('urgent messages', () => {
  it('start before a flood that was received before them', async () => {
    const started: number[] = [];
    const { promise: allowed, resolve: allow } = Promise.withResolvers<void>();
    await send('landing', range(60));
    startWorker({
      slots: 2,
      pollers: 2,
      urgent: { isUrgent: ({ n }) => n >= 1_000, hold: 200 },
      handle: async ({ message }) => {
        started.push(message.n);
        await allowed;
        return acknowledge;
      },
    });
    await vi.waitFor(() => expect(started).toHaveLength(2), { timeout: 30_000 });
    await send('landing', [1_000, 1_001]);
    await vi.waitFor(async () => expect(await depth(queues.landing.url)).toMatchObject({ visible: 0, inFlight: 62 }), {
      timeout: 30_000,
    });
    allow();
    await expectEmpty('landing');
    expect(started.slice(2, 4).sort()).toEqual([1_000, 1_001]);
    expect(started).toHaveLength(62);
  });

  it.each(['landing', 'ingest'] as const)('of %s are handled while a batch of a flood is under way', async (queue) => {
    const calls: number[][] = [];
    const { promise: allowed, resolve: allow } = Promise.withResolvers<void>();
    await send(queue, range(40), String);
    startWorker({
      queue,
      slots: 20,
      pollers: 2,
      batch: { maxMessages: 10, maxConcurrent: 1 },
      urgent: { isUrgent: ({ n }) => n >= 1_000, hold: 200 },
      handleBatch: async (received) => {
        calls.push(received.map(({ message }) => message.n));
        if (received.some(({ message }) => message.n < 1_000)) await allowed;
        return received.map(() => acknowledge);
      },
    });
    await vi.waitFor(() => expect(calls).toHaveLength(1), { timeout: 60_000 });
    await send(queue, [1_000, 1_001], String);
    await vi.waitFor(() => expect(calls.flat()).toEqual(expect.arrayContaining([1_000, 1_001])), { timeout: 60_000 });
    expect(calls.filter((ns) => ns.some((n) => n < 1_000))).toHaveLength(1);
    expect(calls.filter((ns) => ns.some((n) => n >= 1_000)).flat()).toEqual([1_000, 1_001]);
    allow();
    await expectEmpty(queue);
    expect(calls.flat()).toHaveLength(42);
  });
});

describe('acknowledging', () => {
  it('deletes a message only after its handler said so', async () => {
    const { promise: allowed, resolve: allow } = Promise.withResolvers<void>();
    const started = vi.fn();
    startWorker({
      handle: async () => {
        started();
        await allowed;
        return acknowledge;
      },
    });
    await send('landing', [1]);
    await vi.waitFor(() => expect(started).toHaveBeenCalledTimes(1), { timeout: 60_000 });
    expect((await depth(queues.landing.url)).inFlight).toBe(1);
    allow();
    await expectEmpty('landing');
  });

  it('handles every message once and empties the queue', async () => {
    const handled: number[] = [];
    startWorker({
      pollers: 2,
      handle: async ({ message }) => {
        handled.push(message.n);
        return acknowledge;
      },
    });
    await send('landing', range(200));
    await vi.waitFor(() => expect(handled.toSorted((a, b) => a - b)).toEqual(range(200)), { timeout: 60_000 });
    await expectEmpty('landing');
  });

  it('has all its slots again after receives that brought less than there was room for', async () => {
    const { promise: allowed, resolve: allow } = Promise.withResolvers<void>();
    const handled: number[] = [];
    const worker = startWorker({
      slots: 5,
      handle: async ({ message }) => {
        handled.push(message.n);
        if (message.n >= 3) await allowed;
        return acknowledge;
      },
    });
    for (const n of range(3)) {
      await send('landing', [n]);
      await vi.waitFor(() => expect(handled).toHaveLength(n + 1), { timeout: 60_000 });
    }
    await send('landing', [3, 4, 5, 6, 7]);
    await vi.waitFor(() => expect(worker.inFlight()).toBe(5), { timeout: 60_000 });
    allow();
    await expectEmpty('landing');
  });

  it('hands a message over again after a handler threw, with its receive count', async () => {
    const receiveCounts: number[] = [];
    startWorker({
      random: () => 0,
      handle: async ({ receiveCount }) => {
        receiveCounts.push(receiveCount);
        if (receiveCount === 1) throw new Error('first time');
        return acknowledge;
      },
    });
    await send('landing', [1]);
    await vi.waitFor(() => expect(receiveCounts).toEqual([1, 2]), { timeout: 60_000 });
    await expectEmpty('landing');
  });

  it('hands a released message over again after its delay', async () => {
    const at: number[] = [];
    startWorker({
      handle: async ({ receiveCount }) => {
        at.push(performance.now());
        return receiveCount === 1 ? release(1_000) : acknowledge;
      },
    });
    await send('landing', [1]);
    await vi.waitFor(() => expect(at).toHaveLength(2), { timeout: 60_000 });
    expect((at[1] ?? 0) - (at[0] ?? 0)).toBeGreaterThan(900);
  });
});

describe('bad messages', () => {
  it('sets garbage aside in the DLQ after 3 receives, while good messages go through', async () => {
    const handled: number[] = [];
    startWorker({
      handle: async ({ message }) => {
        handled.push(message.n);
        return acknowledge;
      },
    });
    const garbage = [
      'not json',
      '[]',
      '"text"',
      '{"type":"other"}',
      '{"type":"test.counted","v":1,"n":"x"}',
      '{"v":1}',
    ];
    for (const body of garbage) await sendRaw('landing', body);
    await send('landing', range(50));
    await vi.waitFor(() => expect(handled).toHaveLength(50), { timeout: 60_000 });
    await vi.waitFor(async () => expect((await depth(queues.landing.deadLetterUrl)).visible).toBe(garbage.length), {
      timeout: 60_000,
    });
    await expectEmpty('landing');
    const { values } = await metrics.invalid.get();
    expect(values).toMatchObject([{ labels: { queue: 'landing' }, value: 3 * garbage.length }]);
  });

  it('hands any body over as it stands to a raw worker', async () => {
    const bodies: string[] = [];
    await sendRaw('landing', 'not json');
    const worker = createWorker({
      queue: 'landing-dlq',
      queueUrl: queues.landing.url,
      client: fauxqs.sqs,
      messages: 'raw',
      slots: 1,
      visibilityTimeoutMs: 30_000,
      deadlineMs: 60_000,
      waitTimeSeconds: 1,
      logger,
      metrics,
      handle: async ({ message }) => {
        bodies.push(message);
        return acknowledge;
      },
    });
    workers.push(worker);
    worker.start();
    await vi.waitFor(() => expect(bodies).toEqual(['not json']), { timeout: 60_000 });
  });
});

describe('driving again', () => {
  it('moves a dead letter back to its queue, body and group unchanged', async () => {
    const body = counted.encode({ type: 'test.counted', n: 5 });
    await fauxqs.sqs.send(
      new SendMessageCommand({
        QueueUrl: queues.ingest.deadLetterUrl,
        MessageBody: body,
        MessageGroupId: 'g',
        MessageDeduplicationId: 'once',
      }),
    );
    const sender = createSender({ client: fauxqs.sqs, queueUrl: queues.ingest.url, fifo: true, messages: 'raw' });
    const deadLetters = createWorker({
      queue: 'ingest-dlq',
      queueUrl: queues.ingest.deadLetterUrl,
      client: fauxqs.sqs,
      messages: 'raw',
      slots: 5,
      visibilityTimeoutMs: 30_000,
      deadlineMs: 60_000,
      waitTimeSeconds: 1,
      logger,
      metrics,
      handle: async ({ message, groupId, deduplicationId, receiveCount }) => {
        const [result] = await sender.send([
          { message, groupId, deduplicationId: `${deduplicationId}/redrive/${receiveCount}` },
        ]);
        return result?.ok ? acknowledge : leave;
      },
    });
    workers.push(deadLetters);
    deadLetters.start();
    const handled: unknown[] = [];
    startWorker({
      queue: 'ingest',
      handle: async (received) => {
        handled.push({ body: received.body, groupId: received.groupId });
        return acknowledge;
      },
    });
    await vi.waitFor(() => expect(handled).toEqual([{ body, groupId: 'g' }]), { timeout: 60_000 });
    await vi.waitFor(
      async () => expect(await depth(queues.ingest.deadLetterUrl)).toEqual({ visible: 0, inFlight: 0, delayed: 0 }),
      { timeout: 60_000 },
    );
  });
});

describe('slots', () => {
  it('goes on polling and handling while one message is slow', async () => {
    const { promise: allowed, resolve: allow } = Promise.withResolvers<void>();
    let fast = 0;
    startWorker({
      slots: 4,
      handle: async ({ message }) => {
        if (message.n === 0) await allowed;
        else fast += 1;
        return acknowledge;
      },
    });
    await send('landing', range(60));
    await vi.waitFor(() => expect(fast).toBe(59), { timeout: 60_000 });
    allow();
    await expectEmpty('landing');
  });

  it('never runs more handlers than slots', async () => {
    let most = 0;
    let handled = 0;
    const worker = startWorker({
      slots: 3,
      pollers: 2,
      handle: async () => {
        most = Math.max(most, worker.inFlight());
        await new Promise((resolve) => setImmediate(resolve));
        handled += 1;
        return acknowledge;
      },
    });
    await send('landing', range(60));
    await vi.waitFor(() => expect(handled).toBe(60), { timeout: 60_000 });
    expect(most).toBeLessThanOrEqual(3);
  });

  it('gives a set-based handler what arrived together, and carries out each disposition', async () => {
    const sizes: number[] = [];
    const again: number[] = [];
    startWorker({
      slots: 50,
      batch: { maxMessages: 20, lingerMs: 100, maxConcurrent: 1 },
      handleBatch: async (received) => {
        sizes.push(received.length);
        return received.map(({ message, receiveCount }) => {
          if (receiveCount > 1) again.push(message.n);
          return message.n === 7 && receiveCount === 1 ? release(0) : acknowledge;
        });
      },
    });
    await send('landing', range(60));
    await vi.waitFor(() => expect(again).toEqual([7]), { timeout: 60_000 });
    await expectEmpty('landing');
    expect(Math.max(...sizes)).toBeGreaterThan(10);
    expect(Math.max(...sizes)).toBeLessThanOrEqual(20);
  });

  it('leaves a whole batch when the handler forgets a disposition', async () => {
    const receiveCounts: number[] = [];
    startWorker({
      random: () => 0,
      handleBatch: async (received) => {
        receiveCounts.push(...received.map(({ receiveCount }) => receiveCount));
        return receiveCounts.length <= 2 ? [] : received.map(() => acknowledge);
      },
    });
    await send('landing', [1, 2]);
    await vi.waitFor(() => expect(receiveCounts).toEqual([1, 1, 2, 2]), { timeout: 60_000 });
    await expectEmpty('landing');
  });
});

describe('FIFO', () => {
  it('runs each group in order, one at a time, and groups side by side', async () => {
    const seen = new Map<string, number[]>();
    const running = new Set<string>();
    let most = 0;
    startWorker({
      queue: 'ingest',
      handle: async ({ message, groupId = '' }) => {
        expect(running.has(groupId)).toBe(false);
        running.add(groupId);
        most = Math.max(most, running.size);
        await new Promise((resolve) => setImmediate(resolve));
        running.delete(groupId);
        seen.set(groupId, [...(seen.get(groupId) ?? []), message.n]);
        return acknowledge;
      },
    });
    await send('ingest', range(60), (n) => `group-${n % 6}`);
    await vi.waitFor(() => expect([...seen.values()].flat()).toHaveLength(60), { timeout: 60_000 });
    for (const ns of seen.values()) expect(ns).toEqual(ns.toSorted((a, b) => a - b));
    expect(most).toBeGreaterThan(1);
  });
});

describe('FIFO in batches', () => {
  it('gives a set-based handler at most one message of a group, and keeps each group’s order', async () => {
    const seen = new Map<string, number[]>();
    let largest = 0;
    startWorker({
      queue: 'ingest',
      slots: 50,
      batch: { maxMessages: 50, lingerMs: 20 },
      handleBatch: async (received) => {
        largest = Math.max(largest, received.length);
        const groups = received.map(({ groupId = '' }) => groupId);
        expect(new Set(groups).size).toBe(groups.length);
        for (const { message, groupId = '' } of received) seen.set(groupId, [...(seen.get(groupId) ?? []), message.n]);
        return received.map(() => acknowledge);
      },
    });
    await send('ingest', range(100), (n) => `group-${n % 20}`);
    await vi.waitFor(() => expect([...seen.values()].flat()).toHaveLength(100), { timeout: 60_000 });
    for (const ns of seen.values()) expect(ns).toEqual(ns.toSorted((a, b) => a - b));
    expect(largest).toBeGreaterThan(5);
    await expectEmpty('ingest');
  });
});

describe('leases', () => {
  it('keeps the message of a long handler hidden beyond the visibility timeout', async () => {
    const { promise: allowed, resolve: allow } = Promise.withResolvers<void>();
    let calls = 0;
    startWorker({
      // A third of it is what a heartbeat may be late by.
      visibilityTimeoutMs: 3_000,
      handle: async () => {
        calls += 1;
        await allowed;
        return acknowledge;
      },
    });
    const startedAtMs = performance.now();
    await send('landing', [1]);
    await vi.waitFor(() => expect(performance.now() - startedAtMs).toBeGreaterThan(4_500), { timeout: 60_000 });
    expect(calls).toBe(1);
    allow();
    await expectEmpty('landing');
    const { values } = await metrics.leasesLost.get();
    expect(values.every(({ value }) => value === 0)).toBe(true);
  });

  it('does not shorten what a handler extended for longer', async () => {
    const { promise: allowed, resolve: allow } = Promise.withResolvers<void>();
    let isExtended = false;
    startWorker({
      visibilityTimeoutMs: 1_000,
      heartbeatIntervalMs: 100,
      handle: async (_received, { extendVisibility }) => {
        await extendVisibility(600_000);
        isExtended = true;
        await allowed;
        return leave;
      },
    });
    await send('landing', [1]);
    await vi.waitFor(() => expect(isExtended).toBe(true), { timeout: 60_000 });
    const extendedAtMs = performance.now();
    await vi.waitFor(() => expect(performance.now() - extendedAtMs).toBeGreaterThan(500), { timeout: 60_000 });
    const [held] = fauxqs.server.inspectQueue(`t${prefixes}-landing`)?.messages.inflight ?? [];
    expect((held?.visibilityDeadline ?? 0) - Date.now()).toBeGreaterThan(500_000);
    allow();
  });

  it('aborts the signal at the deadline and lets the message reappear', async () => {
    const reasons: unknown[] = [];
    startWorker({
      visibilityTimeoutMs: 1_000,
      deadlineMs: 300,
      random: () => 0,
      handle: async ({ receiveCount }, { signal }) => {
        if (receiveCount > 1) return acknowledge;
        await new Promise((resolve) => signal.addEventListener('abort', resolve));
        reasons.push(signal.reason);
        throw signal.reason;
      },
    });
    await send('landing', [1]);
    await expectEmpty('landing');
    expect(reasons).toMatchObject([{ code: 'HANDLER_DEADLINE_EXCEEDED' }]);
  });

  it('hides the message of a handler that ignores its signal no longer than its deadline', async () => {
    const { promise: allowed, resolve: allow } = Promise.withResolvers<void>();
    startWorker({
      visibilityTimeoutMs: 1_000,
      deadlineMs: 300,
      handle: async ({ receiveCount }) => {
        if (receiveCount === 1) await allowed;
        return acknowledge;
      },
    });
    await send('landing', [1]);
    await expectEmpty('landing');
    allow();
  });
});

it('does not run a message that waited until its visibility ran out: somebody else may have it', async () => {
  const { promise: allowed, resolve: allow } = Promise.withResolvers<void>();
  const runs: { readonly n: number; readonly receiveCount: number }[] = [];
  startWorker({
    slots: 4,
    maxTenantShare: 0.25,
    tenantOf: () => 'one',
    visibilityTimeoutMs: 1_000,
    deadlineMs: 300,
    handle: async ({ message, receiveCount }) => {
      runs.push({ n: message.n, receiveCount });
      if (runs.length === 1) await allowed;
      return acknowledge;
    },
  });
  await send('landing', [1, 2]);
  await vi.waitFor(() => expect(runs).toHaveLength(1), { timeout: 60_000 });
  const waited = runs[0]?.n === 1 ? 2 : 1;
  const sinceMs = performance.now();
  await vi.waitFor(() => expect(performance.now() - sinceMs).toBeGreaterThan(1_500), { timeout: 60_000 });
  allow();
  await expectEmpty('landing');
  expect(runs.find(({ n }) => n === waited)?.receiveCount).toBeGreaterThan(1);
});

describe('stopping', () => {
  it('waits for handlers, acknowledges what they did, and gives back what had not started', async () => {
    const { promise: allowed, resolve: allow } = Promise.withResolvers<void>();
    let started = 0;
    const worker = startWorker({
      slots: 10,
      // One tenant for all: 5 run, 5 or more wait unstarted.
      tenantOf: () => 'one',
      maxTenantShare: 0.5,
      handle: async () => {
        started += 1;
        await allowed;
        return acknowledge;
      },
    });
    await send('landing', range(10));
    await vi.waitFor(() => expect(metricTotal('received')).resolves.toBe(10), { timeout: 60_000 });
    expect(started).toBe(5);
    const stopped = worker.stop({ timeoutMs: 60_000 });
    await vi.waitFor(async () => expect((await depth(queues.landing.url)).visible).toBe(5), { timeout: 60_000 });
    allow();
    expect(await stopped).toBe(true);
    expect(started).toBe(5);
    expect(await depth(queues.landing.url)).toEqual({ visible: 5, inFlight: 0, delayed: 0 });
  });

  it('leaves no message hidden and none lost when stopped in the middle of a flow', async () => {
    const handled: number[] = [];
    const handle: Options['handle'] = async ({ message }) => {
      await new Promise((resolve) => setImmediate(resolve));
      handled.push(message.n);
      return acknowledge;
    };
    await send('landing', range(1_000));
    const first = startWorker({ pollers: 3, handle });
    await vi.waitFor(() => expect(handled.length).toBeGreaterThan(100), { timeout: 60_000, interval: 1 });
    expect(await first.stop({ timeoutMs: 60_000 })).toBe(true);
    expect(handled.length).toBeLessThan(1_000);
    expect(await depth(queues.landing.url)).toEqual({ visible: 1_000 - handled.length, inFlight: 0, delayed: 0 });
    startWorker({ handle });
    await vi.waitFor(() => expect(handled).toHaveLength(1_000), { timeout: 60_000 });
    expect(new Set(handled).size).toBe(1_000);
  });

  it('stops within its bound when a handler listens to nothing', async () => {
    let isAborted = false;
    const { promise: never, resolve: end } = Promise.withResolvers<void>();
    const worker = startWorker({
      handle: async (_received, { signal }) => {
        signal.addEventListener('abort', () => {
          isAborted = true;
        });
        await never;
        return acknowledge;
      },
    });
    await send('landing', [1]);
    await vi.waitFor(() => expect(worker.inFlight()).toBe(1), { timeout: 60_000 });
    // The handler never ends, so that this one does is the bound.
    expect(await worker.stop({ timeoutMs: 1_500 })).toBe(false);
    expect(isAborted).toBe(true);
    end();
  });

  it('makes the message of an aborted handler visible at once', async () => {
    const worker = startWorker({
      handle: async (_received, { signal }) => {
        await new Promise((resolve) => signal.addEventListener('abort', resolve));
        throw signal.reason;
      },
    });
    await send('landing', [1]);
    await vi.waitFor(() => expect(worker.inFlight()).toBe(1), { timeout: 60_000 });
    // Its handler is aborted three seconds before the end, and not sooner.
    expect(await worker.stop({ timeoutMs: 8_000 })).toBe(true);
    expect((await depth(queues.landing.url)).visible).toBe(1);
  });

  it('gives back what arrives after the stop', async () => {
    const handle = vi.fn(async () => acknowledge);
    const worker = startWorker({ waitTimeSeconds: 5, handle });
    await vi.waitFor(() => expect(worker.isLive().lastPollAgeMs).toBeGreaterThan(50), { timeout: 60_000 });
    const stopped = worker.stop({ timeoutMs: 60_000 });
    await send('landing', [1]);
    expect(await stopped).toBe(true);
    expect(handle).not.toHaveBeenCalled();
    expect((await depth(queues.landing.url)).visible).toBe(1);
  });
});

describe('pausing', () => {
  it('receives nothing while paused and goes on when resumed', async () => {
    const handled: number[] = [];
    const worker = startWorker({
      handle: async ({ message }) => {
        handled.push(message.n);
        return acknowledge;
      },
    });
    worker.pause();
    // The poll under way may still bring one.
    await vi.waitFor(() => expect(worker.isLive().lastPollAgeMs).toBeGreaterThan(1_200), { timeout: 60_000 });
    await send('landing', [1, 2]);
    await vi.waitFor(async () => expect((await depth(queues.landing.url)).visible).toBe(2), { timeout: 60_000 });
    expect(worker.isLive().ok).toBe(true);
    worker.resume();
    await vi.waitFor(() => expect(handled).toHaveLength(2), { timeout: 60_000 });
  });
});

describe('tenants', () => {
  it('leaves slots to others while one tenant floods', async () => {
    const { promise: allowed, resolve: allow } = Promise.withResolvers<void>();
    const handled: number[] = [];
    startWorker({
      slots: 10,
      maxTenantShare: 0.5,
      // 0 to 7 are the flood, 8 and 9 another tenant's.
      tenantOf: ({ n }) => (n < 8 ? 'flood' : 'other'),
      handle: async ({ message }) => {
        if (message.n < 8) await allowed;
        handled.push(message.n);
        return acknowledge;
      },
    });
    await send('landing', range(10));
    await vi.waitFor(() => expect(handled.toSorted()).toEqual([8, 9]), { timeout: 60_000 });
    allow();
    await vi.waitFor(() => expect(handled).toHaveLength(10), { timeout: 60_000 });
    await expectEmpty('landing');
  });

  it('uses every slot when all that can be held is one tenant’s', async () => {
    const { promise: allowed, resolve: allow } = Promise.withResolvers<void>();
    const worker = startWorker({
      slots: 4,
      maxTenantShare: 0.5,
      tenantOf: () => 'flood',
      handle: async () => {
        await allowed;
        return acknowledge;
      },
    });
    await send('landing', range(20));
    await vi.waitFor(() => expect(worker.inFlight()).toBe(4), { timeout: 60_000 });
    allow();
    await expectEmpty('landing');
  });
});

describe('metrics', () => {
  it('count every message by what became of it, and every request', async () => {
    const ownRegistry = new Registry();
    const ownMetrics = createQueueMetrics(ownRegistry);
    const client = createSqsClient({
      region: FAUXQS_REGION,
      endpoint: fauxqs.endpoint,
      credentials: FAUXQS_CREDENTIALS,
      metrics: ownMetrics,
    });
    clients.push(client);
    startWorker({
      client,
      metrics: ownMetrics,
      random: () => 0,
      handle: async ({ message, receiveCount }) => {
        if (message.n === 1 && receiveCount === 1) throw new Error('once');
        return message.n === 2 && receiveCount === 1 ? release(0) : acknowledge;
      },
    });
    await send('landing', [0, 1, 2]);
    await expectEmpty('landing');
    const text = await ownRegistry.metrics();
    expect(text).toContain('longshore_queue_received_total{queue="landing"} 5');
    expect(text).toContain('longshore_queue_handled_total{queue="landing",disposition="acknowledge"} 3');
    expect(text).toContain('longshore_queue_handled_total{queue="landing",disposition="release"} 1');
    expect(text).toContain('longshore_queue_handled_total{queue="landing",disposition="failed"} 1');
    // Of each message once, whatever comes again.
    expect(text).toContain('longshore_queue_wait_seconds_count{queue="landing"} 3');
    expect(text).toContain('longshore_queue_wait_seconds_bucket{le="60",queue="landing"} 3');
    expect(text).toContain('longshore_queue_in_flight{queue="landing"} 0');
    expect(text).toMatch(/longshore_queue_last_poll_age_seconds\{queue="landing"\} [\d.]+/);
    expect(text).toMatch(/longshore_sqs_requests_total\{queue="t\d+-landing",operation="ReceiveMessage"\} \d+/);
    expect(text).toMatch(/longshore_sqs_requests_total\{queue="t\d+-landing",operation="DeleteMessageBatch"\} \d+/);
  });
});

describe('options', () => {
  it('are refused with every fault at once', () => {
    expect(() =>
      createWorker({
        queue: 'landing',
        queueUrl: 'http://nowhere/1/q',
        client: fauxqs.sqs,
        messages,
        slots: 0,
        visibilityTimeoutMs: 500,
        deadlineMs: 60_000,
        waitTimeSeconds: 20,
        logger,
        metrics,
      }),
    ).toThrow(/exactly one of handle.*slots.*visibilityTimeoutMs.*waitTimeSeconds/);
  });
});

async function metricTotal(name: 'received' | 'handled'): Promise<number> {
  const { values } = await metrics[name].get();
  return values.reduce((total, { value }) => total + value, 0);
}

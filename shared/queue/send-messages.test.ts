import { pino } from 'pino';
import { Registry } from 'prom-client';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { z } from 'zod';
import { type CreatedQueue, createQueues } from '#shared/queue/create-queues.ts';
import { defineMessage } from '#shared/queue/define-message.ts';
import { acknowledge } from '#shared/queue/disposition.ts';
import { messageGroupId } from '#shared/queue/message-group.ts';
import { createQueueMetrics, type QueueMetrics } from '#shared/queue/queue-metrics.ts';
import { createSender, type SendEntry } from '#shared/queue/send-messages.ts';
import { createWorker } from '#shared/queue/worker.ts';
import type { QueueId } from '#shared/runtime/config/resource-names.ts';
import { type Fauxqs, startFauxqs } from '#testkit/servers/start-fauxqs.ts';
import { allDone, startScriptedSqs } from '#testkit/servers/start-scripted-sqs.ts';

const note = defineMessage({ name: 'test.note', version: 1, schema: z.object({ text: z.string() }) });
const messages = [note] as const;

let fauxqs: Fauxqs;
let queues: Record<QueueId, CreatedQueue>;
let metrics: QueueMetrics;
let prefixes = 0;

beforeAll(async () => {
  metrics = createQueueMetrics(new Registry());
  fauxqs = await startFauxqs({ metrics });
});
afterAll(() => fauxqs.stop());

function entry(text: string, more: Partial<SendEntry<never>> = {}) {
  return { message: { type: 'test.note' as const, text }, ...more };
}

async function freshSender(queue: QueueId = 'landing') {
  prefixes += 1;
  queues = await createQueues({ client: fauxqs.sqs, prefix: `s${prefixes}` });
  const fifo = queues[queue].url.endsWith('.fifo');
  return createSender({ client: fauxqs.sqs, queueUrl: queues[queue].url, fifo, messages });
}

/** Bodies' texts as they are in the queue. */
function standing(queue: string): string[] {
  const found = fauxqs.server.inspectQueue(`s${prefixes}-${queue}`)?.messages;
  return [...(found?.ready ?? []), ...(found?.delayed ?? [])].map(
    ({ body }) => (JSON.parse(body) as { text: string }).text,
  );
}

async function countSends(): Promise<number> {
  const { values } = await metrics.sqsRequests.get();
  return values
    .filter(({ labels }) => labels.operation === 'SendMessageBatch' && labels.queue === `s${prefixes}-landing`)
    .reduce((sum, { value }) => sum + value, 0);
}

describe('the sender', () => {
  it('sends calls that run side by side in full batches', async () => {
    const sender = await freshSender();
    const results = await Promise.all(Array.from({ length: 40 }, (_, n) => sender.send([entry(String(n))])));
    expect(results.flat().every(({ ok }) => ok)).toBe(true);
    expect(standing('landing')).toHaveLength(40);
    expect(await countSends()).toBe(4);
  });

  it('sends a lone message within moments', async () => {
    const sender = await freshSender();
    expect(await sender.send([entry('alone')])).toMatchObject([{ ok: true, messageId: expect.any(String) }]);
  });

  it('splits what is over 1 MiB together, and refuses what is over it alone', async () => {
    const sender = await freshSender();
    const big = 'x'.repeat(400_000);
    const results = await sender.send([
      entry(big),
      entry(big),
      entry(big),
      entry('y'.repeat(1_100_000)),
      entry('small'),
    ]);
    expect(results.map(({ ok }) => ok)).toEqual([true, true, true, false, true]);
    expect(await countSends()).toBe(2);
  });

  it('keeps the order within a FIFO queue and drops a repeated deduplication id', async () => {
    const sender = await freshSender('ingest');
    const groupId = messageGroupId('tenant', 'directory/with spaces and ü');
    expect(groupId).toMatch(/^[0-9a-f]{64}$/);
    const ns = Array.from({ length: 35 }, (_, n) => String(n));
    const results = await sender.send(ns.map((n) => entry(n, { groupId, deduplicationId: n })));
    expect(results.every(({ ok }) => ok)).toBe(true);
    await sender.send([entry('again', { groupId, deduplicationId: '3' })]);
    expect(standing('ingest.fifo')).toEqual(ns);
  });

  it('refuses one entry without touching the others', async () => {
    const sender = await freshSender('ingest');
    const results = await sender.send([
      entry('no group'),
      entry('fine', { groupId: 'g', deduplicationId: '1' }),
      { message: { type: 'test.note', text: 5 as unknown as string }, groupId: 'g', deduplicationId: '2' },
    ]);
    expect(results).toMatchObject([{ ok: false, retryable: false }, { ok: true }, { ok: false, retryable: false }]);
    expect(standing('ingest.fifo')).toEqual(['fine']);
  });

  it('hands attributes and the sending time through to the handler', async () => {
    const sender = await freshSender();
    const seen: unknown[] = [];
    const worker = createWorker({
      queue: 'landing',
      queueUrl: queues.landing.url,
      client: fauxqs.sqs,
      messages,
      slots: 1,
      visibilityTimeoutMs: 30_000,
      deadlineMs: 60_000,
      waitTimeSeconds: 1,
      logger: pino({ level: 'silent' }),
      metrics,
      handle: async ({ attributes, sentAt }) => {
        seen.push({ attributes, isRecent: Math.abs(sentAt.getTime() - Date.now()) < 60_000 });
        return acknowledge;
      },
    });
    worker.start();
    await sender.send([entry('traced', { attributes: { traceparent: '00-abc' } })]);
    await vi.waitFor(() => expect(seen).toEqual([{ attributes: { traceparent: '00-abc' }, isRecent: true }]), {
      timeout: 60_000,
    });
    await worker.stop({ timeoutMs: 3_000 });
  });
});

describe('the sender, when the server fails', () => {
  it('repeats the failed entries alone, and reports what stays refused', async () => {
    let requests = 0;
    const server = await startScriptedSqs((request) => {
      requests += 1;
      if (requests > 1) return allDone(request);
      const [one, two, ...others] = request.input.Entries ?? [];
      return {
        body: {
          ...allDone(request, others).body,
          Failed: [
            { Id: one?.Id, Code: 'InternalError', SenderFault: false },
            { Id: two?.Id, Code: 'InvalidMessageContents', SenderFault: true },
          ],
        },
      };
    });
    const sender = createSender({ client: server.sqs, queueUrl: 'http://scripted/1/q', fifo: false, messages });
    const results = await sender.send([entry('a'), entry('b'), entry('c')]);
    expect(results).toMatchObject([{ ok: true }, { ok: false, retryable: false }, { ok: true }]);
    expect(server.requests.map(({ input }) => input.Entries?.length)).toEqual([3, 1]);
    await server.stop();
  });

  it('sends an entry again that the answer does not name', async () => {
    let requests = 0;
    const server = await startScriptedSqs((request) => {
      requests += 1;
      return requests > 1 ? allDone(request) : allDone(request, request.input.Entries?.slice(1));
    });
    const sender = createSender({ client: server.sqs, queueUrl: 'http://scripted/1/q', fifo: false, messages });
    expect(await sender.send([entry('a'), entry('b')])).toMatchObject([{ ok: true }, { ok: true }]);
    expect(server.requests.map(({ input }) => input.Entries?.length)).toEqual([2, 1]);
    await server.stop();
  });

  it('says for every entry that it may be tried again when no answer comes', async () => {
    const server = await startScriptedSqs(() => ({ status: 503, body: {} }));
    const sender = createSender({ client: server.sqs, queueUrl: 'http://scripted/1/q', fifo: false, messages });
    expect(await sender.send([entry('a'), entry('b')])).toMatchObject([
      { ok: false, retryable: true },
      { ok: false, retryable: true },
    ]);
    expect(server.requests.length).toBeLessThanOrEqual(6);
    await server.stop();
  });

  it('asks a silent server for one request of many, and again for what is sent later', async () => {
    let isSilent = true;
    const server = await startScriptedSqs((request) => (isSilent ? new Promise(() => {}) : allDone(request)));
    const sender = createSender({ client: server.sqs, queueUrl: 'http://scripted/1/q.fifo', fifo: true, messages });
    const orderly = (text: string) => entry(text, { groupId: text, deduplicationId: text });
    const results = await sender.send(Array.from({ length: 200 }, (_, n) => orderly(String(n))));
    expect(results.filter(({ ok }) => ok)).toHaveLength(0);
    const bodies = server.requests.map(({ input }) => input.Entries?.[0]?.MessageBody);
    expect(new Set(bodies).size).toBe(1);
    isSilent = false;
    expect(await sender.send([orderly('later')])).toMatchObject([{ ok: true }]);
    await server.stop();
  });
});

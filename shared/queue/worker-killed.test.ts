import { fileURLToPath } from 'node:url';
import { SendMessageCommand } from '@aws-sdk/client-sqs';
import { pino } from 'pino';
import { Registry } from 'prom-client';
import { expect, it, vi } from 'vitest';
import { createQueues } from '#shared/queue/create-queues.ts';
import { acknowledge } from '#shared/queue/disposition.ts';
import { createQueueMetrics } from '#shared/queue/queue-metrics.ts';
import { createWorker } from '#shared/queue/worker.ts';
import { startFauxqs } from '#testkit/servers/start-fauxqs.ts';
import { startProcess } from '#testkit/servers/start-process.ts';

it('another worker gets the message of one that was killed, once the killed one’s heartbeats are over', async () => {
  const fauxqs = await startFauxqs();
  const { landing } = await createQueues({ client: fauxqs.sqs, prefix: 'killed' });
  const program = fileURLToPath(new URL('../../testkit/beds/hanging-worker.ts', import.meta.url));
  const child = startProcess([program, fauxqs.endpoint, landing.url]);
  const receiveCounts: number[] = [];
  const survivor = createWorker({
    queue: 'landing',
    queueUrl: landing.url,
    client: fauxqs.sqs,
    messages: 'raw',
    slots: 1,
    visibilityTimeoutMs: 30_000,
    deadlineMs: 60_000,
    waitTimeSeconds: 1,
    logger: pino({ level: 'silent' }),
    metrics: createQueueMetrics(new Registry()),
    handle: async ({ receiveCount }) => {
      receiveCounts.push(receiveCount);
      return acknowledge;
    },
  });
  try {
    await fauxqs.sqs.send(new SendMessageCommand({ QueueUrl: landing.url, MessageBody: '1' }));
    await child.untilLine(/^started$/);
    survivor.start();
    const startedAtMs = performance.now();
    // Three visibility timeouts: only heartbeats can have kept it hidden.
    await vi.waitFor(() => expect(performance.now() - startedAtMs).toBeGreaterThan(3_000), { timeout: 60_000 });
    expect(receiveCounts).toEqual([]);
    await child.end('SIGKILL');
    await vi.waitFor(() => expect(receiveCounts).toEqual([2]), { timeout: 60_000 });
  } finally {
    await child.end('SIGKILL');
    await survivor.stop({ timeoutMs: 3_000 });
    await fauxqs.stop();
  }
});

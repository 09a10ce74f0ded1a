/** The gauges as the retry-sweeper itself registers and shows them. */
import { Registry } from 'prom-client';
import { afterEach, expect, test } from 'vitest';
import { readFleetLoad } from '#local/launcher/read-fleet-load.ts';
import { createRetrySweeperMetrics } from '#services/retry-sweeper/metrics.ts';
import { type OperationsServer, startOperationsServer } from '#shared/runtime/health/operations-server.ts';

let server: OperationsServer | undefined;

afterEach(async () => {
  await server?.stop();
});

async function showMetrics(fill: (metrics: ReturnType<typeof createRetrySweeperMetrics>) => void): Promise<string> {
  const registry = new Registry();
  fill(createRetrySweeperMetrics(registry));
  const health = () => ({ ok: true, detail: 'well' });
  server = await startOperationsServer({ host: '127.0.0.1', port: 0, registry, liveness: health, readiness: health });
  return `http://127.0.0.1:${server.port}/metrics`;
}

test('reads depth, waiting rows and age of a service’s queues', async () => {
  const url = await showMetrics((metrics) => {
    metrics.queueMessages.set({ queue: 'partner-steps', state: 'visible' }, 150);
    metrics.queueMessages.set({ queue: 'partner-steps', state: 'in flight' }, 32);
    metrics.queueMessages.set({ queue: 'partner-steps-dlq', state: 'visible' }, 7);
    metrics.rows.set({ queue: 'partner-steps', state: 'waiting for admission' }, 4_000);
    metrics.oldestDueSeconds.set({ queue: 'partner-steps' }, 12.5);
    metrics.queueMessages.set({ queue: 'bronze-steps', state: 'visible' }, 50);
    metrics.rows.set({ queue: 'bronze-steps', state: 'waiting for admission' }, 1_000);
  });
  const loadOf = await readFleetLoad(url);
  expect(loadOf('partner-worker')).toEqual({ visibleMessages: 200, waitingRows: 5_000, oldestAgeSeconds: 12.5 });
  expect(loadOf('ingestor')).toEqual({ visibleMessages: 0, waitingRows: 0, oldestAgeSeconds: 0 });
});

test('a sweeper that has not looked yet says nothing', async () => {
  const url = await showMetrics(() => {});
  await expect(readFleetLoad(url)).rejects.toThrow('has not looked');
});

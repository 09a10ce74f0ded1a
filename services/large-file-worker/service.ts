/**
 * The large-file-worker: steps that move many bytes or take long, and the archive copy of large files. What it does with a job
 * is in `shared/worker/run-jobs.ts`.
 */
import type { Registry } from 'prom-client';
import { createPulls } from '#shared/pulls/create-pulls.ts';
import { protectWhileBusy } from '#shared/runtime/health/protect-while-busy.ts';
import type { Service, ServiceContext } from '#shared/runtime/run-service.ts';
import { STEP_KINDS } from '#shared/steps/registry.ts';
import { createJobService } from '#shared/worker/create-job-service.ts';
import type { LargeFileWorkerConfig } from './config.ts';

/** SQS hides a message for 12 h from its receive at most; the queue's worker takes no more than 11. */
const MESSAGE_DEADLINE_MS = 11 * 3_600_000;

export function createLargeFileWorker(context: ServiceContext<LargeFileWorkerConfig>): Service {
  const service = createJobService(
    {
      ...{ name: 'large-file-worker', workerClass: 'long', kinds: STEP_KINDS, messageDeadlineMs: MESSAGE_DEADLINE_MS },
      // Each with its own slots: a flood of large files takes none of those of the lane platinum. Part buffers are shared.
      queues: (['platinum-work', 'work'] as const).map((queue) => ({ queue, slots: context.config.LONGSHORE_SLOTS })),
      createPulls,
    },
    context,
  );
  return protectWhileBusy(service, {
    agentUri: context.config.ECS_AGENT_URI,
    countBusy: () => countInFlight(context.registry),
    logger: context.logger,
  });
}

/** By the metric that everybody sees. */
async function countInFlight(registry: Registry): Promise<number> {
  const metric = await registry.getSingleMetric('longshore_queue_in_flight')?.get();
  return metric?.values.reduce((sum, { value }) => sum + Number(value), 0) ?? 0;
}

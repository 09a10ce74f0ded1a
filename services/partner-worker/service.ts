/**
 * The partner-worker: every short step of every job, and the archive copy of small files. What it does with a job is in
 * `shared/jobs/run-jobs.ts`.
 */
import { createJobService } from '#shared/jobs/job-service.ts';
import type { Service, ServiceContext } from '#shared/runtime/run-service.ts';
import { STEP_KINDS } from '#shared/steps/registry.ts';
import type { PartnerWorkerConfig } from './config.ts';

/** A message that walks longer than this hands its job over, so that no message is held without end. */
const MESSAGE_DEADLINE_MS = 3_600_000;

export function createPartnerWorker(context: ServiceContext<PartnerWorkerConfig>): Service {
  return createJobService(
    { name: 'partner-worker', queue: 'partner-steps', kinds: STEP_KINDS, messageDeadlineMs: MESSAGE_DEADLINE_MS },
    context,
  );
}

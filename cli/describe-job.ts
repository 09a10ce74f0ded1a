/** A job as the commands print it. */
import { z } from 'zod';
import { formatFields } from './terminal.ts';
import type { Times } from './times.ts';

export const failureSchema = z.object({
  code: z.string(),
  cause: z.string().nullable(),
  message: z.string().nullable(),
});

export const jobSummarySchema = z.looseObject({
  job_id: z.string(),
  file_id: z.string(),
  customer_id: z.string(),
  route: z.string(),
  route_version: z.number(),
  state: z.string(),
  generation: z.number(),
  step: z.string(),
  step_attempts: z.number(),
  max_attempts: z.number(),
  retry_count: z.number(),
  wait_reason: z.string().nullable(),
  next_action_at: z.string().nullable(),
  error: failureSchema.nullable(),
  parent_job_id: z.string().nullish(),
  branch: z.string().nullish(),
});

export type JobSummary = z.infer<typeof jobSummarySchema>;

export function describeJob(job: JobSummary, times: Times): string[] {
  return formatFields({
    job: job.job_id,
    file: job.file_id,
    tenant: job.customer_id,
    route: `${job.route}, version ${job.route_version}`,
    'branch of': describeParent(job),
    state: job.state,
    generation: job.generation,
    step: `${job.step}, attempt ${job.step_attempts} of ${job.max_attempts}`,
    retries: job.retry_count,
    'waits for': job.wait_reason,
    next: times.show(job.next_action_at),
    error: describeFailure(job.error),
  });
}

function describeParent({ parent_job_id: parent, branch }: JobSummary): string | null {
  if (parent === null || parent === undefined) return null;
  return branch === null || branch === undefined ? parent : `${parent}, ${branch}`;
}

export function describeFailure(error: z.infer<typeof failureSchema> | null): string | null {
  return error && [error.code, error.cause, error.message].filter((part) => part !== null).join(' ');
}

/** A job in one row, as lists and details show it. */
import { z } from 'zod';
import { type JobState, jobs, routes, routeVersions } from '#shared/db/schema.ts';
import { LANES, type Lane } from '#shared/definitions/lanes.ts';
import { explainToSender } from '#shared/explain-to-sender.ts';
import { instantOf, instantOrNullOf } from '../records/read-columns.ts';

export const failureSchema = z
  .object({
    code: z.string().describe('The step that failed.'),
    cause: z.string().nullable().describe('Why the step failed.'),
    message: z.string().nullable(),
    for_sender: z
      .object({
        text: z.string().describe('What is wrong and what to do, without codes, routes and servers.'),
        is_to_correct: z.boolean().describe('The fault is in the file: a corrected one helps.'),
      })
      .describe('For the person who sent the file.'),
  })
  .meta({ id: 'Failure' });

export const jobSummarySchema = z
  .object({
    job_id: z.string(),
    file_id: z.string(),
    customer_id: z.string(),
    route: z.string(),
    route_version: z.number(),
    state: z.enum(['PENDING', 'RUNNING', 'WAITING', 'SUCCEEDED', 'FAILED', 'CANCELLED']),
    generation: z.number().describe('Increases with each retry by an operator.'),
    run: z.number().describe('Of this file on this route, from 1; raised when it is sent again as new.'),
    superseded_by: z.string().nullable().describe('The job of the next run, if there is one.'),
    parent_job_id: z.string().nullable().describe('The job that waits for this one, of a branch.'),
    branch: z
      .string()
      .nullable()
      .describe('The branch of the parent’s `parallel`; null for a route that is run whole.'),
    step: z.string().describe('The current step, or the last one.'),
    step_count: z.number(),
    step_attempts: z.number(),
    max_attempts: z.number(),
    retry_count: z.number(),
    lane: z.enum(LANES).describe('Whose queue its short steps go to.'),
    batch_id: z.string().nullable().describe('The batch that it belongs to.'),
    queue: z.string(),
    wait_reason: z.string().nullable(),
    next_action_at: z.string().nullable(),
    processed_by: z.string().nullable(),
    error: failureSchema.nullable(),
    created_at: z.string(),
    started_at: z.string().nullable(),
    finished_at: z.string().nullable(),
  })
  .meta({ id: 'Job' });

export type JobSummary = z.infer<typeof jobSummarySchema>;

/** For a read of `jobs` joined with `routes` and `route_versions`. */
export const jobSummaryColumns = {
  id: jobs.id,
  fileId: jobs.fileId,
  tenantId: jobs.tenantId,
  route: routes.name,
  routeVersion: routeVersions.version,
  state: jobs.state,
  generation: jobs.generation,
  run: jobs.run,
  supersededBy: jobs.supersededBy,
  parentJobId: jobs.parentJobId,
  parentSeq: jobs.parentSeq,
  branch: jobs.branch,
  stepKind: jobs.stepKind,
  stepCount: jobs.stepCount,
  stepAttempts: jobs.stepAttempts,
  maxAttempts: jobs.maxAttempts,
  retryCount: jobs.retryCount,
  lane: jobs.lane,
  batchId: jobs.batchId,
  queue: jobs.queue,
  waitReason: jobs.waitReason,
  nextActionAt: instantOrNullOf(jobs.nextActionAt),
  processedBy: jobs.processedBy,
  errorCode: jobs.errorCode,
  errorCause: jobs.errorCause,
  errorMessage: jobs.errorMessage,
  createdAt: instantOf(jobs.createdAt),
  startedAt: instantOrNullOf(jobs.startedAt),
  finishedAt: instantOrNullOf(jobs.finishedAt),
};

interface FailureRow {
  readonly errorCode: string | null;
  readonly errorCause: string | null;
  readonly errorMessage: string | null;
}

interface JobSummaryRow extends FailureRow {
  readonly id: string;
  readonly fileId: string;
  readonly tenantId: string;
  readonly route: string;
  readonly routeVersion: number;
  readonly state: JobState;
  readonly generation: number;
  readonly run: number;
  readonly supersededBy: string | null;
  readonly parentJobId: string | null;
  readonly branch: string | null;
  readonly stepKind: string;
  readonly stepCount: number;
  readonly stepAttempts: number;
  readonly maxAttempts: number;
  readonly retryCount: number;
  readonly lane: Lane;
  readonly batchId: string | null;
  readonly queue: string;
  readonly waitReason: string | null;
  readonly nextActionAt: string | null;
  readonly processedBy: string | null;
  readonly createdAt: string;
  readonly startedAt: string | null;
  readonly finishedAt: string | null;
}

export function toJobSummary(row: JobSummaryRow): JobSummary {
  return {
    job_id: row.id,
    file_id: row.fileId,
    customer_id: row.tenantId,
    route: row.route,
    route_version: row.routeVersion,
    state: row.state,
    generation: row.generation,
    run: row.run,
    superseded_by: row.supersededBy,
    parent_job_id: row.parentJobId,
    branch: row.branch,
    step: row.stepKind,
    step_count: row.stepCount,
    step_attempts: row.stepAttempts,
    max_attempts: row.maxAttempts,
    retry_count: row.retryCount,
    lane: row.lane,
    batch_id: row.batchId,
    queue: row.queue,
    wait_reason: row.waitReason,
    next_action_at: row.nextActionAt,
    processed_by: row.processedBy,
    error: failureOf(row),
    created_at: row.createdAt,
    started_at: row.startedAt,
    finished_at: row.finishedAt,
  };
}

export function failureOf(row: FailureRow): z.infer<typeof failureSchema> | null {
  if (row.errorCode === null) return null;
  const failure = { code: row.errorCode, cause: row.errorCause, message: row.errorMessage };
  const { text, isToCorrect } = explainToSender(failure);
  return { ...failure, for_sender: { text, is_to_correct: isToCorrect } };
}

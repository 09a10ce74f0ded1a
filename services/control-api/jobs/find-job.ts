/** One job: its steps as its route version defines them, with what happened to each, its attempts and its audit. */
import { z } from 'zod';
import type { Reads, Sql } from '#shared/db/connect-database.ts';
import { and, asc, desc, eq } from '#shared/db/drizzle.ts';
import { attempts, jobSteps, jobs, routes, routeVersions } from '#shared/db/schema.ts';
import { branchesOf, type RouteStep, stepKindOf } from '#shared/definitions/routes/route-steps.ts';
import type { RecordSummary } from '#shared/steps/record-store.ts';
import { findTransfersOf } from '#shared/transfers/find-transfers.ts';
import { toTransferSummary, transferSummarySchema } from '../files/transfer-summary.ts';
import { ofTenant } from '../http/tenant-scope.ts';
import type { CountRecords } from '../records/count-records.ts';
import { instantOf } from '../records/read-columns.ts';
import { readRecordRoute } from '../records/read-record-route.ts';
import { asRecord, auditSchema, findAuditOfJob } from './find-audit.ts';
import { failureOf, failureSchema, jobSummaryColumns, jobSummarySchema, toJobSummary } from './job-summary.ts';

const jobStepSchema = z.object({
  seq: z.number().describe('Position in the route, from 0.'),
  kind: z.string(),
  state: z.string().describe('PENDING, RUNNING, WAITING, SUCCEEDED, SKIPPED, FAILED or CANCELLED.'),
  attempts: z.number(),
  output: z.record(z.string(), z.unknown()).nullable(),
  error: failureSchema.nullable(),
  started_at: z.string().nullable(),
  finished_at: z.string().nullable(),
});

const recordSummarySchema = z.object({
  by_state: z.record(z.string(), z.number()),
  by_code: z.record(z.string(), z.number()).describe('Number of records by code and cause.'),
  duration_ms: z.number().describe('From the first claim of the job to the end of its last record.'),
});

export const jobDetailSchema = jobSummarySchema
  .extend({
    open_records: z.number().nullable().describe('Records that have not ended; null before they are processed.'),
    record_summary: recordSummarySchema
      .nullable()
      .describe('For record files; updated periodically while records are processed.'),
    steps: z.array(jobStepSchema),
    branches: z
      .array(
        jobSummarySchema
          .pick({ job_id: true, branch: true, route: true, state: true, step: true, error: true })
          .extend({ seq: z.number().describe('The step of this job that waits for it.') }),
      )
      .describe('Jobs below this one.'),
    transfers: z.array(transferSummarySchema).describe('Multipart copies of the job and of its file to the archive.'),
    attempts: z.array(
      z.object({
        generation: z.number(),
        seq: z.number(),
        kind: z.string(),
        attempt: z.number(),
        outcome: z.string(),
        error: failureSchema.nullable(),
        worker: z.string(),
        started_at: z.string(),
        duration_ms: z.number(),
      }),
    ),
    audit: auditSchema,
  })
  .meta({ id: 'JobDetail' });
export type JobDetail = z.infer<typeof jobDetailSchema>;

/** The newest; a job that was retried for months has more than one reply should have. */
const MOST_ATTEMPTS = 200;

/** Resolves to undefined when there is no such job in the tenant's sight. */
export async function findJobSummary(reads: Reads, tenantId: string | null, id: string) {
  const [job] = await reads
    .select(jobSummaryColumns)
    .from(jobs)
    .innerJoin(routes, eq(routes.id, jobs.routeId))
    .innerJoin(routeVersions, eq(routeVersions.id, jobs.routeVersionId))
    .where(and(ofTenant(reads, jobs.tenantId, tenantId), eq(jobs.id, id)));
  return job === undefined ? undefined : toJobSummary(job);
}

/** As `findJobSummary`, with all that is known of it; `countRecords` is asked while its records have no summary. */
export async function findJobDetail(
  { sql, reads, countRecords }: { readonly sql: Sql; readonly reads: Reads; readonly countRecords: CountRecords },
  tenantId: string | null,
  id: string,
): Promise<JobDetail | undefined> {
  const [job] = await reads
    .select({
      ...jobSummaryColumns,
      stepSeq: jobs.stepSeq,
      openRecords: jobs.openRecords,
      recordSummary: jobs.recordSummary,
      definition: routeVersions.definition,
    })
    .from(jobs)
    .innerJoin(routes, eq(routes.id, jobs.routeId))
    .innerJoin(routeVersions, eq(routeVersions.id, jobs.routeVersionId))
    .where(and(ofTenant(reads, jobs.tenantId, tenantId), eq(jobs.id, id)));
  if (job === undefined) return undefined;
  const hasRecords = readRecordRoute(job.definition) !== undefined;
  const [branches, transfers, done, tried, audit, summary] = await Promise.all([
    findBranches(reads, id),
    findTransfersOf(sql, [id, job.fileId]),
    findSteps(reads, id),
    findAttempts(reads, id),
    findAuditOfJob(reads, id),
    hasRecords ? ((job.recordSummary as RecordSummary | null) ?? countRecords(id)) : null,
  ]);
  return {
    ...toJobSummary(job),
    open_records: job.openRecords,
    record_summary: summary && {
      by_state: summary.byState,
      by_code: summary.byCode,
      duration_ms: summary.durationMs,
    },
    steps: mergeSteps(job, done),
    branches,
    transfers: transfers.map(toTransferSummary),
    attempts: tried.reverse().map((row) => ({
      generation: row.generation,
      seq: row.seq,
      kind: row.kind,
      attempt: row.attempt,
      outcome: row.outcome,
      error: failureOf({ errorCode: row.code, errorCause: row.cause, errorMessage: row.message }),
      worker: row.worker,
      started_at: row.startedAt,
      duration_ms: row.durationMs,
    })),
    audit,
  };
}

type DoneStep = Awaited<ReturnType<typeof findSteps>>[number];

interface StepPosition {
  readonly definition: unknown;
  readonly state: string;
  readonly stepSeq: number;
  readonly stepKind: string;
  readonly stepAttempts: number;
  readonly branch: string | null;
  readonly parentSeq: number | null;
}

/** What the route says is to be done, and what of it was; the present step has the job's own state. */
function mergeSteps(job: StepPosition, done: readonly DoneStep[]): JobDetail['steps'] {
  const bySeq = new Map(done.map((step) => [step.seq, step]));
  return stepKindsOf(job).map((kind, seq) => {
    const step = bySeq.get(seq);
    const isPresent = seq === job.stepSeq && job.state !== 'SUCCEEDED';
    const state = isPresent ? job.state : (step?.state ?? 'PENDING');
    return {
      seq,
      kind,
      state,
      attempts: isPresent ? job.stepAttempts : (step?.attempts ?? 0),
      output: step?.output === null || step === undefined ? null : asRecord(step.output),
      error: step === undefined ? null : failureOf(step),
      started_at: step?.startedAt ?? null,
      finished_at: step?.finishedAt ?? null,
    };
  });
}

/** Stored definitions can be those of an older version: only what is needed is read. */
const stepsSchema = z.object({ steps: z.array(z.record(z.string(), z.unknown())) });

function stepKindsOf({
  definition,
  branch,
  parentSeq,
}: Pick<StepPosition, 'definition' | 'branch' | 'parentSeq'>): string[] {
  const parsed = stepsSchema.safeParse(definition);
  if (!parsed.success) return [];
  const { steps } = parsed.data;
  const isCall = (step: RouteStep | undefined) => step !== undefined && stepKindOf(step) === 'call';
  // The calls of a route are together, and are one step of the job.
  const own = steps.filter((step, index) => !isCall(step) || !isCall(steps[index - 1]));
  if (branch === null) return own.map(stepKindOf);
  const branches = new Map(branchesOf(own[parentSeq ?? -1] ?? {}));
  return (branches.get(branch) ?? []).map(stepKindOf);
}

async function findBranches(reads: Reads, jobId: string): Promise<JobDetail['branches']> {
  const rows = await reads
    .select(jobSummaryColumns)
    .from(jobs)
    .innerJoin(routes, eq(routes.id, jobs.routeId))
    .innerJoin(routeVersions, eq(routeVersions.id, jobs.routeVersionId))
    .where(eq(jobs.parentJobId, jobId))
    .orderBy(asc(jobs.parentSeq), asc(jobs.id));
  return rows.map((row) => {
    const { job_id, branch, route, state, step, error } = toJobSummary(row);
    return { job_id, branch, route, state, step, error, seq: row.parentSeq ?? 0 };
  });
}

function findSteps(reads: Reads, jobId: string) {
  return reads
    .select({
      seq: jobSteps.seq,
      state: jobSteps.state,
      attempts: jobSteps.attempts,
      output: jobSteps.output,
      errorCode: jobSteps.errorCode,
      errorCause: jobSteps.errorCause,
      errorMessage: jobSteps.errorMessage,
      startedAt: instantOf(jobSteps.startedAt),
      finishedAt: instantOf(jobSteps.finishedAt),
    })
    .from(jobSteps)
    .where(eq(jobSteps.jobId, jobId))
    .orderBy(asc(jobSteps.seq));
}

function findAttempts(reads: Reads, jobId: string) {
  return reads
    .select({
      generation: attempts.generation,
      seq: attempts.stepSeq,
      kind: attempts.stepKind,
      attempt: attempts.attempt,
      outcome: attempts.outcome,
      code: attempts.code,
      cause: attempts.cause,
      message: attempts.message,
      worker: attempts.worker,
      startedAt: instantOf(attempts.startedAt),
      durationMs: attempts.durationMs,
    })
    .from(attempts)
    .where(eq(attempts.jobId, jobId))
    .orderBy(desc(attempts.startedAt), desc(attempts.id))
    .limit(MOST_ATTEMPTS);
}

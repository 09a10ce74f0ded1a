/**
 * Reads of a job's records: a page of them by filters, in the order of the file, and one with its attempts.
 *
 * 1. Values are shown only where asked for, and those of sensitive columns never (`read-record-route.ts`).
 * 2. Every read names the creation of the job, so that one partition is looked at.
 */
import { z } from 'zod';
import type { Reads } from '#shared/db/connect-database.ts';
import { and, asc, desc, eq, sql } from '#shared/db/drizzle.ts';
import { jobs, RECORD_STATES, type RecordState, recordAttempts, records, routeVersions } from '#shared/db/schema.ts';
import { LongshoreError } from '#shared/errors.ts';
import { encodeLineCursor } from '../http/page-cursor.ts';
import { ofTenant } from '../http/tenant-scope.ts';
import { failureOf, failureSchema } from '../jobs/job-summary.ts';
import { exactInstantOf, instantOf, instantOrNullOf } from './read-columns.ts';
import { maskKey, maskValues, type RecordRoute, readRecordRoute } from './read-record-route.ts';

const recordSchema = z
  .object({
    line: z.number().describe('Line in the file, from 1.'),
    state: z.enum(RECORD_STATES),
    key: z.string().nullable().describe('Its business key.'),
    step: z.string().nullable().describe('The current call, or the last one; null for a rejected row.'),
    tries: z.number().describe('Attempts of that call.'),
    error: failureSchema.nullable(),
    reference: z.string().nullable().describe('The partner’s reference.'),
    next_attempt_at: z.string().nullable(),
    values: z
      .record(z.string(), z.unknown())
      .nullable()
      .optional()
      .describe('Only on request. Columns that the layout marks as sensitive are ***.'),
  })
  .meta({ id: 'Record' });
export const recordPageSchema = z.object({ records: z.array(recordSchema), next_cursor: z.string().nullable() });

export type RecordPage = z.infer<typeof recordPageSchema>;

export const recordDetailSchema = recordSchema
  .extend({
    attempts: z.array(
      z.object({
        generation: z.number(),
        step: z.string(),
        attempt: z.number(),
        outcome: z.string(),
        http_status: z.number().nullable(),
        error: failureSchema.nullable(),
        request_id: z.string().describe('The request id sent to the partner.'),
        worker: z.string(),
        started_at: z.string(),
        duration_ms: z.number(),
      }),
    ),
  })
  .meta({ id: 'RecordDetail' });

export type RecordDetail = z.infer<typeof recordDetailSchema>;

export interface RecordFilters {
  readonly state?: RecordState | undefined;
  readonly code?: string | undefined;
  readonly line?: number | undefined;
  readonly withValues: boolean;
  readonly afterLine?: number | undefined;
  readonly limit: number;
}

/** A job whose records may be looked at. */
export interface RecordJob {
  readonly id: string;
  /** The records' too, to the microsecond. */
  readonly createdAt: string;
  readonly route: RecordRoute;
}

/** The newest; whoever retries a record for months has more than one reply should hold. */
const MOST_ATTEMPTS = 200;

/** @throws LongshoreError `NOT_FOUND` when it is not in the tenant's sight, `JOB_HAS_NO_RECORDS`. */
export async function findRecordJob(reads: Reads, tenantId: string | null, id: string): Promise<RecordJob> {
  const [job] = await reads
    .select({ createdAt: exactInstantOf(jobs.createdAt), definition: routeVersions.definition })
    .from(jobs)
    .innerJoin(routeVersions, eq(routeVersions.id, jobs.routeVersionId))
    .where(and(ofTenant(reads, jobs.tenantId, tenantId), eq(jobs.id, id)));
  if (job === undefined) throw new LongshoreError('NOT_FOUND', 'Job not found');
  const route = readRecordRoute(job.definition);
  if (route === undefined) throw new LongshoreError('JOB_HAS_NO_RECORDS', 'The route of the job reads no records.');
  return { id, createdAt: job.createdAt, route };
}

/** In the order of their lines. */
export async function findRecords(reads: Reads, job: RecordJob, filters: RecordFilters): Promise<RecordPage> {
  const rows = await selectRecords(reads)
    .where(and(...conditionsOf(job, filters)))
    .orderBy(asc(records.line))
    .limit(filters.limit + 1);
  const page = rows.slice(0, filters.limit);
  const last = rows.length > filters.limit ? page.at(-1) : undefined;
  return {
    records: page.map((row) => toRecord(row, job.route, filters.withValues)),
    next_cursor: last === undefined ? null : encodeLineCursor(last.line),
  };
}

/** @throws LongshoreError `NOT_FOUND`. */
export async function findRecordDetail(
  reads: Reads,
  job: RecordJob,
  line: number,
  withValues: boolean,
): Promise<RecordDetail> {
  const [[row], tried] = await Promise.all([
    selectRecords(reads).where(and(...conditionsOf(job, { line }))),
    findAttempts(reads, job, line),
  ]);
  if (row === undefined) throw new LongshoreError('NOT_FOUND', 'Record not found');
  return {
    ...toRecord(row, job.route, withValues),
    attempts: tried.reverse().map(({ code, cause, message, ...attempt }) => ({
      ...attempt,
      error: failureOf({ errorCode: code, errorCause: cause, errorMessage: message }),
    })),
  };
}

function selectRecords(reads: Reads) {
  return reads
    .select({
      line: records.line,
      state: records.state,
      step: records.step,
      tries: records.tries,
      businessKey: records.businessKey,
      values: records.values,
      reference: records.reference,
      errorCode: records.errorCode,
      errorCause: records.errorCause,
      errorMessage: records.errorMessage,
      nextAttemptAt: instantOrNullOf(records.nextAttemptAt),
    })
    .from(records);
}
type RecordRow = Awaited<ReturnType<typeof selectRecords>>[number];

function conditionsOf(job: RecordJob, filters: Partial<RecordFilters>) {
  const { state, code, line, afterLine } = filters;
  return [
    eq(records.jobId, job.id),
    sql`${records.createdAt} = ${job.createdAt}::timestamptz`,
    state && eq(records.state, state),
    // They all have a code, and the few that have one are indexed.
    isFailure(state) ? sql`${records.errorCode} IS NOT NULL` : undefined,
    code === undefined ? undefined : eq(records.errorCode, code),
    line === undefined ? undefined : eq(records.line, line),
    afterLine === undefined ? undefined : sql`${records.line} > ${afterLine}::bigint`,
  ];
}

function isFailure(state: RecordState | undefined): boolean {
  return state === 'FAILED' || state === 'AMBIGUOUS' || state === 'REJECTED';
}

function toRecord(row: RecordRow, route: RecordRoute, withValues: boolean): z.infer<typeof recordSchema> {
  return {
    line: row.line,
    state: row.state,
    key: maskKey(row.businessKey, route),
    step: row.state === 'REJECTED' ? null : (route.callNames[row.step] ?? String(row.step)),
    tries: row.tries,
    error: failureOf(row),
    reference: row.reference,
    next_attempt_at: row.nextAttemptAt,
    ...(withValues && { values: maskValues(row.values, route) }),
  };
}

function findAttempts(reads: Reads, job: RecordJob, line: number) {
  return reads
    .select({
      generation: recordAttempts.generation,
      step: recordAttempts.stepName,
      attempt: recordAttempts.attempt,
      outcome: recordAttempts.outcome,
      http_status: recordAttempts.httpStatus,
      code: recordAttempts.code,
      cause: recordAttempts.cause,
      message: recordAttempts.message,
      request_id: recordAttempts.requestId,
      worker: recordAttempts.worker,
      started_at: instantOf(recordAttempts.startedAt),
      duration_ms: recordAttempts.durationMs,
    })
    .from(recordAttempts)
    .where(
      and(
        eq(recordAttempts.jobId, job.id),
        eq(recordAttempts.line, line),
        // Workers' clocks are not the database's: a day is more than they may differ.
        sql`${recordAttempts.startedAt} > ${job.createdAt}::timestamptz - interval '1 day'`,
      ),
    )
    .orderBy(desc(recordAttempts.startedAt), desc(recordAttempts.requestId))
    .limit(MOST_ATTEMPTS);
}

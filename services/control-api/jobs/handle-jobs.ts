/**
 * `GET /api/v1/jobs` and `/api/v1/jobs/{id}`, and a person's decision about a job: retry it, cancel it, skip it; release or reject it when it is held.
 *
 * A tenant's key may cancel: nothing is sent for that. A new generation, giving up an order, and letting go
 * what was held back of the tenant's own files are an operator's decision. Another tenant's job is a 404 first.
 */
import { z } from 'zod';
import { actorOf, type Permission } from '#shared/access/permissions.ts';
import { JOB_STATES } from '#shared/db/schema.ts';
import { LongshoreError } from '#shared/errors.ts';
import { cancelJobs, cancelOrderedJobs, rejectHeldJobs } from '#shared/jobs/end-jobs.ts';
import { releaseJobs } from '#shared/jobs/release-jobs.ts';
import { type OperatorAction, reopenJobs } from '#shared/jobs/reopen-jobs.ts';
import { skipJobs } from '#shared/jobs/skip-jobs.ts';
import { HELD } from '#shared/steps/step-outcome.ts';
import { type ApiParts, type ApiServer, errorReplies } from '../http/api-server.ts';
import { idCursorField } from '../http/page-cursor.ts';
import {
  anyCaseListField,
  flagField,
  idParams,
  limitField,
  reasonBodySchema,
  tenantField,
  textField,
} from '../http/request-fields.ts';
import { callerOf, callerWith } from '../http/request-guard.ts';
import { scopeOf } from '../http/tenant-scope.ts';
import type { CountRecords } from '../records/count-records.ts';
import { retryRecords } from '../records/retry-records.ts';
import { refuseExpired } from '../retention/refuse-expired.ts';
import { findJobDetail, findJobSummary, jobDetailSchema } from './find-job.ts';
import { findJobs, jobPageSchema } from './find-jobs.ts';
import { type JobSummary, jobSummarySchema } from './job-summary.ts';

/** Why a job failed whose steps all did what they should: to try its last one again would fail again. */
const RECORDS_FAILED = 'RECORDS_FAILED';

const filtersSchema = z.strictObject({
  tenant: tenantField.optional().describe('For operators. A tenant’s key always sees its own jobs only.'),
  state: anyCaseListField(JOB_STATES).optional(),
  wait_reason: textField(64)
    .optional()
    .describe('What a WAITING job waits for, such as HELD, RECORDS or PARTNER_BREAKER_OPEN.'),
  held: flagField.describe('Jobs that wait for an operator: the same as wait_reason=HELD.'),
  route: textField(128).optional(),
  code: textField(64).optional().describe('The code of the step that failed, such as DELIVERY_ERROR.'),
  cause: textField(64).optional().describe('Why it failed, such as HTTP_503.'),
  cursor: idCursorField.optional().describe('next_cursor of the previous page.'),
  limit: limitField,
});

interface JobAction {
  readonly verb: string;
  readonly summary: string;
  readonly takes: Permission;
  /** @throws LongshoreError when the job is not in a state for it. */
  readonly act: (job: JobSummary, operation: OperatorAction) => Promise<void>;
}

export function handleJobs(
  app: ApiServer,
  { sql, reads, senders, admissionWindow }: ApiParts,
  countRecords: CountRecords,
): void {
  app.get(
    '/api/v1/jobs',
    {
      schema: {
        summary: 'Jobs, newest first',
        tags: ['jobs'],
        querystring: filtersSchema.refine(
          ({ held, wait_reason: reason }) => !held || reason === undefined || reason === HELD,
          { error: 'is another than held=true means', path: ['wait_reason'] },
        ),
        response: { 200: jobPageSchema, ...errorReplies },
      },
    },
    async (request) => {
      const { tenant, state: states, held, wait_reason: waitReason, cursor, ...filters } = request.query;
      const tenantId = scopeOf(callerOf(request), tenant);
      if (tenantId === undefined) return { jobs: [], next_cursor: null };
      return await findJobs(reads, {
        ...filters,
        tenantId,
        states,
        waitReason: held ? HELD : waitReason,
        after: cursor,
      });
    },
  );

  async function findOrRefuse(tenantId: string | null, id: string) {
    const job = await findJobSummary(reads, tenantId, id);
    if (job === undefined) throw new LongshoreError('NOT_FOUND', 'Job not found');
    return job;
  }

  app.get(
    '/api/v1/jobs/:id',
    {
      schema: {
        summary: 'One job with its steps, attempts and audit',
        tags: ['jobs'],
        params: idParams,
        response: { 200: jobDetailSchema, ...errorReplies },
      },
    },
    async (request) => {
      const job = await findJobDetail({ sql, reads, countRecords }, callerOf(request).tenantId, request.params.id);
      if (job === undefined) throw new LongshoreError('NOT_FOUND', 'Job not found');
      return job;
    },
  );

  handleAction({
    verb: 'retry',
    summary:
      'Continue at the failed step with new attempts, or at the failed records if the job failed because of them',
    takes: 'jobs:retry',
    async act(job, operation) {
      if (job.parent_job_id !== null)
        throw new LongshoreError('JOB_IS_BRANCH', `Retry the job above it, ${job.parent_job_id}.`);
      await refuseExpired(sql, job.file_id);
      if (job.state === 'FAILED' && job.error?.cause === RECORDS_FAILED) {
        await retryRecords(sql, { ...operation, jobId: job.job_id });
        return;
      }
      if (job.superseded_by !== null)
        throw new LongshoreError(
          'JOB_SUPERSEDED',
          `The job was sent again as new: ${job.superseded_by} took its place.`,
        );
      const reopened = await reopenJobs(sql, operation, admissionWindow);
      if (reopened.length === 0)
        throw new LongshoreError(
          'JOB_NOT_RETRYABLE',
          `The job is ${job.state}; only FAILED and CANCELLED ones are retried.`,
        );
      await senders.wakeJobs(reopened.filter(({ isWoken }) => isWoken));
    },
  });

  handleAction({
    verb: 'cancel',
    summary: 'Cancel an open job',
    takes: 'jobs:cancel',
    async act(job, operation) {
      const { jobIds } = await cancelJobs(sql, operation);
      if (jobIds.length === 0)
        throw new LongshoreError('JOB_NOT_OPEN', `The job has ended already: it is ${job.state}.`);
    },
  });

  handleAction({
    verb: 'skip',
    summary: 'Release the files behind a job on an ordered route; an open job is cancelled',
    takes: 'jobs:retry',
    async act(job, operation) {
      const skipped = await skipJobs(sql, operation);
      if (skipped.length === 0 && (await cancelOrderedJobs(sql, operation)).jobIds.length === 0)
        throw new LongshoreError('JOB_NOT_IN_LINE', `The job is ${job.state} and holds back no other file.`);
    },
  });

  handleAction({
    verb: 'release',
    summary: 'Release a held job',
    takes: 'jobs:review',
    async act(job, operation) {
      const released = await releaseJobs(sql, operation, admissionWindow);
      if (released.length === 0) throw notHeld(job);
      await senders.wakeJobs(released.filter(({ isWoken }) => isWoken));
    },
  });

  handleAction({
    verb: 'reject',
    summary: 'Reject a held job: it fails, and nothing of its file is processed',
    takes: 'jobs:review',
    async act(job, operation) {
      const { jobIds } = await rejectHeldJobs(sql, operation);
      if (jobIds.length === 0) throw notHeld(job);
    },
  });

  function handleAction({ verb, summary, takes, act }: JobAction): void {
    app.post(
      `/api/v1/jobs/:id/${verb}`,
      {
        schema: {
          summary,
          tags: ['jobs'],
          params: idParams,
          body: reasonBodySchema,
          response: { 200: jobSummarySchema, ...errorReplies },
        },
      },
      async (request) => {
        const caller = callerOf(request);
        const job = await findOrRefuse(caller.tenantId, request.params.id);
        callerWith(request, takes);
        await act(job, { jobIds: [job.job_id], actor: actorOf(caller), reason: request.body.reason });
        return await findOrRefuse(caller.tenantId, job.job_id);
      },
    );
  }
}

function notHeld({ state, wait_reason }: JobSummary): LongshoreError {
  const reason = wait_reason === null ? '' : ` and waits for ${wait_reason}`;
  return new LongshoreError('JOB_NOT_HELD', `The job is ${state}${reason}; it is not held.`);
}

/** `GET /api/v1/jobs/{id}`, and an operator's commands: retry a job, cancel it, skip it; release or reject it when it is held. */
import type { z } from 'zod';
import { LongshoreError } from '#shared/errors.ts';
import { cancelJobs, cancelOrderedJobs, rejectHeldJobs } from '#shared/jobs/end-jobs.ts';
import { releaseJobs } from '#shared/jobs/release-jobs.ts';
import { reopenJobs } from '#shared/jobs/reopen-jobs.ts';
import { skipJobs } from '#shared/jobs/skip-jobs.ts';
import { summariseRecords } from '#shared/records/summarise-records.ts';
import { type ApiParts, type ApiServer, errorReplies } from './api-server.ts';
import { createRecordCounter } from './count-records.ts';
import { findJobDetail, findJobSummary, jobDetailSchema } from './find-job.ts';
import { jobSummarySchema } from './job-summary.ts';
import { idParams, wordSchema } from './request-fields.ts';
import { actorOf, callerOf } from './request-guard.ts';
import { retryRecords } from './retry-records.ts';

/** Why a job failed whose steps all did what they should: to try its last one again would fail again. */
const RECORDS_FAILED = 'RECORDS_FAILED';

export function handleJobs(app: ApiServer, { sql, reads, senders }: ApiParts): void {
  const countRecords = createRecordCounter({ summarise: (jobId) => summariseRecords(sql, jobId) });

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

  app.post(
    '/api/v1/jobs/:id/retry',
    {
      schema: {
        summary: 'Go on from the failed step, with new attempts; from its failed records when it failed for those',
        tags: ['jobs'],
        params: idParams,
        body: wordSchema,
        response: { 200: jobSummarySchema, ...errorReplies },
      },
    },
    async (request) => {
      const caller = callerOf(request);
      const job = await findOrRefuse(caller.tenantId, request.params.id);
      const word = { jobIds: [job.job_id], actor: actorOf(caller), reason: request.body.reason };
      if (job.state === 'FAILED' && job.error?.cause === RECORDS_FAILED) {
        await retryRecords(sql, { ...word, jobId: job.job_id });
        return await findOrRefuse(caller.tenantId, job.job_id);
      }
      const reopened = await reopenJobs(sql, word);
      if (reopened.length === 0)
        throw new LongshoreError(
          'JOB_NOT_RETRYABLE',
          `The job is ${job.state}; only FAILED and CANCELLED ones are retried.`,
        );
      await senders.wakeJobs(reopened.filter(({ isWoken }) => isWoken));
      return await findOrRefuse(caller.tenantId, job.job_id);
    },
  );

  app.post(
    '/api/v1/jobs/:id/cancel',
    {
      schema: {
        summary: 'End an open job',
        tags: ['jobs'],
        params: idParams,
        body: wordSchema,
        response: { 200: jobSummarySchema, ...errorReplies },
      },
    },
    async (request) => {
      const caller = callerOf(request);
      const job = await findOrRefuse(caller.tenantId, request.params.id);
      const word = { jobIds: [job.job_id], actor: actorOf(caller), reason: request.body.reason };
      const { jobIds } = await cancelJobs(sql, word);
      if (jobIds.length === 0)
        throw new LongshoreError('JOB_NOT_OPEN', `The job has ended already: it is ${job.state}.`);
      return await findOrRefuse(caller.tenantId, job.job_id);
    },
  );

  app.post(
    '/api/v1/jobs/:id/skip',
    {
      schema: {
        summary: 'Let the files behind a job of an ordered route go on without it; an open job is cancelled',
        tags: ['jobs'],
        params: idParams,
        body: wordSchema,
        response: { 200: jobSummarySchema, ...errorReplies },
      },
    },
    async (request) => {
      const caller = callerOf(request);
      const job = await findOrRefuse(caller.tenantId, request.params.id);
      const word = { jobIds: [job.job_id], actor: actorOf(caller), reason: request.body.reason };
      const skipped = await skipJobs(sql, word);
      if (skipped.length === 0 && (await cancelOrderedJobs(sql, word)).jobIds.length === 0)
        throw new LongshoreError('JOB_NOT_IN_LINE', `The job is ${job.state} and holds back no other file.`);
      return await findOrRefuse(caller.tenantId, job.job_id);
    },
  );

  app.post(
    '/api/v1/jobs/:id/release',
    {
      schema: {
        summary: 'Let a held job go on',
        tags: ['jobs'],
        params: idParams,
        body: wordSchema,
        response: { 200: jobSummarySchema, ...errorReplies },
      },
    },
    async (request) => {
      const caller = callerOf(request);
      const job = await findOrRefuse(caller.tenantId, request.params.id);
      const word = { jobIds: [job.job_id], actor: actorOf(caller), reason: request.body.reason };
      const released = await releaseJobs(sql, word);
      if (released.length === 0) throw notHeld(job);
      await senders.wakeJobs(released.filter(({ isWoken }) => isWoken));
      return await findOrRefuse(caller.tenantId, job.job_id);
    },
  );

  app.post(
    '/api/v1/jobs/:id/reject',
    {
      schema: {
        summary: 'End a held job: it fails, and nothing of its file is carried',
        tags: ['jobs'],
        params: idParams,
        body: wordSchema,
        response: { 200: jobSummarySchema, ...errorReplies },
      },
    },
    async (request) => {
      const caller = callerOf(request);
      const job = await findOrRefuse(caller.tenantId, request.params.id);
      const word = { jobIds: [job.job_id], actor: actorOf(caller), reason: request.body.reason };
      const { jobIds } = await rejectHeldJobs(sql, word);
      if (jobIds.length === 0) throw notHeld(job);
      return await findOrRefuse(caller.tenantId, job.job_id);
    },
  );
}

function notHeld({ state, wait_reason }: z.infer<typeof jobSummarySchema>): LongshoreError {
  const reason = wait_reason === null ? '' : ` and waits for ${wait_reason}`;
  return new LongshoreError('JOB_NOT_HELD', `The job is ${state}${reason}; it is not held.`);
}

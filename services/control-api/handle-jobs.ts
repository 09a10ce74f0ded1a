/** `GET /api/v1/jobs/{id}`, and a person's word about a job: retry it, cancel it. */
import { LongshoreError } from '#shared/errors.ts';
import { cancelJobs } from '#shared/jobs/end-jobs.ts';
import { reopenJobs } from '#shared/jobs/reopen-jobs.ts';
import { type ApiParts, type ApiServer, errorReplies } from './api-server.ts';
import { findJobDetail, findJobSummary, jobDetailSchema } from './find-job.ts';
import { jobSummarySchema } from './job-summary.ts';
import { idParams, wordSchema } from './request-fields.ts';
import { actorOf, callerOf } from './request-guard.ts';

export function handleJobs(app: ApiServer, { sql, reads, senders }: ApiParts): void {
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
      const job = await findJobDetail(reads, callerOf(request).tenantId, request.params.id);
      if (job === undefined) throw new LongshoreError('NOT_FOUND', 'Job not found');
      return job;
    },
  );

  app.post(
    '/api/v1/jobs/:id/retry',
    {
      schema: {
        summary: 'Go on from the failed step, with new attempts',
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
      const reopened = await reopenJobs(sql, word);
      if (reopened.length === 0)
        throw new LongshoreError(
          'JOB_NOT_RETRYABLE',
          `The job is ${job.state}; only FAILED and CANCELLED ones are retried.`,
        );
      await senders.wakeJobs(reopened);
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
}

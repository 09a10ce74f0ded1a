/** `GET /api/v1/reviews`: what waits for a person, for how long, and who looks at it; and a person's comment. */
import { z } from 'zod';
import { actorOf } from '#shared/access/permissions.ts';
import { LongshoreError } from '#shared/errors.ts';
import { commentHeldJob } from '#shared/jobs/comment-jobs.ts';
import { type ApiParts, type ApiServer, errorReplies } from '../http/api-server.ts';
import { idCursorField } from '../http/page-cursor.ts';
import { idParams, limitField, tenantField, textField } from '../http/request-fields.ts';
import { callerOf, callerWith } from '../http/request-guard.ts';
import { findJobSummary } from '../jobs/find-job.ts';
import { findReviews, reviewPageSchema } from './find-reviews.ts';

export function handleOpenReviews(app: ApiServer, { sql, reads }: Pick<ApiParts, 'sql' | 'reads'>): void {
  app.get(
    '/api/v1/reviews',
    {
      schema: {
        summary: 'Files that wait for a person, the oldest first',
        tags: ['jobs'],
        querystring: z.strictObject({
          tenant: tenantField.optional(),
          cursor: idCursorField.optional(),
          limit: limitField,
        }),
        response: { 200: reviewPageSchema, ...errorReplies },
      },
    },
    async (request) => {
      const { tenantId } = callerOf(request);
      const { tenant, cursor, limit } = request.query;
      if (tenantId !== null && tenant !== undefined && tenant !== tenantId) return { reviews: [], next_cursor: null };
      return await findReviews(sql, { tenantId: tenantId ?? tenant ?? null, after: cursor, limit });
    },
  );

  app.post(
    '/api/v1/jobs/:id/comment',
    {
      schema: {
        summary: 'Comment on a held job: who looks at it, and what is known',
        tags: ['jobs'],
        params: idParams,
        body: z.strictObject({ comment: textField(500).describe('Kept in the audit.') }),
        response: { 200: z.object({ job_id: z.string(), commented: z.literal(true) }), ...errorReplies },
      },
    },
    async (request) => {
      const caller = callerOf(request);
      const job = await findJobSummary(reads, caller.tenantId, request.params.id);
      if (job === undefined) throw new LongshoreError('NOT_FOUND', 'Job not found');
      callerWith(request, 'jobs:review');
      const review = { jobId: job.job_id, actor: actorOf(caller), comment: request.body.comment };
      if (!(await commentHeldJob(sql, review)))
        throw new LongshoreError('JOB_NOT_HELD', `The job is ${job.state}; it is not held.`);
      return { job_id: job.job_id, commented: true as const };
    },
  );
}

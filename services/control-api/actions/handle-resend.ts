/**
 * `POST /api/v1/jobs`: this file on that route once more.
 *
 * 1. A file that was never on the route gets its job at once: nothing of it can be there twice.
 * 2. Where a job has ended, its effects would come a second time: that is an action like `resend`, which waits for a second person.
 */
import { z } from 'zod';
import { actorOf } from '#shared/access/permissions.ts';
import { runAction } from '#shared/actions/action-transitions.ts';
import { previewAction } from '#shared/actions/preview-action.ts';
import { loadRouteDefinitions } from '#shared/definitions/load-routing-input.ts';
import { RouteCache } from '#shared/definitions/route-cache.ts';
import { ERROR_CODES, type ErrorCode, LongshoreError } from '#shared/errors.ts';
import { type PlannedRuns, planFirstRun, planRuns } from '#shared/jobs/plan-runs.ts';
import { resendJobs } from '#shared/jobs/resend-jobs.ts';
import { type ApiParts, type ApiServer, errorReplies } from '../http/api-server.ts';
import { idField, reasonField, textField } from '../http/request-fields.ts';
import { callerWith } from '../http/request-guard.ts';
import { findJobSummary } from '../jobs/find-job.ts';
import { jobSummarySchema } from '../jobs/job-summary.ts';
import { actionSchema, findAction } from './action-reply.ts';

const bodySchema = z.strictObject({ file_id: idField, route: textField(128), reason: reasonField });

const replySchema = z
  .object({
    job: jobSummarySchema.nullable().describe('The new job; null while a second person is waited for.'),
    action: actionSchema.nullable().describe('What a second person approves; null where nothing can be sent twice.'),
  })
  .meta({ id: 'Resend' });

export function handleResend(app: ApiServer, parts: ApiParts): void {
  const { sql, reads, senders, admissionWindow } = parts;
  const routes = new RouteCache({ load: async (id) => (await loadRouteDefinitions(sql, [id])).get(id)?.definition });

  app.post(
    '/api/v1/jobs',
    {
      schema: {
        summary: 'Process a file on a route again, by the route as it is now',
        tags: ['jobs'],
        body: bodySchema,
        response: { 200: replySchema, ...errorReplies },
      },
    },
    async (request) => {
      const actor = actorOf(callerWith(request, 'effects:resend'));
      const { file_id: fileId, route, reason } = request.body;
      const [found] = await sql<{ routeId: string; jobId: string | null; isRouted: boolean }[]>`
        SELECT r.id AS "routeId", f.routed_at IS NOT NULL AS "isRouted", (
          SELECT j.id FROM jobs j WHERE j.file_id = f.id AND j.route_id = r.id AND j.superseded_by IS NULL AND j.parent_job_id IS NULL) AS "jobId"
        FROM files f JOIN routes r ON r.tenant_id = f.tenant_id AND r.name = ${route} WHERE f.id = ${fileId}`;
      if (found === undefined)
        throw new LongshoreError('NOT_FOUND', 'There is no such file, or its tenant has no such route.');
      const { routeId, jobId, isRouted } = found;
      if (!isRouted) throw new LongshoreError('FILE_NOT_ROUTED', 'The router has not decided about the file yet.');
      if (jobId !== null) {
        const { refused } = await planRuns(sql, routes, [jobId]);
        refuse(jobId, refused);
        const id = await previewAction(sql, { verb: 'resend', filter: { ids: [jobId] }, tenantId: null, actor });
        await runAction(sql, { id, tenantId: null, actor, reason, needsApproval: true });
        return { job: null, action: await findAction(parts, null, id) };
      }
      const run = await planFirstRun(sql, routes, { fileId, routeId });
      if (typeof run === 'string') throw refusalOf(run);
      const [job] = await resendJobs(sql, { runs: [run], actor, reason }, admissionWindow);
      if (job === undefined) throw refusalOf('JOB_EXISTS');
      if (job.isWoken) await senders.wakeJobs([job]);
      return { job: (await findJobSummary(reads, null, job.id)) ?? null, action: null };
    },
  );
}

function refuse(jobId: string, refused: PlannedRuns['refused']): void {
  const code = refused[jobId];
  if (code !== undefined) throw refusalOf(code);
}

function refusalOf(code: ErrorCode): LongshoreError {
  return new LongshoreError(code, ERROR_CODES[code].meaning);
}

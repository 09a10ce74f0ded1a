/** `/api/v1/pulls`: files fetched from remotes, one by one, in the form of the FileChecks item. */
import { z } from 'zod';
import { actorOf } from '#shared/access/permissions.ts';
import { PULL_STATUSES } from '#shared/db/schema.ts';
import { idSchema } from '#shared/definitions/name-schemas.ts';
import { canonicalRemotePath } from '#shared/definitions/remote-schema.ts';
import { projectSchema } from '#shared/definitions/source-schema.ts';
import { LongshoreError } from '#shared/errors.ts';
import { requestPull, retriggerPull } from '#shared/pulls/request-pulls.ts';
import { type ApiParts, type ApiServer, errorReplies } from '../http/api-server.ts';
import { idField, idParams, limitField, tenantField, textField } from '../http/request-fields.ts';
import { callerOf, callerWith } from '../http/request-guard.ts';
import { scopeOf } from '../http/tenant-scope.ts';
import { findPulls, type Pull, pullPageSchema, pullSchema } from './pull-fields.ts';

const remotePathField = z
  .string()
  .max(1_024)
  .superRefine((path, context) => {
    const canonical = canonicalRemotePath(path);
    if (!canonical.ok) context.addIssue({ code: 'custom', message: canonical.message });
  });

export function handlePulls(server: ApiServer, { sql, senders }: ApiParts): void {
  /** To a tenant's key what is another's does not exist. */
  async function find(tenantId: string | null, id: string): Promise<Pull> {
    const [pull] = await findPulls(sql, { tenantId, id, limit: 1 });
    if (pull === undefined) throw new LongshoreError('PULL_NOT_FOUND', 'Pull not found');
    return pull;
  }

  server.get(
    '/api/v1/pulls',
    {
      schema: {
        summary: 'Files fetched from remotes, newest first',
        tags: ['pulls'],
        querystring: z.strictObject({
          tenant: tenantField.optional(),
          status: z.enum(PULL_STATUSES).optional(),
          remote: idSchema.optional(),
          source: idSchema.optional(),
          project: projectSchema.optional(),
          cursor: idField.optional(),
          limit: limitField,
        }),
        response: { 200: pullPageSchema, ...errorReplies },
      },
    },
    async (request) => {
      const { tenant, cursor, limit, ...filters } = request.query;
      const tenantId = scopeOf(callerOf(request), tenant);
      if (tenantId === undefined) return { pulls: [], next_cursor: null };
      const found = await findPulls(sql, { ...filters, tenantId, before: cursor, limit: limit + 1 });
      const pulls = found.slice(0, limit);
      return { pulls, next_cursor: found.length > limit ? (pulls.at(-1)?.jobId ?? null) : null };
    },
  );

  server.get(
    '/api/v1/pulls/:id',
    {
      schema: {
        summary: 'One pull, as the FileChecks item',
        tags: ['pulls'],
        params: idParams,
        response: { 200: pullSchema, ...errorReplies },
      },
    },
    async (request) => await find(callerOf(request).tenantId, request.params.id),
  );

  server.post(
    '/api/v1/pulls',
    {
      schema: {
        summary: 'Fetch one file of a remote. Asked for again while it is open, it stays one pull',
        tags: ['pulls'],
        body: z.strictObject({
          tenant: tenantField.optional().describe('Of an operator: whose remote it is.'),
          project: projectSchema,
          pipeline: projectSchema.optional(),
          remote: idSchema,
          remotePath: remotePathField,
          maxAttempts: z.int().min(1).max(100).optional(),
        }),
        response: { 200: pullSchema, 202: pullSchema, ...errorReplies },
      },
    },
    async (request, reply) => {
      const caller = callerWith(request, 'pulls:change');
      const { tenant, project, pipeline = '', remote, remotePath, maxAttempts } = request.body;
      const tenantId = scopeOf(caller, tenant);
      if (tenantId === null) throw new LongshoreError('REQUEST_INVALID', 'Say whose remote it is: tenant.');
      const known = await sql`
        SELECT 1 FROM remotes WHERE tenant_id = ${tenantId ?? ''} AND name = ${remote} AND removed_at IS NULL`;
      if (tenantId === undefined || known.length === 0)
        throw new LongshoreError('REMOTE_NOT_FOUND', 'Remote not found');
      const asked = { tenantId, project, pipeline, remote, remotePath, maxAttempts };
      const { isNew, ...woken } = await requestPull(sql, asked, actorOf(caller));
      if (isNew) await senders.wakePulls([woken]);
      return await reply.code(isNew ? 202 : 200).send(await find(tenantId, woken.id));
    },
  );

  server.post(
    '/api/v1/pulls/:id/retrigger',
    {
      schema: {
        summary: 'Run a pull that has ended again, as its next generation. One that failed to clean up only does that',
        tags: ['pulls'],
        params: idParams,
        body: z.strictObject({ reason: textField(500).trim().min(1) }),
        response: { 200: pullSchema, 202: pullSchema, ...errorReplies },
      },
    },
    async (request, reply) => {
      const caller = callerWith(request, 'pulls:change');
      const { tenantId } = caller;
      const { id } = request.params;
      const triggered = await retriggerPull(sql, { id, tenantId, reason: request.body.reason }, actorOf(caller));
      if (triggered === undefined) throw new LongshoreError('PULL_NOT_FOUND', 'Pull not found');
      const { isNew, ...woken } = triggered;
      if (isNew) await senders.wakePulls([woken]);
      return await reply.code(isNew ? 202 : 200).send(await find(tenantId, id));
    },
  );
}

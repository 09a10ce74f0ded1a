/** API keys, for operators: made (and shown once), listed without what is secret, revoked. */
import { z } from 'zod';
import { asc, eq, gt } from '#shared/db/drizzle.ts';
import { apiKeys, tenants } from '#shared/db/schema.ts';
import { createApiKey, revokeApiKey } from '#shared/definitions/api-keys.ts';
import { LongshoreError } from '#shared/errors.ts';
import { type ApiParts, type ApiServer, errorReplies } from '../http/api-server.ts';
import { encodeIdCursor, idCursorField } from '../http/page-cursor.ts';
import { idParams, limitField, plainTextField, tenantField } from '../http/request-fields.ts';
import { actorOf, operatorOf } from '../http/request-guard.ts';
import { instantOf, instantOrNullOf } from '../records/read-columns.ts';

const keySchema = z.object({
  key_id: z.string(),
  tenant: z.string().nullable().describe('Null for an operator key, which sees every tenant.'),
  label: z.string(),
  created_at: z.string(),
  revoked_at: z.string().nullable(),
});

export function handleKeys(app: ApiServer, { sql, reads }: ApiParts): void {
  app.get(
    '/api/v1/keys',
    {
      schema: {
        summary: 'API keys, oldest first',
        tags: ['operations'],
        querystring: z.strictObject({ cursor: idCursorField.optional(), limit: limitField }),
        response: {
          200: z.object({ keys: z.array(keySchema), next_cursor: z.string().nullable() }),
          ...errorReplies,
        },
      },
    },
    async (request) => {
      operatorOf(request);
      const { cursor, limit } = request.query;
      const rows = await reads
        .select({
          key_id: apiKeys.id,
          tenant: apiKeys.tenantId,
          label: apiKeys.label,
          created_at: instantOf(apiKeys.createdAt),
          revoked_at: instantOrNullOf(apiKeys.revokedAt),
        })
        .from(apiKeys)
        .where(cursor === undefined ? undefined : gt(apiKeys.id, cursor))
        .orderBy(asc(apiKeys.id))
        .limit(limit + 1);
      const keys = rows.slice(0, limit);
      const last = rows.length > limit ? keys.at(-1) : undefined;
      return { keys, next_cursor: last === undefined ? null : encodeIdCursor(last.key_id) };
    },
  );

  app.post(
    '/api/v1/keys',
    {
      schema: {
        summary: 'Create an API key; it is shown only once',
        tags: ['operations'],
        body: z.strictObject({
          tenant: tenantField.nullable().describe('Null creates an operator key.'),
          label: plainTextField(100),
        }),
        response: { 201: z.object({ key_id: z.string(), key: z.string() }), ...errorReplies },
      },
    },
    async (request, reply) => {
      const operator = operatorOf(request);
      const { tenant, label } = request.body;
      if (tenant !== null) {
        const [known] = await reads.select({ id: tenants.id }).from(tenants).where(eq(tenants.id, tenant));
        if (known === undefined) throw new LongshoreError('NOT_FOUND', 'Tenant not found');
      }
      const { keyId, key } = await createApiKey(sql, { tenantId: tenant, label, actor: actorOf(operator) });
      return reply.code(201).send({ key_id: keyId, key });
    },
  );

  app.post(
    '/api/v1/keys/:id/revoke',
    {
      schema: {
        summary: 'Revoke an API key; it stops working within a minute',
        tags: ['operations'],
        params: idParams,
        response: { 200: z.object({ key_id: z.string(), revoked: z.literal(true) }), ...errorReplies },
      },
    },
    async (request) => {
      const operator = operatorOf(request);
      const wasRevoked = await revokeApiKey(sql, { keyId: request.params.id, actor: actorOf(operator) });
      if (!wasRevoked) throw new LongshoreError('NOT_FOUND', 'There is no such key, or it was revoked before.');
      return { key_id: request.params.id, revoked: true as const };
    },
  );
}

/** `/api/v1/suppressions`: who gets no mails, of a topic or at all. */
import { z } from 'zod';
import { actorOf } from '#shared/access/permissions.ts';
import { readAddress } from '#shared/campaigns/mail-address.ts';
import { ALL_TOPICS, allowAgain, findSuppressions, suppress } from '#shared/campaigns/suppression-store.ts';
import type { Sql } from '#shared/db/connect-database.ts';
import { LongshoreError } from '#shared/errors.ts';
import { type ApiServer, errorReplies } from '../http/api-server.ts';
import { tenantField } from '../http/request-fields.ts';
import { callerOf, callerWith } from '../http/request-guard.ts';
import { tenantOf } from '../uploads/upload-target.ts';

const params = z.object({ address: z.string().max(254) });
const querystring = z.strictObject({
  tenant: tenantField.optional().describe('For operators.'),
  topic: z
    .string()
    .regex(/^(?:\*|[a-z0-9-]{1,63})$/, 'is not a topic')
    .default(ALL_TOPICS)
    .describe('`*`: all.'),
});
const listSchema = z.object({
  address: z.string(),
  suppressions: z.array(
    z.object({
      topic: z.string(),
      reason: z.string(),
      origin: z.string().describe('The campaign, or who said so.'),
      created_at: z.string(),
      expires_at: z.string().nullable(),
    }),
  ),
});

export function handleSuppressions(app: ApiServer, { sql }: { readonly sql: Sql }): void {
  const path = '/api/v1/suppressions/:address';
  const response = { 200: listSchema, ...errorReplies };
  const tags = ['campaigns'];

  app.get(
    path,
    { schema: { summary: 'Why an address gets no mails', tags, params, querystring, response } },
    async (request) => {
      const tenantId = tenantOf(callerOf(request), request.query.tenant);
      return await list(tenantId, addressOf(request.params.address));
    },
  );

  app.put(
    path,
    { schema: { summary: 'Send an address no more mails', tags, params, querystring, response } },
    async (request) => {
      const caller = callerWith(request, 'campaigns:change');
      const tenantId = tenantOf(caller, request.query.tenant);
      const address = addressOf(request.params.address);
      const known = await sql`SELECT 1 FROM tenants WHERE id = ${tenantId}`;
      if (known.length === 0) throw new LongshoreError('NOT_FOUND', 'Tenant not found');
      await suppress(sql, { tenantId, address, topic: request.query.topic, actor: actorOf(caller) });
      return await list(tenantId, address);
    },
  );

  app.delete(
    path,
    { schema: { summary: 'Send an address mails again', tags, params, querystring, response } },
    async (request) => {
      const tenantId = tenantOf(callerWith(request, 'campaigns:change'), request.query.tenant);
      const address = addressOf(request.params.address);
      await allowAgain(sql, { tenantId, address, topic: request.query.topic });
      return await list(tenantId, address);
    },
  );

  async function list(tenantId: string, address: string) {
    const rows = await findSuppressions(sql, { tenantId, address });
    const suppressions = rows.map(({ topic, reason, origin, createdAt, expiresAt }) => ({
      ...{ topic, reason, origin, created_at: createdAt.toISOString(), expires_at: expiresAt?.toISOString() ?? null },
    }));
    return { address, suppressions };
  }
}

function addressOf(text: string): string {
  const read = readAddress(text);
  if (read.ok) return read.address;
  throw new LongshoreError('REQUEST_INVALID', `address: ${read.what}`);
}

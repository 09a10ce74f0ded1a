/** `/api/v1/suppressions`: who gets no mails, of a topic or at all. */
import { z } from 'zod';
import { actorOf } from '#shared/access/permissions.ts';
import { readAddress } from '#shared/campaigns/mail-address.ts';
import {
  ALL_TOPICS,
  allowAgain,
  findSuppressions,
  importSuppressions,
  listSuppressions,
  type SuppressionRow,
  suppress,
} from '#shared/campaigns/suppression-store.ts';
import type { Sql } from '#shared/db/connect-database.ts';
import { SUPPRESSION_REASONS } from '#shared/db/schema.ts';
import { LongshoreError } from '#shared/errors.ts';
import { type ApiServer, errorReplies } from '../http/api-server.ts';
import { limitField, tenantField } from '../http/request-fields.ts';
import { callerOf, callerWith } from '../http/request-guard.ts';
import { tenantOf } from '../uploads/upload-target.ts';

const params = z.object({ address: z.string().max(254) });
const topicField = z
  .string()
  .regex(/^(?:\*|[a-z0-9-]{1,63})$/, 'is not a topic')
  .describe('`*`: all.');
const querystring = z.strictObject({
  tenant: tenantField.optional().describe('For operators.'),
  topic: topicField.default(ALL_TOPICS),
});
const MOST_IMPORTED = 10_000;
const IMPORT_BYTES = 4 * 1024 ** 2;
const importSchema = z.strictObject({
  tenant: tenantField.optional().describe('For operators.'),
  topic: topicField.default(ALL_TOPICS),
  addresses: z.array(z.string().max(400)).min(1).max(MOST_IMPORTED),
});
const importedSchema = z.object({
  imported: z.number().describe('Those that were not suppressed before.'),
  known: z.number(),
  rejected: z.array(z.object({ index: z.number().describe('Place in `addresses`, from 0.'), code: z.string() })),
});
const listedSchema = z.object({
  topic: z.string(),
  reason: z.string(),
  origin: z.string().describe('The campaign, or who said so.'),
  created_at: z.string(),
  expires_at: z.string().nullable(),
});
const listSchema = z.object({ address: z.string(), suppressions: z.array(listedSchema) });

export function handleSuppressions(app: ApiServer, { sql }: { readonly sql: Sql }): void {
  const path = '/api/v1/suppressions/:address';
  const response = { 200: listSchema, ...errorReplies };
  const tags = ['campaigns'];

  app.get(
    '/api/v1/suppressions',
    {
      schema: {
        summary: 'Addresses that get no mails',
        tags,
        querystring: z.strictObject({
          tenant: tenantField.optional().describe('For operators.'),
          topic: topicField.optional(),
          reason: z.enum(SUPPRESSION_REASONS).optional(),
          cursor: z
            .string()
            .regex(/^[0-9a-f]{64}\/(?:\*|[a-z0-9-]{1,63})$/, 'is not a cursor')
            .optional()
            .describe('next_cursor of the previous page.'),
          limit: limitField,
        }),
        response: {
          200: z.object({
            suppressions: z.array(listedSchema.extend({ address: z.string().nullable() })),
            next_cursor: z.string().nullable(),
          }),
          ...errorReplies,
        },
      },
    },
    async (request) => {
      const { tenant, cursor: after, limit, ...filters } = request.query;
      const tenantId = tenantOf(callerOf(request), tenant);
      const rows = await listSuppressions(sql, { tenantId, after, limit: limit + 1, ...filters });
      const page = rows.slice(0, limit);
      const next_cursor = rows.length > limit ? (page.at(-1)?.addressHash ?? null) : null;
      return { suppressions: page.map((row) => ({ address: row.address, ...toReply(row) })), next_cursor };
    },
  );

  app.post(
    '/api/v1/suppressions',
    {
      schema: {
        summary: 'Import addresses that get no mails',
        tags,
        body: importSchema,
        response: { 200: importedSchema, ...errorReplies },
      },
      bodyLimit: IMPORT_BYTES,
    },
    async (request) => {
      const caller = callerWith(request, 'suppressions:change');
      const { tenant, topic, addresses: texts } = request.body;
      const tenantId = tenantOf(caller, tenant);
      await refuseUnknownTenant(tenantId);
      const read = texts.map((text) => readAddress(text.trim()));
      const addresses = read.flatMap((each) => (each.ok ? [each.address] : []));
      const rejected = read.flatMap((each, index) => (each.ok ? [] : [{ index, code: each.code }]));
      const imported = await importSuppressions(sql, { tenantId, topic, addresses, actor: actorOf(caller) });
      return { imported, known: addresses.length - imported, rejected };
    },
  );

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
      const caller = callerWith(request, 'suppressions:change');
      const tenantId = tenantOf(caller, request.query.tenant);
      const address = addressOf(request.params.address);
      await refuseUnknownTenant(tenantId);
      await suppress(sql, { tenantId, address, topic: request.query.topic, actor: actorOf(caller) });
      return await list(tenantId, address);
    },
  );

  app.delete(
    path,
    { schema: { summary: 'Send an address mails again', tags, params, querystring, response } },
    async (request) => {
      const tenantId = tenantOf(callerWith(request, 'suppressions:change'), request.query.tenant);
      const address = addressOf(request.params.address);
      await allowAgain(sql, { tenantId, address, topic: request.query.topic });
      return await list(tenantId, address);
    },
  );

  async function list(tenantId: string, address: string) {
    return { address, suppressions: (await findSuppressions(sql, { tenantId, address })).map(toReply) };
  }

  async function refuseUnknownTenant(tenantId: string): Promise<void> {
    const known = await sql`SELECT 1 FROM tenants WHERE id = ${tenantId}`;
    if (known.length === 0) throw new LongshoreError('NOT_FOUND', 'Tenant not found');
  }
}

function toReply({ topic, reason, origin, createdAt, expiresAt }: SuppressionRow) {
  return {
    ...{ topic, reason, origin, created_at: createdAt.toISOString(), expires_at: expiresAt?.toISOString() ?? null },
  };
}

function addressOf(text: string): string {
  const read = readAddress(text);
  if (read.ok) return read.address;
  throw new LongshoreError('REQUEST_INVALID', `address: ${read.what}`);
}

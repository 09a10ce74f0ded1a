/**
 * `GET /api/v1/mails`: what was sent to one address, over all campaigns of a tenant, newest first.
 *
 * Campaigns are walked by their ids, and the address is looked up in each by its key: it costs the same however long their lists are.
 */
import { z } from 'zod';
import { businessKeyOf } from '#shared/campaigns/mail-address.ts';
import type { Sql } from '#shared/db/connect-database.ts';
import { type ApiServer, errorReplies } from '../http/api-server.ts';
import { encodeIdCursor, idCursorField } from '../http/page-cursor.ts';
import { limitField, tenantField, textField } from '../http/request-fields.ts';
import { callerOf } from '../http/request-guard.ts';
import { scopeOf } from '../http/tenant-scope.ts';
import { addressOf, eventsOf, recipientSchema } from './handle-campaign-mails.ts';

const sentSchema = recipientSchema
  .omit({ address: true })
  .extend({
    transaction_id: z.string().describe('The campaign.'),
    tenant: z.string(),
    campaign: z.string().describe('Its name.'),
    topic: z.string(),
    created_at: z.string().describe('Of the campaign.'),
  })
  .meta({ id: 'SentMail' });

export function handleMailSearch(app: ApiServer, { sql }: { readonly sql: Sql }): void {
  app.get(
    '/api/v1/mails',
    {
      schema: {
        summary: 'What was sent to an address, by all campaigns, newest first',
        tags: ['campaigns'],
        querystring: z.strictObject({
          address: textField(254).describe('Of the recipient; case does not matter.'),
          tenant: tenantField.optional(),
          cursor: idCursorField.optional().describe('next_cursor of the previous page.'),
          limit: limitField,
        }),
        response: {
          200: z.object({ mails: z.array(sentSchema), next_cursor: z.string().nullable() }),
          ...errorReplies,
        },
      },
    },
    async (request) => {
      const { address, tenant, cursor = null, limit } = request.query;
      const key = businessKeyOf(addressOf(address));
      const tenantId = scopeOf(callerOf(request), tenant);
      if (tenantId === undefined) return { mails: [], next_cursor: null };
      const rows = await sql<z.output<typeof sentSchema>[]>`
        SELECT c.id AS transaction_id, c.tenant_id AS tenant, c.name AS campaign, c.topic, to_jsonb(c.created_at) #>> '{}' AS created_at,
          r.line::float8 AS line, CASE WHEN r.error_cause = 'SUPPRESSED' THEN 'SUPPRESSED' ELSE r.state END AS state,
          r.error_cause AS code, r.error_message AS message, r.reference AS message_id, ${eventsOf(sql)} AS events
        FROM campaigns c JOIN record_keys k ON k.tenant_id = c.tenant_id AND k.route_id = c.route_id AND k.business_key = ${key}
          JOIN records r ON r.job_id = k.job_id AND r.line = k.line AND r.created_at = k.created_at
        WHERE (${tenantId}::text IS NULL OR c.tenant_id = ${tenantId}) AND (${cursor}::uuid IS NULL OR c.id < ${cursor}::uuid)
        ORDER BY c.id DESC LIMIT ${limit + 1}`;
      const page = rows.slice(0, limit);
      const last = rows.length > limit ? page.at(-1) : undefined;
      return { mails: page, next_cursor: last === undefined ? null : encodeIdCursor(last.transaction_id) };
    },
  );
}

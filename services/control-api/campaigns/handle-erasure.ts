/** `DELETE /api/v1/recipients/{address}`: what the campaigns of a tenant keep of a recipient is erased, for good. */
import { z } from 'zod';
import { actorOf } from '#shared/access/permissions.ts';
import { eraseRecipient } from '#shared/campaigns/erase-recipient.ts';
import type { Sql } from '#shared/db/connect-database.ts';
import { LongshoreError } from '#shared/errors.ts';
import { type ApiServer, errorReplies } from '../http/api-server.ts';
import { tenantField } from '../http/request-fields.ts';
import { callerWith } from '../http/request-guard.ts';
import { tenantOf } from '../uploads/upload-target.ts';
import { addressOf } from './handle-campaign-mails.ts';

const erasedSchema = z
  .object({
    records: z.number().describe('Rows of recipients’ files, duplicates too.'),
    campaigns: z.number(),
    reports: z.number().describe('What the mail service reported of their mails.'),
    ask_again: z
      .array(z.string())
      .describe('Campaigns that are reading their file, or sending to the address: ask again after that.'),
    files: z
      .array(z.object({ file_id: z.string(), name: z.string(), expires_at: z.string().nullable() }))
      .describe('Files that have the address in them until their retention ends; null: no end is known.'),
  })
  .meta({ id: 'ErasedRecipient' });

export function handleErasure(app: ApiServer, { sql }: { readonly sql: Sql }): void {
  app.delete(
    '/api/v1/recipients/:address',
    {
      schema: {
        summary: 'Erase a recipient, and send the address no more mails',
        tags: ['campaigns'],
        params: z.object({ address: z.string().max(254) }),
        querystring: z.strictObject({ tenant: tenantField.optional().describe('For operators.') }),
        response: { 200: erasedSchema, ...errorReplies },
      },
    },
    async (request) => {
      const caller = callerWith(request, 'recipients:erase');
      const tenantId = tenantOf(caller, request.query.tenant);
      const address = addressOf(request.params.address);
      const erased = await eraseRecipient(sql, { tenantId, address, actor: actorOf(caller) });
      if (erased === 'unknown') throw new LongshoreError('NOT_FOUND', 'Tenant not found');
      if (erased === 'held')
        throw new LongshoreError('RECIPIENT_HELD', 'The tenant has a legal hold; nothing was erased.');
      const { records, campaigns, reports, left, files } = erased;
      return {
        ...{ records, campaigns, reports, ask_again: [...left] },
        files: files.map(({ id, name, expiresAt }) => ({
          ...{ file_id: id, name, expires_at: expiresAt === null ? null : new Date(expiresAt).toISOString() },
        })),
      };
    },
  );
}

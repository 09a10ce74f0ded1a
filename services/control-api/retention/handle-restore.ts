/** `POST /api/v1/files/{id}/restore`: an original in a cold tier of the archive is made readable; `GET` says how far that is. */
import { z } from 'zod';
import { actorOf } from '#shared/access/permissions.ts';
import type { Sql } from '#shared/db/connect-database.ts';
import { RESTORE_STATES } from '#shared/db/schema.ts';
import { LongshoreError } from '#shared/errors.ts';
import { RESTORE_TIERS } from '#shared/files/object-store.ts';
import { askRestore } from '#shared/retention/restores.ts';
import { type ApiParts, type ApiServer, errorReplies } from '../http/api-server.ts';
import { idParams, reasonField } from '../http/request-fields.ts';
import { callerOf, callerWith } from '../http/request-guard.ts';
import { instant } from './find-retention.ts';
import { refuseExpired } from './refuse-expired.ts';

const bodySchema = z.strictObject({
  days: z.int().min(1).max(365).default(7).describe('How many days the readable copy is kept.'),
  tier: z.enum(RESTORE_TIERS).default('standard').describe('How fast, and at which price.'),
  resend: z
    .boolean()
    .default(false)
    .describe('Send its jobs again as new afterwards: an action that a second person approves. Takes effects:resend.'),
  reason: reasonField,
});

const restoreSchema = z
  .object({
    file_id: z.string(),
    state: z
      .enum(RESTORE_STATES)
      .describe('ASKED: of the store soon. THAWING: by the store. READY: it can be read. FAILED: see message.'),
    tier: z.string(),
    days: z.number(),
    resend: z.boolean(),
    reason: z.string(),
    asked_by: z.string(),
    asked_at: z.string(),
    readable_until: z.string().nullable().describe('Null while it cannot be read, and where it stays readable.'),
    code: z.string().nullable(),
    message: z.string().nullable(),
  })
  .meta({ id: 'Restore' });
type Restore = z.infer<typeof restoreSchema>;

export function handleRestore(app: ApiServer, { sql }: Pick<ApiParts, 'sql'>): void {
  const path = '/api/v1/files/:id/restore';

  app.get(
    path,
    {
      schema: {
        summary: 'How far the restore of a file is',
        tags: ['retention'],
        params: idParams,
        response: { 200: restoreSchema, ...errorReplies },
      },
    },
    async (request) => {
      const { id } = request.params;
      await assertSeen(sql, callerOf(request).tenantId, id);
      return await findRestore(sql, id);
    },
  );

  app.post(
    path,
    {
      schema: {
        summary: 'Make an original in a cold tier of the archive readable',
        tags: ['retention'],
        params: idParams,
        body: bodySchema,
        response: { 200: restoreSchema, ...errorReplies },
      },
    },
    async (request) => {
      const { id: fileId } = request.params;
      await assertSeen(sql, callerOf(request).tenantId, fileId);
      const caller = callerWith(request, 'files:restore');
      const { resend: resends, ...wish } = request.body;
      if (resends) callerWith(request, 'effects:resend');
      await refuseExpired(sql, fileId);
      if (!(await askRestore(sql, { fileId, resends, ...wish, actor: actorOf(caller) })))
        throw new LongshoreError('FILE_NOT_ARCHIVED', 'The original of the file is not in the archive.');
      return await findRestore(sql, fileId);
    },
  );
}

async function assertSeen(sql: Sql, tenantId: string | null, id: string): Promise<void> {
  const rows = await sql`SELECT FROM files WHERE id = ${id} AND (${tenantId}::text IS NULL OR tenant_id = ${tenantId})`;
  if (rows.length === 0) throw new LongshoreError('NOT_FOUND', 'File not found');
}

async function findRestore(sql: Sql, fileId: string): Promise<Restore> {
  const [restore] = await sql<Restore[]>`
    SELECT file_id, state, tier, days, resends AS resend, reason, actor AS asked_by, ${instant(sql, sql`created_at`)} AS asked_at,
      ${instant(sql, sql`readable_until`)} AS readable_until, error_code AS code, error_message AS message
    FROM restores WHERE file_id = ${fileId}`;
  if (restore === undefined) throw new LongshoreError('NOT_FOUND', 'Nobody asked for the file to be restored.');
  return restore;
}

/** `GET /api/v1/notices`: what channels were not told yet, and what is parked; and the operator action that tries the parked ones again. */
import { z } from 'zod';
import { actorOf } from '#shared/access/permissions.ts';
import type { Reads } from '#shared/db/connect-database.ts';
import { and, desc, eq, sql as expression } from '#shared/db/drizzle.ts';
import { notices } from '#shared/db/schema.ts';
import { retryNotices } from '#shared/notices/notice-transitions.ts';
import { type ApiParts, type ApiServer, errorReplies } from '../http/api-server.ts';
import { cursorField, encodeCursor, type PagePosition } from '../http/page-cursor.ts';
import { anyCaseField, limitField, reasonField, tenantField } from '../http/request-fields.ts';
import { callerOf, callerWith } from '../http/request-guard.ts';
import { scopeOf } from '../http/tenant-scope.ts';
import { exactInstantOf, instantOf } from '../records/read-columns.ts';

const noticeSchema = z
  .object({
    notice_id: z
      .string()
      .describe('For a digest the id of its first event; while a digest is collected, each event is listed.'),
    customer_id: z.string(),
    channel: z.string(),
    route: z.string().nullable().describe('Null for a channel of the tenant.'),
    notice: z.string(),
    state: z.enum(['gathering', 'pending', 'parked']).describe('Parked notices wait for an operator.'),
    attempts: z.number(),
    cause: z.string().nullable(),
    message: z.string().nullable(),
    next_action_at: z.string(),
    created_at: z.string(),
  })
  .meta({ id: 'Notice' });

const noticePageSchema = z.object({ notices: z.array(noticeSchema), next_cursor: z.string().nullable() });
export type NoticePage = z.infer<typeof noticePageSchema>;

interface NoticeFilters {
  readonly tenantId: string | null;
  readonly isParked: boolean;
  readonly after: PagePosition | undefined;
  readonly limit: number;
}

export function handleNotices(app: ApiServer, { sql, reads }: ApiParts): void {
  app.get(
    '/api/v1/notices',
    {
      schema: {
        summary: 'Notices that are not delivered yet, newest first',
        tags: ['operations'],
        querystring: z.strictObject({
          tenant: tenantField.optional(),
          state: anyCaseField(['PARKED']).optional(),
          cursor: cursorField.optional().describe('next_cursor of the previous page.'),
          limit: limitField,
        }),
        response: {
          200: noticePageSchema,
          ...errorReplies,
        },
      },
    },
    async (request) => {
      const { tenant, state, cursor, limit } = request.query;
      const tenantId = scopeOf(callerOf(request), tenant);
      if (tenantId === undefined) return { notices: [], next_cursor: null };
      const isParked = state === 'PARKED';
      return await findNotices(reads, { tenantId, isParked, after: cursor, limit });
    },
  );

  app.post(
    '/api/v1/notices/retry',
    {
      schema: {
        summary: 'Retry parked notices with new attempts',
        tags: ['operations'],
        body: z.strictObject({
          tenant: tenantField.optional(),
          channel: tenantField.optional().describe('Only notices for this channel.'),
          reason: reasonField,
        }),
        response: { 200: z.object({ retried: z.number() }), ...errorReplies },
      },
    },
    async (request) => {
      const caller = callerWith(request, 'notices:retry');
      const { tenant, channel, reason } = request.body;
      const tenantId = scopeOf(caller, tenant);
      if (tenantId === undefined) return { retried: 0 };
      return { retried: await retryNotices(sql, { tenantId, channel, reason, actor: actorOf(caller) }) };
    },
  );
}

/** An event can be of notice to several channels. */
const within = expression<string>`${notices.route} || '/' || ${notices.channel}`;

/** Rows that stand for others of their digest, and those that are still gathered. */
async function findNotices(reads: Reads, filters: NoticeFilters): Promise<NoticePage> {
  const { tenantId, isParked, after, limit } = filters;
  const rows = await reads
    .select({
      id: notices.eventId,
      deliveryId: notices.deliveryId,
      tenantId: notices.tenantId,
      channel: notices.channel,
      route: notices.route,
      notice: notices.notice,
      state: notices.state,
      attempts: notices.attempts,
      cause: notices.errorCause,
      message: notices.errorMessage,
      nextActionAt: instantOf(notices.nextActionAt),
      createdAt: instantOf(notices.createdAt),
      at: exactInstantOf(notices.createdAt),
      within,
    })
    .from(notices)
    .where(
      and(
        tenantId === null ? undefined : eq(notices.tenantId, tenantId),
        isParked ? eq(notices.state, 'PARKED') : undefined,
        expression`coalesce(${notices.deliveryId} = ${notices.eventId}, true)`,
        after &&
          expression`(${notices.createdAt}, ${notices.eventId}, ${within}) < (${after.at}::timestamptz, ${after.id}::uuid, ${after.within ?? ''}::text)`,
      ),
    )
    .orderBy(desc(notices.createdAt), desc(notices.eventId), desc(within))
    .limit(limit + 1);
  const page = rows.slice(0, limit);
  const last = rows.length > limit ? page.at(-1) : undefined;
  const shown = page.map(
    (row): z.infer<typeof noticeSchema> => ({
      notice_id: row.id,
      customer_id: row.tenantId,
      channel: row.channel,
      route: row.route === '' ? null : row.route,
      notice: row.notice,
      state: row.state === 'PARKED' ? 'parked' : row.deliveryId === null ? 'gathering' : 'pending',
      attempts: row.attempts,
      cause: row.cause,
      message: row.message,
      next_action_at: row.nextActionAt,
      created_at: row.createdAt,
    }),
  );
  return { notices: shown, next_cursor: last === undefined ? null : encodeCursor(last) };
}

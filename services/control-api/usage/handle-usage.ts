/** `GET /api/v1/usage`: what tenants used, a row per tenant and day, as JSON or CSV. A tenant sees its own. */
import { z } from 'zod';
import { type UsageOfDay, usageCsv, usageReplySchema } from '#shared/api/usage.ts';
import type { Sql } from '#shared/db/connect-database.ts';
import { type ApiParts, type ApiServer, errorReplies } from '../http/api-server.ts';
import { tenantField } from '../http/request-fields.ts';
import { callerOf } from '../http/request-guard.ts';
import { scopeOf } from '../http/tenant-scope.ts';

const dayField = z.iso.date('is not a day of the form 2026-01-31');
const MOST_ROWS = 100_000;
const DEFAULT_DAYS = 30;
const DAY_MS = 86_400_000;

export function handleUsage(
  app: ApiServer,
  { sql, now = Date.now }: Pick<ApiParts, 'sql'> & { readonly now?: () => number },
): void {
  app.get(
    '/api/v1/usage',
    {
      schema: {
        summary: 'Files, bytes, records, mails and calls per tenant and day',
        description: `Days are in UTC; today's row grows. Days without anything have no row. At most ${MOST_ROWS} rows, oldest first.`,
        tags: ['operations'],
        produces: ['application/json', 'text/csv'],
        querystring: z.strictObject({
          tenant: tenantField.optional(),
          from: dayField.optional().describe(`This day or later; ${DEFAULT_DAYS} days ago when absent.`),
          to: dayField.optional().describe('This day or earlier.'),
          format: z.enum(['json', 'csv']).default('json'),
        }),
        response: { 200: usageReplySchema.or(z.string()), ...errorReplies },
      },
    },
    async (request, reply) => {
      const { tenant, format, from = dayOf(now() - DEFAULT_DAYS * DAY_MS), to } = request.query;
      const tenantId = scopeOf(callerOf(request), tenant);
      const usage = tenantId === undefined ? [] : await findUsage(sql, { tenantId, from, to });
      if (format === 'json') return { usage };
      reply.type('text/csv; charset=utf-8');
      reply.header('content-disposition', 'attachment; filename="usage.csv"');
      return usageCsv(usage);
    },
  );
}

function dayOf(ms: number): string {
  return new Date(ms).toISOString().slice(0, 10);
}

async function findUsage(
  sql: Sql,
  { tenantId, from, to }: { readonly tenantId: string | null; readonly from: string; readonly to: string | undefined },
): Promise<UsageOfDay[]> {
  return await sql<UsageOfDay[]>`
    SELECT to_char(day, 'YYYY-MM-DD') AS day, tenant_id AS tenant, files::float8 AS files, bytes::float8 AS bytes,
      records::float8 AS records, mails::float8 AS mails, calls::float8 AS calls
    FROM usage_days
    WHERE day >= ${from}::date ${to === undefined ? sql`` : sql`AND day <= ${to}::date`}
      ${tenantId === null ? sql`` : sql`AND tenant_id = ${tenantId}`}
    ORDER BY day, tenant_id LIMIT ${MOST_ROWS}`;
}

/** What the mail service reported of a campaign, added up: in all, by hour, by the recipients' domains, by the codes of bounces, by links. */
import { z } from 'zod';
import { findCampaign } from '#shared/campaigns/campaign-store.ts';
import type { Sql } from '#shared/db/connect-database.ts';
import { LongshoreError } from '#shared/errors.ts';
import { type ApiServer, errorReplies } from '../http/api-server.ts';
import { idParams } from '../http/request-fields.ts';
import { callerOf } from '../http/request-guard.ts';

const GROUPS = ['hour', 'domain', 'code', 'link'] as const;
const MOST_GROUPS = 1_000;
const MOST_DOMAINS = 50;

const countsSchema = z.record(z.string(), z.number());
const groupSchema = z.array(z.object({ name: z.string(), counts: countsSchema }));
const analyticsSchema = z
  .object({
    totals: countsSchema.describe('By what was reported, such as delivered.'),
    rates: countsSchema.describe(
      'Of the mails delivered; bounces of those accepted. Opens and clicks of machines are not in them.',
    ),
    by: z.enum(GROUPS).nullable(),
    groups: groupSchema.describe('By hour in time order; else the largest first.'),
  })
  .meta({ id: 'CampaignAnalytics' });

export function handleCampaignAnalytics(app: ApiServer, { sql }: { readonly sql: Sql }): void {
  app.get(
    '/api/v1/campaigns/:id/analytics',
    {
      schema: {
        summary: 'What was reported of a campaign’s mails, added up',
        tags: ['campaigns'],
        params: idParams,
        querystring: z.strictObject({ by: z.enum(GROUPS).optional().describe('Groups besides the totals.') }),
        response: { 200: analyticsSchema, ...errorReplies },
      },
    },
    async (request) => {
      const { id } = request.params;
      const campaign = await findCampaign(sql, { id, tenantId: callerOf(request).tenantId });
      if (campaign === undefined) throw new LongshoreError('NOT_FOUND', 'Campaign not found');
      const { by } = request.query;
      const [totals, groups] = await Promise.all([
        findTotals(sql, id),
        by === undefined ? [] : findGroups(sql, id, by),
      ]);
      return { totals, rates: ratesOf(totals), by: by ?? null, groups };
    },
  );
}

async function findTotals(sql: Sql, id: string): Promise<Record<string, number>> {
  const rows = await sql<{ kind: string; n: number }[]>`
    SELECT kind, sum(n)::float8 AS n FROM campaign_stats WHERE campaign_id = ${id} GROUP BY kind ORDER BY kind`;
  return Object.fromEntries(rows.map(({ kind, n }) => [kind, n]));
}

function ratesOf(totals: Readonly<Record<string, number>>): Record<string, number> {
  const { accepted = 0, delivered = 0 } = totals;
  const shareOf = (kind: string, all: number) => (all === 0 ? 0 : Math.round(((totals[kind] ?? 0) / all) * 1e6) / 1e6);
  return {
    ...{ delivered: shareOf('delivered', accepted), bounced_hard: shareOf('bounced_hard', accepted) },
    ...{ complained: shareOf('complained', delivered), unsubscribed: shareOf('unsubscribed', delivered) },
    ...{ opened: shareOf('opened', delivered), clicked: shareOf('clicked', delivered) },
  };
}

async function findGroups(sql: Sql, id: string, by: (typeof GROUPS)[number]) {
  const rows = await (async () => {
    switch (by) {
      case 'hour':
        return await sql<Grouped[]>`
          SELECT to_char(hour AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:00:00"Z"') AS name, kind, sum(n)::float8 AS n FROM campaign_stats
          WHERE campaign_id = ${id} GROUP BY 1, 2 ORDER BY 1 LIMIT ${MOST_GROUPS}`;
      case 'domain':
        return await sql<Grouped[]>`
          WITH largest AS (
            SELECT domain, sum(n) AS all FROM campaign_stats WHERE campaign_id = ${id} AND domain <> ''
            GROUP BY domain ORDER BY 2 DESC, 1 LIMIT ${MOST_DOMAINS})
          SELECT s.domain AS name, s.kind, sum(s.n)::float8 AS n FROM campaign_stats s JOIN largest l USING (domain)
          WHERE s.campaign_id = ${id} GROUP BY l.all, 1, 2 ORDER BY l.all DESC, 1, 2`;
      case 'code':
        return await sql<Grouped[]>`
          SELECT coalesce(detail ->> 'smtp', '') AS name, kind, count(*)::float8 AS n FROM mail_events
          WHERE campaign_id = ${id} AND kind IN ('bounced_hard', 'bounced_soft') GROUP BY 1, 2 ORDER BY 3 DESC, 1 LIMIT ${MOST_GROUPS}`;
      case 'link':
        return await sql<Grouped[]>`
          SELECT coalesce(detail ->> 'link', '') AS name, kind, count(*)::float8 AS n FROM mail_events
          WHERE campaign_id = ${id} AND kind = 'clicked' GROUP BY 1, 2 ORDER BY 3 DESC, 1 LIMIT ${MOST_GROUPS}`;
    }
  })();
  const groups = new Map<string, Record<string, number>>();
  for (const { name, kind, n } of rows) groups.set(name, { ...groups.get(name), [kind]: n });
  return [...groups].map(([name, counts]) => ({ name, counts }));
}

interface Grouped {
  readonly name: string;
  readonly kind: string;
  readonly n: number;
}

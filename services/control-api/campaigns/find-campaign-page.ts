import { type CampaignRow, listCampaigns } from '#shared/campaigns/campaign-store.ts';
import type { Sql } from '#shared/db/connect-database.ts';
import { type CampaignStatus, statusOf } from './describe-campaign.ts';

/** Campaigns of one request, whose status may be another. */
const MOST_READ = 5_000;
const READ_AT_ONCE = 250;

interface PageOf {
  readonly tenantId: string | null;
  readonly status: CampaignStatus | undefined;
  readonly after: string | undefined;
  readonly limit: number;
}

/** A status is stored nowhere: rows are read until enough have it. A page may be short, or empty, and be followed by another. */
export async function findCampaignPage(sql: Sql, { tenantId, status, after, limit }: PageOf) {
  const rows: CampaignRow[] = [];
  const size = status === undefined ? limit + 1 : Math.max(limit + 1, READ_AT_ONCE);
  let last = after;
  for (let read = 0; read < MOST_READ; read += size) {
    const found = await listCampaigns(sql, { tenantId, after: last, limit: size });
    for (const row of found) {
      if (status === undefined || statusOf(row).status === status) {
        if (rows.length === limit) return { rows, next: last };
        rows.push(row);
      }
      last = row.id;
    }
    if (found.length < size) return { rows, next: undefined };
  }
  return { rows, next: last };
}

/** A campaign as replies show it. Its status is made of what people said, of its job, and of the clock: it is stored nowhere. */
import { z } from 'zod';
import type { CampaignRow } from '#shared/campaigns/campaign-store.ts';
import { msUntilOpen } from '#shared/campaigns/send-window.ts';
import type { Sql } from '#shared/db/connect-database.ts';
import type { CountRecords } from '../records/count-records.ts';

const STATUSES = [
  ...[
    'AWAITING_FILE',
    'PREPARING',
    'HELD',
    'SCHEDULED',
    'SENDING',
    'PAUSED',
    'WAITING',
    'SENT',
    'DONE',
    'FAILED',
    'CANCELLED',
  ],
] as const;

export const campaignSchema = z
  .object({
    transaction_id: z.string(),
    tenant: z.string(),
    name: z.string(),
    template_id: z.string(),
    template_version: z.number(),
    sender: z.string(),
    topic: z.string(),
    status: z.string().describe(STATUSES.join(', ')),
    waiting_for: z.string().nullable().describe('WINDOW, or why it is held.'),
    recipients: z.object({
      rows: z.number(),
      valid: z.number(),
      rejected: z.number(),
      duplicates: z.number(),
      suppressed: z.number(),
    }),
    messages: z.object({
      pending: z.number(),
      sent: z.number(),
      failed: z.number(),
      ambiguous: z.number().describe('May have been sent; settled by events of the mail service, or by an operator.'),
    }),
    events: z.record(z.string(), z.number()).describe('What the mail service reported.'),
    created_at: z.string(),
    starts_at: z.string().nullable(),
    started_at: z.string().nullable(),
    finished_at: z.string().nullable(),
    error: z.object({ code: z.string(), message: z.string().nullable() }).nullable(),
    file_id: z.string().nullable(),
  })
  .meta({ id: 'Campaign' });

/** Events come for so long after the last mail. */
const SETTLED_MS = 72 * 3_600_000;

export async function describeCampaign(
  sql: Sql,
  campaign: CampaignRow,
  countRecords: CountRecords,
): Promise<z.input<typeof campaignSchema>> {
  const { id, jobState, errorCause, errorMessage } = campaign;
  const [summary, events] = await Promise.all([
    jobState === null ? { byState: {}, byCode: {} } : countRecords(id),
    sql<{ kind: string; n: number }[]>`
      SELECT kind, sum(n)::float8 AS n FROM campaign_stats WHERE campaign_id = ${id} GROUP BY kind ORDER BY kind`,
  ]);
  const byState: Readonly<Record<string, number>> = summary.byState;
  const byCode: Readonly<Record<string, number>> = summary.byCode;
  const count = (state: string) => byState[state] ?? 0;
  const duplicates = byCode['PARSE_ERROR RECORD_DUPLICATE'] ?? 0;
  const suppressed = byCode['SEND_ERROR SUPPRESSED'] ?? 0;
  const rows = Object.values(byState).reduce((sum, n) => sum + n, 0);
  const { status, waitingFor } = statusOf(campaign);
  return {
    ...{ transaction_id: id, tenant: campaign.tenantId, name: campaign.name },
    ...{ template_id: campaign.templateId, template_version: campaign.templateVersion },
    ...{ sender: campaign.sender, topic: campaign.topic, status, waiting_for: waitingFor },
    recipients: {
      ...{ rows, valid: rows - count('REJECTED'), rejected: count('REJECTED') - duplicates },
      ...{ duplicates, suppressed },
    },
    messages: {
      ...{ pending: count('PENDING') + count('RUNNING'), sent: count('SUCCESS') },
      ...{ failed: count('FAILED') - suppressed, ambiguous: count('AMBIGUOUS') },
    },
    events: Object.fromEntries(events.map(({ kind, n }) => [kind, n])),
    created_at: campaign.createdAt.toISOString(),
    starts_at: campaign.startsAt?.toISOString() ?? null,
    started_at: campaign.startedAt?.toISOString() ?? null,
    finished_at: campaign.finishedAt?.toISOString() ?? null,
    error: status === 'FAILED' && errorCause !== null ? { code: errorCause, message: errorMessage } : null,
    file_id: campaign.fileId,
  };
}

function statusOf(campaign: CampaignRow): { readonly status: string; readonly waitingFor: string | null } {
  const { word, jobState, stepKind, openRecords, startsAt, window, finishedAt, now, errorCause } = campaign;
  const is = (status: string, waitingFor: string | null = null) => ({ status, waitingFor });
  if (word === 'CANCELLED') return is('CANCELLED');
  if (jobState === 'SUCCEEDED' || (jobState === 'FAILED' && errorCause === 'RECORDS_FAILED')) {
    const isSettled = finishedAt !== null && now.getTime() - finishedAt.getTime() > SETTLED_MS;
    return is(isSettled ? 'DONE' : 'SENT');
  }
  if (jobState === 'FAILED' || jobState === 'CANCELLED') return is(jobState);
  if (word === 'HELD') return is('HELD', campaign.heldReason);
  if (word === 'PAUSED') return is('PAUSED');
  if (jobState === null) return is('AWAITING_FILE');
  if (stepKind !== 'call' || openRecords === null) return is('PREPARING');
  if (startsAt !== null && startsAt > now) return is('SCHEDULED');
  if (window !== null && msUntilOpen(window, now.getTime()) > 0) return is('WAITING', 'WINDOW');
  return is('SENDING');
}

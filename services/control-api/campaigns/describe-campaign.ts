/** A campaign as replies show it. Its status is made of what people said, of its job, and of the clock: it is stored nowhere. */
import { z } from 'zod';
import { type CampaignRow, COUNTING, routeNameOf } from '#shared/campaigns/campaign-store.ts';
import { expectEnd } from '#shared/campaigns/expect-end.ts';
import type { Sql } from '#shared/db/connect-database.ts';
import { msUntilOpen } from '#shared/expectations/open-hours.ts';
import type { CountRecords } from '../records/count-records.ts';

export const CAMPAIGN_STATUSES = [
  ...(['AWAITING_FILE', 'PREPARING', 'HELD', 'SCHEDULED', 'SENDING', 'PAUSED', 'WAITING'] as const),
  ...(['SENT', 'DONE', 'FAILED', 'CANCELLED'] as const),
] as const;
export type CampaignStatus = (typeof CAMPAIGN_STATUSES)[number];

export const campaignSchema = z
  .object({
    transaction_id: z.string(),
    tenant: z.string(),
    name: z.string(),
    template_id: z.string(),
    template_version: z.number(),
    sender: z.string(),
    topic: z.string(),
    status: z.string().describe(CAMPAIGN_STATUSES.join(', ')),
    waiting_for: z.string().nullable().describe('WINDOW, DAILY_QUOTA, SENDER_UNKNOWN, or why it is held.'),
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
    expected_end_at: z
      .string()
      .nullable()
      .describe('By its rate, its window and the sender’s `perDay`; null while its recipients are not counted.'),
    started_at: z.string().nullable(),
    finished_at: z.string().nullable(),
    error: z.object({ code: z.string(), message: z.string().nullable() }).nullable(),
    file_id: z.string().nullable(),
    results: z
      .object({ file_id: z.string(), what: z.literal('results'), route: z.string() })
      .nullable()
      .describe('What to ask POST /api/v1/downloads for: a line for each row.'),
  })
  .meta({ id: 'Campaign' });

/** What every campaign shows, reported or not. */
const NO_EVENTS = {
  ...{ delivered: 0, bounced_hard: 0, bounced_soft: 0, complained: 0 },
  ...{ opened: 0, clicked: 0, unsubscribed: 0 },
};
/** The year 9999, which is the last that four digits write. */
const LAST_MS = Date.UTC(9999, 11, 31);
/** Events come for so long after the last mail. */
const SETTLED_MS = 72 * 3_600_000;

export async function describeCampaign(
  sql: Sql,
  campaign: CampaignRow,
  countRecords: CountRecords,
): Promise<z.input<typeof campaignSchema>> {
  const { id, jobState, finishedAt, errorCause, errorMessage } = campaign;
  const { status, waitingFor } = statusOf(campaign);
  const [summary, events] = await Promise.all([
    jobState === null ? { byState: {}, byCode: {} } : countRecords(id, `${status} ${finishedAt?.toISOString() ?? ''}`),
    sql<{ kind: string; n: number }[]>`
      SELECT kind, sum(n)::float8 AS n FROM campaign_stats WHERE campaign_id = ${id} GROUP BY kind ORDER BY kind`,
  ]);
  const byState: Readonly<Record<string, number>> = summary.byState;
  const byCode: Readonly<Record<string, number>> = summary.byCode;
  const count = (state: string) => byState[state] ?? 0;
  const duplicates = byCode['PARSE_ERROR RECORD_DUPLICATE'] ?? 0;
  const suppressed = byCode['SEND_ERROR SUPPRESSED'] ?? 0;
  const rows = Object.values(byState).reduce((sum, n) => sum + n, 0);
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
    events: { ...NO_EVENTS, ...Object.fromEntries(events.map(({ kind, n }) => [kind, n])) },
    created_at: campaign.createdAt.toISOString(),
    starts_at: campaign.startsAt?.toISOString() ?? null,
    expected_end_at: expectedEnd(campaign, count('PENDING') + count('RUNNING')),
    started_at: campaign.startedAt?.toISOString() ?? null,
    finished_at: campaign.finishedAt?.toISOString() ?? null,
    error: status === 'FAILED' && errorCause !== null ? { code: errorCause, message: errorMessage } : null,
    file_id: campaign.fileId,
    results: hasResults(campaign)
      ? { file_id: String(campaign.fileId), what: 'results', route: routeNameOf(id) }
      : null,
  };
}

function expectedEnd(campaign: CampaignRow, pending: number): string | null {
  const { ratePerSecond, senderRate, startsAt, now, openRecords, window, isRecipientZone, calendar } = campaign;
  const rate = Math.min(ratePerSecond ?? Number.POSITIVE_INFINITY, senderRate ?? Number.POSITIVE_INFINITY);
  if (pending === 0 || openRecords === null || !Number.isFinite(rate)) return null;
  const endMs = expectEnd({
    ...{ pending, ratePerSecond: rate, perDay: campaign.senderPerDay, givenToday: campaign.senderGivenToday },
    ...{ window: isRecipientZone ? null : window, calendar },
    ...{ nowMs: now.getTime(), startsAtMs: startsAt?.getTime() ?? 0 },
  });
  return new Date(Math.min(endMs, LAST_MS)).toISOString();
}

function hasResults({ jobState, errorCause, fileId }: CampaignRow): boolean {
  return fileId !== null && (jobState === 'SUCCEEDED' || (jobState === 'FAILED' && errorCause === 'RECORDS_FAILED'));
}

export function statusOf(campaign: CampaignRow): {
  readonly status: CampaignStatus;
  readonly waitingFor: string | null;
} {
  const {
    control,
    jobState,
    stepKind,
    openRecords,
    startsAt,
    window,
    calendar,
    isRecipientZone,
    finishedAt,
    now,
    errorCause,
  } = campaign;
  const is = (status: CampaignStatus, waitingFor: string | null = null) => ({ status, waitingFor });
  if (control === 'CANCELLED') return is('CANCELLED');
  if (jobState === 'SUCCEEDED' || (jobState === 'FAILED' && errorCause === 'RECORDS_FAILED')) {
    const isSettled = finishedAt !== null && now.getTime() - finishedAt.getTime() > SETTLED_MS;
    return is(isSettled ? 'DONE' : 'SENT');
  }
  if (jobState === 'FAILED' || jobState === 'CANCELLED') return is(jobState);
  if (control === 'HELD' && jobState === null && campaign.heldReason === COUNTING) return is('AWAITING_FILE');
  if (control === 'HELD') return campaign.heldReason === COUNTING ? is('PREPARING') : is('HELD', campaign.heldReason);
  if (control === 'PAUSED') return is('PAUSED');
  if (jobState === null) return is('AWAITING_FILE');
  if (stepKind !== 'call' || openRecords === null) return is('PREPARING');
  if (startsAt !== null && startsAt > now) return is('SCHEDULED');
  if (window !== null && !isRecipientZone && msUntilOpen(window, now.getTime(), calendar ?? {}) > 0)
    return is('WAITING', 'WINDOW');
  if (campaign.senderRate === null) return is('WAITING', 'SENDER_UNKNOWN');
  if (campaign.isQuotaSpent) return is('WAITING', 'DAILY_QUOTA');
  return is('SENDING');
}

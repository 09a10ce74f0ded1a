/**
 * What time does to campaigns: their jobs begin once their files are there, a count decides whether one is held, stages are announced, and mails in
 * doubt are settled. One statement each; any number of sweepers side by side.
 */
import type { Sql } from '#shared/db/connect-database.ts';
import { literalLimit } from '#shared/db/literal-limit.ts';
import { recordEvents } from '#shared/jobs/record-events.ts';
import type { WokenJob } from '#shared/jobs/route-files.ts';
import { reopenRecords } from '#shared/records/reopen-records.ts';
import { beginCampaigns } from './begin-campaigns.ts';
import { COUNTING, controlCampaign } from './campaign-store.ts';
import { findUnheard, settleSends } from './settle-sends.ts';

const SETTLED_AT_ONCE = 1_000;
const COUNTED_AT_ONCE = 100;
const ANNOUNCED_AT_ONCE = 500;

export interface CampaignTick {
  readonly jobs: readonly WokenJob[];
  readonly isMore: boolean;
}

export async function tickCampaigns(
  sql: Sql,
  options: { readonly actor: string; readonly window?: number | undefined },
): Promise<CampaignTick> {
  const { jobs, count } = await beginCampaigns(sql, options);
  await judgeCounts(sql, options.actor);
  const announced = await announceStages(sql, options.actor);
  const settled = await settleSends(sql, SETTLED_AT_ONCE);
  for (const { campaignId, lines } of await findUnheard(sql, SETTLED_AT_ONCE)) {
    const reason = 'The mail service reported nothing of these mails; they may be sent twice.';
    await reopenRecords(sql, {
      jobId: campaignId,
      lines,
      states: ['AMBIGUOUS'],
      // A process that stood still since it found them sends none a third time.
      keyGeneration: 0,
      asNew: true,
      actor: options.actor,
      reason,
    });
  }
  return { jobs, isMore: count > 0 || announced === ANNOUNCED_AT_ONCE || settled === SETTLED_AT_ONCE };
}

/** Of campaigns that are held until their recipients are counted: they go, or wait for a person. */
async function judgeCounts(sql: Sql, actor: string): Promise<void> {
  const counted = await sql<{ id: string; holdOver: number; isOver: boolean }[]>`
    SELECT c.id, c.hold_over AS "holdOver", j.open_records > c.hold_over AS "isOver" FROM campaigns c JOIN jobs j ON j.id = c.id
    WHERE c.word = 'HELD' AND c.held_reason = ${COUNTING} AND j.step_kind = 'call' AND j.open_records IS NOT NULL
    ORDER BY c.id LIMIT ${COUNTED_AT_ONCE}`;
  for (const { id, holdOver, isOver } of counted)
    await controlCampaign(sql, {
      ...{ id, actor, control: isOver ? 'HELD' : 'GO', from: ['HELD'], fromReason: COUNTING },
      ...(isOver && { reason: `OVER_${holdOver}` }),
    });
}

/**
 * Each stage once, in order: STARTED with its first mail, SENT with its last, DONE when its events are settled.
 * Events: `campaign.started`, `campaign.sent`, `campaign.done`.
 */
async function announceStages(sql: Sql, actor: string): Promise<number> {
  const [row] = await sql<{ count: number }[]>`
    WITH due AS (
      SELECT c.id, next.stage FROM campaigns c JOIN jobs j ON j.id = c.id CROSS JOIN LATERAL (SELECT CASE
          WHEN j.finished_at < now() - interval '72 hours' AND c.announced = 'SENT' THEN 'DONE'
          WHEN j.state IN ('SUCCEEDED', 'FAILED', 'CANCELLED') AND c.announced = 'STARTED' THEN 'SENT'
          WHEN j.step_kind = 'call' AND j.open_records IS NOT NULL AND c.word <> 'HELD' AND coalesce(c.starts_at <= now(), true)
            AND c.announced = 'CREATED' THEN 'STARTED' END AS stage) AS next
      -- Those that have nothing to say take no place of the batch.
      WHERE c.begun_at IS NOT NULL AND c.announced <> 'DONE' AND next.stage IS NOT NULL
      ORDER BY c.id LIMIT ${literalLimit(sql, ANNOUNCED_AT_ONCE)} FOR UPDATE OF c SKIP LOCKED),
    moved AS (
      UPDATE campaigns c SET announced = d.stage, updated_at = now() FROM due d WHERE c.id = d.id RETURNING c.*),
    event AS (
      SELECT 'campaign.' || lower(m.announced) AS type, m.tenant_id, NULL::uuid AS file_id, m.id AS job_id,
        jsonb_strip_nulls(jsonb_build_object('campaignId', m.id, 'name', m.name, 'channel', m.channel, 'records', j.record_summary)) AS detail,
        '{events}'::text[] AS topics
      FROM moved m JOIN jobs j ON j.id = m.id),
    ${recordEvents(sql, actor)}
    SELECT count(*)::int AS count FROM moved`;
  return row?.count ?? 0;
}

/**
 * What happened, written in the very statement that made it happen: for the audit, and for the topics by way of the outbox; for the
 * tenant's channels too, when one of them wants to know (`shared/notices/notice-transitions.ts` brings it to them).
 *
 * The statement provides a CTE `event(type, tenant_id, file_id, job_id, detail, topics)`; the fragment adds the CTEs that write
 * it. A commit therefore emits its events exactly once, each with one stable id, and a rollback emits none.
 */
import type { Sql } from '#shared/db/connect-database.ts';

/** Version of the event JSON; `docs/reference/events.md` describes it. */
const EVENT_VERSION = 1;

/** To be placed after the CTE `event`; begins with a comma's worth of CTEs and ends without one. */
export function recordEvents(sql: Sql, actor: string) {
  return sql`
    identified AS (SELECT uuid_v7() AS id, event.* FROM event),
    audited AS (
      INSERT INTO audit_events (id, type, tenant_id, file_id, job_id, actor, detail)
      SELECT id, type, tenant_id, file_id, job_id, ${actor}::text, detail FROM identified),
    sent AS (
      INSERT INTO outbox (event_id, topic, body)
      SELECT id, topic, jsonb_strip_nulls(jsonb_build_object(
        'id', id, 'version', ${EVENT_VERSION}::int, 'type', type, 'time', to_jsonb(now()), 'tenantId', tenant_id,
        'fileId', file_id, 'jobId', job_id, 'actor', ${actor}::text, 'data', detail))
      FROM identified CROSS JOIN unnest(topics || CASE WHEN ${noticeOf(sql)} IS NOT NULL AND EXISTS (
        SELECT 1 FROM notice_channels c WHERE c.tenant_id = identified.tenant_id AND ${noticeOf(sql)} = ANY(c.notices))
        THEN '{channels}'::text[] ELSE '{}'::text[] END) AS topic)`;
}

export function noticeOf(sql: Sql) {
  return sql`CASE type
    WHEN 'file.routed' THEN CASE WHEN (detail ->> 'isLarge')::boolean THEN 'large-file' END
    WHEN 'job.held' THEN 'held'
    WHEN 'job.released' THEN 'released'
    WHEN 'file.failed' THEN 'failed'
    WHEN 'file.quarantined' THEN CASE WHEN detail ->> 'code' <> 'COMPANION_FILE' THEN 'failed' END
    WHEN 'file.completed' THEN 'completed'
    WHEN 'job.succeeded' THEN CASE WHEN detail ? 'records' THEN 'records-done' END
    WHEN 'job.failed' THEN CASE WHEN detail ? 'records' THEN 'records-done' END
    WHEN 'receipt.issued' THEN 'receipt-issued'
    WHEN 'expectation.at-risk' THEN 'expected-at-risk'
    WHEN 'expectation.late' THEN 'expected-late'
    WHEN 'expectation.missed' THEN 'expected-missed'
    WHEN 'expectation.odd' THEN 'expected-odd'
    WHEN 'batch.succeeded' THEN 'batch-done'
    WHEN 'batch.failed' THEN 'batch-failed'
    WHEN 'campaign.started' THEN 'campaign-started'
    WHEN 'campaign.sent' THEN 'campaign-sent'
    WHEN 'campaign.done' THEN 'campaign-done'
    WHEN 'campaign.changed' THEN CASE WHEN detail ->> 'word' = 'HELD' THEN 'campaign-held' END
    WHEN 'mail.bounced' THEN 'mail-bounced'
    WHEN 'mail.complained' THEN 'mail-complained'
    WHEN 'mail.unsubscribed' THEN 'mail-unsubscribed'
  END`;
}

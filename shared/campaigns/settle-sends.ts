/**
 * Mails in doubt that the mail service spoke of were sent: whatever it reports of a message, it took it.
 *
 * Out: how many. Only records that are AMBIGUOUS are moved; whatever comes first, event or doubt, the clock finds both.
 */
import type { Sql } from '#shared/db/connect-database.ts';

/** The service reports within minutes; later ones are an operator's. */
const SETTLED_DAYS = 4;

export async function settleSends(sql: Sql, limit: number): Promise<number> {
  const rows = await sql`
    WITH doubt AS MATERIALIZED (
      SELECT r.job_id, r.line, r.created_at FROM campaigns c JOIN jobs j ON j.id = c.id
        JOIN records r ON r.job_id = j.id AND r.created_at = j.created_at
      WHERE c.begun_at > now() - ${SETTLED_DAYS}::int * interval '1 day' AND r.error_code = 'SEND_ERROR' AND r.state = 'AMBIGUOUS'
        AND EXISTS (SELECT 1 FROM mail_events e WHERE e.campaign_id = r.job_id AND e.line = r.line)
      ORDER BY r.job_id, r.line LIMIT ${limit} FOR UPDATE OF r SKIP LOCKED)
    UPDATE records r SET state = 'SUCCESS', error_code = NULL, error_cause = NULL, error_message = NULL, updated_at = now(),
      reference = coalesce(r.reference, (
        SELECT max(e.message_id) FROM mail_events e WHERE e.campaign_id = r.job_id AND e.line = r.line))
    FROM doubt d WHERE r.job_id = d.job_id AND r.line = d.line AND r.created_at = d.created_at RETURNING 1`;
  return rows.length;
}

export interface UnheardMails {
  readonly campaignId: string;
  readonly lines: number[];
}

/**
 * Mails in doubt of senders that want them sent once more: nothing was heard of them for as long as the sender says, and meanwhile of others of
 * their campaign was. Each is resent once at most.
 */
export async function findUnheard(sql: Sql, limit: number): Promise<UnheardMails[]> {
  return await sql<UnheardMails[]>`
    WITH doubt AS (
      SELECT r.job_id, r.line FROM campaigns c JOIN jobs j ON j.id = c.id
        JOIN senders s ON s.tenant_id = c.tenant_id AND s.name = c.sender AND s.definition ->> 'onUnknown' = 'resend'
        JOIN records r ON r.job_id = j.id AND r.created_at = j.created_at
      WHERE c.begun_at > now() - ${SETTLED_DAYS}::int * interval '1 day' AND c.word = 'GO' AND r.error_code = 'SEND_ERROR'
        AND r.state = 'AMBIGUOUS' AND r.key_generation = 0
        AND r.updated_at < now() - coalesce((s.definition ->> 'settleAfter')::float8, 900000) * interval '1 ms'
        AND NOT EXISTS (SELECT 1 FROM mail_events e WHERE e.campaign_id = r.job_id AND e.line = r.line)
        AND EXISTS (SELECT 1 FROM mail_events e WHERE e.campaign_id = r.job_id AND e.kind = 'accepted' AND e.received_at > r.updated_at)
      ORDER BY r.job_id, r.line LIMIT ${limit})
    SELECT job_id AS "campaignId", array_agg(line::float8 ORDER BY line) AS lines FROM doubt GROUP BY job_id ORDER BY job_id`;
}

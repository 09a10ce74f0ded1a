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

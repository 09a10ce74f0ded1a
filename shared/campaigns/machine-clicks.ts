/**
 * Clicks that no person made, told by what else is known of the message: they came before it was delivered, or with clicks on other links of
 * it, as a scanner follows them all. They are stored as clicks first, and are moved here, whichever event comes last.
 */
import type { Sql } from '#shared/db/connect-database.ts';
import { repeatOnDeadlock, toJsonb } from '#shared/db/run-statements.ts';

/** So many links. */
const LINKS = 3;
const WITHIN = '2 seconds';

/** Of a mail, an event after which its clicks are looked at again. */
export interface ClickedMail {
  readonly campaignId: string;
  readonly line: number;
  readonly kind: string;
  readonly at: string;
  /** The recipient's, by which clicks are counted. */
  readonly domain: string;
}

/**
 * After events were stored: a click changes what those within two seconds of it are, a delivery those before it. Of them the latest 50 of a mail
 * are compared. Two that run side by side move a click once: the row is taken away by one of them.
 */
export async function moveMachineClicks(sql: Sql, mails: readonly ClickedMail[]): Promise<void> {
  if (mails.length === 0) return;
  const rows = mails.map(({ campaignId, line, kind, at, domain }) => ({ campaignId, line, kind, at, domain }));
  await repeatOnDeadlock(
    () => sql`
    WITH asked AS (
      SELECT i."campaignId" AS campaign_id, i.line, i.domain,
        min(CASE WHEN i.kind = 'delivered' THEN '-infinity' ELSE i.at - ${WITHIN}::text::interval END) AS earliest,
        max(CASE WHEN i.kind = 'delivered' THEN i.at ELSE i.at + ${WITHIN}::text::interval END) AS latest
      FROM jsonb_to_recordset(${toJsonb(rows)}::text::jsonb) AS i("campaignId" uuid, line bigint, kind text, at timestamptz, domain text)
      GROUP BY 1, 2, 3),
    clicks AS MATERIALIZED (
      SELECT a.domain, e.* FROM asked a CROSS JOIN LATERAL (
        SELECT e.campaign_id, e.line, e.kind, e.event_key, e.at, e.detail ->> 'link' AS link FROM mail_events e
        WHERE e.campaign_id = a.campaign_id AND e.line = a.line AND e.kind IN ('clicked', 'machine_clicked')
          AND e.at BETWEEN a.earliest AND a.latest
        ORDER BY e.at DESC LIMIT 50) AS e),
    swarms AS MATERIALIZED (
      SELECT s.campaign_id, s.line, s.at FROM clicks s JOIN clicks o USING (campaign_id, line)
      WHERE o.at BETWEEN s.at AND s.at + ${WITHIN}::text::interval
      GROUP BY 1, 2, 3 HAVING count(DISTINCT o.link) >= ${LINKS}::int),
    moved AS (
      DELETE FROM mail_events e USING clicks c
      WHERE c.kind = 'clicked' AND e.campaign_id = c.campaign_id AND e.line = c.line AND e.kind = c.kind AND e.event_key = c.event_key AND (
        EXISTS (
          SELECT 1 FROM swarms s WHERE s.campaign_id = c.campaign_id AND s.line = c.line
            AND c.at BETWEEN s.at AND s.at + ${WITHIN}::text::interval)
        OR EXISTS (
          SELECT 1 FROM mail_events d
          WHERE d.campaign_id = c.campaign_id AND d.line = c.line AND d.kind = 'delivered' AND c.at < d.at))
      RETURNING e.*, c.domain),
    kept AS (
      INSERT INTO mail_events (campaign_id, line, kind, event_key, tenant_id, message_id, at, detail, address_hash, received_at)
      SELECT campaign_id, line, 'machine_clicked', event_key, tenant_id, message_id, at, detail, address_hash, received_at FROM moved
      ORDER BY campaign_id, line, event_key
      ON CONFLICT DO NOTHING RETURNING campaign_id, line, at),
    counted AS (
      SELECT campaign_id, date_trunc('hour', at) AS hour, 'clicked' AS kind, domain, -count(*) AS n FROM moved GROUP BY 1, 2, 4
      UNION ALL SELECT k.campaign_id, date_trunc('hour', k.at), 'machine_clicked', a.domain, count(*)
      FROM kept k JOIN asked a USING (campaign_id, line) GROUP BY 1, 2, 4)
    INSERT INTO campaign_stats AS c (campaign_id, hour, kind, domain, n)
    SELECT campaign_id, hour, kind, domain, n FROM counted ORDER BY 1, 2, 3, 4
    ON CONFLICT (campaign_id, hour, kind, domain) DO UPDATE SET n = c.n + excluded.n`,
  );
}

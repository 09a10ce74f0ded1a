/**
 * Adds what the audit says of files, records and mails to each tenant's days: every sealed line once, in the order of their numbers.
 *
 * 1. The statement that adds moves the place up to which lines are counted, or does nothing: any number of clocks run side by side.
 * 2. A file counts when it is routed, which happens once; what `unpack` makes of it does not count. A record counts when its calls end,
 *    again when an operator has it called again. Calls are added where they are counted (`shared/partners/report-calls.ts`).
 *
 * Out: how many lines were gone over. Events: none.
 */
import type { Sql } from '#shared/db/connect-database.ts';
import { literalLimit } from '#shared/db/literal-limit.ts';

export async function rollUpUsage(sql: Sql, { limit }: { readonly limit: number }): Promise<number> {
  const [reader] = await sql<{ line: number }[]>`SELECT line::float8 AS line FROM audit_readers WHERE name = 'usage'`;
  if (reader === undefined) return 0;
  const [row] = await sql<{ lines: number }[]>`
    WITH line AS MATERIALIZED (
      SELECT number, event_at, event_id FROM audit_seals WHERE number > ${reader.line} ORDER BY number LIMIT ${literalLimit(sql, limit)}),
    moved AS (
      UPDATE audit_readers SET line = last.number FROM (SELECT max(number) AS number FROM line) AS last
      WHERE name = 'usage' AND line = ${reader.line} AND last.number IS NOT NULL RETURNING 1),
    used AS (
      SELECT (e.at AT TIME ZONE 'UTC')::date AS day, e.tenant_id, e.type, c.id IS NOT NULL AS is_campaign,
        (e.detail ->> 'sizeBytes')::bigint AS bytes, (e.detail ->> 'success')::bigint AS success,
        (e.detail ->> 'failed')::bigint + (e.detail ->> 'ambiguous')::bigint AS other
      FROM line l CROSS JOIN LATERAL (SELECT * FROM audit_events e WHERE e.at = l.event_at AND e.id = l.event_id LIMIT 1) AS e
        LEFT JOIN campaigns c ON c.id = e.job_id
      WHERE (e.type = 'file.routed' AND NOT e.detail ? 'parentFileId' OR e.type = 'records.settled') AND EXISTS (SELECT FROM moved)),
    added AS (
      INSERT INTO usage_days AS u (day, tenant_id, files, bytes, records, mails)
      SELECT day, tenant_id, count(*) FILTER (WHERE type = 'file.routed'), coalesce(sum(bytes), 0),
        coalesce(sum(success + other) FILTER (WHERE NOT is_campaign), 0), coalesce(sum(success) FILTER (WHERE is_campaign), 0)
      FROM used GROUP BY day, tenant_id ORDER BY day, tenant_id
      ON CONFLICT (day, tenant_id) DO UPDATE SET files = u.files + excluded.files, bytes = u.bytes + excluded.bytes,
        records = u.records + excluded.records, mails = u.mails + excluded.mails)
    SELECT count(*)::int AS lines FROM line WHERE EXISTS (SELECT FROM moved)`;
  return row?.lines ?? 0;
}

/** What a mail is asked of right before it is sent: what was decided of its campaign, its time, its recipient's suppression; of many mails in one statement. */
import type { Sql } from '#shared/db/connect-database.ts';
import type { CampaignControl } from '#shared/db/schema.ts';

export interface Gate {
  readonly control: CampaignControl;
  readonly startsInMs: number;
  /** By the database's clock. */
  readonly nowMs: number;
  readonly isSuppressed: boolean;
}

/** Undefined: the campaign is gone. */
export async function askGates(
  sql: Sql,
  items: readonly { id: string; hash: string }[],
): Promise<(Gate | undefined)[]> {
  const rows = await sql<(Gate & { position: number })[]>`
    SELECT i.position::int AS position, c.word AS control, greatest(0, extract(epoch FROM c.starts_at - now()) * 1000)::float8 AS "startsInMs",
      (extract(epoch FROM now()) * 1000)::float8 AS "nowMs",
      EXISTS (
        SELECT 1 FROM suppressions s
        WHERE s.tenant_id = c.tenant_id AND s.address_hash = i.hash AND s.topic IN ('*', c.topic)
          AND (s.expires_at IS NULL OR s.expires_at > now())
          AND (c.is_marketing OR s.reason <> 'unsubscribed')) AS "isSuppressed"
    FROM unnest(${items.map(({ id }) => id)}::uuid[], ${items.map(({ hash }) => hash)}::text[]) WITH ORDINALITY AS i(id, hash, position)
      JOIN campaigns c ON c.id = i.id`;
  const byPosition = new Map(rows.map((row) => [row.position, row]));
  return items.map((_item, index) => {
    const row = byPosition.get(index + 1);
    return row && { ...row, startsInMs: row.startsInMs ?? 0 };
  });
}

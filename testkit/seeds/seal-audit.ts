/** Seals lines of the audit for tests: a line is sealed once every older transaction of the whole server has ended, also those of other files. */
import { sealLines } from '#shared/audit/seal-lines.ts';
import type { Sql } from '#shared/db/connect-database.ts';
import { waitUntil } from '../checks/wait-until.ts';

/** Until so many lines have a seal; all that are written when `lines` is absent. */
export async function sealAudit(sql: Sql, lines?: number): Promise<void> {
  const countOf = async (table: 'audit_events' | 'audit_seals') => {
    const [row] = await sql<{ count: number }[]>`SELECT count(*)::int FROM ${sql(table)}`;
    return row?.count ?? 0;
  };
  const wanted = lines ?? (await countOf('audit_events'));
  const isSealed = async () => {
    const open = wanted - (await countOf('audit_seals'));
    if (open > 0) await sealLines(sql, { limit: Math.min(open, 7) });
    return open <= 0;
  };
  await waitUntil(`${wanted} lines are sealed`, isSealed, { timeoutMs: 100_000, intervalMs: 5 });
}

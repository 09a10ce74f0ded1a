/**
 * Rows that belong to no file any more, after the time that history is kept: dead letters that were dealt with, parked notices, batches
 * without a file, and pulls whose remote file is gone. A pull that its remote may list again stays, or it would be fetched twice; and so does
 * what belongs to a tenant with a legal hold.
 */
import type { Sql } from '#shared/db/connect-database.ts';
import { literalLimit } from '#shared/db/literal-limit.ts';
import { isNotHeld } from './is-not-held.ts';

const AT_ONCE = 1_000;

/** Resolves to how many there were. */
export async function deleteLeftovers(sql: Sql, before: Date, signal: AbortSignal): Promise<number> {
  const statements = [
    () => sql`
      DELETE FROM dead_letters WHERE id IN (
        SELECT id FROM dead_letters d WHERE state IN ('REDRIVEN', 'DISCARDED') AND created_at < ${before}
          AND NOT EXISTS (SELECT FROM files f WHERE f.id = d.file_id) AND NOT EXISTS (SELECT FROM jobs j WHERE j.id = d.job_id)
          AND ${isNotHeld(sql, sql`d.tenant_id`)}
        ORDER BY created_at LIMIT ${literalLimit(sql, AT_ONCE)} FOR UPDATE SKIP LOCKED)`,
    () => sql`
      DELETE FROM notices WHERE (event_id, tenant_id, route, channel) IN (
        SELECT event_id, tenant_id, route, channel FROM notices n
        WHERE state = 'PARKED' AND created_at < ${before} AND ${isNotHeld(sql, sql`n.tenant_id`)}
        ORDER BY created_at LIMIT ${literalLimit(sql, AT_ONCE)} FOR UPDATE SKIP LOCKED)`,
    () => sql`
      DELETE FROM batches WHERE id IN (
        SELECT id FROM batches b WHERE finished_at < ${before} AND NOT EXISTS (SELECT FROM jobs j WHERE j.batch_id = b.id)
          AND ${isNotHeld(sql, sql`b.tenant_id`)}
        ORDER BY finished_at LIMIT ${literalLimit(sql, AT_ONCE)} FOR UPDATE SKIP LOCKED)`,
    () => sql`
      WITH gone AS (
        DELETE FROM pulls WHERE id IN (
          SELECT id FROM pulls p WHERE cleaned_at < ${before} AND completed_at IS NOT NULL
            AND NOT EXISTS (SELECT FROM files f WHERE f.id = p.file_id)
            AND ${isNotHeld(sql, sql`p.tenant_id`)}
          ORDER BY cleaned_at LIMIT ${literalLimit(sql, AT_ONCE)} FOR UPDATE SKIP LOCKED)
        RETURNING id),
      gone_transfer AS (DELETE FROM transfers WHERE owner_id IN (SELECT id FROM gone))
      SELECT id FROM gone`,
  ];
  let total = 0;
  for (const run of statements) {
    for (let deleted = AT_ONCE; deleted === AT_ONCE && !signal.aborted; ) {
      deleted = (await run()).count;
      total += deleted;
    }
  }
  return total;
}

/**
 * Says of a job whose records wait for a partner that an operator paused that it does, for those who ask what it waits for.
 *
 * In: the job of a chunk that met the pause. Out: nothing; a job that does not wait, or a pause that is over, is left as it is. The partner's
 * row is held meanwhile: an operator who lets calls pass again sees every job that was marked before (`control-partner.ts`).
 * Events: `records.paused` (audit only), once in a pause.
 */
import type { Sql } from '#shared/db/connect-database.ts';
import { recordEvents } from '#shared/jobs/record-events.ts';
import { PARTNER_PAUSED, RECORDS } from '#shared/steps/step-outcome.ts';

export interface PausedRecords {
  readonly tenantId: string;
  readonly jobId: string;
  readonly partner: string;
}

export async function notePaused(
  sql: Sql,
  { tenantId, jobId, partner }: PausedRecords,
  { actor }: { readonly actor: string },
): Promise<void> {
  await sql`
    WITH paused AS MATERIALIZED (
      SELECT name, paused_at FROM partners
      WHERE tenant_id = ${tenantId} AND name = ${partner} AND removed_at IS NULL AND paused_at IS NOT NULL FOR SHARE),
    noted AS (
      UPDATE jobs j SET wait_reason = ${PARTNER_PAUSED}, updated_at = now() FROM paused
      WHERE j.id = ${jobId} AND j.state = 'WAITING' AND j.wait_reason = ${RECORDS} AND j.open_records > 0
      RETURNING j.id, j.tenant_id, j.file_id, paused.name, paused.paused_at),
    event AS (
      SELECT 'records.paused' AS type, tenant_id, file_id, id AS job_id, jsonb_build_object('partner', name) AS detail,
        '{}'::text[] AS topics
      FROM noted
      WHERE NOT EXISTS (
        SELECT 1 FROM audit_events e WHERE e.job_id = noted.id AND e.type = 'records.paused' AND e.at >= noted.paused_at)),
    ${recordEvents(sql, actor)}
    SELECT 1`;
}

/** Whether an operator paused a partner of the tenant. */
export function isAnyPaused(sql: Sql, tenantId: ReturnType<Sql>) {
  return sql`EXISTS (
    SELECT 1 FROM partners p WHERE p.tenant_id = ${tenantId} AND p.removed_at IS NULL AND p.paused_at IS NOT NULL)`;
}

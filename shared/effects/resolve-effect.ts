/**
 * What ends the doubt about an effect when the target cannot be asked: an operator's verdict, or, for one whose job ended in the middle of its
 * commit, the clock's.
 *
 * `resolveEffect`:   `done` or `not-done`, and the job continues at its step, in one statement. Nothing changes for an effect that is not
 *                    `UNKNOWN`, or whose job has not failed or was sent again as new.
 * `doubtLeftEffects`: effects whose job ended, by whatever, while they were `COMMITTING`: nobody asks about them any more.
 *
 * Events: `effect.resolved` with `job.reopened`; `effect.unknown`.
 */
import type { Sql } from '#shared/db/connect-database.ts';
import { literalLimit } from '#shared/db/literal-limit.ts';
import { recordEvents } from '#shared/jobs/record-events.ts';
import { type ReopenedJob, reopenJobs } from '#shared/jobs/reopen-jobs.ts';
import type { SetScope } from '#shared/jobs/set-scope.ts';

export type EffectVerdict = 'done' | 'not-done';

export interface ResolveEffect {
  readonly effectId: string;
  readonly jobId: string;
  readonly verdict: EffectVerdict;
  readonly actor: string;
  readonly reason: string;
  /** Wake-ups of one tenant that may be in one queue. */
  readonly window: number;
}

/** The job, when the verdict changed something. */
export async function resolveEffect(sql: Sql, resolve: ResolveEffect): Promise<ReopenedJob | undefined> {
  const { effectId, jobId, verdict, actor, reason, window } = resolve;
  const stage = verdict === 'done' ? 'DONE' : 'PREPARED';
  const scope: SetScope = {
    before: sql`
      resolved AS (
        UPDATE effects e SET stage = ${stage}, at = now(), facts = e.facts || ${verdict === 'done' ? '{"settledBy":"operator"}' : '{}'}::text::jsonb
        WHERE e.id = ${effectId} AND e.job_id = ${jobId} AND e.stage = 'UNKNOWN' AND EXISTS (
          SELECT 1 FROM jobs j WHERE j.id = e.job_id AND j.state IN ('FAILED', 'CANCELLED') AND j.superseded_by IS NULL)
        RETURNING e.*),`,
    only: (id) => sql`AND ${id} IN (SELECT job_id FROM resolved)`,
    after: () => sql``,
    events: sql`
      UNION ALL SELECT 'effect.resolved', r.tenant_id, j.file_id, r.job_id, jsonb_build_object('effect', r.id, 'step', r.kind,
        'seq', r.step_seq, 'part', r.part, 'as', ${verdict}::text, 'reason', ${reason}::text), '{events}'::text[]
      FROM resolved r JOIN jobs j ON j.id = r.job_id`,
  };
  const [job] = await reopenJobs(sql, { jobIds: [jobId], actor, reason, scope }, window);
  return job;
}

/** Resolves to how many there were. */
export async function doubtLeftEffects(sql: Sql, { limit, actor }: { limit: number; actor: string }): Promise<number> {
  const rows = await sql`
    WITH left_over AS (
      SELECT e.job_id, e.step_seq, e.part, j.file_id FROM effects e JOIN jobs j ON j.id = e.job_id
      WHERE e.stage = 'COMMITTING' AND j.finished_at IS NOT NULL
      ORDER BY e.job_id, e.step_seq, e.part LIMIT ${literalLimit(sql, limit)} FOR UPDATE OF e SKIP LOCKED),
    doubted AS (
      UPDATE effects e SET stage = 'UNKNOWN', at = now() FROM left_over l
      WHERE e.job_id = l.job_id AND e.step_seq = l.step_seq AND e.part = l.part RETURNING e.*, l.file_id),
    event AS (
      SELECT 'effect.unknown' AS type, tenant_id, file_id, job_id,
        jsonb_build_object('effect', id, 'step', kind, 'seq', step_seq, 'part', part) AS detail, '{events}'::text[] AS topics
      FROM doubted),
    ${recordEvents(sql, actor)}
    SELECT id FROM doubted`;
  return rows.length;
}

/** Of those that are not done; an `UNKNOWN` one that was sent again as new is settled. */
export async function countEffects(sql: Sql): Promise<{ kind: string; stage: string; count: number }[]> {
  return await sql<{ kind: string; stage: string; count: number }[]>`
    SELECT e.kind, e.stage, count(*)::int AS count FROM effects e
    WHERE e.stage <> 'DONE' AND (e.stage <> 'UNKNOWN' OR NOT EXISTS (
      SELECT 1 FROM jobs j WHERE j.id = e.job_id AND j.superseded_by IS NOT NULL))
    GROUP BY e.kind, e.stage`;
}

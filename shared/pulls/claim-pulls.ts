/**
 * Claim: a worker takes a pull for the length of a lease.
 *
 * 1. A claim raises the epoch; every later write carries it, so whoever held the pull before can change nothing any more.
 * 2. A live lease keeps everybody out, whatever the status says: a second trigger while a pull runs makes no second transfer. Nor is a file
 *    fetched by two pulls at once.
 * 3. A pull that had ended and that somebody set to `TRIGGERED` becomes the next generation. One that had failed to clean up continues there, and
 *    fetches nothing.
 * 4. A claim counts an attempt, so that a crash is counted too; not after one under which parts were finished, nor once the file has landed.
 * 5. A repeated claim with the same token returns the same row and counts nothing.
 *
 * Out: the pull; undefined when there is nothing to do. Events: `pull.claimed` (audit only), `pull.reopened`.
 */
import type { Sql } from '#shared/db/connect-database.ts';
import type { PullStage } from '#shared/db/schema.ts';
import { recordEvents } from '#shared/jobs/record-events.ts';

export interface PullIdentity {
  /** Null where a listing does not have it. */
  readonly size: number | null;
  /** RFC 3339; null where the remote does not tell it. */
  readonly time: string | null;
}

export interface ClaimedPull {
  readonly id: string;
  readonly tenantId: string;
  /** Null when it was asked for on its own. */
  readonly source: string | null;
  /** Of the source, as it is applied now. */
  readonly sourceDefinition: unknown;
  readonly project: string;
  readonly pipeline: string;
  readonly remote: string;
  readonly remotePath: string;
  readonly fileName: string;
  readonly identity: PullIdentity | null;
  readonly transferStage: PullStage;
  readonly generation: number;
  readonly attempts: number;
  readonly maxAttempts: number;
  readonly unsettled: number;
  readonly epoch: number;
  readonly seenAt: Date;
  readonly timeZone: string;
  readonly landed: {
    readonly fileId: string;
    readonly bucket: string;
    readonly key: string;
    readonly versionId: string;
    readonly sizeBytes: number;
    /** Of the file; null when it is forgotten. */
    readonly status: string | null;
  } | null;
}

export interface ClaimPullOptions {
  readonly pullId: string;
  /** A UUID made again for every claim, and kept when the same claim is tried again. */
  readonly token: string;
  readonly worker: string;
  readonly service: string;
  readonly leaseMs: number;
}

export async function claimPull(sql: Sql, options: ClaimPullOptions): Promise<ClaimedPull | undefined> {
  const { pullId, token, worker, service, leaseMs } = options;
  const [row] = await sql<(Omit<ClaimedPull, 'seenAt'> & { seenAt: string })[]>`
    WITH ${lockPulls(sql, pullId)},
    candidate AS (
      SELECT p.id, p.claim_token IS NOT DISTINCT FROM ${token}::uuid AS is_repeat, p.completed_at IS NOT NULL AS is_reopened,
        p.completed_at IS NOT NULL AND p.error_code IS DISTINCT FROM 'PULL_CLEANUP_ERROR' AS is_anew,
        p.transfer_stage IN ('LANDED', 'CLEANING') AS has_landed
      FROM pull_locked p
      WHERE p.id = ${pullId}
        AND (p.claim_token = ${token}::uuid
          OR (coalesce(p.lease_until < now(), true) AND coalesce(p.next_action_at <= now(), true)
            AND NOT EXISTS (
              SELECT 1 FROM pull_locked o WHERE o.id <> p.id AND o.lease_until > now())))),
    claimed AS (
      UPDATE pulls p SET status = 'RUNNING', woken_at = NULL, next_action_at = NULL, wait_reason = NULL, updated_at = now(),
        started_at = CASE WHEN c.is_reopened THEN now() ELSE coalesce(p.started_at, now()) END, completed_at = NULL,
        generation = p.generation + c.is_reopened::int,
        epoch = p.epoch + (NOT c.is_repeat)::int, claim_token = ${token}::uuid, worker = ${worker},
        lease_until = now() + ${leaseMs}::int * interval '1 ms',
        attempts = CASE WHEN c.is_reopened THEN 0 ELSE p.attempts END + (NOT c.is_repeat AND (c.is_anew OR NOT c.has_landed))::int,
        unsettled = CASE WHEN c.is_reopened THEN 0 ELSE p.unsettled END,
        transfer_stage = CASE WHEN c.is_anew THEN 'WAITING' ELSE p.transfer_stage END,
        identity = CASE WHEN NOT c.is_anew THEN p.identity END,
        identity_hash = CASE WHEN NOT c.is_anew THEN p.identity_hash END,
        file_id = CASE WHEN NOT c.is_anew THEN p.file_id END, bucket = CASE WHEN NOT c.is_anew THEN p.bucket END,
        key = CASE WHEN NOT c.is_anew THEN p.key END, version_id = CASE WHEN NOT c.is_anew THEN p.version_id END,
        etag = CASE WHEN NOT c.is_anew THEN p.etag END, size_bytes = CASE WHEN NOT c.is_anew THEN p.size_bytes END,
        sha256 = CASE WHEN NOT c.is_anew THEN p.sha256 END, cleaned_at = CASE WHEN NOT c.is_anew THEN p.cleaned_at END,
        source_replaced = NOT c.is_anew AND p.source_replaced,
        error_code = CASE WHEN NOT c.is_reopened THEN p.error_code END,
        error_cause = CASE WHEN NOT c.is_reopened THEN p.error_cause END,
        error_message = CASE WHEN NOT c.is_reopened THEN p.error_message END
      FROM candidate c WHERE p.id = c.id RETURNING p.*, c.is_repeat, c.is_reopened),
    event AS (
      SELECT 'pull.claimed' AS type, tenant_id, file_id, NULL::uuid AS job_id,
        jsonb_build_object('pullId', id, 'worker', worker, 'epoch', epoch, 'generation', generation, 'stage', transfer_stage,
          'attempt', attempts) AS detail, '{}'::text[] AS topics
      FROM claimed WHERE NOT is_repeat
      UNION ALL
      SELECT 'pull.reopened', tenant_id, NULL::uuid, NULL::uuid,
        jsonb_build_object('pullId', id, 'remote', remote, 'remotePath', remote_path, 'generation', generation,
          'stage', transfer_stage), '{events}'::text[]
      FROM claimed WHERE is_reopened AND NOT is_repeat),
    ${recordEvents(sql, service)}
    SELECT c.id, c.tenant_id AS "tenantId", c.source, s.definition AS "sourceDefinition", c.project, c.pipeline, c.remote,
      c.remote_path AS "remotePath", c.file_name AS "fileName", c.identity, c.transfer_stage AS "transferStage", c.generation,
      c.attempts, c.max_attempts AS "maxAttempts", c.unsettled, c.epoch,
      coalesce(c.seen_at, c.created_at) AS "seenAt", t.time_zone AS "timeZone",
      CASE WHEN c.file_id IS NOT NULL THEN jsonb_build_object('fileId', c.file_id, 'bucket', c.bucket, 'key', c.key,
        'versionId', c.version_id, 'sizeBytes', c.size_bytes, 'status', f.status) END AS landed
    FROM claimed c JOIN tenants t ON t.id = c.tenant_id
    LEFT JOIN sources s ON s.tenant_id = c.tenant_id AND s.name = c.source AND s.removed_at IS NULL
    LEFT JOIN files f ON f.id = c.file_id`;
  return row === undefined ? undefined : { ...row, seenAt: new Date(row.seenAt) };
}

/**
 * A CTE: the open pulls of the file of one pull, itself among them, as they are now. All of them are locked, in one order: of two that are claimed
 * in the same moment the later one sees the lease of the earlier one.
 */
export function lockPulls(sql: Sql, pullId: string) {
  return sql`
    pull_locked AS MATERIALIZED (
      SELECT o.* FROM pulls o
      WHERE (o.tenant_id, o.remote, o.remote_path) = (SELECT tenant_id, remote, remote_path FROM pulls WHERE id = ${pullId})
        AND o.status IN ('TRIGGERED', 'RUNNING')
      ORDER BY o.id FOR UPDATE)`;
}

/** The ids of those that are still held. */
export async function renewPulls(
  sql: Sql,
  held: readonly { readonly id: string; readonly epoch: number }[],
  leaseMs: number,
): Promise<string[]> {
  if (held.length === 0) return [];
  const rows = await sql<{ id: string }[]>`
    WITH input AS (
      SELECT * FROM unnest(${held.map(({ id }) => id)}::uuid[], ${held.map(({ epoch }) => epoch)}::int[]) AS r(id, epoch)),
    locked AS (
      SELECT p.id FROM pulls p JOIN input i USING (id)
      WHERE p.epoch = i.epoch AND p.lease_until > now() ORDER BY p.id FOR UPDATE OF p)
    -- Whoever triggers one that runs changes nothing, and it is shown as what it is.
    UPDATE pulls SET lease_until = now() + ${leaseMs}::int * interval '1 ms', status = 'RUNNING'
    WHERE id IN (SELECT id FROM locked) RETURNING id`;
  return rows.map(({ id }) => id);
}

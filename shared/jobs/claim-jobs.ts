/**
 * Claim: a worker takes jobs for the length of a lease.
 *
 * 1. A claim raises the epoch; every later write carries it, so whoever held the job before can change nothing any more.
 * 2. A claim counts an attempt of the current step, so that a crash is counted too; not after one that left something finished
 *    (`note-progress.ts`).
 * 3. A repeated claim with the same token returns the same rows and counts nothing: its reply can have been lost.
 * 4. Only kinds of steps that this version knows are claimed; others wait for a worker of the next version.
 * 5. A job of an ordered route is claimed only when it has the turn of its line (`give-turns.ts`).
 * 6. `processed_by` tells who carried the bytes: a service of long steps stays named when another one does the short ones after them.
 *
 * In:  job ids from wake-ups. Out: the jobs claimed; absent ones have a live lease, are terminal, not due or not their turn.
 * Events: `job.claimed`.
 */
import type { Sql } from '#shared/db/connect-database.ts';
import { runSet } from '#shared/db/run-statements.ts';
import type { Lane } from '#shared/definitions/lanes.ts';
import type { ObjectLocation } from '#shared/files/object-location.ts';
import type { StoredHead } from '#shared/files/object-store.ts';
import { LONG_QUEUE_IDS, type WorkQueue } from '#shared/runtime/config/resource-names.ts';
import { keepsAttempt } from './note-progress.ts';
import { recordEvents } from './record-events.ts';

export interface ClaimOptions {
  readonly jobIds: readonly string[];
  /** A UUID made again for every claim, and kept when the same claim is tried again. */
  readonly token: string;
  /** Which process, e.g. `partner-worker/4711`. */
  readonly worker: string;
  /** Which service; becomes `processed_by`, as far as (6) goes. */
  readonly service: string;
  /** Whose jobs the worker takes. */
  readonly queue: WorkQueue | readonly WorkQueue[];
  readonly kinds: readonly string[];
  readonly leaseMs: number;
}

export interface ClaimedJob {
  readonly id: string;
  readonly tenantId: string;
  readonly fileId: string;
  readonly routeId: string;
  readonly routeVersionId: string;
  readonly generation: number;
  readonly epoch: number;
  /** Database time. */
  readonly claimedAt: Date;
  readonly isLarge: boolean;
  readonly lane: Lane;
  /** An operator let it continue. */
  readonly isReleased: boolean;
  /** It was held at the current step, and an operator let it continue after that. */
  readonly isStepReleased: boolean;
  /** The output with which an earlier try of the current step waited. */
  readonly held: Record<string, unknown> | null;
  readonly stepSeq: number;
  readonly stepKind: string;
  /** This try included. Above `maxAttempts`, an earlier try ended without an outcome: the step is not run again. */
  readonly stepAttempts: number;
  readonly stepTries: number;
  readonly maxAttempts: number;
  readonly object: ObjectLocation | null;
  readonly timeZone: string;
  /** The key of its file has other versions. */
  readonly sharesPlace: boolean;
  /** The branch of the parent's `parallel` that it runs, at `parentSeq`; null for a whole route. */
  readonly branch: string | null;
  readonly parentSeq: number | null;
  /** How many parents are above it. */
  readonly depth: number;
  /** Its parent was cancelled. */
  readonly isAbandoned: boolean;
  /** Of a branch: outputs of the steps before it in its parents, by kind. */
  readonly inputs: Readonly<Record<string, Record<string, unknown>>> | null;
  /** Outputs of the steps done so far, by sequence number. */
  readonly outputs: Readonly<
    Record<string, { readonly kind: string; readonly output: Record<string, unknown> | null }>
  >;
  readonly file: {
    readonly bucket: string;
    readonly key: string;
    readonly versionId: string;
    readonly name: string;
    readonly sizeBytes: number;
    readonly etag: string;
    readonly receivedAt: Date;
    /** How many archives it came out of. */
    readonly depth: number;
    /** The same content came before. */
    readonly isDuplicate: boolean;
    /** It came before under another name. */
    readonly isRenamed: boolean;
    /** Null for a file that an earlier version of Longshore registered. */
    readonly head: StoredHead | null;
    /** Set once the file's object has left landing. */
    readonly archive: { readonly bucket: string; readonly key: string; readonly versionId: string } | null;
  };
}

export async function claimJobs(sql: Sql, options: ClaimOptions): Promise<ClaimedJob[]> {
  const { results, refused } = await runSet({
    rows: options.jobIds,
    keyOf: (id) => id,
    run: (ids) => claimSet(sql, ids, options),
  });
  if (refused[0] !== undefined) throw refused[0].error;
  return results.flat();
}

function claimSet(sql: Sql, ids: string[], options: ClaimOptions): Promise<ClaimedJob[]> {
  return sql<ClaimedJob[]>`
    WITH candidate AS (
      SELECT j.id, j.claim_token IS NOT DISTINCT FROM ${options.token}::uuid AS is_repeat, ${keepsAttempt(sql)} AS keeps_attempt,
        EXISTS (
          SELECT 1 FROM files f JOIN files o ON o.bucket = f.bucket AND o.key = f.key AND o.id <> f.id WHERE f.id = j.file_id
        ) AS shares_place
      FROM jobs j
      WHERE j.id = ANY(${ids}::uuid[]) AND j.queue = ANY(${[options.queue].flat()}::text[]) AND j.step_kind = ANY(${[...options.kinds]}::text[])
        AND ((j.state = 'PENDING' AND coalesce(j.next_action_at <= now(), true))
          OR (j.state = 'WAITING' AND j.next_action_at <= now())
          OR (j.state = 'RUNNING' AND j.lease_until < now())
          OR (j.state = 'RUNNING' AND j.claim_token = ${options.token}::uuid))
        AND NOT j.awaits_turn
      ORDER BY j.id FOR UPDATE OF j),
    claimed AS (
      UPDATE jobs j SET
        state = 'RUNNING', updated_at = now(), woken_at = NULL, next_action_at = NULL, wait_reason = NULL,
        started_at = coalesce(j.started_at, now()), worker = ${options.worker},
        processed_by = CASE WHEN j.queue = ANY(${[...LONG_QUEUE_IDS]}::text[]) THEN ${options.service} ELSE coalesce(j.processed_by, ${options.service}) END,
        shares_place = c.shares_place,
        claim_token = ${options.token}::uuid, lease_until = now() + ${options.leaseMs}::int * interval '1 ms',
        epoch = j.epoch + (NOT c.is_repeat)::int,
        step_attempts = j.step_attempts + (NOT c.is_repeat AND NOT c.keeps_attempt)::int,
        step_tries = j.step_tries + (NOT c.is_repeat)::int
      FROM candidate c WHERE j.id = c.id
      RETURNING j.*, c.is_repeat),
    event AS (
      SELECT 'job.claimed' AS type, tenant_id, file_id, id AS job_id,
        jsonb_build_object('worker', worker, 'epoch', epoch, 'generation', generation, 'step', step_kind,
          'attempt', step_attempts) AS detail,
        '{}'::text[] AS topics
      FROM claimed WHERE NOT is_repeat),
    ${recordEvents(sql, options.service)}
    SELECT c.id, c.tenant_id AS "tenantId", c.file_id AS "fileId", c.route_id AS "routeId",
      c.route_version_id AS "routeVersionId", c.generation, c.epoch, now() AS "claimedAt", c.is_large AS "isLarge", c.lane,
      c.released_at IS NOT NULL AS "isReleased", CASE WHEN c.released_at IS NULL THEN false ELSE EXISTS (
        SELECT 1 FROM job_steps h WHERE h.job_id = c.id AND h.seq = c.step_seq AND h.state = 'WAITING'
          AND h.finished_at <= c.released_at) END AS "isStepReleased",
      CASE WHEN c.step_tries > 1 THEN (SELECT h.output FROM job_steps h
        WHERE h.job_id = c.id AND h.seq = c.step_seq AND h.state = 'WAITING') END AS held, c.step_seq AS "stepSeq",
      c.step_kind AS "stepKind", c.step_attempts AS "stepAttempts", c.step_tries AS "stepTries",
      c.max_attempts AS "maxAttempts", c.object, c.time_zone AS "timeZone", c.shares_place AS "sharesPlace", c.branch, c.parent_seq AS "parentSeq", c.depth, c.inputs,
      c.parent_job_id IS NOT NULL AND EXISTS (
        SELECT 1 FROM jobs p WHERE p.id = c.parent_job_id AND p.state = 'CANCELLED') AS "isAbandoned",
      coalesce((SELECT jsonb_object_agg(s.seq, jsonb_build_object('kind', s.kind, 'output', s.output))
        FROM job_steps s WHERE s.job_id = c.id AND s.state = 'SUCCEEDED' AND s.seq < c.step_seq), '{}') AS outputs,
      jsonb_build_object('bucket', f.bucket, 'key', f.key, 'versionId', f.version_id, 'name', f.name,
        'sizeBytes', f.size_bytes, 'etag', f.etag, 'receivedAt', f.uploaded_at, 'isDuplicate', f.duplicate_of IS NOT NULL,
        'isRenamed', f.duplicate_of IS NOT NULL AND NOT EXISTS (
          SELECT 1 FROM files d WHERE d.id = f.duplicate_of AND d.bucket = f.bucket AND d.key = f.key),
        'head', f.head,
        'depth', CASE WHEN f.parent_file_id IS NULL THEN 0 ELSE (
          WITH RECURSIVE above AS (
            SELECT f.parent_file_id AS id, 1 AS depth
            UNION ALL SELECT p.parent_file_id, a.depth + 1 FROM above a JOIN files p ON p.id = a.id
            WHERE p.parent_file_id IS NOT NULL AND a.depth < 20)
          SELECT max(depth) FROM above) END,
        'archive', CASE WHEN f.archived_at IS NOT NULL THEN jsonb_build_object(
          'bucket', f.archive_bucket, 'key', f.archive_key, 'versionId', f.archive_version_id) END) AS file
    FROM claimed c JOIN files f ON f.id = c.file_id ORDER BY c.id`.then((rows) =>
    rows.map((row) => ({ ...row, file: { ...row.file, receivedAt: new Date(row.file.receivedAt) } })),
  );
}

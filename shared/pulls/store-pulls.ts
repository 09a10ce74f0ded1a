/**
 * What happens to a pull that a worker holds. Every statement is bound to the epoch of its claim: a stale one changes nothing and throws
 * `LEASE_LOST`.
 *
 * `notePullStage`: how far it is, and by what its file is known.
 * `landPull`:      the version in landing is a file, once, whether its event or this comes first; the pull never fetches again.
 * `landAgain`:     its bytes landed with an earlier pull: that one's file is its file.
 * `endPull`:       `COMPLETED`, `ERROR`, or `SKIPPED` for a file that a source listed and that vanished; lets others for the same file continue.
 * `delayPull`:     it is due again later; `isAttempt: false` gives the attempt of the claim back.
 * `unsettlePull`:  the file changed while it was fetched: it is seen again.
 *
 * Events: `pull.landed`, `pull.completed`, `pull.failed`, `pull.skipped`, `pull.retrying` (audit only), `pull.unsettled`.
 */
import type { Sql } from '#shared/db/connect-database.ts';
import { toJsonb } from '#shared/db/run-statements.ts';
import type { PullStage } from '#shared/db/schema.ts';
import { LongshoreError } from '#shared/errors.ts';
import { recordEvents } from '#shared/jobs/record-events.ts';
import { lockPulls, type PullIdentity } from './claim-pulls.ts';

export interface HeldPull {
  readonly id: string;
  readonly epoch: number;
}

export interface PullError {
  readonly code: string;
  readonly cause: string;
  readonly message: string;
}

function lost(id: string): LongshoreError {
  return new LongshoreError('LEASE_LOST', `The pull ${id} was taken over by somebody else.`);
}

export async function notePullStage(
  sql: Sql,
  { id, epoch }: HeldPull,
  stage: PullStage,
  identity?: PullIdentity,
): Promise<void> {
  const rows = await sql`
    UPDATE pulls SET status = 'RUNNING', transfer_stage = ${stage}, updated_at = now(),
      identity = CASE WHEN ${identity !== undefined} THEN ${toJsonb(identity ?? null)}::text::jsonb ELSE identity END
    WHERE id = ${id} AND epoch = ${epoch} AND lease_until IS NOT NULL RETURNING id`;
  if (rows.length === 0) throw lost(id);
}

export interface LandedObject {
  readonly bucket: string;
  readonly key: string;
  readonly versionId: string;
  readonly etag: string;
  readonly sizeBytes: number;
  readonly sha256: string | null;
  readonly name: string;
  /** As of every file in that directory. */
  readonly orderKey: string;
}

/** How long the event of the object may take, before the clock settles the file without it. */
const EVENT_MS = 5_000;

/** Resolves to the id of the file. */
export async function landPull(
  sql: Sql,
  { id, epoch }: HeldPull,
  object: LandedObject,
  actor: string,
): Promise<string> {
  const { bucket, key, versionId, etag, sizeBytes, sha256, name, orderKey } = object;
  const [row] = await sql<{ fileId: string }[]>`
    WITH held AS (SELECT * FROM pulls WHERE id = ${id} AND epoch = ${epoch} AND lease_until IS NOT NULL FOR UPDATE),
    filed AS (
      INSERT INTO files AS f (id, tenant_id, bucket, key, version_id, name, size_bytes, etag, source, uploaded_by, uploaded_at,
        order_key, status, queue, next_action_at)
      SELECT uuid_v7(), tenant_id, ${bucket}, ${key}, ${versionId}, ${name}, ${sizeBytes}, ${etag}, 'pull', remote, now(),
        ${orderKey}, 'UPLOADED', 'ingest', now() + ${EVENT_MS}::int * interval '1 ms'
      FROM held
      ON CONFLICT (bucket, key, version_id) DO UPDATE SET source = 'pull', uploaded_by = excluded.uploaded_by
      RETURNING f.id),
    landed AS (
      UPDATE pulls p SET transfer_stage = 'LANDED', file_id = filed.id, bucket = ${bucket}, key = ${key}, version_id = ${versionId},
        etag = ${etag}, size_bytes = ${sizeBytes}, sha256 = ${sha256}, attempts = 0, updated_at = now(),
        error_code = NULL, error_cause = NULL, error_message = NULL
      FROM held, filed WHERE p.id = held.id RETURNING p.*),
    event AS (
      SELECT 'pull.landed' AS type, tenant_id, file_id, NULL::uuid AS job_id,
        jsonb_strip_nulls(jsonb_build_object('pullId', id, 'remote', remote, 'remotePath', remote_path, 'key', key,
          'sizeBytes', size_bytes, 'sha256', sha256)) AS detail, '{events}'::text[] AS topics
      FROM landed),
    ${recordEvents(sql, actor)}
    SELECT file_id AS "fileId" FROM landed`;
  if (row === undefined) throw lost(id);
  return row.fileId;
}

export async function landAgain(sql: Sql, { id, epoch }: HeldPull, earlierId: string, actor: string): Promise<void> {
  const rows = await sql`
    WITH landed AS (
      UPDATE pulls p SET transfer_stage = 'LANDED', file_id = e.file_id, bucket = e.bucket, key = e.key, version_id = e.version_id,
        etag = e.etag, size_bytes = e.size_bytes, sha256 = e.sha256, attempts = 0, updated_at = now(),
        error_code = NULL, error_cause = NULL, error_message = NULL
      FROM pulls e WHERE e.id = ${earlierId} AND p.id = ${id} AND p.epoch = ${epoch} AND p.lease_until IS NOT NULL RETURNING p.*),
    event AS (
      SELECT 'pull.landed' AS type, tenant_id, file_id, NULL::uuid AS job_id,
        jsonb_build_object('pullId', id, 'remote', remote, 'remotePath', remote_path, 'key', key, 'sizeBytes', size_bytes,
          'sha256', sha256, 'sameAs', ${earlierId}::text) AS detail, '{events}'::text[] AS topics
      FROM landed),
    ${recordEvents(sql, actor)}
    SELECT id FROM landed`;
  if (rows.length === 0) throw lost(id);
}

export interface PullEnd {
  readonly status: 'COMPLETED' | 'ERROR' | 'SKIPPED';
  readonly error?: PullError | undefined;
  /** The remote file was deleted, moved, or left as the source says. */
  readonly isCleaned?: boolean;
  readonly isReplaced?: boolean;
}

export async function endPull(
  sql: Sql,
  { id, epoch }: HeldPull,
  { status, error, isCleaned = false, isReplaced = false }: PullEnd,
  actor: string,
): Promise<void> {
  const rows = await sql`
    WITH ${lockPulls(sql, id)},
    ended AS (
      UPDATE pulls SET status = ${status}, transfer_stage = CASE WHEN ${status} = 'COMPLETED' THEN 'DONE' ELSE transfer_stage END,
        completed_at = now(), updated_at = now(), lease_until = NULL, claim_token = NULL, woken_at = NULL, next_action_at = NULL,
        wait_reason = NULL, cleaned_at = CASE WHEN ${isCleaned} THEN now() ELSE cleaned_at END, source_replaced = ${isReplaced},
        error_code = ${error?.code ?? null}, error_cause = ${error?.cause ?? null}, error_message = ${error?.message ?? null}
      WHERE id = (SELECT id FROM pull_locked WHERE id = ${id} AND epoch = ${epoch} AND lease_until IS NOT NULL) RETURNING *),
    let_on AS (
      UPDATE pulls o SET woken_at = NULL FROM ended e, pull_locked l
      WHERE o.id = l.id AND l.id <> e.id AND l.status = 'TRIGGERED' AND l.woken_at IS NOT NULL),
    event AS (
      SELECT CASE status WHEN 'COMPLETED' THEN 'pull.completed' WHEN 'SKIPPED' THEN 'pull.skipped' ELSE 'pull.failed' END AS type,
        tenant_id, file_id, NULL::uuid AS job_id,
        jsonb_strip_nulls(jsonb_build_object('pullId', id, 'remote', remote, 'remotePath', remote_path, 'generation', generation,
          'sourceReplaced', nullif(source_replaced, false), 'code', error_code, 'cause', error_cause, 'message', error_message)) AS detail,
        CASE WHEN status = 'ERROR' THEN '{events,failure}'::text[] ELSE '{events}'::text[] END AS topics
      FROM ended),
    ${recordEvents(sql, actor)}
    SELECT id FROM ended`;
  if (rows.length === 0) throw lost(id);
}

export interface PullDelay {
  readonly afterMs: number;
  readonly reason: string;
  /** A failure that is tried again. */
  readonly error?: PullError | undefined;
  /** Whether the attempt that the claim counted was one. */
  readonly isAttempt: boolean;
}

export async function delayPull(
  sql: Sql,
  { id, epoch }: HeldPull,
  { afterMs, reason, error, isAttempt }: PullDelay,
  actor: string,
): Promise<void> {
  const rows = await sql`
    WITH delayed AS (
      UPDATE pulls SET status = CASE WHEN transfer_stage = 'LANDED' THEN 'RUNNING' ELSE 'TRIGGERED' END,
        next_action_at = now() + ${afterMs}::float8 * interval '1 ms', wait_reason = ${reason}, woken_at = NULL, lease_until = NULL,
        claim_token = NULL, updated_at = now(),
        attempts = CASE WHEN ${isAttempt} THEN attempts + (transfer_stage IN ('LANDED', 'CLEANING'))::int
          WHEN transfer_stage IN ('LANDED', 'CLEANING') THEN attempts ELSE greatest(0, attempts - 1) END,
        error_code = coalesce(${error?.code ?? null}, error_code), error_cause = coalesce(${error?.cause ?? null}, error_cause),
        error_message = coalesce(${error?.message ?? null}, error_message)
      WHERE id = ${id} AND epoch = ${epoch} AND lease_until IS NOT NULL RETURNING *),
    event AS (
      SELECT 'pull.retrying' AS type, tenant_id, file_id, NULL::uuid AS job_id,
        jsonb_build_object('pullId', id, 'remotePath', remote_path, 'stage', transfer_stage, 'attempt', attempts,
          'code', error_code, 'cause', error_cause, 'message', error_message, 'nextActionAt', next_action_at) AS detail,
        '{}'::text[] AS topics
      FROM delayed WHERE ${error !== undefined}),
    ${recordEvents(sql, actor)}
    SELECT id FROM delayed`;
  if (rows.length === 0) throw lost(id);
}

/** After so many changes it is told, once. */
export const MOST_UNSETTLED = 10;

/** A pull that was asked for on its own is due again; one of a source waits for the next listing. */
export async function unsettlePull(sql: Sql, { id, epoch }: HeldPull, afterMs: number, actor: string): Promise<void> {
  const rows = await sql`
    WITH unsettled AS (
      UPDATE pulls SET status = CASE WHEN source IS NULL THEN 'TRIGGERED' ELSE 'SEEN' END, transfer_stage = 'WAITING',
        identity = NULL, identity_hash = NULL, changed_at = now(), unsettled = unsettled + 1, attempts = greatest(0, attempts - 1),
        next_action_at = CASE WHEN source IS NULL THEN now() + ${afterMs}::float8 * interval '1 ms' END, wait_reason = 'unsettled',
        woken_at = NULL, lease_until = NULL, claim_token = NULL, updated_at = now()
      WHERE id = ${id} AND epoch = ${epoch} AND lease_until IS NOT NULL RETURNING *),
    event AS (
      SELECT 'pull.unsettled' AS type, tenant_id, NULL::uuid AS file_id, NULL::uuid AS job_id,
        jsonb_build_object('pullId', id, 'remote', remote, 'remotePath', remote_path) AS detail, '{events}'::text[] AS topics
      FROM unsettled WHERE unsettled = ${MOST_UNSETTLED}),
    ${recordEvents(sql, actor)}
    SELECT id FROM unsettled`;
  if (rows.length === 0) throw lost(id);
}

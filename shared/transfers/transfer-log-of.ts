/**
 * The log of one transfer, in the tables `transfers` and `transfer_parts`.
 *
 * 1. One statement per call. Each locks the owner's row at its epoch, and is nothing when the epoch is another: who holds the owner
 *    then has the upload. `progress`, once a second, compares with the epoch that `begin` wrote.
 * 2. Each may be repeated after a lost reply.
 * 3. The first parts that are written under an epoch are progress of its job: should the lease be lost, no attempt is.
 */
import type { Sql } from '#shared/db/connect-database.ts';
import { repeatOnLostDatabase, toJsonb } from '#shared/db/run-statements.ts';
import { LongshoreError } from '#shared/errors.ts';
import type { LeftTransfer, TransferFacts, TransferLog } from '#shared/files/copies/transfer-log.ts';
import { noteProgress } from '#shared/jobs/note-progress.ts';

export interface TransferOwner {
  readonly owner: 'job' | 'file' | 'pull';
  readonly id: string;
  readonly epoch: number;
  readonly tenantId: string;
  readonly fileId: string;
  /** The job's step; 0 for a file; the generation of a pull. */
  readonly seq: number;
  /** The step's kind, or `archive`. */
  readonly purpose: string;
  readonly worker: string;
}

/** One answer that never comes must not hold a copy for ever. */
const DEADLINE_MS = 10_000;
/** A database that restarts is waited for; the lease has its own end. */
const REPEAT_FOR_MS = 30_000;

type TransferEnd = 'DONE' | 'ABORTED';

export function transferLogOf(sql: Sql, transfer: TransferOwner): TransferLog {
  const { owner, id, epoch, seq } = transfer;
  const holders = {
    job: () => sql`SELECT id FROM jobs WHERE id = ${id} AND epoch = ${epoch} AND state = 'RUNNING' FOR SHARE`,
    file: () => sql`SELECT id FROM files WHERE id = ${id} AND epoch = ${epoch} AND status = 'PROCESSING' FOR SHARE`,
    pull: () => sql`SELECT id FROM pulls WHERE id = ${id} AND epoch = ${epoch} AND lease_until IS NOT NULL FOR SHARE`,
  };
  const held = holders[owner];

  let hasProgress = owner === 'file';

  const repeat = <Answer>(statement: () => Promise<Answer>) =>
    repeatOnLostDatabase(statement, { deadlineMs: DEADLINE_MS, forMs: REPEAT_FOR_MS });

  async function ask<Row>(statement: () => Promise<Row[]>): Promise<Row> {
    const [row] = await repeat(statement);
    if (row === undefined)
      throw new LongshoreError('LEASE_LOST', `The copy of ${owner} ${id} was taken over or ended by somebody else.`);
    return row;
  }

  async function moveTo(state: 'COMPLETING' | 'ABORTING'): Promise<void> {
    await ask(
      () => sql`
        WITH holder AS (${held()})
        UPDATE transfers t SET state = ${state}, updated_at = now() FROM holder h
        WHERE t.owner_id = h.id AND t.seq = ${seq} AND t.epoch = ${epoch} RETURNING t.seq`,
    );
  }

  /** The parts are of no use any more. */
  async function end(state: TransferEnd): Promise<void> {
    await ask(
      () => sql`
        WITH holder AS (${held()}),
        ended AS (
          UPDATE transfers t SET state = ${state}, updated_at = now(), finished_at = now(),
            bytes_done = CASE WHEN ${state} = 'DONE' THEN coalesce(t.bytes_total, t.bytes_done) ELSE t.bytes_done END
          FROM holder h WHERE t.owner_id = h.id AND t.seq = ${seq} AND t.epoch = ${epoch} RETURNING t.owner_id, t.seq),
        forgotten AS (DELETE FROM transfer_parts p USING ended e WHERE p.owner_id = e.owner_id AND p.seq = e.seq)
        SELECT seq FROM ended`,
    );
  }

  return {
    async begin(facts) {
      const row = await ask<LeftRow>(
        () => sql`
          WITH holder AS (${held()}),
          taken AS (
            INSERT INTO transfers AS t (owner_id, seq, owner, purpose, tenant_id, file_id, epoch, state, plan, store, bucket, key,
              source_etag, part_bytes, bytes_total, worker)
            SELECT h.id, ${seq}, ${owner}, ${transfer.purpose}, ${transfer.tenantId}, ${transfer.fileId}, ${epoch}, 'COPYING',
              ${facts.plan}, ${facts.store ?? null}, ${facts.target.bucket}, ${facts.target.key}, ${facts.sourceEtag},
              ${facts.partBytes}, ${facts.sizeBytes}, ${transfer.worker}
            FROM holder h
            ON CONFLICT (owner_id, seq) DO UPDATE SET epoch = EXCLUDED.epoch, worker = EXCLUDED.worker, plan = EXCLUDED.plan,
              state = CASE WHEN t.state = 'ABORTING' THEN t.state ELSE 'COPYING' END,
              resumes = t.resumes + (t.upload_id IS NOT NULL AND t.epoch < EXCLUDED.epoch AND EXCLUDED.bytes_total IS NOT NULL)::int,
              next_action_at = NULL,
              finished_at = NULL, updated_at = now()
            RETURNING *)
          SELECT t.plan, t.store, t.bucket, t.key, t.source_etag AS "sourceEtag", t.bytes_total::float8 AS "sizeBytes",
            t.part_bytes::float8 AS "partBytes", t.upload_id AS "uploadId", t.state = 'ABORTING' AS "isAborting",
            coalesce((SELECT jsonb_agg(jsonb_build_object('number', p.number, 'etag', p.etag, 'checksum', p.checksum,
              'sizeBytes', p.size_bytes)) FROM transfer_parts p WHERE p.owner_id = t.owner_id AND p.seq = t.seq), '[]') AS parts
          FROM taken t`,
      );
      return leftTransfer(row);
    },
    async created(facts, uploadId) {
      await ask(
        () => sql`
          WITH holder AS (${held()}),
          begun AS (
            UPDATE transfers t SET state = 'COPYING', upload_id = ${uploadId}, plan = ${facts.plan}, store = ${facts.store ?? null},
              bucket = ${facts.target.bucket}, key = ${facts.target.key}, source_etag = ${facts.sourceEtag}, part_bytes = ${facts.partBytes},
              bytes_total = ${facts.sizeBytes}, bytes_done = 0, bytes_per_second = 0, updated_at = now(), started_at = now()
            FROM holder h WHERE t.owner_id = h.id AND t.seq = ${seq} AND t.epoch = ${epoch} RETURNING t.owner_id, t.seq),
          forgotten AS (DELETE FROM transfer_parts p USING begun b WHERE p.owner_id = b.owner_id AND p.seq = b.seq)
          SELECT seq FROM begun`,
      );
    },
    async progress({ parts, bytesDone, bytesPerSecond }) {
      await ask(
        () => sql`
          WITH moved AS (
            UPDATE transfers SET bytes_done = ${bytesDone}, bytes_per_second = ${bytesPerSecond}, updated_at = now()
            WHERE owner_id = ${id} AND seq = ${seq} AND epoch = ${epoch} AND state = 'COPYING' RETURNING owner_id, seq),
          kept AS (
            INSERT INTO transfer_parts (owner_id, seq, number, etag, checksum, size_bytes)
            SELECT m.owner_id, m.seq, r.number, r.etag, r.checksum, r."sizeBytes" FROM moved m, jsonb_to_recordset(
              ${toJsonb(parts)}::text::jsonb) AS r(number int, etag text, checksum text, "sizeBytes" bigint)
            ON CONFLICT (owner_id, seq, number) DO UPDATE SET etag = EXCLUDED.etag, checksum = EXCLUDED.checksum)
          SELECT seq FROM moved`,
      );
      if (hasProgress || parts.length === 0) return;
      await repeat(() => (owner === 'pull' ? giveAttemptBack(sql, transfer) : noteProgress(sql, transfer)));
      hasProgress = true;
    },
    completing: () => moveTo('COMPLETING'),
    aborting: () => moveTo('ABORTING'),
    done: () => end('DONE'),
    aborted: () => end('ABORTED'),
    async found() {
      await repeat(
        () => sql`
          WITH holder AS (${held()}),
          ended AS (
            UPDATE transfers t SET state = 'DONE', bytes_done = coalesce(t.bytes_total, t.bytes_done), updated_at = now(),
              finished_at = now()
            FROM holder h WHERE t.owner_id = h.id AND t.seq = ${seq} AND t.state IN ('COPYING', 'COMPLETING')
            RETURNING t.owner_id, t.seq)
          DELETE FROM transfer_parts p USING ended e WHERE p.owner_id = e.owner_id AND p.seq = e.seq`,
      );
    },
  };
}

/** What was finished under this claim stays, so that a crash costs no attempt. */
async function giveAttemptBack(sql: Sql, { id, epoch }: TransferOwner): Promise<void> {
  await sql`
    UPDATE pulls SET attempts = greatest(0, attempts - 1), progress_epoch = epoch
    WHERE id = ${id} AND epoch = ${epoch} AND progress_epoch IS DISTINCT FROM epoch`;
}

interface LeftRow
  extends Omit<LeftTransfer, 'target' | 'uploadId' | keyof TransferFacts>,
    Omit<TransferFacts, 'target' | 'store'> {
  readonly store: string | null;
  readonly bucket: string;
  readonly key: string;
  readonly uploadId: string | null;
}

function leftTransfer({ store, bucket, key, uploadId, ...facts }: LeftRow): LeftTransfer | undefined {
  return uploadId === null ? undefined : { ...facts, store: store ?? undefined, target: { bucket, key }, uploadId };
}

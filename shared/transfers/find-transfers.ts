/** How far copies in parts are, archive copies included: for the API and whoever watches. */
import type { Sql } from '#shared/db/connect-database.ts';
import type { TransferPlan } from '#shared/files/copies/transfer-log.ts';

export interface TransferView {
  /** The job; the file for its archive copy. */
  readonly ownerId: string;
  /** `deliver`, `stage` ..., or `archive`. */
  readonly purpose: string;
  /** The job's step, from 0; null for the archive copy. */
  readonly stepSeq: number | null;
  readonly plan: TransferPlan;
  /** For an external store, where it goes, by the name of its definition; null for the fleet's own. */
  readonly store: string | null;
  readonly state: 'COPYING' | 'COMPLETING' | 'ABORTING' | 'DONE' | 'ABORTED';
  /** With what has been moved of parts in flight. */
  readonly bytesDone: number;
  /** Null of a stream whose length is not known. */
  readonly bytesTotal: number | null;
  /** Of late; 0 before the first second, and when nothing was heard of the copy for some. */
  readonly bytesPerSecond: number;
  /** At that rate; null when that or the total is not known, or nothing is left to copy. */
  readonly secondsLeft: number | null;
  readonly partBytes: number;
  readonly resumes: number;
  /** How the copy was found true to its source; null before, and for the archive copy. */
  readonly proof: string | null;
  readonly startedAt: Date;
  readonly updatedAt: Date;
  readonly finishedAt: Date | null;
}

/** A copy under way is written down every second while its rate is not 0: one that is not has lost its worker, or its database. */
const SILENT_MS = 15_000;

/** Of a job and its file, in the order in which they began; none for a job whose copies are small. */
export async function findTransfers(sql: Sql, jobId: string): Promise<TransferView[]> {
  const [job] = await sql<{ fileId: string }[]>`SELECT file_id AS "fileId" FROM jobs WHERE id = ${jobId}`;
  return job === undefined ? [] : await findTransfersOf(sql, [jobId, job.fileId]);
}

/** Of jobs and files, in the order in which they began. */
export async function findTransfersOf(sql: Sql, ownerIds: readonly string[]): Promise<TransferView[]> {
  if (ownerIds.length === 0) return [];
  return await sql<TransferView[]>`
    SELECT t.owner_id AS "ownerId", t.purpose, CASE WHEN t.owner = 'job' THEN t.seq END AS "stepSeq", t.plan, t.store, t.state,
      t.bytes_done::float8 AS "bytesDone", t.bytes_total::float8 AS "bytesTotal", r.bytes_per_second::float8 AS "bytesPerSecond",
      CASE WHEN t.state = 'COPYING' AND r.bytes_per_second > 0
        THEN ceil((t.bytes_total - t.bytes_done)::float8 / r.bytes_per_second)::float8 END AS "secondsLeft",
      t.part_bytes::float8 AS "partBytes", t.resumes, s.output #>> '{copy,proof}' AS proof, t.started_at AS "startedAt",
      t.updated_at AS "updatedAt", t.finished_at AS "finishedAt"
    FROM transfers t
    CROSS JOIN LATERAL (
      SELECT CASE WHEN t.state IN ('COPYING', 'COMPLETING') AND t.updated_at < now() - ${SILENT_MS}::int * interval '1 ms' THEN 0
        ELSE t.bytes_per_second END AS bytes_per_second) r
    LEFT JOIN job_steps s ON t.owner = 'job' AND s.job_id = t.owner_id AND s.seq = t.seq AND s.state = 'SUCCEEDED'
    WHERE t.owner_id = ANY(${[...ownerIds]}::uuid[])
    ORDER BY t.started_at, t.owner_id, t.seq`;
}

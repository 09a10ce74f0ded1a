/** How far the copies of a job are, its file's archive copy included: for the API and whoever watches. */
import type { Sql } from '#shared/db/connect-database.ts';
import type { CopyPlan } from '#shared/files/transfer-log.ts';

export interface TransferView {
  /** `deliver`, `stage` ..., or `archive`. */
  readonly purpose: string;
  /** The job's step, from 0; null for the archive copy. */
  readonly stepSeq: number | null;
  readonly plan: CopyPlan;
  readonly state: 'COPYING' | 'COMPLETING' | 'ABORTING' | 'DONE' | 'ABORTED';
  readonly bytesDone: number;
  readonly bytesTotal: number;
  /** Of late; 0 before the first second. */
  readonly bytesPerSecond: number;
  /** At that rate; null when it is not known or nothing is left to copy. */
  readonly secondsLeft: number | null;
  readonly partBytes: number;
  readonly resumes: number;
  readonly startedAt: Date;
  readonly updatedAt: Date;
  readonly finishedAt: Date | null;
}

/** In the order in which they began; none for a job whose copies are small. */
export async function findTransfers(sql: Sql, jobId: string): Promise<TransferView[]> {
  return await sql<TransferView[]>`
    SELECT purpose, CASE WHEN owner = 'job' THEN seq END AS "stepSeq", plan, state, bytes_done::float8 AS "bytesDone",
      bytes_total::float8 AS "bytesTotal", bytes_per_second::float8 AS "bytesPerSecond",
      CASE WHEN state = 'COPYING' AND bytes_per_second > 0
        THEN ceil((bytes_total - bytes_done)::float8 / bytes_per_second)::float8 END AS "secondsLeft",
      part_bytes::float8 AS "partBytes", resumes, started_at AS "startedAt", updated_at AS "updatedAt",
      finished_at AS "finishedAt"
    FROM transfers
    WHERE owner_id = ${jobId} OR owner_id = (SELECT file_id FROM jobs WHERE id = ${jobId})
    ORDER BY started_at`;
}

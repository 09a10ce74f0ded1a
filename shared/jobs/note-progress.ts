/**
 * Progress: something of the current step is finished that whoever takes the job over finds, e.g. parts of a copy, or rows of a file.
 *
 * 1. A lease that ran out after progress under its claim uses up no attempt: a copy of many hours survives any number of lost workers.
 * 2. What can be finished is finite, and what a takeover finds is not its own progress: a job that kills its worker comes to an end.
 *
 * `noteProgress` at a stale epoch changes nothing. No event: it is seen in what was finished.
 */
import type { Sql } from '#shared/db/connect-database.ts';
import type { Holding } from './renew-leases.ts';

export async function noteProgress(sql: Sql, { id, epoch }: Holding): Promise<void> {
  await sql`
    UPDATE jobs SET progress_epoch = epoch
    WHERE id = ${id} AND epoch = ${epoch} AND state = 'RUNNING' AND progress_epoch IS DISTINCT FROM epoch`;
}

/** What had been finished was taken back. */
export async function dropProgress(sql: Sql, { id, epoch }: Holding): Promise<void> {
  await sql`UPDATE jobs SET progress_epoch = NULL WHERE id = ${id} AND epoch = ${epoch} AND progress_epoch IS NOT NULL`;
}

/** Whether the next claim of job `j` continues with the attempt of the last one. */
export function keepsAttempt(sql: Sql) {
  return sql`(j.state = 'RUNNING' AND j.progress_epoch IS NOT DISTINCT FROM j.epoch)`;
}

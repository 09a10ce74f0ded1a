/**
 * The steps' record store over the transitions of this folder, bound to one claimed job.
 *
 * 1. A database that restarts costs time and no attempt: what is asked is asked again for as long as the lease can hold, and a second time
 *    it changes nothing.
 */
import type { Sql } from '#shared/db/connect-database.ts';
import { repeatOnLostDatabase } from '#shared/db/run-statements.ts';
import { LongshoreError } from '#shared/errors.ts';
import { dropProgress, noteProgress } from '#shared/jobs/note-progress.ts';
import { isReleased } from '#shared/jobs/release-jobs.ts';
import type { RecordStore } from '#shared/steps/record-store.ts';
import { countInserted, discardAccepted, discardAll, findLineBefore, insertRecords } from './insert-records.ts';
import { openRecords, type WokenChunk } from './open-records.ts';
import { findResults, summariseRecords } from './summarise-records.ts';

/** Chunks of one job that are in the queue at once: enough to keep a few workers busy, few enough to leave room for other jobs. */
export const CHUNK_WINDOW = 8;

export interface RecordStoreOptions {
  readonly sql: Sql;
  readonly job: { readonly id: string; readonly epoch: number };
  /** Chunks of one job that are in the queue at once. */
  readonly window: number;
  readonly leaseMs: number;
  /** After the commit; a wake-up that is not sent costs time only. */
  readonly onWoken: (chunks: readonly WokenChunk[]) => void;
}

export function createRecordStore({ sql, job, window, leaseMs, onWoken }: RecordStoreOptions): RecordStore {
  const at = { jobId: job.id, epoch: job.epoch };
  const held = <Answer>(answer: Answer | undefined): Answer => {
    if (answer === undefined) throw new LongshoreError('LEASE_LOST', `The job ${job.id} is another worker's now.`);
    return answer;
  };
  let hasProgress = false;
  const ask = <Answer>(statement: () => Promise<Answer>) =>
    repeatOnLostDatabase(statement, { deadlineMs: leaseMs, forMs: leaseMs });
  return {
    findLineBefore: (rows) => ask(() => findLineBefore(sql, job.id, rows)),
    count: () => ask(() => countInserted(sql, job.id)),
    async insert(records) {
      const inserted = held(await ask(() => insertRecords(sql, { ...at, records })));
      if (!hasProgress && inserted.accepted + inserted.rejected > 0) {
        hasProgress = true;
        await ask(() => noteProgress(sql, job));
      }
      return inserted;
    },
    async discardAccepted() {
      await ask(() => dropProgress(sql, job));
      held((await discardAccepted(sql, at)) || undefined);
    },
    async discardAll() {
      await ask(() => dropProgress(sql, job));
      held((await discardAll(sql, at)) || undefined);
    },
    isReleased: () => ask(() => isReleased(sql, job.id)),
    async open() {
      const opened = held(await ask(() => openRecords(sql, { ...at, window })));
      onWoken(opened.woken);
      return { openRecords: opened.openRecords, isPaused: opened.isPaused };
    },
    summarise: () => ask(() => summariseRecords(sql, job.id)),
    results: (afterLine, limit) => ask(() => findResults(sql, job.id, afterLine, limit)),
  };
}

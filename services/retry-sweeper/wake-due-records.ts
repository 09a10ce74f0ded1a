/**
 * One tick of the clock of records: what is due goes back to the call at which it failed, in new chunks, and chunks that are due, orphaned,
 * let in or lost are woken. Statements mark what they take, so several sweepers share the work.
 */

import { CHUNK_WINDOW } from '#shared/records/create-record-store.ts';
import type { WokenChunk } from '#shared/records/open-records.ts';
import { sweepRecords } from '#shared/records/sweep-records.ts';
import { wakeChunks } from '#shared/records/wake-chunks.ts';
import { STEP_QUEUE_IDS } from '#shared/runtime/config/resource-names.ts';
import { reportRefused, type WakeDueRowsOptions } from './wake-due-rows.ts';

export type WakeDueRecordsOptions = Omit<WakeDueRowsOptions, 'admissionWindow'>;

const ACTOR = 'retry-sweeper';
/** Chunks for one reason in one statement. */
const MOST_CHUNKS = 500;
/** Records that are gathered in one statement: at most a hundred to a chunk, at worst one. */
const MOST_RECORDS = 5_000;

/** `again`: there was more than one statement takes. */
export async function wakeDueRecords(options: WakeDueRecordsOptions): Promise<'again' | 'done'> {
  // What is missing may be wake-ups of jobs: their clock counts for itself, and a wake-up too many costs a claim.
  const counts = await Promise.all(STEP_QUEUE_IDS.map((queue) => options.countMissing(queue)));
  if (counts.every((count) => count === undefined)) return 'done';
  const missing = counts.reduce<number>((sum, count = 0) => sum + count, 0);
  const swept = await sweep(options);
  const woken = await wake(missing, options);
  const isMore = swept.length * 100 >= MOST_RECORDS || woken.length >= MOST_CHUNKS;
  return isMore && options.budget.left() > 0 ? 'again' : 'done';
}

async function sweep(options: WakeDueRecordsOptions): Promise<WokenChunk[]> {
  const limit = Math.min(MOST_RECORDS, options.budget.left());
  if (limit === 0) return [];
  const chunks = await sweepRecords(options.sql, {
    limit,
    actor: ACTOR,
    onRefused: reportRefused('records of a job', options),
  });
  await send(chunks, options);
  if (chunks.length > 0) options.logger.info({ chunks: chunks.length }, 'records swept');
  return chunks;
}

async function wake(missing: number, options: WakeDueRecordsOptions): Promise<WokenChunk[]> {
  const limit = Math.min(MOST_CHUNKS, options.budget.left());
  if (limit === 0) return [];
  const { graceMs, boundMs } = options;
  const chunks = await wakeChunks(options.sql, {
    limit,
    missing,
    window: CHUNK_WINDOW,
    graceMs,
    boundMs,
    onRefused: reportRefused('chunk', options),
  });
  await send(chunks, options);
  if (chunks.length > 0) options.logger.info({ chunks: chunks.length, missing }, 'chunks woken');
  return chunks;
}

async function send(chunks: readonly WokenChunk[], { budget, senders, metrics }: WakeDueRecordsOptions): Promise<void> {
  if (chunks.length === 0) return;
  budget.spend(chunks.length);
  await senders.sendChunks(chunks);
  for (const { queue } of chunks) metrics.wakes.inc({ queue, row: 'chunk' });
}

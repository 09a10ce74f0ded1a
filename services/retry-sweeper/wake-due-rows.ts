/**
 * One tick of the clocks: wakes the jobs and files that are due, orphaned, let in or lost. Statements mark what they wake, so several
 * sweepers share the work and none wakes a row twice. Rows of a queue that does not answer are left as they are.
 */
import type { Sql } from '#shared/db/connect-database.ts';
import { giveDueTurns } from '#shared/jobs/give-turns.ts';
import type { OnRefused } from '#shared/jobs/wake-chosen.ts';
import { wakeFiles } from '#shared/jobs/wake-files.ts';
import { wakeJobs } from '#shared/jobs/wake-jobs.ts';
import type { DueRow, WakeUpSenders } from '#shared/jobs/wake-up-senders.ts';
import { WORK_QUEUE_IDS, type WorkQueue } from '#shared/runtime/config/resource-names.ts';
import type { Logger } from '#shared/runtime/logger.ts';
import type { CountMissing } from './count-missing.ts';
import type { RetrySweeperMetrics } from './metrics.ts';
import type { WakeBudget } from './wake-budget.ts';

export interface WakeDueRowsOptions {
  readonly sql: Sql;
  readonly senders: WakeUpSenders;
  readonly countMissing: CountMissing;
  readonly budget: WakeBudget;
  /** Wake-ups of one tenant that may be in one queue. */
  readonly admissionWindow: number;
  readonly graceMs: number;
  readonly boundMs: number;
  readonly metrics: Pick<RetrySweeperMetrics, 'wakes' | 'missing' | 'refusedRows'>;
  readonly logger: Logger;
}

const ACTOR = 'retry-sweeper';
/** Rows of one kind in one statement. */
const MOST_ROWS = 500;

/** `again`: there was more than one statement takes. */
export async function wakeDueRows(options: WakeDueRowsOptions): Promise<'again' | 'done'> {
  const [ingest, ...work] = await Promise.all([
    countMissing('ingest', options),
    ...WORK_QUEUE_IDS.map(async (queue) => ({ queue, missing: await countMissing(queue, options) })),
  ]);
  const counts = [work.some(({ missing }) => missing === undefined) ? 0 : await giveTurns(options)];
  // In the order of lanes: what is left of the budget is the next one's.
  for (const { queue, missing } of work)
    counts.push(missing === undefined ? 0 : await wakeDueJobs(queue, missing, options));
  counts.push(ingest === undefined ? 0 : await wakeDueFiles(ingest, options));
  return counts.some((count) => count >= MOST_ROWS) && options.budget.left() > 0 ? 'again' : 'done';
}

/** Lines of ordered routes whose next job can have the turn. */
async function giveTurns(options: WakeDueRowsOptions): Promise<number> {
  const limit = Math.min(MOST_ROWS, options.budget.left());
  if (limit === 0) return 0;
  const { sql, senders, budget, admissionWindow: window, metrics, logger } = options;
  const jobs = await giveDueTurns(sql, { limit, window, actor: ACTOR, onRefused: reportRefused('line', options) });
  if (jobs.length === 0) return 0;
  budget.spend(jobs.length);
  await senders.sendJobs(jobs);
  for (const { queue } of jobs) metrics.wakes.inc({ queue, row: 'job' });
  logger.info({ jobs: jobs.length }, 'turns given');
  return jobs.length;
}

async function wakeDueJobs(queue: WorkQueue, missing: number, options: WakeDueRowsOptions): Promise<number> {
  const limit = Math.min(MOST_ROWS, options.budget.left());
  if (limit === 0) return 0;
  const { sql, senders, budget, admissionWindow: window, graceMs, boundMs, metrics, logger } = options;
  const jobs = await wakeJobs(sql, {
    queue,
    window,
    limit,
    missing,
    graceMs,
    boundMs,
    actor: ACTOR,
    onRefused: reportRefused('job', options),
  });
  if (jobs.length === 0) return 0;
  budget.spend(jobs.length);
  await senders.sendJobs(jobs);
  metrics.wakes.inc({ queue, row: 'job' }, jobs.length);
  logger.info({ queue, jobs: jobs.length, missing }, 'jobs woken');
  return jobs.length;
}

async function wakeDueFiles(missing: number, options: WakeDueRowsOptions): Promise<number> {
  const limit = Math.min(MOST_ROWS, options.budget.left());
  if (limit === 0) return 0;
  const { sql, senders, budget, graceMs, boundMs, metrics, logger } = options;
  const files = await wakeFiles(sql, {
    limit,
    missing,
    graceMs,
    boundMs,
    actor: ACTOR,
    onRefused: reportRefused('file', options),
  });
  if (files.length === 0) return 0;
  budget.spend(files.length);
  const archives = files.flatMap(({ queue, ...file }): DueRow[] => (queue === 'ingest' ? [] : [{ ...file, queue }]));
  await Promise.all([
    senders.sendFiles(files.filter(({ queue }) => queue === 'ingest')),
    senders.sendArchives(archives),
  ]);
  for (const { queue } of files) metrics.wakes.inc({ queue, row: 'file' });
  logger.info({ files: files.length, archives: archives.length, missing }, 'files woken');
  return files.length;
}

/** A refused row is the operator's: the clock puts it off and continues with the others. */
export function reportRefused(
  row: 'job' | 'file' | 'line' | 'chunk' | 'records of a job',
  { metrics, logger }: Pick<WakeDueRowsOptions, 'metrics' | 'logger'>,
): OnRefused {
  return (id, error) => {
    metrics.refusedRows.inc({ row });
    logger.error({ err: error, row, id }, 'row refused by the database, the others are woken');
  };
}

async function countMissing(queue: 'ingest' | WorkQueue, options: WakeDueRowsOptions): Promise<number | undefined> {
  const missing = await options.countMissing(queue);
  if (missing !== undefined && missing > 0) options.metrics.missing.inc({ queue }, missing);
  return missing;
}

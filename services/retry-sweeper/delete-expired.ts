/**
 * Deletes finished files whose time has come: a batch of one tenant at a tick, no more in a second than the fleet can spare.
 *
 * 1. The dates are brought up to the present definitions meanwhile (`shared/retention/redate-files.ts`).
 * 2. A tenant has its turn until a batch finds nothing; a hold that is placed meanwhile ends its turn.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { Sql } from '#shared/db/connect-database.ts';
import {
  type Deletion,
  deleteExpiredFiles,
  deleteExpiredRecords,
  type ExpiryTurn,
  expireObjects,
  findExpiryTurns,
} from '#shared/retention/delete-expired.ts';
import { redateFiles, setRetentionDefault } from '#shared/retention/redate-files.ts';
import type { Logger } from '#shared/runtime/logger.ts';
import type { RetrySweeperMetrics } from './metrics.ts';

const ACTOR = 'retry-sweeper';
const FILES_AT_ONCE = 500;
const RECORDS_AT_ONCE = 5_000;
/** So many rows take as long as a file with its jobs and steps. */
const RECORDS_PER_FILE = 10;
const DATED_AT_ONCE = 1_000;

export interface DeleteExpiredOptions {
  readonly sql: Sql;
  /** Where objects are deleted. */
  readonly buckets: readonly string[];
  /** Of files that no definition says anything about; 0 keeps them. */
  readonly defaultMs: number;
  readonly filesPerSecond: number;
  readonly metrics: Pick<RetrySweeperMetrics, 'expiredFiles'>;
  readonly logger: Logger;
}

export function createDeleteExpired(options: DeleteExpiredOptions): (signal: AbortSignal) => Promise<'again' | 'done'> {
  const { sql, buckets, defaultMs, filesPerSecond, metrics, logger } = options;
  let turns: ExpiryTurn[] | undefined;

  async function deleteBatch(turn: ExpiryTurn): Promise<number> {
    const batch = { ...turn, limit: Math.min(FILES_AT_ONCE, filesPerSecond), buckets, actor: ACTOR };
    const expired = await expireObjects(sql, batch);
    metrics.expiredFiles.inc({ outcome: 'objects expired' }, expired.files);
    const records = await deleteExpiredRecords(sql, { ...turn, files: batch.limit, limit: RECORDS_AT_ONCE });
    // Their files would be met with what is left of their records, and put off.
    if (records === RECORDS_AT_ONCE) return seenIn(expired) + records / RECORDS_PER_FILE;
    const deleted = await deleteExpiredFiles(sql, batch);
    metrics.expiredFiles.inc({ outcome: 'deleted' }, deleted.files);
    for (const [reason, files] of [...Object.entries(expired.kept), ...Object.entries(deleted.kept)])
      metrics.expiredFiles.inc({ outcome: `kept: ${reason}` }, files);
    if (deleted.files + expired.files > 0)
      logger.info(
        { tenant: turn.tenantId, files: deleted.files, jobs: deleted.jobs, objects: deleted.objects + expired.objects },
        'expired files deleted',
      );
    return seenIn(expired) + seenIn(deleted) + Math.ceil(records / RECORDS_PER_FILE);
  }

  return async (signal) => {
    const startedMs = performance.now();
    await setRetentionDefault(sql, defaultMs);
    const isDating = await redateFiles(sql, DATED_AT_ONCE);
    turns ??= await findExpiryTurns(sql);
    const turn = turns[0];
    const seen = turn === undefined ? 0 : await deleteBatch(turn);
    if (seen === 0) turns.shift();
    const isMore = isDating || turns.length > 0;
    if (!isMore) turns = undefined;
    const pauseMs =
      ((seen + (isDating ? DATED_AT_ONCE : 0)) / filesPerSecond) * 1_000 - (performance.now() - startedMs);
    if (pauseMs > 0) await delay(pauseMs, undefined, { signal }).catch(() => undefined);
    return isMore ? 'again' : 'done';
  };
}

function seenIn({ files, kept }: Deletion): number {
  return files + Object.values(kept).reduce((sum, count) => sum + count, 0);
}

/**
 * A retry of failed records, and what there is to say when none was taken up.
 *
 * 1. Records whose effect is in doubt are told apart: who did not name them hears of them, and they are not called.
 */
import type { Sql } from '#shared/db/connect-database.ts';
import { LongshoreError } from '#shared/errors.ts';
import {
  countReopenable,
  type RecordFilter,
  type ReopenRecords,
  reopenRecords,
} from '#shared/records/reopen-records.ts';

export interface RetryPreview {
  /** That would be called again. */
  readonly records: number;
  /** Ambiguous ones that fit, and are left because their state was not named. */
  readonly ambiguous: number;
}

export async function previewRetry(sql: Sql, filter: RecordFilter): Promise<RetryPreview> {
  const isNamed = filter.states?.includes('AMBIGUOUS') === true;
  const [records, ambiguous] = await Promise.all([
    countReopenable(sql, filter),
    isNamed ? 0 : countReopenable(sql, { ...filter, states: ['AMBIGUOUS'] }),
  ]);
  return { records, ambiguous };
}

/**
 * Resolves to the number of records taken up.
 *
 * @throws LongshoreError `RECORDS_AMBIGUOUS`, `RECORDS_NOT_RETRYABLE` when that is none.
 */
export async function retryRecords(sql: Sql, reopen: ReopenRecords): Promise<number> {
  const taken = await reopenRecords(sql, reopen);
  if (taken > 0) return taken;
  const { ambiguous } = await previewRetry(sql, reopen);
  if (ambiguous > 0)
    throw new LongshoreError('RECORDS_AMBIGUOUS', `${ambiguous} records are AMBIGUOUS, and that state was not named.`);
  throw new LongshoreError('RECORDS_NOT_RETRYABLE', 'No record fits that could be called again now.');
}

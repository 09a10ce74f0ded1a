/**
 * Makes the partitions that are needed next, and drops those past retention, with the business keys, the reports of mails, and what belongs to
 * no file any more. It reads the database's clock, since what is dropped is gone.
 */
import { deleteExpiredMailEvents } from '#shared/campaigns/delete-expired-mail-events.ts';
import type { Sql } from '#shared/db/connect-database.ts';
import { databaseClock } from '#shared/db/database-clock.ts';
import {
  type ClearedPartitions,
  dropExpiredPartitions,
  ensurePartitions,
  isLockTimeout,
} from '#shared/db/partitions.ts';
import { deleteExpiredOccurrences } from '#shared/expectations/expectation-transitions.ts';
import { deleteExpiredProposals } from '#shared/proposals/proposal-transitions.ts';
import { deleteExpiredKeys } from '#shared/records/delete-expired-keys.ts';
import { deleteLeftovers } from '#shared/retention/delete-leftovers.ts';
import type { Logger } from '#shared/runtime/logger.ts';
import { deleteExpiredSessions } from '#shared/sftp/delete-expired-sessions.ts';

const DAY_MS = 86_400_000;

export interface KeepPartitionsOptions {
  readonly retentionDays: number;
  readonly cleared: ClearedPartitions;
  readonly logger: Logger;
  readonly signal: AbortSignal;
}

export async function keepPartitions(
  sql: Sql,
  { retentionDays, cleared, logger, signal }: KeepPartitionsOptions,
): Promise<'done'> {
  const now = (await databaseClock(sql))();
  const missing = await ensurePartitions(sql, new Date(now));
  const before = new Date(now - retentionDays * DAY_MS);
  const { dropped, kept, faults } = await dropExpiredPartitions(sql, before, { signal, cleared });
  if (dropped.length > 0) logger.info({ dropped }, 'partitions dropped');
  if (kept.length > 0) logger.info({ kept }, 'partitions past retention are kept by legal holds');
  const keys = await deleteExpiredKeys(sql, before, signal);
  if (keys > 0) logger.info({ keys }, 'business keys past retention deleted');
  const reports = await deleteExpiredMailEvents(sql, before, signal);
  if (reports > 0) logger.info({ reports }, 'reports of mails past retention deleted');
  await deleteExpiredOccurrences(sql, before);
  await deleteExpiredProposals(sql, before);
  await deleteExpiredSessions(sql, before, signal);
  const leftovers = await deleteLeftovers(sql, before, signal);
  if (leftovers > 0) logger.info({ leftovers }, 'dead letters, notices and pulls past retention deleted');
  const undone = [...missing, ...faults];
  const late = undone.filter(isLockTimeout);
  const failed = undone.find((fault) => !isLockTimeout(fault));
  if (late.length > 0)
    logger.warn({ partitions: late.map(({ partition }) => partition) }, 'partitions are in use, left for later');
  if (failed !== undefined) throw failed.error;
  return 'done';
}

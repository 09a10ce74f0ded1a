/**
 * The question to the database as a function of Lambda has to ask it: between two events its process is frozen, so that its connection may
 * have ended unseen. Asked once more on a new one.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { findSftpLogin, type SftpLogin } from '#shared/access/sftp-users.ts';
import type { Sql } from '#shared/db/connect-database.ts';
import { replacePool } from '#shared/db/replaceable-pool.ts';
import { LongshoreError } from '#shared/errors.ts';

/** Twice, with the provider of passwords, is within the function's own limit. */
const QUERY_DEADLINE_MS = 3_500;

/** @throws LongshoreError `DEPENDENCY_UNAVAILABLE`. */
export async function findLoginAgain(sql: Sql, username: string): Promise<SftpLogin | undefined> {
  try {
    return await withinDeadline(findSftpLogin(sql, username));
  } catch {
    replacePool(sql);
  }
  try {
    return await withinDeadline(findSftpLogin(sql, username));
  } catch (error) {
    throw new LongshoreError('DEPENDENCY_UNAVAILABLE', 'PostgreSQL cannot be reached.', { cause: error });
  }
}

async function withinDeadline<T>(query: Promise<T>): Promise<T> {
  const ended = new AbortController();
  const late = sleep(QUERY_DEADLINE_MS, undefined, { signal: ended.signal }).then(() => {
    throw new Error(`the database did not answer within ${QUERY_DEADLINE_MS} ms`);
  });
  late.catch(() => undefined);
  try {
    return await Promise.race([query, late]);
  } finally {
    ended.abort();
    query.catch(() => undefined);
  }
}

/**
 * The question to the database as a function of Lambda has to ask it: between two events its process is frozen, so that its connection may
 * have ended unseen. Asked once more on a new one.
 */
import { findSftpLogin, type SftpLogin } from '#shared/access/sftp-users.ts';
import type { Sql } from '#shared/db/connect-database.ts';
import { replacePool } from '#shared/db/replaceable-pool.ts';
import { LongshoreError } from '#shared/errors.ts';
import { within } from '#shared/runtime/within.ts';

/** Twice, with the provider of passwords, is within the function's own limit. */
const QUERY_DEADLINE_MS = 3_500;

/** @throws LongshoreError `DEPENDENCY_UNAVAILABLE`. */
export async function findLoginAgain(sql: Sql, username: string): Promise<SftpLogin | undefined> {
  try {
    return await within(findSftpLogin(sql, username), QUERY_DEADLINE_MS, notInTime);
  } catch {
    replacePool(sql);
  }
  try {
    return await within(findSftpLogin(sql, username), QUERY_DEADLINE_MS, notInTime);
  } catch (error) {
    throw new LongshoreError('DEPENDENCY_UNAVAILABLE', 'PostgreSQL cannot be reached.', { cause: error });
  }
}

function notInTime(): never {
  throw new Error(`the database did not answer within ${QUERY_DEADLINE_MS} ms`);
}

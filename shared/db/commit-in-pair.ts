/** For statements that say what is about to be done outside, and that must not be lost with the machine they were said to. */
import type { Sql } from './connect-database.ts';

/**
 * True, as a condition of the statement whose commit then waits for a synchronous standby, where the server has one. Other commits need not
 * wait: what is lost of them is done again from the objects and from what the standby knows.
 */
export function commitInPair(sql: Sql) {
  return sql`set_config('synchronous_commit',
    CASE current_setting('synchronous_commit') WHEN 'remote_apply' THEN 'remote_apply' ELSE 'on' END, true) <> ''`;
}

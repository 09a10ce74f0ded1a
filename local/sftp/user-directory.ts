/**
 * SFTP users from the database, remembered for a few seconds so that a client that opens many connections costs one query.
 *
 * Fails closed: when the database does not answer in time the look-up rejects, and the login is refused. A disabled user gets in no
 * more after `REMEMBER_MS`; its open sessions ask again and end (`serve-connection.ts`).
 */
import type { SftpLogin } from '#shared/access/sftp-users.ts';
import { within } from '#shared/runtime/within.ts';
import type { FindUser } from './authenticate.ts';
import { routeDirectories } from './file-tree.ts';
import type { SftpUser } from './user-root.ts';

export interface UserDirectoryOptions {
  readonly queryUser: (username: string) => Promise<SftpLogin | undefined>;
  readonly now?: () => number;
}

const REMEMBER_MS = 3_000;
const QUERY_DEADLINE_MS = 5_000;
/** Names that nobody has come from anybody; without a bound they would fill the memory. */
const MAX_REMEMBERED = 1_000;

export function createUserDirectory({ queryUser, now = Date.now }: UserDirectoryOptions): FindUser {
  const remembered = new Map<string, { readonly until: number; readonly user: Promise<SftpUser | undefined> }>();

  return (username) => {
    const known = remembered.get(username);
    if (known !== undefined && known.until > now()) return known.user;
    const user = within(queryUser(username), QUERY_DEADLINE_MS, notInTime).then((row) => row && toUser(row));
    remembered.delete(username);
    for (const oldest of remembered.keys()) {
      if (remembered.size < MAX_REMEMBERED) break;
      remembered.delete(oldest);
    }
    remembered.set(username, { until: now() + REMEMBER_MS, user });
    user.catch(() => remembered.delete(username));
    return user;
  };
}

function toUser({ routeGlobs, ...user }: SftpLogin): SftpUser {
  return { ...user, directories: routeDirectories(routeGlobs.flat()) };
}

function notInTime(): never {
  throw new Error('the database did not answer in time');
}

/** Files that only their owner may read, whatever directory they are in and whatever umask the process has. */
import { chmodSync, closeSync, openSync } from 'node:fs';

/**
 * Creates the file where it is absent; gives the mode also to one that is there. Returns the path.
 *
 * One that is there is not opened: closing it would drop the locks that SQLite holds on it in this process.
 */
export function makePrivate(path: string): string {
  try {
    closeSync(openSync(path, 'wx', 0o600));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
  chmodSync(path, 0o600);
  return path;
}

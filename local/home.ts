/**
 * A home directory: where one instance keeps its data, keys and logs, and that only one instance uses at a time.
 *
 * 1. The lock is the kernel's, on an open file (SQLite takes it): it ends with the process, however that ends, so there is no
 *    stale lock, and no reused process number is taken for a living instance.
 * 2. Children of an instance that was killed are listed with the time of their start; the next instance waits until
 *    they are gone before it touches what they may still write.
 */
import { rmSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { makePrivate } from '#local/private-file.ts';
import { LongshoreError } from '#shared/errors.ts';

export interface Home {
  readonly directory: string;
  readonly logs: string;
  readonly keys: string;
  readonly endpointsFile: string;
  /** Where Prometheus finds everything that shows metrics now, in the form of its `file_sd_configs`. */
  readonly prometheusTargetsFile: string;
  /** Lists the children that run now. */
  readonly childrenFile: string;
  /** The data directory of one part of the stack. */
  data(part: string): string;
  /** Lets the next instance in. Idempotent. */
  release(): void;
}

/** @throws LongshoreError `HOME_IN_USE` */
export async function openHome(path: string): Promise<Home> {
  const directory = resolve(path);
  const logs = join(directory, 'logs');
  const keys = join(directory, 'keys');
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const ownerFile = join(directory, 'pid');
  const lock = await takeLock(directory, ownerFile);
  await Promise.all([logs, keys].map((each) => mkdir(each, { recursive: true, mode: 0o700 })));
  await writeFile(ownerFile, `${process.pid}\n`, { mode: 0o600 });
  return {
    directory,
    logs,
    keys,
    endpointsFile: join(directory, 'endpoints.json'),
    prometheusTargetsFile: join(directory, 'prometheus-targets.json'),
    childrenFile: join(directory, 'children.json'),
    data: (part) => join(directory, 'data', part),
    release: () => {
      if (!lock.isOpen) return;
      rmSync(ownerFile, { force: true });
      lock.close();
    },
  };
}

async function takeLock(directory: string, ownerFile: string): Promise<DatabaseSync> {
  const lock = new DatabaseSync(makePrivate(join(directory, 'lock')), { timeout: 0 });
  try {
    lock.exec('BEGIN EXCLUSIVE');
    return lock;
  } catch (cause) {
    lock.close();
    const owner = (await readFile(ownerFile, 'utf8').catch(() => '')).trim();
    throw new LongshoreError(
      'HOME_IN_USE',
      `The home ${directory} is in use by a running instance${owner === '' ? '' : ` (process ${owner})`}: stop that one, or choose another directory with LONGSHORE_HOME.`,
      { cause },
    );
  }
}

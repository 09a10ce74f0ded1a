/**
 * The list of children on disk, so that the instance after a killed one can wait for them to be gone.
 *
 * A process number alone says little, because numbers are given again; with the time of its start it names one process.
 */
import { execFile } from 'node:child_process';
import { readFile, rename, writeFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';

interface ListedChild {
  readonly name: string;
  readonly pid: number;
  readonly startedAt: string;
}

/** Longer than the guardian takes to end them; what is left then hangs, and is killed. */
const LEFTOVER_TIMEOUT_MS = 5_000;
const POLL_INTERVAL_MS = 50;

export interface ChildrenFile {
  add(name: string, pid: number): Promise<void>;
  remove(pid: number): Promise<void>;
}

export function createChildrenFile(path: string): ChildrenFile {
  const children = new Map<number, ListedChild>();
  let writing = Promise.resolve();

  function write(): Promise<void> {
    const content = `${JSON.stringify([...children.values()], null, 2)}\n`;
    writing = writing.then(async () => {
      await writeFile(`${path}.partial`, content);
      await rename(`${path}.partial`, path);
    });
    return writing;
  }

  return {
    add: async (name, pid) => {
      const startedAt = await startOf(pid);
      if (startedAt === undefined) return;
      children.set(pid, { name, pid, startedAt });
      await write();
    },
    remove: async (pid) => {
      if (children.delete(pid)) await write();
    },
  };
}

/** Resolves when no child of an earlier instance lives any more; one that outlives its guardian is killed. */
export async function waitForLeftovers(path: string): Promise<void> {
  const content = await readFile(path, 'utf8').catch(() => '[]');
  const children = parseChildren(content);
  const deadline = performance.now() + LEFTOVER_TIMEOUT_MS;
  for (const child of children) {
    while ((await startOf(child.pid)) === child.startedAt) {
      if (performance.now() > deadline) killQuietly(child.pid);
      await delay(POLL_INTERVAL_MS);
    }
  }
}

function parseChildren(content: string): ListedChild[] {
  try {
    return JSON.parse(content) as ListedChild[];
  } catch {
    // The file is replaced whole; anything else in it was not written by us, and names nobody to wait for.
    return [];
  }
}

function killQuietly(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It ended between the look and the signal.
  }
}

/** When the process started, in whatever unit the system gives; undefined when there is none (or only its remains). */
async function startOf(pid: number): Promise<string | undefined> {
  if (process.platform !== 'linux') {
    const listed = await promisify(execFile)('ps', ['-o', 'lstart=', '-p', String(pid)]).catch(() => undefined);
    return listed?.stdout.trim() || undefined;
  }
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => undefined);
  if (stat === undefined) return undefined;
  // The second field is the command in brackets, which may hold spaces; what follows it is fixed (proc_pid_stat(5)).
  const [state, ...rest] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return state === 'Z' || state === 'X' ? undefined : rest[18];
}

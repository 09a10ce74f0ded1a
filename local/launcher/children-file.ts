/**
 * The list of children on disk, so that the instance after a killed one can wait for them to be gone.
 *
 * 1. A child is in the list before it does anything: writing is synchronous, and takes part of a millisecond.
 * 2. A process number alone says little, because numbers are given again; with the time of its start it names one process.
 */
import { execFileSync } from 'node:child_process';
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';

interface ListedChild {
  readonly name: string;
  readonly pid: number;
  readonly startedAt: string;
}

/** Longer than the guardian takes to end them; what is left then hangs, and is killed. */
const LEFTOVER_TIMEOUT_MS = 5_000;
const POLL_INTERVAL_MS = 50;

export interface ChildrenFile {
  add(name: string, pid: number): void;
  remove(pid: number): void;
}

export function createChildrenFile(path: string): ChildrenFile {
  const children = new Map<number, ListedChild>();

  function write(): void {
    writeFileSync(`${path}.partial`, `${JSON.stringify([...children.values()], null, 2)}\n`, { mode: 0o600 });
    renameSync(`${path}.partial`, path);
  }

  return {
    add: (name, pid) => {
      const startedAt = startOfProcess(pid);
      if (startedAt === undefined) return;
      children.set(pid, { name, pid, startedAt });
      write();
    },
    remove: (pid) => {
      if (children.delete(pid)) write();
    },
  };
}

/** Resolves when no child of an earlier instance lives any more; one that outlives its guardian is killed. */
export async function waitForLeftovers(path: string): Promise<void> {
  const deadline = performance.now() + LEFTOVER_TIMEOUT_MS;
  for (const child of readChildren(path)) {
    while (startOfProcess(child.pid) === child.startedAt) {
      if (performance.now() > deadline) killQuietly(child.pid);
      await delay(POLL_INTERVAL_MS);
    }
  }
}

function readChildren(path: string): ListedChild[] {
  try {
    return JSON.parse(readFileSync(path, 'utf8')) as ListedChild[];
  } catch {
    // There is none in a new home. It is replaced whole, so anything else was not written by us and names nobody.
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
export function startOfProcess(pid: number): string | undefined {
  try {
    if (process.platform !== 'linux') {
      return execFileSync('ps', ['-o', 'lstart=', '-p', String(pid)], { encoding: 'utf8' }).trim() || undefined;
    }
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The second field is the command in brackets, which may hold spaces; what follows it is fixed (proc_pid_stat(5)).
    const [state, ...rest] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return state === 'Z' || state === 'X' ? undefined : rest[18];
  } catch {
    return undefined;
  }
}

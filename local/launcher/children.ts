/**
 * The children of one stack: started in groups, watched, listed on disk, stopped group by group in the reverse order.
 *
 * 1. Every child has its own log, and is known to the guardian and listed from its first moment.
 * 2. A group is up when all its members are ready; when one of them fails, the others are still stopped by `stop`.
 * 3. `stop` is bounded by the members' own bounds, and idempotent.
 * 4. A child that joins later belongs to the last group, and may leave before the others. One that is still joining when all stop is
 *    stopped with them.
 */
import { join } from 'node:path';
import type { Home } from '#local/home.ts';
import { createChildrenFile } from '#local/launcher/children-file.ts';
import { type ChildGuardian, startGuardian } from '#local/launcher/guardian.ts';
import { type LogFile, openLogFile } from '#local/launcher/log-file.ts';
import { type Run, runOnce } from '#local/launcher/run-once.ts';
import { type RunningChild, type Supervised, supervise } from '#local/launcher/supervisor.ts';
import { createLogger, type Logger } from '#shared/runtime/logger.ts';

/** What a child needs from the stack, whatever program it is. */
export interface ChildContext {
  readonly guardian: ChildGuardian;
  readonly log: LogFile;
  /** Gives up starting. */
  readonly signal: AbortSignal;
}

export interface ChildToStart {
  readonly name: string;
  start(context: ChildContext): Promise<RunningChild>;
}

export interface Children {
  /** The launcher's own log. */
  readonly logger: Logger;
  readonly supervised: ReadonlyMap<string, Supervised>;
  /** Starts the members side by side. @throws what the first of them threw that failed */
  startGroup(members: readonly ChildToStart[]): Promise<void>;
  /** @throws what `member.start` throws */
  join(member: ChildToStart): Promise<void>;
  /** Starts a program that ends alone; how it ends is in its log, and concerns nobody else. */
  runOnce(name: string, main: string): void;
  /** Resolves when it has ended: it drains first. A name that is not there is no fault. */
  leave(name: string): Promise<void>;
  stop(): Promise<void>;
}

export function createChildren(home: Home): Children {
  const guardian = startGuardian();
  const listed = createChildrenFile(home.childrenFile);
  const logs: LogFile[] = [];
  const openLog = (service: string): LogFile => {
    const log = openLogFile({ path: join(home.logs, `${service}.log`), service });
    logs.push(log);
    return log;
  };
  const logger = createLogger({ service: 'launcher', destination: logDestination(openLog('launcher')) });
  const supervised = new Map<string, Supervised>();
  const groups: Supervised[][] = [];
  const runs: Run[] = [];
  const joining = new Set<Promise<Supervised>>();
  let stopping: Promise<void> | undefined;

  /** What is guarded is also listed for the next instance; a disk that cannot take the list must not stop this one. */
  function guardianOf(name: string): ChildGuardian {
    const list = (change: () => void) => {
      try {
        change();
      } catch (err) {
        logger.error({ err }, 'children could not be listed');
      }
    };
    return {
      guard: (pid, signal) => {
        guardian.guard(pid, signal);
        list(() => listed.add(name, pid));
      },
      release: (pid) => {
        guardian.release(pid);
        list(() => listed.remove(pid));
      },
    };
  }

  async function startMember(member: ChildToStart): Promise<Supervised> {
    const log = openLog(member.name);
    const child = await supervise({
      name: member.name,
      logger,
      start: (signal) => member.start({ guardian: guardianOf(member.name), log, signal }),
    });
    supervised.set(member.name, child);
    return child;
  }

  async function joinLast(member: ChildToStart): Promise<void> {
    if (stopping !== undefined) return;
    const started = startMember(member);
    joining.add(started);
    try {
      const child = await started;
      groups.at(-1)?.push(child);
    } finally {
      joining.delete(started);
    }
  }

  async function leave(name: string): Promise<void> {
    const child = supervised.get(name);
    supervised.delete(name);
    await child?.stop();
    for (const group of groups) if (child !== undefined && group.includes(child)) group.splice(group.indexOf(child), 1);
  }

  async function stopGroups(): Promise<void> {
    const late = await Promise.allSettled(joining);
    await Promise.all(late.map((one) => (one.status === 'fulfilled' ? one.value.stop() : undefined)));
    for (const group of groups.toReversed()) await Promise.all(group.map((child) => child.stop()));
    await Promise.all(runs.map((run) => run.stop()));
    guardian.close();
    for (const log of logs) log.close();
  }

  return {
    logger,
    supervised,
    startGroup: async (members) => {
      const results = await Promise.allSettled(members.map(startMember));
      groups.push(results.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : [])));
      const failed = results.find((result) => result.status === 'rejected');
      if (failed !== undefined) throw failed.reason;
    },
    runOnce: (name, main) => void runs.push(runOnce({ name, main, log: openLog(name), guardian: guardianOf(name) })),
    join: joinLast,
    leave,
    stop: () => {
      stopping ??= stopGroups();
      return stopping;
    },
  };
}

/** pino writes one line at a time, with its end. */
export function logDestination(log: LogFile): { write(line: string): void } {
  return { write: (line) => log.writeLine(line.trimEnd()) };
}

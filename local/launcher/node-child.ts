/**
 * One of our programs as a child process: spawned, logged, asked whether it is ready, stopped.
 *
 * 1. It stands in a process group of its own, so that Ctrl-C reaches the launcher alone, which then stops in order.
 * 2. Its environment is what it is given, nothing inherited.
 * 3. It ends with the launcher: the guardian knows it from its first moment.
 */
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import type { ChildGuardian } from '#local/launcher/guardian.ts';
import type { LogFile } from '#local/launcher/log-file.ts';
import type { RunningChild } from '#local/launcher/supervisor.ts';
import { LongshoreError } from '#shared/errors.ts';

export interface NodeChildOptions {
  readonly name: string;
  /** Path of the program. */
  readonly main: string;
  /** Of Node itself. */
  readonly nodeFlags?: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  /** Answers 200 when the child is ready. */
  readonly readyUrl: string;
  readonly log: LogFile;
  readonly guardian: ChildGuardian;
  /** From SIGTERM to SIGKILL. */
  readonly stopTimeoutMs: number;
  readonly startTimeoutMs?: number;
}

const START_TIMEOUT_MS = 30_000;
const POLL_INTERVAL_MS = 40;
const POLL_TIMEOUT_MS = 2_000;
const KILL_TIMEOUT_MS = 2_000;

/** @throws LongshoreError `CHILD_NOT_READY` */
export async function startNodeChild(options: NodeChildOptions, signal: AbortSignal): Promise<RunningChild> {
  const { name, log, guardian, nodeFlags = [] } = options;
  const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', ...nodeFlags, options.main], {
    cwd: '/',
    env: options.env,
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const { promise: ended, resolve: end } = Promise.withResolvers<void>();
  let lastWords = '';
  let hasEnded = false;
  const finish = (reason: string) => {
    if (hasEnded) return;
    hasEnded = true;
    if (child.pid !== undefined) guardian.release(child.pid);
    log.writeLine(`${name} ended: ${reason}`);
    end();
  };
  if (child.pid !== undefined) guardian.guard(child.pid, 'TERM');
  for (const output of [child.stdout, child.stderr]) {
    createInterface({ input: output }).on('line', (line) => {
      // After a crash's message come its stack, its fields and the runtime's version, which say less.
      if (/^\w*Error\b/.test(line) || !/^\w*Error\b/.test(lastWords)) lastWords = line;
      log.writeLine(line);
    });
  }
  child.once('error', (error) => finish(error.message));
  child.once('exit', (code, deathSignal) => finish(deathSignal ?? `code ${code}`));

  async function stop(): Promise<void> {
    child.kill('SIGTERM');
    if (await endsWithin(ended, options.stopTimeoutMs)) return;
    log.writeLine(`${name} did not stop within ${options.stopTimeoutMs} ms and is killed`);
    child.kill('SIGKILL');
    await endsWithin(ended, KILL_TIMEOUT_MS);
  }

  const deadline = performance.now() + (options.startTimeoutMs ?? START_TIMEOUT_MS);
  while (hasEnded || !(await answers(options.readyUrl))) {
    if (!hasEnded && !signal.aborted && performance.now() < deadline) {
      await delay(POLL_INTERVAL_MS);
      continue;
    }
    const what = hasEnded ? 'ended before it was ready' : 'did not become ready in time';
    await stop();
    throw new LongshoreError(
      'CHILD_NOT_READY',
      `${name} ${what}; its last words in ${log.path}: ${lastWords || '(none)'}`,
    );
  }
  return { pid: child.pid!, ended, stop, kill: (killSignal) => void child.kill(killSignal) };
}

async function answers(url: string): Promise<boolean> {
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(POLL_TIMEOUT_MS) });
    await response.arrayBuffer();
    return response.ok;
  } catch {
    return false;
  }
}

async function endsWithin(ended: Promise<void>, timeoutMs: number): Promise<boolean> {
  const timer = new AbortController();
  const timedOut = delay(timeoutMs, false, { signal: timer.signal }).catch(() => false);
  const result = await Promise.race([ended.then(() => true), timedOut]);
  timer.abort();
  return result;
}

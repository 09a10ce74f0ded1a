/**
 * One of our programs as a child process: spawned, logged, asked whether it is ready, stopped.
 *
 * 1. It is in its own process group, so that Ctrl-C reaches the launcher alone, which then stops in order.
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
import { endsWithin } from '#shared/runtime/within.ts';

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

/** What the child writes is its owner's. The shell becomes the program, so signals reach it, and leaves no variable of its own. */
const PRIVATE_EXEC = 'umask 077; unset PWD OLDPWD SHLVL _; exec "$@"';
/** For a machine that is busy elsewhere. A child that ends is seen at once. */
const START_TIMEOUT_MS = 120_000;
const POLL_INTERVAL_MS = 40;
const POLL_TIMEOUT_MS = 2_000;
const KILL_TIMEOUT_MS = 2_000;
/** Children of a child may hold its output open. */
const READ_TIMEOUT_MS = 1_000;
const MOST_ERROR_LINES = 100;
/** In a message. */
const MOST_CRASH_LINES = 12;
/** Of a health check's body, in a message. */
const ANSWER_CHARACTERS = 500;

/** @throws LongshoreError `CHILD_NOT_READY` */
export async function startNodeChild(options: NodeChildOptions, signal: AbortSignal): Promise<RunningChild> {
  const { name, log, guardian, nodeFlags = [] } = options;
  const program = [process.execPath, '--disable-warning=ExperimentalWarning', ...nodeFlags, options.main];
  const child = spawn('/bin/sh', ['-c', PRIVATE_EXEC, 'sh', ...program], {
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
  const errorLines: string[] = [];
  const hear = (line: string) => {
    lastWords = line;
    log.writeLine(line);
  };
  createInterface({ input: child.stdout }).on('line', hear);
  createInterface({ input: child.stderr }).on('line', (line) => {
    hear(line);
    errorLines.push(line);
    if (errorLines.length > MOST_ERROR_LINES) errorLines.shift();
  });
  child.once('error', (error) => finish(error.message));
  child.once('exit', (code, deathSignal) => finish(deathSignal ?? `code ${code}`));
  const { promise: isRead, resolve: endReading } = Promise.withResolvers<void>();
  child.once('close', endReading);
  child.once('error', () => endReading());

  async function stop(): Promise<void> {
    child.kill('SIGTERM');
    if (await endsWithin(ended, options.stopTimeoutMs)) return;
    log.writeLine(`${name} did not stop within ${options.stopTimeoutMs} ms and is killed`);
    child.kill('SIGKILL');
    await endsWithin(ended, KILL_TIMEOUT_MS);
  }

  const startTimeoutMs = options.startTimeoutMs ?? START_TIMEOUT_MS;
  const deadline = performance.now() + startTimeoutMs;
  let health = await askHealth(options.readyUrl);
  while (hasEnded || !health.isReady) {
    if (!hasEnded && !signal.aborted && performance.now() < deadline) {
      await delay(POLL_INTERVAL_MS);
      health = await askHealth(options.readyUrl);
      continue;
    }
    // Its last words are those before it is asked to stop: what it says then is about that. After a crash they may still be in the pipe.
    if (hasEnded) await endsWithin(isRead, READ_TIMEOUT_MS);
    const words = (hasEnded && describeCrash(errorLines)) || lastWords.trimEnd() || 'none';
    const what = describeFailure({ name, hasEnded, isGivenUp: signal.aborted, startTimeoutMs, health });
    await stop();
    throw new LongshoreError('CHILD_NOT_READY', `${what} Last output, in ${log.path}: ${words}`);
  }
  return { pid: child.pid!, ended, stop, kill: (killSignal) => void child.kill(killSignal) };
}

interface Health {
  readonly isReady: boolean;
  /** Status and body of its health check; undefined when it did not answer. */
  readonly answer?: string;
}

async function askHealth(url: string): Promise<Health> {
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(POLL_TIMEOUT_MS) });
    const body = await response.text();
    return { isReady: response.ok, answer: `${response.status} ${body.slice(0, ANSWER_CHARACTERS)}`.trimEnd() };
  } catch {
    return { isReady: false };
  }
}

function describeFailure(failure: {
  name: string;
  hasEnded: boolean;
  isGivenUp: boolean;
  startTimeoutMs: number;
  health: Health;
}): string {
  const { name, health } = failure;
  if (failure.hasEnded) return `${name} ended before it was ready.`;
  if (failure.isGivenUp) return `${name} was stopped before it was ready.`;
  const check = health.answer === undefined ? 'did not answer' : `answered ${health.answer}`;
  return `${name} was not ready after ${failure.startTimeoutMs / 1_000} s. Its health check ${check}.`;
}

/** What a program wrote when it ended: its error without the stack, fields and runtime's version behind it, else its last lines. */
function describeCrash(lines: readonly string[]): string {
  const error = lines.findLastIndex((line) => /^\w*Error\b/.test(line));
  const words = lines.slice(error === -1 ? -MOST_CRASH_LINES : error);
  const end = words.findIndex((line) => /^ +at |^Node\.js v/.test(line));
  return words
    .slice(0, end === -1 ? undefined : end)
    .slice(0, MOST_CRASH_LINES)
    .join('\n');
}

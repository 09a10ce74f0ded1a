/**
 * A child process of a test, whose end is never missed.
 *
 * 1. Waiting for a line fails as soon as the process has ended, with how it ended and what it printed last.
 * 2. Waiting for its end works as often as one likes, also when it ended long ago.
 * 3. It does not outlive the test's own process.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';

export interface StartProcessOptions {
  /** That of this process when absent. */
  readonly env?: NodeJS.ProcessEnv;
  readonly cwd?: string;
  /** Node when absent. */
  readonly command?: string;
}

export interface ProcessEnd {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

export interface TestProcess {
  readonly pid: number;
  /** Of both streams, so far. */
  readonly lines: readonly string[];
  /** Settles when it has ended and everything that it printed has been read. */
  readonly ended: Promise<ProcessEnd>;
  hasEnded(): boolean;
  kill(signal: NodeJS.Signals): void;
  /** Sends the signal unless it has ended, and waits for the end. */
  end(signal: NodeJS.Signals): Promise<ProcessEnd>;
  /**
   * Resolves to the first line that matches, printed before or after the call.
   *
   * @throws when it ends without such a line, or prints none in time
   */
  untilLine(pattern: RegExp, timeoutMs?: number): Promise<RegExpExecArray>;
}

/** For a process that lives and says nothing: below the limits of tests, so that what it printed is shown. */
const LINE_TIMEOUT_MS = 110_000;
const LINES_SHOWN = 20;

const running = new Set<ChildProcess>();
process.once('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});

/** Of a whole run of tests, so that each process of it compiles what is new to it alone. */
export function withCompileCache<Env extends NodeJS.ProcessEnv>(env: Env): Env {
  const { NODE_COMPILE_CACHE } = process.env;
  return NODE_COMPILE_CACHE === undefined ? env : { NODE_COMPILE_CACHE, ...env };
}

export function startProcess(args: readonly string[], options: StartProcessOptions = {}): TestProcess {
  const { command = process.execPath, cwd, env = process.env } = options;
  const child = spawn(command, args, {
    ...(cwd !== undefined && { cwd }),
    env: withCompileCache(env),
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  running.add(child);
  const lines: string[] = [];
  const watchers = new Set<() => void>();
  const add = (line: string) => {
    lines.push(line);
    for (const look of watchers) look();
  };
  for (const stream of [child.stdout, child.stderr]) createInterface({ input: stream }).on('line', add);

  let end: ProcessEnd | undefined;
  const { promise: ended, resolve } = Promise.withResolvers<ProcessEnd>();
  child.once('exit', () => running.delete(child));
  child.once('error', (error) => add(error.message));
  child.once('close', (code, signal) => {
    end = { code, signal };
    for (const look of watchers) look();
    resolve(end);
  });
  const describe = () => `${[command, ...args].join(' ').slice(0, 200)}\n${lines.slice(-LINES_SHOWN).join('\n')}`;
  const hasEnded = () => child.exitCode !== null || child.signalCode !== null;

  return {
    pid: child.pid ?? 0,
    lines,
    ended,
    hasEnded,
    kill: (signal) => void child.kill(signal),
    async end(signal) {
      if (!hasEnded()) child.kill(signal);
      return await ended;
    },
    async untilLine(pattern, timeoutMs = LINE_TIMEOUT_MS) {
      const { promise, resolve: found, reject } = Promise.withResolvers<RegExpExecArray>();
      let seen = 0;
      const look = () => {
        for (; seen < lines.length; seen += 1) {
          const match = pattern.exec(lines[seen]!);
          if (match !== null) return found(match);
        }
        if (end !== undefined) reject(new Error(`It ended (${end.signal ?? `code ${end.code}`}): ${describe()}`));
      };
      const late = setTimeout(() => reject(new Error(`It did not print ${pattern}: ${describe()}`)), timeoutMs);
      watchers.add(look);
      try {
        look();
        return await promise;
      } finally {
        clearTimeout(late);
        watchers.delete(look);
      }
    },
  };
}

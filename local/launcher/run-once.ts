/** One of our programs that ends alone, such as a build: logged, known to the guardian, and stopped with the stack. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { setPriority } from 'node:os';
import { createInterface } from 'node:readline';
import type { ChildGuardian } from '#local/launcher/guardian.ts';
import type { LogFile } from '#local/launcher/log-file.ts';

export interface RunOnceOptions {
  readonly name: string;
  /** Path of the program. */
  readonly main: string;
  readonly log: LogFile;
  readonly guardian: ChildGuardian;
}

export interface Run {
  /** Ends it, if it has not ended. It has nothing to drain. */
  stop(): Promise<void>;
}

/** The fleet that starts at the same time goes first. */
const LOW_PRIORITY = 10;

export function runOnce({ name, main, log, guardian }: RunOnceOptions): Run {
  const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', main], {
    cwd: '/',
    env: { NODE_ENV: 'production' },
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const { pid } = child;
  if (pid !== undefined) {
    guardian.guard(pid, 'TERM');
    setPriority(pid, LOW_PRIORITY);
  }
  for (const output of [child.stdout, child.stderr])
    createInterface({ input: output }).on('line', (line) => log.writeLine(line));
  const finish = (reason: string) => {
    if (pid !== undefined) guardian.release(pid);
    log.writeLine(`${name} ended: ${reason}`);
  };
  child.once('error', (error) => finish(error.message));
  child.once('exit', (code, signal) => finish(signal ?? `code ${code}`));
  return {
    stop: async () => {
      if (pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
      const ended = once(child, 'exit');
      child.kill('SIGKILL');
      await ended;
    },
  };
}

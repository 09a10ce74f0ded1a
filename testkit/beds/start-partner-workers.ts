/**
 * Partner-workers of a fleet that a test kills often, each started again at once: the supervisor's growing delays are for programs that
 * cannot run.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createWriteStream, type WriteStream } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { type ChildGuardian, startGuardian } from '#local/launcher/guardian.ts';
import type { TestFleet } from './start-test-fleet.ts';

const MAIN = fileURLToPath(new URL('../../services/partner-worker/main.ts', import.meta.url));
const READY = '"msg":"service started"';
const STOP_TIMEOUT_MS = 20_000;

export interface PartnerWorkers {
  /** `kill -9`, once it is ready; resolves when it has ended. The one in its place starts meanwhile. */
  kill(index: number): Promise<void>;
  stop(): Promise<void>;
}

export async function startPartnerWorkers(
  fleet: TestFleet,
  count: number,
  env: Readonly<Record<string, string>> = {},
): Promise<PartnerWorkers> {
  const logs = Array.from({ length: count }, (_, index) =>
    createWriteStream(join(fleet.home, 'logs', `partner-worker-${index}.log`)),
  );
  // They end with this process, however it ends.
  const guardian = startGuardian();
  const start = (log: WriteStream) =>
    startWorker(log, guardian, {
      ...fleet.stack.env,
      LONGSHORE_HTTP_PORT: '0',
      LONGSHORE_SECRETS_DIRECTORY: join(fleet.home, 'keys', 'secrets'),
      LONGSHORE_PARTNER_ADDRESSES: '127.0.0.0/8',
      ...env,
    });
  const workers = logs.map(start);
  await Promise.all(workers);

  return {
    async kill(index) {
      const worker = await workers[index]!;
      if (hasEnded(worker)) throw new Error(`partner-worker ${index} ended before it was killed`);
      const ended = once(worker, 'exit');
      worker.kill('SIGKILL');
      await ended;
      workers[index] = start(logs[index]!);
    },
    async stop() {
      await Promise.allSettled(workers.map(async (worker) => stopWorker(await worker)));
      guardian.close();
      for (const log of logs) log.end();
    },
  };
}

/** Resolves when it takes work. */
async function startWorker(
  log: WriteStream,
  guardian: Pick<ChildGuardian, 'guard' | 'release'>,
  env: Record<string, string>,
): Promise<ChildProcess> {
  const worker = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', MAIN], {
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const { pid } = worker;
  if (pid !== undefined) {
    guardian.guard(pid, 'TERM');
    worker.once('exit', () => guardian.release(pid));
  }
  const { promise: ready, resolve, reject } = Promise.withResolvers<void>();
  let lastWords = '';
  const hear = (line: string) => {
    lastWords = line;
    log.write(`${line}\n`);
    if (line.includes(READY)) resolve();
  };
  for (const output of [worker.stdout, worker.stderr]) createInterface({ input: output }).on('line', hear);
  worker.once('exit', () => reject(new Error(`the partner-worker ended before it was ready: ${lastWords}`)));
  await ready;
  return worker;
}

function hasEnded(worker: ChildProcess): boolean {
  return worker.exitCode !== null || worker.signalCode !== null;
}

async function stopWorker(worker: ChildProcess): Promise<void> {
  if (hasEnded(worker)) return;
  const ended = once(worker, 'exit');
  worker.kill('SIGTERM');
  const late = setTimeout(() => worker.kill('SIGKILL'), STOP_TIMEOUT_MS);
  await ended;
  clearTimeout(late);
}

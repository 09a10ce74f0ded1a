/**
 * The embedded PostgreSQL as a child process: start, stop and death are ours.
 *
 * 1. It listens on one address with a password; the returned URL carries it.
 * 2. It never outlives this process: a guardian stops it when our end of a pipe closes, also by `kill -9`.
 * 3. A directory left by a killed server starts again; one in use by a living server is refused by PostgreSQL itself.
 * 4. It is in its own process group, so that Ctrl-C in a terminal reaches us first and services still have
 *    their database while they drain.
 */

import { type ChildProcess, spawn } from 'node:child_process';
import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { startOfProcess } from '#local/launcher/children-file.ts';
import { type ChildGuardian, startGuardian } from '#local/launcher/guardian.ts';
import { assertPortFree, findFreePort } from '#local/ports.ts';
import { findPostgresBinaries } from '#local/postgres/binaries.ts';
import {
  type Cluster,
  DATABASE_NAME,
  DATABASE_USER,
  ensureCluster,
  POSTGRES_ENVIRONMENT,
} from '#local/postgres/cluster.ts';

import { postgresArguments } from '#local/postgres/settings.ts';
import { chooseUnprivilegedRun, type UnprivilegedRun, type WayName } from '#local/postgres/unprivileged.ts';
import { LongshoreError } from '#shared/errors.ts';
import type { Logger } from '#shared/runtime/logger.ts';

export interface StartPostgresOptions {
  /** Holds the data directory and the password file; made when absent. */
  readonly directory: string;
  /** 0 takes a free one. */
  readonly port: number;
  readonly host?: string;
  /** Receives what PostgreSQL says, line by line. */
  readonly logger?: Logger;
  /** For a database that is thrown away: answers commits before they are on disk. */
  readonly isDisposable?: boolean;
  /** Others may follow it, or it follows another (`standby.ts`). */
  readonly isReplicated?: boolean;
  /** Stops the server when this process is gone; one of its own when absent. */
  readonly guardian?: ChildGuardian;
  /** Ways of running under root to be tried; all when absent. */
  readonly ways?: readonly WayName[];
}

export interface RunningPostgres {
  /** Carries the password. */
  readonly url: string;
  readonly port: number;
  readonly pid: number;
  readonly way: WayName;
  /** Settles when the server has ended, for whatever reason. */
  readonly ended: Promise<void>;
  /** Sessions are cut, what is committed is kept. Idempotent, bounded. */
  stop(): Promise<void>;
  kill(signal: NodeJS.Signals): void;
}

const START_TIMEOUT_MS = 120_000;
const POLL_INTERVAL_MS = 20;
/** A fast shutdown writes a checkpoint; then the immediate one (recovery at the next start), then the kernel. */
const STOP_STAGES: readonly { signal: NodeJS.Signals; timeoutMs: number }[] = [
  { signal: 'SIGINT', timeoutMs: 8_000 },
  { signal: 'SIGQUIT', timeoutMs: 2_000 },
  { signal: 'SIGKILL', timeoutMs: 2_000 },
];
/** For the system to take away the remains of a server that was killed with its launcher. */
const REMAINS_TIMEOUT_MS = 20_000;
const REMAINS_POLL_MS = 200;
/** Between choosing a free port and binding it another process may take it. */
const FREE_PORT_TRIES = 5;

/** @throws LongshoreError `POSTGRES_*` or `PORT_IN_USE` */
export async function startPostgres(options: StartPostgresOptions): Promise<RunningPostgres> {
  const { directory, host = '127.0.0.1' } = options;
  const binaries = findPostgresBinaries();
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const run = await chooseUnprivilegedRun({
    binaries,
    directory,
    ...(options.ways === undefined ? {} : { ways: options.ways }),
  });
  if (options.port !== 0) await assertPortFree({ host, port: options.port, purpose: 'PostgreSQL' });
  const cluster = await ensureCluster({ directory, binaries, run });
  const deadline = performance.now() + REMAINS_TIMEOUT_MS;
  for (let tries = 1; ; tries += 1) {
    const port = options.port === 0 ? await findFreePort(host) : options.port;
    const server = spawnServer({ options, cluster, run, program: binaries.postgres, host, port });
    if (await isReady(server, cluster.dataDirectory)) return describe(server, { cluster, run, host, port });
    // Before it is asked to stop: what it says then is about that.
    const lastLines = [...server.lastLines];
    await server.stop();
    const isPortLost = lastLines.some((line) => line.includes('could not bind'));
    if (isPortLost && options.port === 0 && tries < FREE_PORT_TRIES) continue;
    if (isLockedByRemains(lastLines) && performance.now() < deadline) {
      await delay(REMAINS_POLL_MS);
      continue;
    }
    throw new LongshoreError('POSTGRES_START_FAILED', `PostgreSQL did not start:\n${lastLines.join('\n')}`);
  }
}

/**
 * Sessions of a killed server hold its memory until they notice. And a process that has ended, and that nobody has waited for yet,
 * passes for a living one.
 */
function isLockedByRemains(lines: readonly string[]): boolean {
  const text = lines.join('\n');
  if (/pre-existing shared memory block .* is still in use/.test(text)) return true;
  const pid = /Is another post(?:master|gres) \(PID (\d+)\)/.exec(text)?.[1];
  return text.includes('postmaster.pid') && pid !== undefined && startOfProcess(Number(pid)) === undefined;
}

interface Server {
  readonly child: ChildProcess;
  readonly lastLines: string[];
  readonly ended: Promise<void>;
  hasEnded(): boolean;
  stop(): Promise<void>;
}

interface SpawnServerOptions {
  readonly options: StartPostgresOptions;
  readonly cluster: Cluster;
  readonly run: UnprivilegedRun;
  readonly program: string;
  readonly host: string;
  readonly port: number;
}

function spawnServer({ options, cluster, run, program, host, port }: SpawnServerOptions): Server {
  const { isReplicated = false } = options;
  const settings = postgresArguments({ dataDirectory: cluster.dataDirectory, host, port, isReplicated });
  if (options.isDisposable) settings.push('-c', 'fsync=off', '-c', 'full_page_writes=off');
  const command = run.command(program, settings);
  const child = spawn(command.file, command.args, {
    env: POSTGRES_ENVIRONMENT,
    cwd: '/',
    detached: true,
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  const { promise: ended, resolve } = Promise.withResolvers<void>();
  const lastLines: string[] = [];
  const ownGuardian = options.guardian === undefined ? startGuardian() : undefined;
  const guardian = options.guardian ?? ownGuardian!;
  if (child.pid !== undefined) guardian.guard(child.pid, 'INT');
  const finish = () => {
    if (child.pid !== undefined) guardian.release(child.pid);
    ownGuardian?.close();
    resolve();
  };
  child.once('exit', finish);
  child.once('error', (error) => {
    lastLines.push(error.message);
    finish();
  });
  createInterface({ input: child.stderr! }).on('line', (line) => {
    options.logger?.info({ line }, 'postgres says');
    lastLines.push(line);
    if (lastLines.length > 10) lastLines.shift();
  });
  const hasEnded = () => child.pid === undefined || child.exitCode !== null || child.signalCode !== null;

  async function stop(): Promise<void> {
    for (const stage of STOP_STAGES) {
      if (hasEnded()) return;
      child.kill(stage.signal);
      const timer = new AbortController();
      await Promise.race([ended, delay(stage.timeoutMs, undefined, { signal: timer.signal }).catch(() => {})]);
      timer.abort();
    }
  }

  return { child, lastLines, ended, hasEnded, stop };
}

/** The server itself says so: the eighth line of its pid file becomes `ready` (what `pg_ctl start` waits for). */
async function isReady(server: Server, dataDirectory: string): Promise<boolean> {
  const deadline = performance.now() + START_TIMEOUT_MS;
  while (!server.hasEnded() && performance.now() < deadline) {
    const lines = (await readFile(join(dataDirectory, 'postmaster.pid'), 'utf8').catch(() => '')).split('\n');
    if (lines[0] === String(server.child.pid) && lines[7]?.trim() === 'ready') return true;
    await delay(POLL_INTERVAL_MS);
  }
  return false;
}

function describe(
  server: Server,
  { cluster, run, host, port }: { cluster: Cluster; run: UnprivilegedRun; host: string; port: number },
): RunningPostgres {
  return {
    url: `postgres://${DATABASE_USER}:${cluster.password}@${host}:${port}/${DATABASE_NAME}`,
    port,
    pid: server.child.pid!,
    way: run.name,
    ended: server.ended,
    stop: server.stop,
    kill: (signal) => void server.child.kill(signal),
  };
}

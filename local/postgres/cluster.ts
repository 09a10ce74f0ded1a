/**
 * A PostgreSQL data directory: made once, whole or not at all.
 *
 * 1. `initdb` works in a directory next to the final one, which gets its name only when everything is in it, so that a
 *    kill in the middle leaves nothing that the next start would take for a database.
 * 2. The password is random, of this home alone, and in a file that only its owner reads. Loopback is not a credential:
 *    every user of the machine can reach it.
 */
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { chmod, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import type { PostgresBinaries } from '#local/postgres/binaries.ts';
import { giveTo, type UnprivilegedRun } from '#local/postgres/unprivileged.ts';
import { LongshoreError } from '#shared/errors.ts';

export const DATABASE_USER = 'longshore';
export const DATABASE_NAME = 'longshore';

/** Environment of every PostgreSQL program: nothing of ours, and the same messages on every machine. */
export const POSTGRES_ENVIRONMENT = { PATH: '/usr/local/bin:/usr/bin:/bin', LC_ALL: 'C' };

/** Scrambled passwords whatever the address; nothing else gets in. */
const ACCESS_RULES = 'host all all all scram-sha-256\nhost replication all all scram-sha-256\n';
const INIT_TIMEOUT_MS = 60_000;

export interface Cluster {
  readonly dataDirectory: string;
  readonly password: string;
}

export interface EnsureClusterOptions {
  readonly directory: string;
  readonly binaries: PostgresBinaries;
  readonly run: UnprivilegedRun;
}

/** Makes the data directory unless it is there. @throws LongshoreError `POSTGRES_START_FAILED` */
export async function ensureCluster({ directory, binaries, run }: EnsureClusterOptions): Promise<Cluster> {
  const dataDirectory = join(directory, 'data');
  const passwordFile = join(directory, 'password');
  if (existsSync(dataDirectory)) {
    // An older version's do not let a standby in.
    await writeFile(join(dataDirectory, 'pg_hba.conf'), ACCESS_RULES);
    return { dataDirectory, password: (await readFile(passwordFile, 'utf8')).trim() };
  }

  const password = randomBytes(24).toString('base64url');
  await writeFile(passwordFile, `${password}\n`, { mode: 0o600 });
  await chmod(passwordFile, 0o600);
  const partial = join(directory, 'data.partial');
  await rm(partial, { recursive: true, force: true });
  await mkdir(partial, { mode: 0o700 });
  if (run.owner !== undefined) await giveTo(partial, run.owner);
  await runToEnd(run.command(binaries.initdb, initArguments(partial)), '');
  await writeFile(join(partial, 'pg_hba.conf'), ACCESS_RULES);
  // Single-user mode needs neither a port nor a password, so both are set before anyone could connect without one.
  await runToEnd(
    run.command(binaries.postgres, ['--single', '-D', partial, '-c', 'fsync=off', 'postgres']),
    `ALTER ROLE ${DATABASE_USER} PASSWORD '${password}'\nCREATE DATABASE ${DATABASE_NAME} STRATEGY file_copy\n`,
  );
  await rename(partial, dataDirectory);
  return { dataDirectory, password };
}

function initArguments(directory: string): string[] {
  return [
    '-D',
    directory,
    `--username=${DATABASE_USER}`,
    '--auth=reject',
    '--encoding=UTF8',
    // The builtin provider sorts alike on every machine, whatever its C library.
    '--locale-provider=builtin',
    '--builtin-locale=C.UTF-8',
    '--locale=C',
    '--no-instructions',
    '--no-sync',
  ];
}

async function runToEnd(command: { file: string; args: string[] }, input: string): Promise<void> {
  const child = spawn(command.file, command.args, {
    env: POSTGRES_ENVIRONMENT,
    cwd: '/',
    timeout: INIT_TIMEOUT_MS,
    killSignal: 'SIGKILL',
  });
  const ended = Promise.withResolvers<string>();
  child.once('error', ended.reject);
  child.once('close', (code, signal) => ended.resolve(`${signal ?? code}`));
  // A child that ends early closes its input; how it ended is told by its exit code.
  child.stdin.on('error', () => {});
  child.stdin.end(input);
  const [status, output, errors] = await Promise.all([ended.promise, text(child.stdout), text(child.stderr)]);
  const hasFailed = status !== '0' || /\b(FATAL|ERROR):/.test(errors);
  if (!hasFailed) return;
  const tail = `${output}\n${errors}`.trim().split('\n').slice(-5).join('\n');
  throw new LongshoreError('POSTGRES_START_FAILED', `Making the database failed (${status}):\n${tail}`);
}

/**
 * A PgBouncer of a test's own before a database, in transaction mode: each transaction has a connection of the server, and nothing outlives it. It
 * ignores no setting of a session that it does not know, as it is delivered. It is installed, or unpacked where `.ci/run` puts servers.
 */
import { existsSync } from 'node:fs';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { findFreePort } from '#local/ports.ts';
import { startProcess } from './start-process.ts';
import { UNPACKED, whyNotLoaded, withLibraries } from './unpacked-servers.ts';

export interface PgBouncer {
  readonly port: number;
  stop(): Promise<void>;
}

export interface PgBouncerOptions {
  /** Of the database. */
  readonly url: string;
  readonly user: string;
  readonly password: string;
  /** Connections to the server. */
  readonly size: number;
}

const HOST = '127.0.0.1';
const PROGRAM = 'usr/sbin/pgbouncer';
const ROOTS = ['/', UNPACKED];
/** It refuses to run as root. */
const OWNER = 'nobody';

const root = ROOTS.find((each) => existsSync(join(each, PROGRAM)));

/** Why it cannot be started here. */
export function whyNoPgBouncer(): string | undefined {
  return whyNotLoaded(PROGRAM, root);
}

export async function startPgBouncer({ url, user, password, size }: PgBouncerOptions): Promise<PgBouncer> {
  if (root === undefined) throw new Error(whyNoPgBouncer());
  const home = await mkdtemp(join(tmpdir(), 'longshore-pgbouncer-'));
  const port = await findFreePort(HOST);
  const { hostname, port: serverPort, pathname } = new URL(url);
  const users = join(home, 'users.txt');
  const settings = join(home, 'pgbouncer.ini');
  await chmod(home, 0o755);
  await writeFile(users, `"${user}" "${password}"\n`);
  await writeFile(
    settings,
    [
      ...['[databases]', `${pathname.slice(1)} = host=${hostname} port=${serverPort}`],
      ...['[pgbouncer]', `listen_addr = ${HOST}`, `listen_port = ${port}`, 'unix_socket_dir ='],
      ...['auth_type = scram-sha-256', `auth_file = ${users}`],
      ...['pool_mode = transaction', `default_pool_size = ${size}`, ''],
    ].join('\n'),
  );
  const bouncer = startProcess(['-u', OWNER, settings], { command: join(root, PROGRAM), env: withLibraries(root) });
  const stop = async (): Promise<void> => {
    await bouncer.end('SIGKILL');
    await rm(home, { recursive: true, force: true });
  };
  try {
    await bouncer.untilLine(/process up/);
  } catch (error) {
    await stop();
    throw error;
  }
  return { port, stop };
}

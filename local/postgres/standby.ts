/**
 * A standby of an embedded server: a copy of the leader's data directory that follows it by streaming replication.
 *
 * 1. The data directory alone says what a server is: a standby has `standby.signal`, which goes with its promotion.
 * 2. A copy works in a directory next to the final one, which gets its name only when everything is in it.
 * 3. The leader keeps the log that its standby has not received yet, in a slot of the standby's name.
 * 4. What a former leader had is set aside, not removed: the standby may never have received the last of it.
 *
 * The embedded package has no `pg_basebackup`; this is what that program does, for two directories of one machine.
 */
import { existsSync } from 'node:fs';
import { copyFile, mkdir, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import postgres from 'postgres';
import { findPostgresBinaries } from '#local/postgres/binaries.ts';
import { chooseUnprivilegedRun, giveTo } from '#local/postgres/unprivileged.ts';
import { LongshoreError } from '#shared/errors.ts';

export interface CopyLeaderOptions {
  /** Of the leader, which runs. */
  readonly leader: { readonly url: string; readonly directory: string };
  /** Of the standby, as `startPostgres` takes it. */
  readonly directory: string;
  /** The standby's name at the leader: lower case letters, digits and underscores. */
  readonly slot: string;
}

const SIGNAL_FILE = 'standby.signal';
/** Of what the leader has, its own alone: made at a start, or kept for its own standbys. */
const LEFT_OUT = /^(postmaster\.(pid|opts)|backup_label.*|tablespace_map.*|pgsql_tmp.*)$/;
const EMPTIED = new Set([
  'pg_wal',
  'pg_replslot',
  'pg_dynshmem',
  'pg_notify',
  'pg_serial',
  'pg_snapshots',
  'pg_stat_tmp',
  'pg_subtrans',
]);
const PROMOTION_TIMEOUT_S = 60;

/** Whether the server of this directory follows another; undefined when there is none yet. */
export function isStandby(directory: string): boolean | undefined {
  if (!existsSync(join(directory, 'data'))) return undefined;
  return existsSync(join(directory, 'data', SIGNAL_FILE));
}

/** Makes a standby's directory, whose data must not be there. @throws LongshoreError `POSTGRES_*` */
export async function copyLeader({ leader, directory, slot }: CopyLeaderOptions): Promise<void> {
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const run = await chooseUnprivilegedRun({ binaries: findPostgresBinaries(), directory });
  const partial = join(directory, 'data.partial');
  await rm(partial, { recursive: true, force: true });
  // One session: the backup belongs to it.
  const sql = postgres(leader.url, { max: 1, onnotice: () => {}, connect_timeout: 10 });
  try {
    await sql`SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name = ${slot} AND NOT active`;
    await sql`SELECT pg_create_physical_replication_slot(${slot}, true)`;
    await sql`SELECT pg_backup_start(${slot}, true)`;
    await copyTree(join(leader.directory, 'data'), partial);
    const [backup] = await sql<{ labelfile: string }[]>`SELECT labelfile FROM pg_backup_stop(false)`;
    await writeFile(join(partial, 'backup_label'), backup!.labelfile, { mode: 0o600 });
  } catch (cause) {
    throw new LongshoreError('POSTGRES_START_FAILED', `The leader's data could not be copied to ${directory}.`, {
      cause,
    });
  } finally {
    await sql.end({ timeout: 5 });
  }
  await writeFile(join(partial, 'postgresql.auto.conf'), followingSettings(leader.url, slot), { mode: 0o600 });
  await writeFile(join(partial, SIGNAL_FILE), '', { mode: 0o600 });
  if (run.owner !== undefined) await giveTo(partial, run.owner);
  await writeFile(join(directory, 'password'), `${new URL(leader.url).password}\n`, { mode: 0o600 });
  await rename(partial, join(directory, 'data'));
}

/** Moves the data of a server that led and leads no longer out of the way. Resolves to where they are. */
export async function setAside(directory: string): Promise<string> {
  const aside = join(directory, 'data.fenced');
  await rm(aside, { recursive: true, force: true });
  await rename(join(directory, 'data'), aside);
  return aside;
}

/** Resolves when the standby takes writes. One that leads already is left as it is. */
export async function promoteStandby(url: string): Promise<void> {
  const sql = postgres(url, { max: 1, onnotice: () => {}, connect_timeout: 10 });
  try {
    const [promoted] = await sql<{ isDone: boolean }[]>`
      SELECT CASE WHEN pg_is_in_recovery() THEN pg_promote(true, ${PROMOTION_TIMEOUT_S}) ELSE true END AS "isDone"`;
    if (promoted?.isDone !== true)
      throw new LongshoreError('POSTGRES_START_FAILED', `The standby was not promoted in ${PROMOTION_TIMEOUT_S} s.`);
  } finally {
    await sql.end({ timeout: 5 });
  }
}

function followingSettings(leaderUrl: string, slot: string): string {
  const { hostname, port, username, password } = new URL(leaderUrl);
  const quoted = (text: string) => `'${text.replaceAll("'", "''")}'`;
  const connection = `host=${hostname} port=${port} user=${username} password=${password} application_name=${slot}`;
  return `primary_conninfo = ${quoted(connection)}\nprimary_slot_name = ${quoted(slot)}\n`;
}

/** Of a directory that is written meanwhile: what goes before it is copied is not needed, as the log says so too. */
async function copyTree(from: string, to: string, isTop = true): Promise<void> {
  await mkdir(to, { mode: 0o700 });
  for (const entry of await readdir(from, { withFileTypes: true })) {
    if (LEFT_OUT.test(entry.name)) continue;
    const [source, target] = [join(from, entry.name), join(to, entry.name)];
    if (entry.isDirectory() && isTop && EMPTIED.has(entry.name)) await mkdir(target, { mode: 0o700 });
    else if (entry.isDirectory()) await copyTree(source, target, false);
    else await copyFile(source, target).catch(ignoreGone);
  }
}

function ignoreGone(error: unknown): void {
  if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
}

/**
 * Which home of a pair leads: decided at every start, before anything of the home writes.
 *
 * 1. There are never two that lead. A home that led when it last ran asks the other first; when that leads now, this one was failed over:
 *    it is fenced, sets its data aside and follows.
 * 2. A home that led and cannot ask the other does not start, unless its operator says that the other is gone.
 * 3. A home without data copies those of the one that leads, with its keys: clients see the same host key and the same secrets.
 */
import { cp, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Home } from '#local/home.ts';
import { connectLauncher } from '#local/launcher/connect-launcher.ts';
import { portsFrom } from '#local/ports.ts';
import { DATABASE_NAME, DATABASE_USER } from '#local/postgres/cluster.ts';
import { copyLeader, isStandby, setAside } from '#local/postgres/standby.ts';
import { LongshoreError } from '#shared/errors.ts';

export interface Peer {
  readonly home: string;
  readonly portBase: number;
}

export interface Pair {
  /** `first` begins to lead when neither has data. */
  readonly place: 'first' | 'second';
  readonly peer: Peer;
  /** Leads although the other cannot be asked: its operator knows that it is gone. */
  readonly isPeerGone?: boolean;
  /** How long objects wait before they are copied to the other home, as over a long line; 0 when absent. */
  readonly replicaDelayMs?: number;
}

export type Role = 'leads' | 'follows';

export interface ChosenRole {
  readonly role: Role;
  /** Where the data are that this home had when it led, once it is fenced. */
  readonly setAside?: string;
}

type PeerState = 'leads' | 'follows' | 'silent' | 'without-data';

/** @throws LongshoreError `PAIR_UNDECIDED`, `POSTGRES_*` */
export async function chooseRole(
  home: Home,
  { place, peer, isPeerGone = false }: Pair,
  host: string,
): Promise<ChosenRole> {
  const directory = home.data('postgres');
  const hasFollowed = isStandby(directory);
  if (hasFollowed === true) return { role: 'follows' };
  const url = await databaseUrlOf(peer, host);
  const state = url === undefined ? 'without-data' : await askPeer(url);
  if (url !== undefined && state === 'leads') {
    const aside = hasFollowed === false ? await setAside(directory) : undefined;
    await copyKeys(peer, home);
    await copyLeader({ leader: { url, directory: postgresOf(peer) }, directory, slot: place });
    return { role: 'follows', ...(aside !== undefined && { setAside: aside }) };
  }
  const mayLead =
    hasFollowed === false ? state !== 'silent' || isPeerGone : place === 'first' && state === 'without-data';
  if (mayLead) return { role: 'leads' };
  throw new LongshoreError(
    'PAIR_UNDECIDED',
    `The other home of the pair, ${peer.home}, ${state === 'silent' ? 'does not answer' : 'does not lead'}: it is not known which of the two leads.`,
  );
}

function postgresOf({ home }: Peer): string {
  return join(home, 'data', 'postgres');
}

/** Undefined when it has no database. */
async function databaseUrlOf(peer: Peer, host: string): Promise<string | undefined> {
  if (isStandby(postgresOf(peer)) === undefined) return undefined;
  const password = (await readFile(join(postgresOf(peer), 'password'), 'utf8')).trim();
  return `postgres://${DATABASE_USER}:${password}@${host}:${portsFrom(peer.portBase).postgres}/${DATABASE_NAME}`;
}

async function askPeer(url: string): Promise<PeerState> {
  const sql = connectLauncher(url);
  try {
    const [state] = await sql<{ follows: boolean }[]>`SELECT pg_is_in_recovery() AS follows`;
    return state?.follows === true ? 'follows' : 'leads';
  } catch {
    return 'silent';
  } finally {
    await sql.end({ timeout: 1 });
  }
}

async function copyKeys(peer: Peer, home: Home): Promise<void> {
  await cp(join(peer.home, 'keys'), home.keys, { recursive: true, force: false });
}

/**
 * What a source takes of a directory listing, in bounded memory.
 *
 * 1. Names are held up to `mostHeldCharacters`. When a listing has more, its names are split into shares by a hash, and one share is kept; for the
 *    others the directory is listed again. So nothing depends on the order in which a server lists.
 * 2. A name and its marker are of one share; so is a name that is listed twice.
 * 3. What is passed over is counted, each entry in one share; only the first of them is kept.
 */
import { canonicalRemotePath } from '#shared/definitions/remote-schema.ts';
import { compileGlobs } from '#shared/definitions/routes/match-glob.ts';
import type { SourceDocument } from '#shared/definitions/source-schema.ts';
import type { RemoteEntry } from '#shared/remotes/remote-connection.ts';
import { RemoteError } from '#shared/remotes/remote-error.ts';

export interface Share {
  /** Another one makes other shares. */
  readonly salt: number;
  readonly share: number;
  /** A power of two. Share 0 may find that there have to be more. */
  readonly shares: number;
}

export interface PassedOver {
  readonly count: number;
  /** The first: as the server sent it. */
  readonly example: string;
}

export interface Gathered {
  readonly files: readonly RemoteEntry[];
  readonly isReady: (name: string) => boolean;
  readonly passedOver: PassedOver | undefined;
  readonly shares: number;
}

export interface GatherLimits {
  /** A server that lists without end would take all memory, and with it the transfers of others. */
  readonly mostHeldCharacters: number;
  readonly mostShares: number;
}

/** What an entry takes besides its name: some 130,000 short names are held, and a directory of some eight million is listed. */
const ENTRY_CHARACTERS = 120;
const LIMITS: GatherLimits = { mostHeldCharacters: 20_000_000, mostShares: 64 };
/** Of what share 0 may hold: the others are not equally large, and the directory grows while it is listed. */
const OTHER_SHARES = 2;

type Selection = Pick<SourceDocument, 'directory' | 'match' | 'exclude' | 'minSize' | 'maxSize' | 'ready' | 'checksum'>;

/**
 * Markers are entries too, so all of a share have to be there before any file of it is ready.
 *
 * @throws RemoteError for a directory with more names than `mostShares` hold, or which doubled since share 0 was gathered.
 */
export async function gatherListing(
  source: Selection,
  entries: AsyncIterable<RemoteEntry>,
  { salt, share, shares: given }: Share,
  { mostHeldCharacters, mostShares }: GatherLimits = LIMITS,
): Promise<Gathered> {
  const takes = selects(source);
  const { marker, companions } = companionsOf(source);
  const files = new Map<string, RemoteEntry>();
  /** The names whose markers are there. */
  const markers = new Set<string>();
  /** By the smallest shares that there can be: of another share than ours nothing is counted in the end. */
  const passedOver: (PassedOver | undefined)[] = Array.from({ length: mostShares });
  let shares = given;
  let heldCharacters = 0;

  const bucketOf = (name: string): number => (hashOf(name) ^ salt) & (mostShares - 1);
  const isOurs = (name: string): boolean => shares === 1 || (bucketOf(name) & (shares - 1)) === share;

  function split(): void {
    if (share > 0 || shares >= mostShares)
      throw new RemoteError('protocol', 'the directory has more names than can be listed');
    shares *= 2;
    heldCharacters = 0;
    for (const held of [files, markers])
      for (const name of held.keys())
        if (isOurs(name)) heldCharacters += name.length + ENTRY_CHARACTERS;
        else held.delete(name);
  }
  function held(name: string): void {
    heldCharacters += name.length + ENTRY_CHARACTERS;
    while (heldCharacters > mostHeldCharacters * (share > 0 ? OTHER_SHARES : 1)) split();
  }
  function passOver(name: string): void {
    const bucket = bucketOf(name);
    const known = passedOver[bucket];
    passedOver[bucket] = { count: (known?.count ?? 0) + 1, example: known?.example ?? name };
  }

  for await (const entry of entries) {
    const { name } = entry;
    const isMarker = marker !== undefined && entry.kind === 'file' && name.endsWith(marker);
    const fileName = isMarker ? name.slice(0, -marker.length) : name;
    if (!isOurs(fileName)) continue;
    if (entry.kind === 'unread') passOver(name);
    if (entry.kind !== 'file') continue;
    if (isMarker && !markers.has(fileName)) {
      markers.add(fileName);
      held(fileName);
    }
    if (companions.some((suffix) => name.endsWith(suffix))) continue;
    const known = files.get(name);
    const taken = takes(entry);
    if (taken === 'refused') passOver(name);
    if (taken !== 'taken') continue;
    if (known === undefined) {
      files.set(name, entry);
      held(name);
      // A server that trims names shows two files as one; a directory that changes while it is listed shows one file twice.
    } else if (known.sizeBytes !== entry.sizeBytes || known.modifiedAt !== entry.modifiedAt) passOver(name);
  }
  return {
    files: [...files.values()],
    isReady: (name) => marker === undefined || markers.has(name),
    passedOver: passedOver.filter((_, bucket) => (bucket & (shares - 1)) === share).reduce(addPassedOver, undefined),
    shares,
  };
}

export function addPassedOver(some: PassedOver | undefined, more: PassedOver | undefined): PassedOver | undefined {
  if (some === undefined || more === undefined) return some ?? more;
  return { count: some.count + more.count, example: some.example };
}

export function isFileSize(size: number): boolean {
  return Number.isSafeInteger(size) && size >= 0;
}

function companionsOf({ ready, checksum }: Selection) {
  const marker = 'marker' in ready ? ready.marker : undefined;
  const sidecar = checksum !== undefined && 'sidecar' in checksum ? checksum.sidecar : undefined;
  return { marker, companions: [marker, sidecar].filter((suffix) => suffix !== undefined) };
}

/** `refused`: the partner has to do something about it. */
function selects(source: Selection): (entry: RemoteEntry) => 'taken' | 'left' | 'refused' {
  const isMatching = compileGlobs(source.match);
  const isExcluded = compileGlobs(source.exclude);
  const { minSize = 0, maxSize = Number.POSITIVE_INFINITY } = source;
  return ({ name, sizeBytes: size = 0 }) => {
    // What is being fetched has our name.
    if (/\.longshore-[0-9a-f-]{36}$/.test(name)) return 'left';
    if (!isMatching(name) || isExcluded(name)) return 'left';
    if (!isFileSize(size)) return 'refused';
    if (size < minSize || size > maxSize) return 'left';
    const isSafe = !name.includes('/') && canonicalRemotePath(`${source.directory}${name}`).ok;
    return isSafe ? 'taken' : 'refused';
  };
}

/** FNV-1a, its bits mixed once more: the lowest ones count. */
function hashOf(name: string): number {
  let hash = 0x81_1c_9d_c5;
  for (let at = 0; at < name.length; at += 1) hash = Math.imul(hash ^ name.charCodeAt(at), 0x01_00_01_93);
  hash = Math.imul(hash ^ (hash >>> 15), 0x2c_1b_3c_6d);
  return hash ^ (hash >>> 13);
}

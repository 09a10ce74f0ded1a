/**
 * Walks a bucket in the byte order of keys, rolling keys up to common prefixes.
 *
 * 1. Rows are read in bounded batches with a turn of the event loop between them, so that a bucket full of delete markers stalls
 *    nobody.
 * 2. A common prefix costs one batch at most, however many keys are below it.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { ObjectVersion, VersionStore } from '#local/s3/version-store.ts';

export interface WalkOptions {
  readonly bucketId: number;
  readonly prefix: string;
  /** Empty: no rolling up. */
  readonly delimiter: string;
  /** A key or common prefix; the walk starts after it. */
  readonly after: string;
  /** With it the walk starts within the key `after`, at the versions older than this. */
  readonly beforeSeq?: number;
  /** Delete markers and older versions too; otherwise what a plain listing shows. */
  readonly allVersions: boolean;
  /** How many entries the caller is going to take. */
  readonly wanted: number;
}

export type WalkEntry =
  | { readonly kind: 'version'; readonly version: ObjectVersion; readonly isLatest: boolean }
  | { readonly kind: 'prefix'; readonly prefix: string };

const MAX_BATCH = 1001;

export async function* walkVersions(store: VersionStore, options: WalkOptions): AsyncGenerator<WalkEntry> {
  const { bucketId, prefix, delimiter, after, allVersions } = options;
  const batchSize = Math.min(options.wanted + 1, MAX_BATCH);
  const isWithinKey = options.beforeSeq !== undefined && !isBefore(after, prefix);
  let beforeSeq = isWithinKey ? options.beforeSeq : undefined;
  let previousKey = isWithinKey ? after : undefined;
  let emittedPrefix = commonPrefix(after, prefix, delimiter) === after ? after : undefined;
  let cursor = isBefore(after, prefix) ? prefix : after;
  if (!isWithinKey && emittedPrefix !== undefined && after.startsWith(prefix))
    cursor = successorOfPrefix(emittedPrefix) ?? cursor;

  while (true) {
    const rows = store.scan(bucketId, cursor, batchSize, beforeSeq);
    for (const version of rows) {
      const { key } = version;
      if (!key.startsWith(prefix)) return;
      const isLatest = key !== previousKey;
      previousKey = key;
      if ((key === after && !isWithinKey) || (!allVersions && (!isLatest || version.isDeleteMarker))) continue;
      const rolledUp = commonPrefix(key, prefix, delimiter);
      if (rolledUp === undefined) yield { kind: 'version', version, isLatest };
      else if (rolledUp !== emittedPrefix && isBefore(after, rolledUp)) {
        emittedPrefix = rolledUp;
        yield { kind: 'prefix', prefix: rolledUp };
      }
    }
    const last = rows.at(-1);
    if (last === undefined || rows.length < batchSize) return;
    const lastPrefix = commonPrefix(last.key, prefix, delimiter);
    const beyond = lastPrefix === emittedPrefix && lastPrefix !== undefined ? successorOfPrefix(lastPrefix) : undefined;
    cursor = beyond ?? (allVersions ? last.key : `${last.key}\0`);
    beforeSeq = beyond === undefined && allVersions ? last.seq : undefined;
    await nextTurn();
  }
}

export function commonPrefix(key: string, prefix: string, delimiter: string): string | undefined {
  if (delimiter === '') return undefined;
  const end = key.indexOf(delimiter, prefix.length);
  return end < 0 ? undefined : key.slice(0, end + delimiter.length);
}

/** In the order of UTF-8 bytes, which is not that of JavaScript's UTF-16 units. */
function isBefore(a: string, b: string): boolean {
  return Buffer.compare(Buffer.from(a), Buffer.from(b)) < 0;
}

/** The least text that is greater than all texts with this prefix; `undefined` where there is none. */
function successorOfPrefix(prefix: string): string | undefined {
  const points = Array.from(prefix, (character) => character.codePointAt(0)!);
  while (points.length > 0) {
    const last = points.pop()!;
    if (last < 0x10ffff) return String.fromCodePoint(...points, last === 0xd7ff ? 0xe000 : last + 1);
  }
  return undefined;
}

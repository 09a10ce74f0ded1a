/**
 * Which of the files that came in the window of an occurrence count for it, where windows of one expectation overlap. Pure.
 *
 * A file counts once: for the earliest occurrence in whose window it came and that lacks files, or, where none does, for the latest in whose
 * window it came.
 */

/** Of an occurrence, or of another of the same expectation. */
export interface SharingOccurrence {
  readonly opensMs: number;
  readonly dueMs: number;
  readonly closesMs: number;
  readonly fileIds: readonly string[];
}

export interface Neighbour extends Omit<SharingOccurrence, 'fileIds'> {
  /** Number of files that count for it. */
  readonly files: number;
  /** Those of the arrivals that count for it. */
  readonly taken: readonly string[];
  /** False: it is over or excused, and takes nothing more. */
  readonly isOpen: boolean;
}

export interface SharedArrivals {
  readonly fileIds: readonly string[];
  /** Of the first that is left to an earlier occurrence: should that one not take it, it is looked at again. */
  readonly leftMs: number | undefined;
}

/** `arrivals`: in the order of their registration. `needed`: files of each occurrence. */
export function shareArrivals(
  occurrence: SharingOccurrence,
  neighbours: readonly Neighbour[],
  { arrivals, needed }: { readonly arrivals: readonly { id: string; atMs: number }[]; readonly needed: number },
): SharedArrivals {
  const { dueMs } = occurrence;
  const open = neighbours.filter(({ isOpen }) => isOpen);
  const earlier = open
    .filter((neighbour) => neighbour.dueMs < dueMs)
    .sort((one, other) => one.dueMs - other.dueMs)
    .map((neighbour) => ({ neighbour, lacking: needed - neighbour.files }));
  const later = open.filter((neighbour) => neighbour.dueMs > dueMs);
  const elsewhere = new Set(neighbours.flatMap(({ taken }) => taken));
  const fileIds = new Set(occurrence.fileIds);
  let leftMs: number | undefined;
  for (const { id, atMs } of arrivals) {
    if (fileIds.has(id) || elsewhere.has(id)) continue;
    const first = earlier.find(({ neighbour, lacking }) => lacking > 0 && isWithin(neighbour, atMs));
    if (first !== undefined) {
      first.lacking -= 1;
      leftMs ??= atMs;
    } else if (fileIds.size < needed || !later.some((neighbour) => isWithin(neighbour, atMs))) fileIds.add(id);
  }
  return { fileIds: [...fileIds], leftMs };
}

function isWithin({ opensMs, closesMs }: { readonly opensMs: number; readonly closesMs: number }, atMs: number) {
  return opensMs <= atMs && atMs <= closesMs;
}

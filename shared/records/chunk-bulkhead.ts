/**
 * How many chunks of this process may involve one partner: a quarter of the slots. A partner that is slow then leaves the other slots to
 * work that has nothing to do with it.
 */

export interface ChunkBulkhead {
  /** Undefined: one of the partners has its share. Else frees what was taken, once. */
  enter(partners: Iterable<string>): (() => void) | undefined;
}

const SHARE = 0.25;
/** So that small workers still overlap the commits of one chunk with the calls of another. */
const LEAST = 2;

export function createChunkBulkhead(slots: number): ChunkBulkhead {
  const most = Math.max(LEAST, Math.floor(slots * SHARE));
  const chunks = new Map<string, number>();

  return {
    enter(partners) {
      const taken = [...new Set(partners)];
      if (taken.some((partner) => (chunks.get(partner) ?? 0) >= most)) return undefined;
      for (const partner of taken) chunks.set(partner, (chunks.get(partner) ?? 0) + 1);
      return () => {
        for (const partner of taken.splice(0)) {
          const left = (chunks.get(partner) ?? 1) - 1;
          if (left === 0) chunks.delete(partner);
          else chunks.set(partner, left);
        }
      };
    },
  };
}

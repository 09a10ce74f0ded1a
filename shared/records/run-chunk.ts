/**
 * Carries the records of one claimed chunk, side by side as far as their partners take them.
 *
 * 1. A record is begun while the chunk may: the lease holds, the worker does not stop, no record met a wait, and `BEGIN_FOR_MS` are not
 *    over. What was begun ends on its own; what was not stays for the next claim.
 * 2. The chunk is settled once no record is under way: done when each has an outcome, else given back with the delay of the wait.
 * 3. Nothing is settled under a lease that somebody took over, nor when an outcome could not be stored: the lease runs out, and the rows say what
 *    is next. One that ran out in an outage of the database is settled at its epoch.
 */

import { isLostDatabase } from '#shared/db/run-statements.ts';
import type { FoundRoute } from '#shared/definitions/route-cache.ts';
import type { Lease } from '#shared/worker/lease-keeper.ts';
import { advanceRecord, type RecordWalkParts } from './advance-record.ts';
import type { ChunkBulkhead } from './chunk-bulkhead.ts';
import type { ClaimedChunk } from './claim-chunks.ts';
import type { ChunkSettled, RecordCommits } from './record-commits.ts';
import type { CallTrace } from './trace-calls.ts';

export interface RunChunkParts extends RecordWalkParts {
  readonly commits: RecordCommits;
  readonly bulkhead: ChunkBulkhead;
}

export interface ChunkRun {
  readonly chunk: ClaimedChunk;
  readonly found: FoundRoute;
  readonly lease: Lease;
  readonly calls: CallTrace;
  /** Of the message. */
  readonly traceparent: string | undefined;
  /** Aborted when the worker stops and waits no longer. */
  readonly stop: AbortSignal;
  /** True from the moment the worker begins to stop. */
  readonly isDraining: () => boolean;
}

export interface ChunkEnd {
  readonly outcome: 'done' | 'waiting' | 'time over' | 'partner busy' | 'stopping' | 'database away' | 'lost';
  readonly delayMs: number;
}

/**
 * A message that is held longer than its queue's visibility lasts by heartbeats alone would come twice after any hiccup of them, and a
 * chunk at a slow partner would keep its slot from all others for as long as it takes.
 */
const BEGIN_FOR_MS = 60_000;
/** Shorter would be asked for in vain before the clocks come round, longer would leave a partner idle that is back. */
const SHORTEST_WAIT_MS = 200;
const LONGEST_WAIT_MS = 60_000;
/** For a chunk that found its partner's share of the slots taken; spread, so that such chunks do not come back together. */
const BUSY_MS = 500;

export async function runChunk(parts: RunChunkParts, run: ChunkRun): Promise<ChunkEnd> {
  const { found, chunk } = run;
  const partners = found.ok ? found.route.calls.map(({ partner }) => `${chunk.tenantId}/${partner}`) : [];
  const leave = parts.bulkhead.enter(partners);
  if (leave === undefined) return await settle(parts, run, 'partner busy', BUSY_MS * (0.5 + parts.random()));
  try {
    return await walkRecords(parts, run);
  } finally {
    leave();
  }
}

async function walkRecords(parts: RunChunkParts, run: ChunkRun): Promise<ChunkEnd> {
  const { chunk, found, lease, calls, stop, isDraining } = run;
  const startedMs = parts.now();
  let waitMs: number | undefined;
  let pausedPartner: string | undefined;
  let hasFailed = false;
  const isStopping = (): boolean => stop.aborted || isDraining();
  const isTimeOver = (): boolean => parts.now() - startedMs >= BEGIN_FOR_MS;
  const walk = {
    chunk,
    found,
    lease: lease.signal,
    calls,
    stop,
    signal: AbortSignal.any([lease.signal, stop]),
    isStopping,
    mayBegin: () => waitMs === undefined && !hasFailed && !lease.signal.aborted && !isStopping() && !isTimeOver(),
    defer(afterMs: number) {
      waitMs = Math.max(waitMs ?? SHORTEST_WAIT_MS, Math.min(LONGEST_WAIT_MS, afterMs));
    },
    notePaused(partner: string) {
      pausedPartner = partner;
    },
  };
  const ends = await Promise.allSettled(
    chunk.records.map((record) =>
      advanceRecord(parts, walk, record).catch((error: unknown) => {
        hasFailed = true;
        throw error;
      }),
    ),
  );
  if (lease.signal.aborted && !isLostDatabase(lease.signal.reason)) return { outcome: 'lost', delayMs: 0 };
  const failed = ends.find((end) => end.status === 'rejected');
  if (failed !== undefined) throw failed.reason;
  if (lease.signal.aborted) return await settle(parts, run, 'database away', SHORTEST_WAIT_MS);
  if (isStopping()) return await settle(parts, run, 'stopping', 0);
  if (pausedPartner !== undefined) await parts.commits.notePaused({ ...chunk, partner: pausedPartner });
  if (waitMs !== undefined) return await settle(parts, run, 'waiting', waitMs);
  return await settle(parts, run, 'time over', 0);
}

/** `why` it may come again; a chunk without records left is done whatever ended it. */
async function settle(
  { commits }: RunChunkParts,
  { chunk, lease, traceparent }: ChunkRun,
  why: ChunkEnd['outcome'],
  delayMs: number,
): Promise<ChunkEnd> {
  lease.settle();
  const { id: chunkId, epoch, jobId } = chunk;
  const settled: ChunkSettled = await commits.settleChunk({ chunkId, epoch, delayMs, jobId, traceparent });
  if (settled === 'stale') return { outcome: 'lost', delayMs: 0 };
  return settled === 'done' ? { outcome: 'done', delayMs: 0 } : { outcome: why, delayMs };
}

/**
 * Branches that the worker of their parent runs itself, each under its own lease, while the parent's step waits for them.
 *
 * 1. They take the parent's slot, one after the other; more run side by side as long as the worker has spares. Nothing waits for a spare, so
 *    branches of branches cannot wait for each other.
 * 2. One that has not begun in time is given back, for any worker, without an attempt counted.
 * 3. The parent waits for them as long as its step may take at most; those that continue then wake it as any branch does.
 * 4. Those that have no row yet get it before their parent waits no longer: whoever has the parent next finds them.
 * 5. The slot is held until the last of them has left this worker's hands.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { LongshoreError } from '#shared/errors.ts';
import type { ClaimedJob } from '#shared/jobs/claim-jobs.ts';
import type { BranchState } from '#shared/jobs/start-branches.ts';
import type { AdvanceEnd } from './advance-job.ts';
import type { TryRequest } from './try-step.ts';
import type { UnwrittenBranch } from './unwritten-branch.ts';

/** Behind a sibling that takes longer, another worker may be free. Less than a lease, which nobody renews before a branch begins. */
const PATIENCE_MS = 10_000;

export interface BranchesInHandOptions {
  /** Branches that run at once in addition to one for each parent. */
  readonly spares: number;
  /** Before one that has not begun is given back; 10 s when absent. */
  readonly patienceMs?: number;
  /** For a parent to wait. */
  readonly longestMs: number;
  /** Runs one as a wake-up would; `undefined` when it came to no end that is known here. */
  readonly runBranch: (branch: BranchInHand, at: BranchStart) => Promise<AdvanceEnd | undefined>;
  readonly wakeParent: (jobId: string) => Promise<void>;
}

export interface BranchInHand {
  readonly job: ClaimedJob;
  /** Undefined: it has its row, and its claim. */
  readonly unwritten?: UnwrittenBranch | undefined;
}

interface BranchStart {
  /** Of the claim, monotonic. */
  readonly askedAtMs: number;
  readonly stop: AbortSignal;
  readonly traceparent: string | undefined;
}

export interface BranchesInHand {
  /** Resolves to what happened to those that ended here; the others have another end, or continue. */
  run(
    parent: TryRequest,
    branches: readonly BranchInHand[],
    askedAtMs: number,
  ): Promise<ReadonlyMap<string, BranchState>>;
  /** The parent has left this worker's hands: resolves when its branches have, too. */
  letGo(parentId: string): Promise<void>;
}

export function createBranchesInHand(options: BranchesInHandOptions): BranchesInHand {
  const { spares, patienceMs = PATIENCE_MS, longestMs, runBranch, wakeParent } = options;
  const running = new Map<string, Promise<unknown>>();
  let spare = spares;

  return {
    async run(parent, branches, askedAtMs) {
      const { job, stop, lease, span } = parent;
      const ended = new Map<string, BranchState>();
      const waiting = [...branches];

      async function runNext(signal: AbortSignal): Promise<void> {
        const branch = waiting.shift();
        if (branch === undefined) return;
        const end = await runBranch(branch, { askedAtMs, stop: signal, traceparent: span.traceparent });
        const state = end && stateOf(branch.job, end);
        if (state !== undefined) ended.set(branch.job.id, state);
      }
      async function runAll(): Promise<void> {
        while (waiting.length > 0) await runNext(stop);
      }
      const lanes = [runAll()];
      for (; waiting.length > 0 && spare > 0; spare -= 1) {
        lanes.push(
          runAll().finally(() => {
            spare += 1;
          }),
        );
      }
      const impatience = setTimeout(() => {
        while (waiting.length > 0) lanes.push(runNext(AbortSignal.abort(givenBack())));
      }, patienceMs);
      const over = new AbortController();
      const all = settled(lanes).finally(() => {
        clearTimeout(impatience);
        over.abort();
      });
      await sleep(longestMs, undefined, { signal: AbortSignal.any([over.signal, stop, lease]) }).catch(() => {});
      if (!over.signal.aborted) {
        running.set(job.id, all);
        if (!lease.aborted) await writeRows(branches.filter(({ job: { id } }) => !ended.has(id)));
      }
      return ended;
    },
    async letGo(parentId) {
      const all = running.get(parentId);
      if (all === undefined) return;
      running.delete(parentId);
      await all;
      await wakeParent(parentId);
    },
  };
}

function givenBack(): LongshoreError {
  return new LongshoreError('BRANCH_GIVEN_BACK', 'The branch had not begun behind its siblings.');
}

/** What cannot be written is not this worker's any more. */
async function writeRows(branches: readonly BranchInHand[]): Promise<void> {
  await Promise.allSettled(branches.map(({ unwritten }) => unwritten?.write()));
}

/** The list can grow meanwhile. */
async function settled(lanes: readonly Promise<void>[]): Promise<void> {
  for (let index = 0; index < lanes.length; index += 1) await lanes[index]?.catch(() => {});
}

function stateOf({ id, branch }: ClaimedJob, end: AdvanceEnd): BranchState | undefined {
  if (end.type === 'lost' || (end.move !== 'succeeded' && end.move !== 'failed')) return undefined;
  const { outcome, outputs } = end;
  const fault = 'code' in outcome ? outcome : undefined;
  return {
    jobId: id,
    branch,
    state: end.move === 'succeeded' ? 'SUCCEEDED' : 'FAILED',
    code: fault?.code ?? null,
    cause: fault?.cause ?? null,
    message: fault?.message ?? null,
    quietMs: 0,
    outputs,
  };
}

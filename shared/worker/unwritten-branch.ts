/**
 * A branch that its parent's worker runs before it has a row: that comes with its first outcome, or before, where what the branch does is
 * written down under its job.
 *
 * 1. Until then it works under the parent's lease, and ends with it; from then on under its own.
 * 2. A worker that ends in between leaves no trace of the try: the parent's next try makes the branch again, under the same id.
 */
import type { BranchRow, StoredOutcome } from '#shared/jobs/store-outcomes.ts';
import type { OutcomeStored } from './job-commits.ts';
import type { Lease } from './lease-keeper.ts';

export interface UnwrittenBranch {
  readonly lease: Lease;
  /** Its row is there, in this worker's hands. @throws LongshoreError `LEASE_LOST` */
  write(): Promise<void>;
  /** As of any job; the first one brings the row. */
  storeOutcome(outcome: StoredOutcome): Promise<OutcomeStored>;
}

export interface UnwrittenBranchOptions {
  readonly row: BranchRow;
  /** The parent's. */
  readonly lease: AbortSignal;
  /** Resolves to the monotonic time before the statement. @throws LongshoreError `LEASE_LOST` */
  readonly writeRow: () => Promise<number>;
  readonly hold: (askedAtMs: number) => Lease;
  readonly storeOutcome: (outcome: StoredOutcome) => Promise<OutcomeStored>;
}

export function createUnwrittenBranch(options: UnwrittenBranchOptions): UnwrittenBranch {
  const { row, writeRow, storeOutcome } = options;
  const lease = leaseBelow(options.lease, options.hold);
  let isWritten = false;
  /** A statement that may write the row. */
  let writing: Promise<unknown> | undefined;

  async function writeNow(): Promise<void> {
    const askedAtMs = await writeRow();
    isWritten = true;
    lease.extend(askedAtMs);
  }
  async function storeFirst(outcome: StoredOutcome): Promise<OutcomeStored> {
    const stored = await storeOutcome({ ...outcome, branch: row });
    isWritten ||= stored.type === 'stored';
    return stored;
  }
  function alone<Result>(statement: Promise<Result>): Promise<Result> {
    writing = statement;
    return statement;
  }

  return {
    lease,
    async write() {
      if (writing !== undefined) await writing.catch(() => {});
      if (!isWritten) await alone(writeNow());
    },
    async storeOutcome(outcome) {
      // What failed there fails here too, where it is known what it means.
      if (writing !== undefined) await writing.catch(() => {});
      return isWritten ? await storeOutcome(outcome) : await alone(storeFirst(outcome));
    },
  };
}

/** Ends with the lease above; once it is extended it is one of its own. */
function leaseBelow(above: AbortSignal, hold: (askedAtMs: number) => Lease): Lease {
  const ended = new AbortController();
  let own: Lease | undefined;
  let isReleased = false;
  return {
    signal: AbortSignal.any([above, ended.signal]),
    settle: () => own?.settle(),
    extend(askedAtMs) {
      if (isReleased) return;
      if (own !== undefined) own.extend(askedAtMs);
      else {
        own = hold(askedAtMs);
        own.signal.addEventListener('abort', () => ended.abort(own?.signal.reason), { once: true });
      }
    },
    release() {
      isReleased = true;
      own?.release();
    },
  };
}

/** `log`, whose every call, each of which resolves, first makes sure of the branch's row. */
export function afterRow<Log extends object>(log: Log, branch: UnwrittenBranch | undefined): Log {
  if (branch === undefined) return log;
  return new Proxy(log, {
    get(target, name) {
      const member: unknown = Reflect.get(target, name);
      if (typeof member !== 'function') return member;
      return async (...args: unknown[]) => {
        await branch.write();
        return await Reflect.apply(member, target, args);
      };
    },
    async apply(target, self, args) {
      await branch.write();
      return await Reflect.apply(target as unknown as (...of: unknown[]) => unknown, self, args);
    },
  });
}

/**
 * Keeps the leases of everything that this process works on, and stops the work on what it no longer holds.
 *
 * 1. Local work ends on a monotonic clock that was started before the lease was asked for, a margin before the database's end:
 *    the worker that takes over then finds nobody at work, whatever became of the answers in between.
 * 2. Everything held is renewed in one statement, every third of a lease. What the answer leaves out is lost, at once.
 * 3. While an outcome is being stored nothing works on the job, and a renewal that misses it says nothing: `settling` leases are
 *    neither renewed nor given up.
 * 4. A lease that ran out because the database was away says so: nobody else was at fault, and the work is to be tried again at no cost.
 */

import { isLostDatabase } from '#shared/db/run-statements.ts';
import { LongshoreError } from '#shared/errors.ts';
import type { Holding, RenewedLeases } from '#shared/jobs/renew-leases.ts';
import type { Logger } from '#shared/runtime/logger.ts';

export type LeaseKind = 'job' | 'file' | 'chunk' | 'pull';

interface Held {
  readonly jobs: Holding[];
  readonly files: Holding[];
  readonly chunks: Holding[];
  readonly pulls: Holding[];
}

export interface LeaseKeeperOptions {
  readonly leaseMs: number;
  /** Renews in the database; its deadline is the caller's. */
  readonly renew: (held: Held) => Promise<RenewedLeases & { readonly pullIds?: readonly string[] }>;
  readonly onLost: (kind: LeaseKind) => void;
  readonly logger: Logger;
  /** Monotonic milliseconds. */
  readonly now?: () => number;
}

export interface Lease {
  /** Aborted when the lease is lost or ran out, the latter with `DEPENDENCY_UNAVAILABLE` when the database was away. */
  readonly signal: AbortSignal;
  /** The work is done and its outcome on the way to the database. */
  settle(): void;
  /** A statement that was asked at `askedAtMs` gave the lease again: work continues. */
  extend(askedAtMs: number): void;
  /** The work is over; idempotent. */
  release(): void;
}

/** The share of a lease by which local work ends earlier than the database's lease. */
const MARGIN = 0.1;
/** One alone can be late because this process stood still, as over content that it cannot bear: that has to count. */
const FAILURES_OF_OUTAGE = 2;

export class LeaseKeeper {
  readonly #options: LeaseKeeperOptions;
  readonly #now: () => number;
  readonly #held = new Set<HeldLease>();
  #timer: NodeJS.Timeout | undefined;
  #isStopped = true;
  /** Renewals that failed one after the other since the last that did not. */
  #failures = 0;

  constructor(options: LeaseKeeperOptions) {
    this.#options = options;
    this.#now = options.now ?? (() => performance.now());
  }

  get size(): number {
    return this.#held.size;
  }

  start(): void {
    if (!this.#isStopped) return;
    this.#isStopped = false;
    this.#schedule(this.#options.leaseMs / 3);
  }

  /** Leases still held are no longer renewed; they end by their clocks. */
  stop(): void {
    this.#isStopped = true;
    clearTimeout(this.#timer);
  }

  /** `askedAtMs`: monotonic, from before the claim was sent. */
  hold(kind: LeaseKind, holding: Holding, askedAtMs: number): Lease {
    const { leaseMs, onLost, logger } = this.#options;
    const lease = new HeldLease({
      kind,
      id: holding.id,
      epoch: holding.epoch,
      localMs: leaseMs * (1 - MARGIN),
      now: this.#now,
      isDatabaseAway: () => this.#failures >= FAILURES_OF_OUTAGE,
      onEnd: (why) => {
        this.#held.delete(lease);
        if (why === 'released') return;
        onLost(kind);
        logger.warn({ kind, id: holding.id, epoch: holding.epoch, why }, 'lease lost');
      },
    });
    this.#held.add(lease);
    lease.extend(askedAtMs);
    return lease;
  }

  #schedule(delayMs: number): void {
    this.#timer = setTimeout(async () => {
      const isRenewed = await this.#renewAll();
      // After a failure there is time for several more tries before the first lease ends.
      if (!this.#isStopped) this.#schedule(this.#options.leaseMs / (isRenewed ? 3 : 12));
    }, delayMs);
  }

  async #renewAll(): Promise<boolean> {
    const asked = [...this.#held].filter((lease) => !lease.isSettling);
    if (asked.length === 0) return true;
    const askedAtMs = this.#now();
    const of = (kind: LeaseKind) =>
      asked.filter((lease) => lease.kind === kind).map(({ id, epoch }) => ({ id, epoch }));
    let renewed: Awaited<ReturnType<LeaseKeeperOptions['renew']>>;
    try {
      renewed = await this.#options.renew({
        jobs: of('job'),
        files: of('file'),
        chunks: of('chunk'),
        pulls: of('pull'),
      });
    } catch (error) {
      this.#options.logger.warn({ err: error, leases: asked.length }, 'leases could not be renewed');
      this.#failures = isLostDatabase(error) ? this.#failures + 1 : 0;
      return false;
    }
    this.#failures = 0;
    const kept = {
      job: new Set(renewed.jobIds),
      file: new Set(renewed.fileIds),
      chunk: new Set(renewed.chunkIds),
      pull: new Set(renewed.pullIds),
    };
    for (const lease of asked) {
      if (kept[lease.kind].has(lease.id)) lease.renewed(askedAtMs);
      else if (!lease.isSettling) lease.end('taken over');
    }
    return true;
  }
}

type End = 'released' | 'taken over' | 'ran out';

interface HeldLeaseOptions extends Holding {
  readonly kind: LeaseKind;
  readonly localMs: number;
  readonly now: () => number;
  readonly isDatabaseAway: () => boolean;
  readonly onEnd: (why: End) => void;
}

class HeldLease implements Lease {
  readonly kind: LeaseKind;
  readonly id: string;
  readonly epoch: number;
  isSettling = false;
  readonly #options: HeldLeaseOptions;
  readonly #controller = new AbortController();
  #endsAtMs = Number.NEGATIVE_INFINITY;
  #timer: NodeJS.Timeout | undefined;
  #isOver = false;

  constructor(options: HeldLeaseOptions) {
    this.#options = options;
    this.kind = options.kind;
    this.id = options.id;
    this.epoch = options.epoch;
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  settle(): void {
    this.isSettling = true;
    clearTimeout(this.#timer);
  }

  extend(askedAtMs: number): void {
    if (this.#isOver) return;
    this.isSettling = false;
    this.renewed(askedAtMs);
    this.#watch();
  }

  /** The clock that was set before finds the later end on its own. */
  renewed(askedAtMs: number): void {
    this.#endsAtMs = Math.max(this.#endsAtMs, askedAtMs + this.#options.localMs);
  }

  release(): void {
    this.end('released');
  }

  end(why: End): void {
    if (this.#isOver) return;
    this.#isOver = true;
    clearTimeout(this.#timer);
    if (why !== 'released') this.#controller.abort(this.#reasonOf(why));
    this.#options.onEnd(why);
  }

  #reasonOf(why: End): LongshoreError {
    const lease = `The lease of ${this.kind} ${this.id}`;
    if (why === 'taken over')
      return new LongshoreError('LEASE_LOST', `${lease} was taken over or ended by somebody else.`);
    const message = `${lease} could not be renewed in time.`;
    return new LongshoreError(this.#options.isDatabaseAway() ? 'DEPENDENCY_UNAVAILABLE' : 'LEASE_LOST', message);
  }

  #watch(): void {
    clearTimeout(this.#timer);
    const leftMs = this.#endsAtMs - this.#options.now();
    if (leftMs <= 0) this.end('ran out');
    else this.#timer = setTimeout(() => this.#watch(), leftMs);
  }
}

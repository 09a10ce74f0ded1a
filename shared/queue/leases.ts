/**
 * The messages that a worker holds, waiting or running: hidden from others, then given back or deleted.
 *
 * 1. A held message is extended every `heartbeatIntervalMs`, in batches of 10, until `holdMs` after its receive, or
 *    after its handler's start.
 * 2. A lease is given up only after its heartbeat under way has ended: the late extension would hide the message again.
 * 3. A lost lease does not stop the handler: the message comes a second time, and the row's own lease and epoch decide. Aborting a
 *    long copy because the queue blinked would lose the copy and win nothing.
 * 4. What cannot be deleted after 3 tries is logged, counted and comes again: its handler then finds nothing to do.
 */
import { ChangeMessageVisibilityBatchCommand, DeleteMessageBatchCommand, type SQSClient } from '@aws-sdk/client-sqs';
import { type EntryOutcome, sendBatchRequest } from '#shared/queue/batch-request.ts';
import { Coalescer } from '#shared/queue/coalescer.ts';
import type { Logger } from '#shared/runtime/logger.ts';

export interface LeasesOptions {
  readonly client: SQSClient;
  readonly queueUrl: string;
  readonly visibilityTimeoutMs: number;
  readonly heartbeatIntervalMs: number;
  readonly holdMs: number;
  readonly deleteLingerMs: number;
  /** As many waiting deletes stop further receives. */
  readonly maxPendingDeletes: number;
  readonly now: () => number;
  readonly logger: Logger;
  readonly onLost: () => void;
  readonly onNotDeleted: () => void;
}

export interface Lease {
  readonly messageId: string;
  readonly receiptHandle: string;
  heldUntilMs: number;
  endsAtMs: number;
  extending: Promise<unknown> | undefined;
}

interface Change {
  readonly receiptHandle: string;
  readonly visibilitySeconds: number;
}

export class Leases {
  readonly #options: LeasesOptions;
  readonly #held = new Set<Lease>();
  readonly #changes: Coalescer<Change, EntryOutcome>;
  readonly #deletes: Coalescer<Lease, EntryOutcome>;
  readonly #giving = new Set<Promise<void>>();
  #heartbeat: NodeJS.Timeout | undefined;

  constructor(options: LeasesOptions) {
    this.#options = options;
    this.#changes = new Coalescer({ lingerMs: 10, concurrency: 4, run: (changes) => this.#change(changes) });
    this.#deletes = new Coalescer({
      lingerMs: options.deleteLingerMs,
      concurrency: 8,
      run: (leases) => this.#delete(leases),
    });
  }

  start(): void {
    this.#heartbeat ??= setInterval(() => this.#extendDue(), Math.max(20, this.#options.heartbeatIntervalMs / 4));
  }

  /** Ends the heartbeats; what is held runs out on its own. */
  close(): void {
    clearInterval(this.#heartbeat);
    this.#heartbeat = undefined;
    this.#held.clear();
  }

  hold(messageId: string, receiptHandle: string): Lease {
    const nowMs = this.#options.now();
    const lease: Lease = {
      messageId,
      receiptHandle,
      heldUntilMs: nowMs + this.#options.holdMs,
      endsAtMs: nowMs + this.#options.visibilityTimeoutMs,
      extending: undefined,
    };
    this.#held.add(lease);
    return lease;
  }

  /** The handler starts: the message may be held for another `holdMs`. */
  holdAnew(lease: Lease): void {
    lease.heldUntilMs = this.#options.now() + this.#options.holdMs;
  }

  /** No further heartbeat for this message: it is left to reappear. */
  drop(lease: Lease): void {
    this.#held.delete(lease);
  }

  isOver(lease: Lease): boolean {
    return this.#options.now() >= lease.endsAtMs;
  }

  /** Gives the message back: visible again after `delayMs`. Resolves when the queue has answered, or cannot be reached. */
  release(lease: Lease, delayMs: number): Promise<void> {
    this.drop(lease);
    const giving = this.#release(lease, delayMs).finally(() => this.#giving.delete(giving));
    this.#giving.add(giving);
    return giving;
  }

  extend(lease: Lease, durationMs: number): Promise<void> {
    const startedAtMs = this.#options.now();
    lease.extending = this.#changes
      .add({ receiptHandle: lease.receiptHandle, visibilitySeconds: toSeconds(durationMs) })
      .then((outcome) => {
        lease.extending = undefined;
        if (outcome.ok) {
          lease.endsAtMs = startedAtMs + durationMs;
        } else if (this.#held.has(lease) && !outcome.retryable) {
          this.drop(lease);
          this.#options.onLost();
          this.#options.logger.warn({ messageId: lease.messageId, reason: outcome.reason }, 'message lease lost');
        }
      });
    return lease.extending as Promise<void>;
  }

  /** Deletes the message. Resolves to whether it is gone from the queue. */
  async acknowledge(lease: Lease): Promise<boolean> {
    this.drop(lease);
    const outcome = await this.#deletes.add(lease);
    if (outcome.ok) return true;
    this.#options.onNotDeleted();
    this.#options.logger.error(
      { messageId: lease.messageId, reason: outcome.reason },
      'message not acknowledged; it comes again',
    );
    return false;
  }

  /** Resolves once few enough messages wait to be deleted: otherwise a slow queue would fill the memory. */
  async belowDeleteLimit(): Promise<void> {
    while (this.#deletes.pending >= this.#options.maxPendingDeletes) await this.#deletes.oneRequest();
  }

  /** Resolves when every release and every delete is answered. */
  async flush(): Promise<void> {
    await this.#deletes.flush();
    while (this.#giving.size > 0) {
      await Promise.all([...this.#giving, this.#changes.flush()]);
    }
  }

  async #release(lease: Lease, delayMs: number): Promise<void> {
    await lease.extending;
    const outcome = await this.#changes.add({
      receiptHandle: lease.receiptHandle,
      visibilitySeconds: toSeconds(delayMs),
    });
    if (!outcome.ok) {
      const { messageId } = lease;
      this.#options.logger.warn({ messageId, reason: outcome.reason }, 'message not released; its visibility runs out');
    }
  }

  #extendDue(): void {
    const { now, heartbeatIntervalMs, visibilityTimeoutMs } = this.#options;
    const nowMs = now();
    for (const lease of this.#held) {
      if (nowMs >= lease.heldUntilMs) this.#held.delete(lease);
      else if (lease.extending === undefined && lease.endsAtMs - nowMs <= visibilityTimeoutMs - heartbeatIntervalMs) {
        // One that the handler extended for longer is not due: a heartbeat would shorten it.
        void this.extend(lease, visibilityTimeoutMs);
      }
    }
  }

  async #delete(leases: readonly Lease[]): Promise<EntryOutcome[]> {
    // A heartbeat under way would be refused after the delete and be taken for a lost lease.
    await Promise.all(leases.map(({ extending }) => extending));
    return sendBatchRequest({
      entries: leases,
      deadlineMs: 10_000,
      request: (batch, abortSignal) =>
        this.#options.client.send(
          new DeleteMessageBatchCommand({
            QueueUrl: this.#options.queueUrl,
            Entries: batch.map(({ id, entry }) => ({ Id: id, ReceiptHandle: entry.receiptHandle })),
          }),
          { abortSignal },
        ),
    });
  }

  #change(changes: readonly Change[]): Promise<EntryOutcome[]> {
    return sendBatchRequest({
      entries: changes,
      deadlineMs: 10_000,
      request: (batch, abortSignal) =>
        this.#options.client.send(
          new ChangeMessageVisibilityBatchCommand({
            QueueUrl: this.#options.queueUrl,
            Entries: batch.map(({ id, entry }) => ({
              Id: id,
              ReceiptHandle: entry.receiptHandle,
              VisibilityTimeout: entry.visibilitySeconds,
            })),
          }),
          { abortSignal },
        ),
    });
  }
}

/** SQS counts in whole seconds, up to 12 hours (ChangeMessageVisibility). */
function toSeconds(durationMs: number): number {
  return Math.min(43_200, Math.max(0, Math.ceil(durationMs / 1_000)));
}

/**
 * Deletes handled messages, up to 10 in a request.
 *
 * What cannot be deleted after 3 tries is logged, counted and comes again: its handler then finds nothing to do.
 */
import { DeleteMessageBatchCommand, type SQSClient } from '@aws-sdk/client-sqs';
import { type EntryOutcome, sendBatchRequest } from '#shared/queue/batch-request.ts';
import { Coalescer } from '#shared/queue/coalescer.ts';
import type { Lease } from '#shared/queue/leases.ts';
import type { Logger } from '#shared/runtime/logger.ts';

export interface AcknowledgementsOptions {
  readonly client: SQSClient;
  readonly queueUrl: string;
  readonly logger: Logger;
  readonly lingerMs: number;
  /** As many waiting deletes stop further receives. */
  readonly maxPending: number;
  readonly onFailure: () => void;
}

export class Acknowledgements {
  readonly #options: AcknowledgementsOptions;
  readonly #deletes: Coalescer<Lease, EntryOutcome>;

  constructor(options: AcknowledgementsOptions) {
    this.#options = options;
    this.#deletes = new Coalescer({
      lingerMs: options.lingerMs,
      concurrency: 8,
      run: (leases) => this.#delete(leases),
    });
  }

  /** Resolves once fewer than `maxPending` messages wait to be deleted: otherwise a slow queue would fill the memory. */
  async belowLimit(): Promise<void> {
    while (this.#deletes.pending >= this.#options.maxPending) await this.#deletes.oneRequest();
  }

  /** Resolves to whether the message is gone from the queue. */
  async acknowledge(lease: Lease): Promise<boolean> {
    const outcome = await this.#deletes.add(lease);
    if (outcome.ok) return true;
    this.#options.onFailure();
    this.#options.logger.error(
      { messageId: lease.messageId, reason: outcome.reason },
      'message not acknowledged; it comes again',
    );
    return false;
  }

  flush(): Promise<void> {
    return this.#deletes.flush();
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
}

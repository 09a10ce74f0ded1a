/** What a worker is made from, and which combinations make no sense. */
import type { SQSClient } from '@aws-sdk/client-sqs';
import { LongshoreError } from '#shared/errors.ts';
import type { MessageDefinition, MessageOf } from '#shared/queue/define-message.ts';
import type { Handle, HandleBatch } from '#shared/queue/dispatcher.ts';
import type { QueueMetrics } from '#shared/queue/queue-metrics.ts';
import type { QueueId } from '#shared/runtime/config/resource-names.ts';
import type { Logger } from '#shared/runtime/logger.ts';

/** The types a queue carries, or `'raw'`: bodies stay strings and none is invalid, for reading a DLQ. */
export type WorkerMessages = readonly MessageDefinition[] | 'raw';

export type WorkerMessage<Messages extends WorkerMessages> = Messages extends readonly MessageDefinition[]
  ? MessageOf<Messages[number]>
  : string;

export interface WorkerOptions<Messages extends WorkerMessages> {
  /** For logs and metrics. */
  readonly queue: QueueId | `${QueueId}-dlq`;
  readonly queueUrl: string;
  readonly client: SQSClient;
  readonly messages: Messages;
  /** Messages handled side by side. */
  readonly slots: number;
  /** Exactly one of `handle` and `handleBatch`. */
  readonly handle?: Handle<WorkerMessage<Messages>>;
  /** One disposition per message, in the same order. A batch has at most one message of a FIFO group. */
  readonly handleBatch?: HandleBatch<WorkerMessage<Messages>>;
  /** A handler threw. */
  readonly onFailure?: () => void;
  /** For `handleBatch`; defaults: 100 messages, 10 ms, 2 batches side by side. */
  readonly batch?: { readonly maxMessages?: number; readonly lingerMs?: number; readonly maxConcurrent?: number };
  readonly visibilityTimeoutMs: number;
  /** After this long the handler's signal is aborted, and its message is no longer kept hidden. */
  readonly deadlineMs: number;
  /** Default: a third of the visibility timeout. */
  readonly heartbeatIntervalMs?: number;
  /** The message's tenant, for `maxTenantShare`. */
  readonly tenantOf?: (message: WorkerMessage<Messages>) => string | undefined;
  /** Share of the slots (over 0, at most 1) that one tenant takes while there is room to look for others; see `waiting-room.ts`. */
  readonly maxTenantShare?: number;
  /** Of a standard queue: which messages start first, and how many are received beyond the slots to find them among. */
  readonly urgent?: { readonly isUrgent: (message: WorkerMessage<Messages>) => boolean; readonly hold: number };
  /** sqs-consumer pollers side by side; default 1. */
  readonly pollers?: number;
  /** Long-poll wait, 1 to 5; so long may a stop take when idle. Default 5. */
  readonly waitTimeSeconds?: number;
  readonly logger: Logger;
  readonly metrics: QueueMetrics;
  /** Monotonic milliseconds. */
  readonly now?: () => number;
  readonly random?: () => number;
}

/** @throws LongshoreError `CONFIG_INVALID`, naming every fault. */
export function checkWorkerOptions<Messages extends WorkerMessages>(options: WorkerOptions<Messages>): void {
  const { queue, visibilityTimeoutMs, deadlineMs, waitTimeSeconds = 5, slots, maxTenantShare = 1 } = options;
  const { heartbeatIntervalMs = visibilityTimeoutMs / 3 } = options;
  const faults = [
    (options.handle === undefined) === (options.handleBatch === undefined) && 'give exactly one of handle, handleBatch',
    slots < 1 && 'slots must be at least 1',
    visibilityTimeoutMs < 1_000 && 'visibilityTimeoutMs must be at least 1000',
    heartbeatIntervalMs >= visibilityTimeoutMs && 'heartbeatIntervalMs must be below visibilityTimeoutMs',
    // SQS hides a message for 12 hours from its receive at most, whatever the heartbeats ask for.
    deadlineMs > 11 * 3_600_000 && 'deadlineMs must be at most 11 hours',
    (waitTimeSeconds < 1 || waitTimeSeconds > 5) && 'waitTimeSeconds must be 1 to 5',
    (maxTenantShare <= 0 || maxTenantShare > 1) && 'maxTenantShare must be over 0 and at most 1',
  ].filter((fault) => fault !== false);
  if (faults.length > 0) {
    throw new LongshoreError('CONFIG_INVALID', `The worker of queue ${queue} is set up wrongly: ${faults.join('; ')}.`);
  }
}

import type { SQSClient } from '@aws-sdk/client-sqs';
import type { QueueId } from '#shared/config/resource-names.ts';
import type { MessageDefinition, MessageOf } from '#shared/queue/define-message.ts';
import type { Disposition } from '#shared/queue/disposition.ts';
import type { QueueMetrics } from '#shared/queue/queue-metrics.ts';
import type { Received } from '#shared/queue/received.ts';
import type { Logger } from '#shared/runtime/logger.ts';

/** The types a queue carries, or `'raw'`: bodies stay strings and none is invalid, for reading a DLQ. */
export type WorkerMessages = readonly MessageDefinition[] | 'raw';

export type WorkerMessage<Messages extends WorkerMessages> = Messages extends readonly MessageDefinition[]
  ? MessageOf<Messages[number]>
  : string;

export interface HandlerContext {
  /** Aborted at the deadline, or when the worker stops and its bound is over. */
  readonly signal: AbortSignal;
  readonly queue: string;
  /** Makes the messages of this call invisible for `durationMs` from now; heartbeats do so by themselves while the handler runs. */
  extendVisibility(durationMs: number): Promise<void>;
}

export interface WorkerOptions<Messages extends WorkerMessages> {
  /** Name for logs and metrics: the queue's id, or e.g. `work-dlq`. */
  readonly queue: QueueId | `${QueueId}-dlq`;
  readonly queueUrl: string;
  readonly client: SQSClient;
  readonly messages: Messages;
  /** Messages handled side by side. */
  readonly slots: number;
  /** Exactly one of `handle` and `handleBatch`. */
  readonly handle?: (received: Received<WorkerMessage<Messages>>, context: HandlerContext) => Promise<Disposition>;
  /** One disposition per message, in the same order. Of a FIFO group at most one message is in a batch. */
  readonly handleBatch?: (
    received: readonly Received<WorkerMessage<Messages>>[],
    context: HandlerContext,
  ) => Promise<readonly Disposition[]>;
  /** For `handleBatch`: defaults 100 messages, 10 ms, 2 batches side by side. */
  readonly batch?: { readonly maxMessages?: number; readonly lingerMs?: number; readonly maxConcurrent?: number };
  readonly visibilityTimeoutMs: number;
  /** After this long the handler's signal is aborted and its message's visibility is no longer extended. */
  readonly deadlineMs: number;
  /** Default: a third of the visibility timeout. */
  readonly heartbeatIntervalMs?: number;
  /** The message's tenant, for `maxTenantShare`. */
  readonly tenantOf?: (message: WorkerMessage<Messages>) => string | undefined;
  /** Share of the slots (0 to 1) that one tenant takes while others wait. */
  readonly maxTenantShare?: number;
  /** sqs-consumer pollers side by side; default 1. */
  readonly pollers?: number;
  /** Long-poll wait, 1 to 5; it is also how long an idle stop can take. Default 5. */
  readonly waitTimeSeconds?: number;
  readonly logger: Logger;
  readonly metrics: QueueMetrics;
  readonly now?: () => number;
  readonly random?: () => number;
}

export interface Worker {
  start(): void;
  /** Resolves within about `timeoutMs`, to whether every handler ended and every acknowledgement was sent. */
  stop(options: { readonly timeoutMs: number }): Promise<boolean>;
  pause(): void;
  resume(): void;
  isLive(): { readonly ok: boolean; readonly lastPollAgeMs: number };
  /** Messages whose handler runs. */
  inFlight(): number;
}

export declare function createWorker<const Messages extends WorkerMessages>(options: WorkerOptions<Messages>): Worker;

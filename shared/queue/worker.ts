/**
 * Handles the messages of one queue: typed, in slots, with leases, order within FIFO groups, and a stop that is bounded.
 *
 * 1. A message is acknowledged only after its handler returned `acknowledge`, i.e. after what it caused is committed.
 * 2. Slots, not batches: polling continues while any slot is free, however slow the other messages are.
 * 3. A message that no schema accepts is never deleted and never run. It is left, visible again after 1 s, and so reaches the DLQ
 *    after 3 receives. It has no place in its FIFO group: no retry would make it valid, and its group must not end in the DLQ with
 *    it.
 * 4. `stop` ends within its bound: no more polls, handlers get time, then their signal; what did not start, and what arrives late,
 *    is visible again at once. A handler that does not end keeps its message until the visibility timeout.
 * 5. The parts: `poller.ts` receives, `waiting-room.ts` says what is next, `dispatcher.ts` runs it, `leases.ts` keeps messages hidden and
 *    deletes them.
 */
import type { Message } from '@aws-sdk/client-sqs';
import { type DecodeResult, decodeMessage, describeReceived } from '#shared/queue/define-message.ts';
import { Dispatcher, type Handle, type HandleBatch, type Item } from '#shared/queue/dispatcher.ts';
import { Leases } from '#shared/queue/leases.ts';
import { Poller } from '#shared/queue/poller.ts';
import { Capacity, WaitQueue } from '#shared/queue/waiting-room.ts';
import {
  checkWorkerOptions,
  type WorkerMessage,
  type WorkerMessages,
  type WorkerOptions,
} from '#shared/queue/worker-options.ts';
import { endsWithin } from '#shared/runtime/within.ts';

const INVALID_VISIBLE_AGAIN_MS = 1_000;
/** Longer without a poll is neither a back-off nor a slow request. */
const POLL_SLACK_MS = 45_000;

export interface Worker {
  start(): void;
  /** Resolves within about `timeoutMs`, to whether every handler and every request had ended. Idempotent. */
  stop(options: { readonly timeoutMs: number }): Promise<boolean>;
  /** No further receives; what was received is still handled. */
  pause(): void;
  resume(): void;
  isLive(): { readonly ok: boolean; readonly lastPollAgeMs: number };
  /** Messages whose handler runs. */
  inFlight(): number;
}

/** @throws LongshoreError `CONFIG_INVALID` when the options contradict each other. */
export function createWorker<const Messages extends WorkerMessages>(options: WorkerOptions<Messages>): Worker {
  return new QueueWorker(options);
}

class QueueWorker<Messages extends WorkerMessages> implements Worker {
  readonly #options: WorkerOptions<Messages>;
  readonly #now: () => number;
  readonly #isFifo: boolean;
  readonly #leases: Leases;
  readonly #capacity: Capacity;
  readonly #dispatcher: Dispatcher<WorkerMessage<Messages>>;
  readonly #pollers: Poller[];
  #gate = Promise.withResolvers<void>();
  #isPaused = false;
  #isStarted = false;
  #stopped: Promise<boolean> | undefined;

  constructor(options: WorkerOptions<Messages>) {
    checkWorkerOptions(options);
    const { queue, queueUrl, client, slots, visibilityTimeoutMs, deadlineMs, metrics, maxTenantShare } = options;
    const { now = () => performance.now(), random = Math.random, waitTimeSeconds = 5 } = options;
    const logger = options.logger.child({ queue });
    this.#options = { ...options, logger };
    this.#now = now;
    this.#isFifo = queueUrl.endsWith('.fifo');
    this.#leases = new Leases({
      client,
      queueUrl,
      visibilityTimeoutMs,
      heartbeatIntervalMs: options.heartbeatIntervalMs ?? visibilityTimeoutMs / 3,
      holdMs: deadlineMs,
      // Within a FIFO group the next message waits for the delete.
      deleteLingerMs: this.#isFifo ? 5 : 20,
      maxPendingDeletes: Math.max(100, 2 * slots),
      now,
      logger,
      onLost: () => metrics.leasesLost.inc({ queue }),
      onNotDeleted: () => metrics.acknowledgeFailures.inc({ queue }),
    });
    const holdLimit = maxTenantShare === undefined ? 0 : slots;
    this.#capacity = new Capacity(slots + Math.max(holdLimit, options.urgent?.hold ?? 0));
    this.#dispatcher = new Dispatcher({
      queue,
      slots,
      handleBatch: toHandleBatch(options),
      batch: options.handleBatch && { maxMessages: 100, lingerMs: 10, maxConcurrent: 2, ...options.batch },
      deadlineMs,
      onFailure: options.onFailure,
      line: new WaitQueue<Item<WorkerMessage<Messages>>>({
        tenantLimit: maxTenantShare === undefined ? undefined : Math.max(1, Math.floor(slots * maxTenantShare)),
        holdLimit,
      }),
      leases: this.#leases,
      capacity: this.#capacity,
      metrics,
      logger,
      now,
      random,
    });
    this.#pollers = Array.from(
      { length: options.pollers ?? 1 },
      () =>
        new Poller({
          client,
          queueUrl,
          waitTimeSeconds,
          visibilityTimeoutMs,
          capacity: this.#capacity,
          backpressure: () => this.#leases.belowDeleteLimit(),
          gate: () => this.#resumed(),
          onMessages: (messages) => this.#receive(messages),
          onError: () => metrics.pollErrors.inc({ queue }),
          logger,
          now,
          random,
        }),
    );
  }

  start(): void {
    if (this.#isStarted || this.#stopped !== undefined) return;
    this.#isStarted = true;
    this.#options.metrics.watchLastPoll(this.#options.queue, () => this.#lastPollAgeMs() / 1_000);
    this.#leases.start();
    for (const poller of this.#pollers) void poller.start();
  }

  stop({ timeoutMs }: { readonly timeoutMs: number }): Promise<boolean> {
    this.#stopped ??= this.#stop(timeoutMs);
    return this.#stopped;
  }

  pause(): void {
    if (this.#isPaused || this.#stopped !== undefined) return;
    this.#isPaused = true;
    this.#gate = Promise.withResolvers();
  }

  resume(): void {
    this.#isPaused = false;
    this.#gate.resolve();
  }

  async #resumed(): Promise<void> {
    while (this.#isPaused) await this.#gate.promise;
  }

  isLive(): { ok: boolean; lastPollAgeMs: number } {
    const { deadlineMs, visibilityTimeoutMs } = this.#options;
    const ok = this.#pollers.every(({ idleMs, isWaitingForRoom }) => {
      // Full slots are not a silence, unless handlers have outlived their deadline by far.
      return idleMs <= POLL_SLACK_MS + (isWaitingForRoom ? deadlineMs + visibilityTimeoutMs : 0);
    });
    return { ok: ok || this.#isPaused || this.#stopped !== undefined, lastPollAgeMs: this.#lastPollAgeMs() };
  }

  inFlight(): number {
    return this.#dispatcher.running;
  }

  #lastPollAgeMs(): number {
    return Math.max(...this.#pollers.map(({ idleMs }) => idleMs));
  }

  #receive(messages: readonly Message[]): void {
    const { queue, metrics } = this.#options;
    metrics.received.inc({ queue }, messages.length);
    const items = messages.map((message) => this.#toItem(message)).filter((item) => item !== undefined);
    this.#capacity.give(messages.length - items.length);
    this.#dispatcher.add(items);
  }

  #toItem(raw: Message): Item<WorkerMessage<Messages>> | undefined {
    const { queue, metrics, logger } = this.#options;
    const lease = this.#leases.hold(raw.MessageId ?? '', raw.ReceiptHandle ?? '');
    const facts = describeReceived(raw);
    if (facts.receiveCount === 1) metrics.waitSeconds.observe({ queue }, secondsSince(facts.sentAt));
    const decoded = this.#decode(raw.Body);
    if (!decoded.ok) {
      const { messageId, receiveCount } = facts;
      metrics.invalid.inc({ queue });
      logger.warn({ code: decoded.code, reason: decoded.reason, messageId, receiveCount }, 'message invalid');
      void this.#leases.release(lease, INVALID_VISIBLE_AGAIN_MS);
      return undefined;
    }
    return {
      received: { ...facts, message: decoded.message },
      lease,
      // A standard queue's group id only marks the tenant for SQS itself.
      groupId: this.#isFifo ? facts.groupId : undefined,
      tenant: this.#tenantOf(decoded.message),
      isUrgent: this.#options.urgent?.isUrgent(decoded.message),
    };
  }

  #tenantOf(message: WorkerMessage<Messages>): string | undefined {
    try {
      return this.#options.tenantOf?.(message);
    } catch (error) {
      this.#options.logger.error({ err: error }, 'tenant of a message is unknown; it counts for none');
      return undefined;
    }
  }

  #decode(body: string | undefined): DecodeResult<WorkerMessage<Messages>> {
    const { messages } = this.#options;
    return (messages === 'raw' ? { ok: true, message: body ?? '' } : decodeMessage(messages, body)) as DecodeResult<
      WorkerMessage<Messages>
    >;
  }

  /** Most of the bound is the handlers'; the rest is for what they do when told to stop, and for the last requests. */
  async #stop(timeoutMs: number): Promise<boolean> {
    const endMs = this.#now() + timeoutMs;
    const reserveMs = Math.min(3_000, timeoutMs / 3);
    const untilMs = (atMs: number) => Math.max(0, atMs - this.#now());

    this.#capacity.close();
    this.resume();
    const polled = Promise.all(this.#pollers.map((poller) => poller.stop(untilMs(endMs - reserveMs / 2))));
    this.#dispatcher.stop();
    const drained = this.#dispatcher.drained();
    let isDrained = await endsWithin(drained, untilMs(endMs - reserveMs));
    if (!isDrained) {
      this.#dispatcher.abort();
      isDrained = await endsWithin(drained, untilMs(endMs - reserveMs / 2));
    }
    const arePollersIdle = (await polled).every(Boolean);
    const isFlushed = await endsWithin(this.#leases.flush(), untilMs(endMs));
    this.#leases.close();
    if (!isDrained) this.#options.logger.error({ running: this.inFlight() }, 'handlers did not stop in time');
    return isDrained && arePollersIdle && isFlushed;
  }
}

function toHandleBatch<Messages extends WorkerMessages>({
  handle,
  handleBatch,
}: WorkerOptions<Messages>): HandleBatch<WorkerMessage<Messages>> {
  if (handleBatch !== undefined) return handleBatch;
  return (received, context) =>
    Promise.all(received.map((one) => (handle as Handle<WorkerMessage<Messages>>)(one, context)));
}

/** By the queue's clock and ours: never less than none. */
function secondsSince(at: Date): number {
  return Math.max(0, Date.now() - at.getTime()) / 1_000;
}

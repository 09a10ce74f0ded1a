/**
 * One sqs-consumer, used as a poller only: it receives and survives credential errors; slots, leases and deletes are the worker's.
 *
 * 1. Its handler returns as soon as the messages are handed over and there is room for more, so one slow message stops no polling.
 * 2. The batch size is set in the handler and on an empty answer; in `preReceiveMessageCallback` it would count one poll late.
 * 3. Errors back off up to 10 s, and empty answers that come early are asked again at once, but not in a tight loop: a server that
 *    wakes every poller for one message is normal, one that does not wait at all is not.
 * 4. A stop aborts no request: messages may be on their way to us, and would stay hidden for a whole visibility timeout. They arrive
 *    late and the worker gives them back.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Message, SQSClient } from '@aws-sdk/client-sqs';
import { Consumer } from 'sqs-consumer';
import { backoffMs } from '#shared/queue/backoff.ts';
import { SYSTEM_ATTRIBUTES } from '#shared/queue/define-message.ts';
import type { Capacity } from '#shared/queue/waiting-room.ts';
import type { Logger } from '#shared/runtime/logger.ts';

const MAX_BATCH = 10;
const MAX_BACKOFF_MS = 10_000;
/** Early empty answers in a row that are asked again at once. */
const FREE_EARLY_EMPTIES = 3;

export interface PollerOptions {
  readonly client: SQSClient;
  readonly queueUrl: string;
  readonly waitTimeSeconds: number;
  readonly visibilityTimeoutMs: number;
  readonly capacity: Capacity;
  /** Waits while handled messages wait to be deleted; resolves at once otherwise. */
  readonly backpressure: () => Promise<void>;
  /** Resolves when polling is allowed: at once, or at `resume`. */
  readonly gate: () => Promise<void>;
  readonly onMessages: (messages: readonly Message[]) => void;
  readonly onError: () => void;
  readonly logger: Logger;
  readonly now: () => number;
  readonly random: () => number;
}

class PollerStopped extends Error {}

export class Poller {
  readonly #options: PollerOptions;
  readonly #stopping = new AbortController();
  readonly #consumer: Consumer;
  /** Room taken from the capacity for the next answer. */
  #room = 0;
  #failures = 0;
  #earlyEmpties = 0;
  #askedAtMs: number;
  #lastActivityMs: number;
  #isWaitingForRoom = false;

  constructor(options: PollerOptions) {
    this.#options = options;
    this.#askedAtMs = options.now();
    this.#lastActivityMs = options.now();
    this.#consumer = Consumer.create({
      queueUrl: options.queueUrl,
      sqs: options.client,
      batchSize: 1,
      waitTimeSeconds: options.waitTimeSeconds,
      visibilityTimeout: Math.ceil(options.visibilityTimeoutMs / 1_000),
      messageSystemAttributeNames: SYSTEM_ATTRIBUTES,
      messageAttributeNames: ['All'],
      shouldDeleteMessages: false,
      suppressFifoWarning: true,
      // The pause before the next poll is ours (3).
      authenticationErrorTimeout: 0,
      preReceiveMessageCallback: () => this.#beforeReceive(),
      handleMessageBatch: (messages) => this.#handOver(messages),
    });
    this.#consumer.on('empty', () => this.#onEmpty());
    this.#consumer.on('error', (error) => this.#onError(error));
    this.#consumer.on('processing_error', (error) => this.#onError(error));
    this.#consumer.on('timeout_error', (error) => this.#onError(error));
  }

  /** Since the poller last asked or was answered. */
  get idleMs(): number {
    return this.#options.now() - this.#lastActivityMs;
  }

  get isWaitingForRoom(): boolean {
    return this.#isWaitingForRoom;
  }

  async start(): Promise<void> {
    await this.#takeRoom();
    if (this.#room > 0 && !this.#stopping.signal.aborted) this.#consumer.start();
  }

  /** Asks no more; resolves to whether the request under way was answered within `timeoutMs`. */
  async stop(timeoutMs: number): Promise<boolean> {
    this.#stopping.abort();
    this.#consumer.stop();
    const deadlineMs = this.#options.now() + timeoutMs;
    while (this.#consumer.status.isPolling) {
      if (this.#options.now() >= deadlineMs) return false;
      await sleep(10);
    }
    return true;
  }

  async #beforeReceive(): Promise<void> {
    await this.#options.gate();
    await this.#pause();
    if (this.#stopping.signal.aborted) throw new PollerStopped();
    this.#askedAtMs = this.#options.now();
    this.#lastActivityMs = this.#askedAtMs;
  }

  async #pause(): Promise<void> {
    const { random } = this.#options;
    let pauseMs = 0;
    if (this.#failures > 0) pauseMs = backoffMs(this.#failures, { firstMs: 200, maxMs: MAX_BACKOFF_MS, random });
    else if (this.#earlyEmpties > FREE_EARLY_EMPTIES) {
      pauseMs = backoffMs(this.#earlyEmpties - FREE_EARLY_EMPTIES, { firstMs: 10, maxMs: 200, random });
    }
    if (pauseMs > 0) await sleep(pauseMs, undefined, { signal: this.#stopping.signal }).catch(() => undefined);
  }

  async #handOver(messages: Message[]): Promise<Message[]> {
    this.#failures = 0;
    this.#earlyEmpties = 0;
    this.#lastActivityMs = this.#options.now();
    const unused = this.#room - messages.length;
    this.#room = 0;
    this.#options.onMessages(messages);
    if (unused > 0) this.#options.capacity.give(unused);
    await this.#takeRoom();
    return [];
  }

  async #takeRoom(): Promise<void> {
    this.#isWaitingForRoom = true;
    await this.#options.backpressure();
    this.#room = await this.#options.capacity.take(MAX_BATCH);
    this.#isWaitingForRoom = false;
    this.#lastActivityMs = this.#options.now();
    if (this.#room > 0) this.#consumer.updateOption('batchSize', this.#room);
  }

  #onEmpty(): void {
    const nowMs = this.#options.now();
    this.#failures = 0;
    this.#lastActivityMs = nowMs;
    const isEarly = nowMs - this.#askedAtMs < this.#options.waitTimeSeconds * 500;
    this.#earlyEmpties = isEarly ? this.#earlyEmpties + 1 : 0;
    this.#room += this.#options.capacity.takeNow(MAX_BATCH - this.#room);
    this.#consumer.updateOption('batchSize', this.#room);
  }

  #onError(error: Error): void {
    if (error.cause instanceof PollerStopped) return;
    this.#failures += 1;
    this.#lastActivityMs = this.#options.now();
    this.#options.onError();
    // The first of a streak, then ever more rarely: an outage must not fill the log.
    if (Math.log2(this.#failures) % 1 === 0) {
      this.#options.logger.warn({ err: error, failures: this.#failures }, 'queue cannot be polled');
    }
  }
}

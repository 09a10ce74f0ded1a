/**
 * Gives received messages to handlers, slot by slot, and carries out what the handlers say.
 *
 * 1. A message is acknowledged only after its handler said so; a handler that throws leaves it, hidden a little longer each time.
 * 2. In a FIFO group the next message starts when the one before is gone from the queue. When it is not acknowledged, what waits of
 *    the group is given back unrun. That spends a receive of each: such messages can reach the DLQ without ever having run, and
 *    since a message is only a wake-up, the rows they stand for are woken again.
 * 3. Heartbeats end before a message is acknowledged, released or left.
 * 4. After `stop` nothing starts; what had not started is visible again at once.
 * 5. In batches, urgent messages have their own calls, one at a time beyond `maxConcurrent`, and slots beyond `slots`: they wait
 *    for no call that a flood has filled, and the flood does not wait for them.
 */
import { LongshoreError } from '#shared/errors.ts';
import { backoffMs } from '#shared/queue/backoff.ts';
import type { Received } from '#shared/queue/define-message.ts';
import type { Disposition } from '#shared/queue/disposition.ts';
import type { Lease, Leases } from '#shared/queue/leases.ts';
import type { QueueMetrics } from '#shared/queue/queue-metrics.ts';
import type { Capacity, Queued, WaitQueue } from '#shared/queue/waiting-room.ts';
import type { Logger } from '#shared/runtime/logger.ts';

export interface HandlerContext {
  /** Aborted at the deadline, or when the worker stops and its bound is over. */
  readonly signal: AbortSignal;
  readonly queue: string;
  /** Hides the messages of this call for `durationMs` from now; heartbeats do so on their own while the handler runs. */
  extendVisibility(durationMs: number): Promise<void>;
}

export type Handle<Payload> = (received: Received<Payload>, context: HandlerContext) => Promise<Disposition>;
export type HandleBatch<Payload> = (
  received: readonly Received<Payload>[],
  context: HandlerContext,
) => Promise<readonly Disposition[]>;

export interface Item<Payload> extends Queued {
  readonly received: Received<Payload>;
  readonly lease: Lease;
}

export interface DispatcherOptions<Payload> {
  readonly queue: string;
  readonly slots: number;
  readonly handleBatch: HandleBatch<Payload>;
  /** One message per call when absent. */
  readonly batch:
    | { readonly maxMessages: number; readonly lingerMs: number; readonly maxConcurrent: number }
    | undefined;
  readonly deadlineMs: number;
  readonly onFailure?: (() => void) | undefined;
  readonly line: WaitQueue<Item<Payload>>;
  readonly leases: Leases;
  readonly capacity: Capacity;
  readonly metrics: QueueMetrics;
  readonly logger: Logger;
  readonly now: () => number;
  readonly random: () => number;
}

/** Messages that have a slot and wait for their batch to fill. */
interface Forming<Payload> {
  readonly items: Item<Payload>[];
  /** Calls under way. */
  calls: number;
  lingerTimer: NodeJS.Timeout | undefined;
  isLingerOver: boolean;
}

export class Dispatcher<Payload> {
  readonly #options: DispatcherOptions<Payload>;
  readonly #forming = { urgent: newForming<Payload>(), others: newForming<Payload>() };
  #takenSlots = 0;
  #running = 0;
  #isStopping = false;
  readonly #calls = new Map<Promise<void>, AbortController>();

  constructor(options: DispatcherOptions<Payload>) {
    this.#options = options;
  }

  /** Messages whose handler runs. */
  get running(): number {
    return this.#running;
  }

  add(items: readonly Item<Payload>[]): void {
    if (this.#isStopping) {
      this.#giveBack(items);
      return;
    }
    for (const item of items) this.#options.line.add(item);
    this.#startNext();
  }

  /** Starts nothing any more and gives back what had not started. */
  stop(): void {
    this.#isStopping = true;
    this.#giveBack(this.#options.line.remove());
    for (const { items, lingerTimer } of Object.values(this.#forming)) {
      clearTimeout(lingerTimer);
      for (const item of items.splice(0)) {
        this.#freeSlot(item);
        this.#release(item, 0);
      }
    }
  }

  /** Tells the running handlers to stop. */
  abort(): void {
    const reason = new LongshoreError('WORKER_STOPPING', 'The worker stops and waits no longer.');
    for (const controller of this.#calls.values()) controller.abort(reason);
  }

  /** Resolves when no handler runs. */
  async drained(): Promise<void> {
    while (this.#calls.size > 0) await Promise.all(this.#calls.keys());
  }

  #startNext(): void {
    const { line, slots, leases, batch } = this.#options;
    while (!this.#isStopping) {
      const hasSlot = this.#takenSlots < slots;
      if (!hasSlot && batch === undefined) break;
      const item = line.next({ isUrgentOnly: !hasSlot });
      if (item === undefined) break;
      this.#takenSlots += 1;
      if (leases.isOver(item.lease)) {
        // Another worker may have it by now.
        this.#freeSlot(item);
        this.#leave(item);
      } else if (batch === undefined) this.#start([item]);
      else this.#forming[item.isUrgent === true ? 'urgent' : 'others'].items.push(item);
    }
    if (batch === undefined) return;
    this.#startBatches(this.#forming.urgent, { ...batch, maxConcurrent: 1 });
    this.#startBatches(this.#forming.others, batch);
  }

  #startBatches(
    forming: Forming<Payload>,
    { maxMessages, lingerMs, maxConcurrent }: NonNullable<DispatcherOptions<Payload>['batch']>,
  ): void {
    const { items } = forming;
    while (items.length > 0 && forming.calls < maxConcurrent) {
      if (items.length < maxMessages && !forming.isLingerOver) break;
      forming.isLingerOver = false;
      forming.calls += 1;
      this.#start(items.splice(0, maxMessages), () => {
        forming.calls -= 1;
      });
    }
    if (items.length === 0 || forming.isLingerOver) return;
    forming.lingerTimer ??= setTimeout(() => {
      forming.lingerTimer = undefined;
      forming.isLingerOver = true;
      this.#startNext();
    }, lingerMs);
  }

  #start(items: readonly Item<Payload>[], onEnd?: () => void): void {
    const controller = new AbortController();
    const call = this.#call(items, controller).finally(() => {
      this.#calls.delete(call);
      onEnd?.();
      this.#startNext();
    });
    this.#calls.set(call, controller);
  }

  async #call(items: readonly Item<Payload>[], controller: AbortController): Promise<void> {
    const { queue, metrics, now, deadlineMs, handleBatch, leases, logger, onFailure } = this.#options;
    const startedAtMs = now();
    this.#running += items.length;
    metrics.inFlight.inc({ queue }, items.length);
    for (const { lease } of items) leases.holdAnew(lease);
    const outcome = await runHandler({
      deadlineMs,
      controller,
      run: (signal) =>
        handleBatch(
          items.map(({ received }) => received),
          {
            signal,
            queue,
            extendVisibility: async (durationMs) => {
              await Promise.all(items.map(({ lease }) => leases.extend(lease, durationMs)));
            },
          },
        ),
    });
    if (outcome.type === 'failed') onFailure?.();
    this.#running -= items.length;
    metrics.inFlight.dec({ queue }, items.length);
    metrics.handleSeconds.observe({ queue }, (now() - startedAtMs) / 1_000);

    const error = outcome.type === 'failed' ? outcome.error : countMismatch(outcome.result, items.length);
    if (error !== undefined) {
      logger.error({ err: error, messageIds: items.map(({ received }) => received.messageId) }, 'handler failed');
    }
    for (const [index, item] of items.entries()) {
      const disposition = outcome.type === 'returned' && error === undefined ? outcome.result[index] : undefined;
      this.#freeSlot(item);
      this.#carryOut(item, disposition, controller.signal);
    }
  }

  /** `undefined` stands for a handler that threw. */
  #carryOut(item: Item<Payload>, disposition: Disposition | undefined, signal: AbortSignal): void {
    const { queue, metrics, random } = this.#options;
    metrics.handled.inc({ queue, disposition: disposition?.type ?? 'failed' });
    if (disposition === undefined) {
      const isStopped = signal.aborted && this.#isStopping;
      const { receiveCount } = item.received;
      this.#release(item, isStopped ? 0 : backoffMs(receiveCount, { firstMs: 2_000, maxMs: 300_000, random }));
    } else if (disposition.type === 'acknowledge') void this.#acknowledge(item);
    else if (disposition.type === 'release') this.#release(item, disposition.delayMs);
    else this.#leave(item);
  }

  async #acknowledge({ lease, groupId }: Item<Payload>): Promise<void> {
    const { leases, line } = this.#options;
    const isGone = await leases.acknowledge(lease);
    if (groupId === undefined) return;
    if (!isGone) return this.#blockGroup(groupId);
    line.endGroup(groupId);
    this.#startNext();
  }

  #release({ lease, groupId }: Item<Payload>, delayMs: number): void {
    void this.#options.leases.release(lease, delayMs);
    if (groupId !== undefined) this.#blockGroup(groupId);
  }

  #leave({ lease, groupId }: Item<Payload>): void {
    this.#options.leases.drop(lease);
    if (groupId !== undefined) this.#blockGroup(groupId);
  }

  /** The group's head was not acknowledged: what was received behind it must not run before it (2). */
  #blockGroup(groupId: string): void {
    this.#options.line.endGroup(groupId);
    this.#giveBack(this.#options.line.remove(groupId));
  }

  #giveBack(items: readonly Item<Payload>[]): void {
    for (const { lease } of items) void this.#options.leases.release(lease, 0);
    this.#options.capacity.give(items.length);
  }

  #freeSlot(item: Item<Payload>): void {
    this.#takenSlots -= 1;
    this.#options.line.end(item);
    this.#options.capacity.give(1);
  }
}

function newForming<Payload>(): Forming<Payload> {
  return { items: [], calls: 0, lingerTimer: undefined, isLingerOver: false };
}

function countMismatch(dispositions: readonly Disposition[], expected: number): Error | undefined {
  if (dispositions.length === expected) return undefined;
  return new LongshoreError(
    'INTERNAL',
    `The handler gave ${dispositions.length} dispositions for ${expected} messages.`,
  );
}

export type HandlerOutcome<Result> =
  | { readonly type: 'returned'; readonly result: Result }
  | { readonly type: 'failed'; readonly error: unknown };

export interface RunHandlerOptions<Result> {
  readonly deadlineMs: number;
  readonly controller: AbortController;
  readonly run: (signal: AbortSignal) => Promise<Result>;
}

export async function runHandler<Result>({
  deadlineMs,
  controller,
  run,
}: RunHandlerOptions<Result>): Promise<HandlerOutcome<Result>> {
  const timer = setTimeout(() => {
    controller.abort(
      new LongshoreError('HANDLER_DEADLINE_EXCEEDED', `The handler did not end within ${deadlineMs} ms.`),
    );
  }, deadlineMs);
  try {
    return { type: 'returned', result: await run(controller.signal) };
  } catch (error) {
    return { type: 'failed', error };
  } finally {
    clearTimeout(timer);
  }
}

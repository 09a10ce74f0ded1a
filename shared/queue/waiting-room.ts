/**
 * The room of a worker: how many more messages it may receive, and which of those that wait starts next.
 *
 * 1. Taken room never exceeds the total, so a poll can never bring more than can be held.
 * 2. A poller that finds little room waits `LINGER_MS` for more, never longer: asking for one message at a time would cost one
 *    request per message, and one slow message must not keep the others waiting.
 * 3. Messages start in the order of arrival, but a FIFO group has one running at a time, and within a group none overtakes.
 * 4. A tenant runs at most `tenantLimit` at once as long as there is room to look past its messages for others'. They wait here,
 *    held and extended, because putting one back would spend one of its 3 receives. When the queue is full of them there is
 *    nothing to look past any more, and they start: idle slots would only slow the queue in which the others stand.
 * 5. Urgent messages start first. For that, more is received than there are slots: what is in the queue behind a flood cannot be seen.
 */
const LINGER_MS = 5;

interface Taker {
  readonly max: number;
  readonly resolve: (taken: number) => void;
  timer: NodeJS.Timeout | undefined;
  isLingerOver: boolean;
}

/** Pollers take room before they ask, and it is given back with each message that has ended. */
export class Capacity {
  #free: number;
  #isClosed = false;
  readonly #takers: Taker[] = [];

  constructor(total: number) {
    this.#free = total;
  }

  /** Resolves to 1 to `max`, or to 0 once the capacity is closed. */
  take(max: number): Promise<number> {
    return new Promise((resolve) => {
      this.#takers.push({ max, resolve, timer: undefined, isLingerOver: false });
      this.#serve();
    });
  }

  /** Up to `max` more, at once; may be 0. */
  takeNow(max: number): number {
    const taken = this.#takers.length > 0 ? 0 : Math.min(max, this.#free);
    this.#free -= taken;
    return taken;
  }

  give(count: number): void {
    this.#free += count;
    this.#serve();
  }

  /** Everyone who waits, now or later, gets 0. */
  close(): void {
    this.#isClosed = true;
    this.#serve();
  }

  #serve(): void {
    for (let taker = this.#takers[0]; taker !== undefined; taker = this.#takers[0]) {
      const taken = this.#isClosed ? 0 : Math.min(taker.max, this.#free);
      if (!this.#isClosed && taken === 0) return;
      if (!this.#isClosed && taken < taker.max && !taker.isLingerOver) {
        this.#startLinger(taker);
        return;
      }
      clearTimeout(taker.timer);
      this.#takers.shift();
      this.#free -= taken;
      taker.resolve(taken);
    }
  }

  #startLinger(taker: Taker): void {
    taker.timer ??= setTimeout(() => {
      taker.isLingerOver = true;
      this.#serve();
    }, LINGER_MS);
  }
}

export interface Queued {
  readonly groupId: string | undefined;
  readonly tenant: string | undefined;
  /** It starts before those that are not. */
  readonly isUrgent?: boolean | undefined;
}

export interface WaitQueueOptions {
  /** Running at once for one tenant; unlimited when absent. */
  readonly tenantLimit?: number | undefined;
  /** As many waiting ones make the line full. */
  readonly holdLimit: number;
}

/** Received messages that wait for a slot. */
export class WaitQueue<Item extends Queued> {
  readonly #options: WaitQueueOptions;
  #waiting: Item[] = [];
  readonly #busyGroups = new Set<string>();
  readonly #runningOfTenant = new Map<string, number>();

  constructor(options: WaitQueueOptions) {
    this.#options = options;
  }

  /** Urgent ones before the others, each in the order of arrival. */
  add(item: Item): void {
    const place = item.isUrgent === true ? this.#waiting.findIndex((other) => other.isUrgent !== true) : -1;
    this.#waiting.splice(place === -1 ? this.#waiting.length : place, 0, item);
  }

  /** The item to start now; it counts as running until `end`. */
  next({ isUrgentOnly = false } = {}): Item | undefined {
    const index = this.#indexOfNext(isUrgentOnly);
    if (index === -1) return undefined;
    const [item] = index === 0 ? [this.#waiting.shift()] : this.#waiting.splice(index, 1);
    if (item === undefined) return undefined;
    if (item.groupId !== undefined) this.#busyGroups.add(item.groupId);
    if (item.tenant !== undefined) this.#countTenant(item.tenant, 1);
    return item;
  }

  /** The item's slot is free; its group stays busy until `endGroup`. */
  end({ tenant }: Item): void {
    if (tenant !== undefined) this.#countTenant(tenant, -1);
  }

  endGroup(groupId: string): void {
    this.#busyGroups.delete(groupId);
  }

  /** Takes out what waits of one group, or of all. */
  remove(groupId?: string): Item[] {
    const removed = this.#waiting.filter((item) => groupId === undefined || item.groupId === groupId);
    this.#waiting = groupId === undefined ? [] : this.#waiting.filter((item) => item.groupId !== groupId);
    return removed;
  }

  #indexOfNext(isUrgentOnly: boolean): number {
    const passedGroups = new Set<string>();
    let firstOverShare = -1;
    for (const [index, { groupId, tenant, isUrgent }] of this.#waiting.entries()) {
      if (isUrgentOnly && isUrgent !== true) return -1;
      if (groupId !== undefined && (this.#busyGroups.has(groupId) || passedGroups.has(groupId))) continue;
      if (!this.#isAtLimit(tenant)) return index;
      if (firstOverShare === -1) firstOverShare = index;
      if (groupId !== undefined) passedGroups.add(groupId);
    }
    return this.#waiting.length >= this.#options.holdLimit ? firstOverShare : -1;
  }

  #isAtLimit(tenant: string | undefined): boolean {
    const { tenantLimit } = this.#options;
    return tenantLimit !== undefined && tenant !== undefined && (this.#runningOfTenant.get(tenant) ?? 0) >= tenantLimit;
  }

  #countTenant(tenant: string, change: number): void {
    const running = (this.#runningOfTenant.get(tenant) ?? 0) + change;
    if (running > 0) this.#runningOfTenant.set(tenant, running);
    else this.#runningOfTenant.delete(tenant);
  }
}

/**
 * Received messages that wait for a slot, and the rule by which the next one starts.
 *
 * 1. Order of arrival, but a FIFO group has one message running at a time, and within a group none overtakes.
 * 2. A tenant runs at most `tenantLimit` at once as long as there is room to look past its messages for others'. They wait here,
 *    held and extended, because putting one back would spend one of its 3 receives. When the line is full of them there is
 *    nothing to look past any more, and they start: idle slots would only slow the queue in which the others stand.
 */
export interface Queued {
  readonly groupId: string | undefined;
  readonly tenant: string | undefined;
}

export interface WaitingLineOptions {
  /** Running at once for one tenant; unlimited when absent. */
  readonly tenantLimit?: number | undefined;
  /** As many waiting ones make the line full. */
  readonly holdLimit: number;
}

export class WaitQueue<Item extends Queued> {
  readonly #options: WaitingLineOptions;
  #waiting: Item[] = [];
  readonly #busyGroups = new Set<string>();
  readonly #runningOfTenant = new Map<string, number>();

  constructor(options: WaitingLineOptions) {
    this.#options = options;
  }

  get length(): number {
    return this.#waiting.length;
  }

  add(item: Item): void {
    this.#waiting.push(item);
  }

  /** The item to start now; it counts as running until `end`. */
  next(): Item | undefined {
    const index = this.#indexOfNext();
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

  #indexOfNext(): number {
    const passedGroups = new Set<string>();
    let firstOverShare = -1;
    for (const [index, { groupId, tenant }] of this.#waiting.entries()) {
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

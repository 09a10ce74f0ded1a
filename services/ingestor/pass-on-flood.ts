/**
 * Passes a flood on to its own queue, so that no event of the lane platinum waits behind it.
 *
 * 1. Nothing is passed on while no tenant has a route of the lane platinum, nor from the queue that it is passed on to.
 * 2. Events of tenants with ordered routes stay: what overtakes them would be processed before them.
 * 3. An event that the queue does not accept is handled as if there was no flood.
 */
import { toArrivalReport } from '#shared/arrival/arrival-report.ts';
import type { TenantDirectory } from '#shared/arrival/tenant-directory.ts';
import type { LandingEvent } from '#shared/messages/landing-events.ts';
import type { Received } from '#shared/queue/define-message.ts';
import type { Sender } from '#shared/queue/send-messages.ts';

/** Those that were passed on. */
export type PassOnFlood = (
  received: readonly Received<LandingEvent>[],
  queue: string,
) => Promise<ReadonlySet<Received<LandingEvent>>>;

export interface PassOnFloodOptions {
  readonly directory: Pick<TenantDirectory, 'hasUrgent' | 'mayWait'>;
  /** To the queue `landing-overflow`. */
  readonly sender: Pick<Sender<string>, 'send'>;
}

/** More events that may wait in one batch are a flood. */
const FLOOD_EVENTS = 10;
const NONE: ReadonlySet<Received<LandingEvent>> = new Set();

export function createPassOnFlood({ directory, sender }: PassOnFloodOptions): PassOnFlood {
  return async (received, queue) => {
    if (queue !== 'landing' || !directory.hasUrgent()) return NONE;
    const flood = received.filter(({ message }) => directory.mayWait(tenantIn(message)));
    if (flood.length <= FLOOD_EVENTS) return NONE;
    const results = await sender.send(flood.map(({ body }) => ({ message: body })));
    return new Set(flood.filter((_, index) => results[index]?.ok === true));
  };
}

/** As its key begins; that of an event about nothing that arrived is nobody's. */
export function tenantIn(event: LandingEvent): string {
  const key = toArrivalReport(event)?.key ?? '';
  return key.slice(0, key.indexOf('/'));
}

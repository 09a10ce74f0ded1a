/**
 * Carries the events of one source to the queue, for as long as it is not stopped.
 *
 * 1. An event leaves its journal only after the queue accepted it, or no rule takes it: at least once, also over `kill -9`.
 * 2. While the queue does not answer, events wait on disk; the loop backs off and never gives up.
 * 3. An event that the queue refuses holds up no other: it is tried again with those that come later.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { backoffMs } from '#shared/queue/backoff.ts';
import type { Logger } from '#shared/runtime/logger.ts';
import { type BridgeEvent, type EventRule, matchesRule } from './event-rule.ts';
import type { EventSource } from './event-source.ts';
import type { BridgeMetrics } from './metrics.ts';

/** One result per event, in the same order: whether the queue accepted it. Never rejects. */
export type SendEvents = (events: readonly BridgeEvent[], signal: AbortSignal) => Promise<boolean[]>;

export interface ForwardEventsOptions {
  readonly source: EventSource;
  readonly rule: EventRule;
  readonly send: SendEvents;
  readonly metrics: BridgeMetrics;
  readonly logger: Logger;
  readonly signal: AbortSignal;
  readonly random?: () => number;
}

const PAGE_SIZE = 200;
const BACKOFF = { firstMs: 50, maxMs: 2_000 };

export async function forwardEvents(options: ForwardEventsOptions): Promise<void> {
  const { source, logger, signal, random = Math.random } = options;
  let failures = 0;
  while (!signal.aborted) {
    try {
      if (failures === 0 && !(await source.waitForEntries(signal))) continue;
      failures = (await forwardAll(options)) ? 0 : failures + 1;
    } catch (error) {
      failures += 1;
      logger.error({ err: error, source: source.name }, 'events could not be forwarded');
    }
    if (failures > 0) await delay(backoffMs(failures, { ...BACKOFF, random }), undefined, { signal }).catch(() => {});
  }
}

/** Goes once over the journal. Resolves to whether all of it left; stops early when the queue takes nothing. */
async function forwardAll(options: ForwardEventsOptions): Promise<boolean> {
  const { source, signal } = options;
  let isEmptied = true;
  let after = 0;
  while (!signal.aborted) {
    const page = source.read(PAGE_SIZE, after);
    if (page.length === 0) return isEmptied;
    const staying = await forwardPage(options, page);
    if (staying === page.length) return false;
    if (staying > 0) isEmptied = false;
    after = page.at(-1)!.position;
  }
  return false;
}

/** Resolves to the number of events that stay. */
async function forwardPage(
  { source, rule, send, metrics, signal }: ForwardEventsOptions,
  page: ReturnType<EventSource['read']>,
): Promise<number> {
  const wanted = page.filter(({ event }) => matchesRule(rule, event));
  const accepted = await send(
    wanted.map(({ event }) => event),
    signal,
  );
  const staying = new Set(wanted.filter((_, index) => accepted[index] !== true));
  source.remove(page.filter((entry) => !staying.has(entry)).map(({ position }) => position));
  for (const entry of wanted) {
    if (!staying.has(entry)) metrics.events.inc({ detail_type: entry.event['detail-type'] });
  }
  metrics.failures.inc({ source: source.name }, staying.size);
  metrics.oldestSeconds.set({ source: source.name }, staying.size === 0 ? 0 : ageSeconds([...staying][0]!.event));
  return staying.size;
}

function ageSeconds(event: BridgeEvent): number {
  return Math.max(0, (Date.now() - Date.parse(event.time)) / 1_000);
}

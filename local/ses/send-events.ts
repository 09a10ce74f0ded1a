/**
 * Events on their way to the queue, as a real service sends them: some twice, and not in their order. They are made of the ledger, so what a
 * kill took is sent again at the next start.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { SendEvents } from '#local/event-bridge/forward-events.ts';
import type { Logger } from '#shared/runtime/logger.ts';
import type { SesEvent } from './mail-events.ts';

export interface EventSender {
  add(events: readonly SesEvent[]): void;
  stop(): Promise<void>;
}

const AT_ONCE = 200;
const PAUSE_MS = 50;
const TWICE_EVERY = 10;
const LAST_MS = 1_000;

export function createEventSender({
  send,
  logger,
}: {
  readonly send: SendEvents;
  readonly logger: Logger;
}): EventSender {
  const waiting: SesEvent[] = [];
  const stopping = new AbortController();
  let count = 0;

  async function flush(): Promise<void> {
    const chosen = waiting.splice(0, AT_ONCE).reverse();
    if (chosen.length === 0) return;
    const taken = await send(chosen as never, AbortSignal.timeout(5_000));
    waiting.push(...chosen.filter((_event, index) => taken[index] !== true));
  }

  async function run(): Promise<void> {
    while (!stopping.signal.aborted) {
      await flush().catch((error: unknown) => logger.warn({ err: error }, 'events not sent'));
      if (waiting.length < AT_ONCE)
        await delay(PAUSE_MS, undefined, { signal: stopping.signal }).catch(() => undefined);
    }
  }

  const running = run();
  return {
    add(events) {
      for (const event of events) {
        count += 1;
        waiting.push(...(count % TWICE_EVERY === 0 ? [event, event] : [event]));
      }
    },
    async stop() {
      stopping.abort();
      await Promise.race([running.then(flush).catch(() => undefined), delay(LAST_MS, undefined, { ref: false })]);
    },
  };
}

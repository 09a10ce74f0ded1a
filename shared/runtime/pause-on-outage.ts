/**
 * Stops a worker from receiving while a dependency is down: each receive counts towards the DLQ, and during an outage every one is
 * spent for nothing.
 *
 * 1. Paused at the first reported outage, resumed by the first probe that succeeds; probes back off up to 5 s.
 * 2. What was received before is given back by its handler's failure, hidden for some seconds.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { backoffMs } from '#shared/queue/backoff.ts';
import type { Worker } from '#shared/queue/worker.ts';
import type { Logger } from './logger.ts';

export interface OutageGuard {
  /** Something failed: when the dependency does not answer, the workers pause. */
  suspect(): void;
  isPaused(): boolean;
  stop(): void;
}

export interface OutageGuardOptions {
  readonly workers: () => readonly Pick<Worker, 'pause' | 'resume'>[];
  /** Resolves when the dependency works; bounded on its own. */
  readonly probe: () => Promise<unknown>;
  readonly logger: Logger;
  readonly random?: () => number;
}

export function createOutageGuard({ workers, probe, logger, random = Math.random }: OutageGuardOptions): OutageGuard {
  const stopping = new AbortController();
  let outage: Promise<void> | undefined;

  async function waitOut(): Promise<void> {
    for (let failures = 0; !stopping.signal.aborted; ) {
      try {
        await probe();
        break;
      } catch (error) {
        failures += 1;
        if (failures === 1) {
          for (const worker of workers()) worker.pause();
          logger.error({ err: error }, 'dependency away, receiving pauses');
        }
        await delay(backoffMs(failures, { firstMs: 200, maxMs: 5_000, random }), undefined, {
          signal: stopping.signal,
        }).catch(() => undefined);
      }
    }
    for (const worker of workers()) worker.resume();
  }

  return {
    suspect() {
      outage ??= waitOut().finally(() => {
        outage = undefined;
      });
    },
    isPaused: () => outage !== undefined,
    stop: () => stopping.abort(),
  };
}

/** Health of a service with one queue worker over the database: alive while it receives, ready while the database answers. */
import type { Worker } from '#shared/queue/worker.ts';
import type { OutageGuard } from '#shared/runtime/pause-on-outage.ts';
import type { Health } from './operations-server.ts';

export interface QueueServiceHealthOptions {
  /** Undefined before the start. */
  readonly worker: () => Pick<Worker, 'isLive'> | undefined;
  readonly guard: Pick<OutageGuard, 'isPaused'>;
  /** Rejects when the database does not answer; bounded by itself. */
  readonly probe: () => Promise<unknown>;
}

export function queueServiceHealth({ worker, guard, probe }: QueueServiceHealthOptions) {
  return {
    liveness(): Health {
      const { ok = true, lastPollAgeMs = 0 } = worker()?.isLive() ?? {};
      return { ok, detail: ok ? 'alive' : `no receive for ${Math.round(lastPollAgeMs / 1_000)} s` };
    },
    async readiness(): Promise<Health> {
      if (guard.isPaused()) return { ok: false, detail: 'the database is away' };
      await probe();
      return { ok: true, detail: 'ready' };
    },
  };
}

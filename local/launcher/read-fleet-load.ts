/**
 * What the scaling policy wants to know of each queue, from the gauges that the retry-sweeper shows of the whole fleet: the launcher decides by
 * the very numbers that a dashboard draws.
 */
import type { QueueId } from '#shared/runtime/config/resource-names.ts';
import type { ScaledService } from '#shared/scaling/service-capacities.ts';

export interface QueueLoad {
  readonly visibleMessages: number;
  readonly waitingRows: number;
  readonly oldestAgeSeconds: number;
}

export const QUEUE_OF_SERVICE: Readonly<Record<ScaledService, QueueId>> = {
  ingestor: 'landing',
  router: 'ingest',
  'partner-worker': 'partner-steps',
  'large-file-worker': 'work',
};

const DEADLINE_MS = 3_000;

/** @throws when the sweeper does not answer, or has not looked yet. */
export async function readFleetLoad(metricsUrl: string): Promise<(service: ScaledService) => QueueLoad> {
  const response = await fetch(metricsUrl, { signal: AbortSignal.timeout(DEADLINE_MS) });
  const page = await response.text();
  if (!page.includes('longshore_queue_messages{'))
    throw new Error('the retry-sweeper has not looked at the queues yet');
  return (service) => {
    const queue = QUEUE_OF_SERVICE[service];
    return {
      visibleMessages: readSample(page, `longshore_queue_messages{queue="${queue}",state="visible"}`),
      waitingRows: readSample(page, `longshore_open_rows{queue="${queue}",state="waiting for admission"}`),
      oldestAgeSeconds: readSample(page, `longshore_oldest_due_seconds{queue="${queue}"}`),
    };
  };
}

/** A gauge that was never set is not shown: nothing waits. prom-client writes labels in the order in which they were declared. */
function readSample(page: string, series: string): number {
  const line = page.split('\n').find((one) => one.startsWith(`${series} `));
  return line === undefined ? 0 : Number(line.slice(series.length + 1));
}

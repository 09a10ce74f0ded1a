/**
 * What the scaling policy wants to know of each queue, from the gauges that the retry-sweeper shows of the whole fleet: the launcher decides by
 * the very numbers that a dashboard draws.
 */
import { LONG_QUEUE_IDS, type QueueId, STEP_QUEUE_IDS } from '#shared/runtime/config/resource-names.ts';
import type { ScaledService } from '#shared/scaling/service-capacities.ts';

export interface QueueLoad {
  readonly visibleMessages: number;
  readonly waitingRows: number;
  readonly oldestAgeSeconds: number;
}

const QUEUES_OF_SERVICE: Readonly<Record<ScaledService, readonly QueueId[]>> = {
  ingestor: ['landing', 'landing-overflow'],
  router: ['ingest'],
  'partner-worker': STEP_QUEUE_IDS,
  'large-file-worker': LONG_QUEUE_IDS,
};

const DEADLINE_MS = 3_000;

/** @throws when the sweeper does not answer, or has not looked yet. */
export async function readFleetLoad(metricsUrl: string): Promise<(service: ScaledService) => QueueLoad> {
  const response = await fetch(metricsUrl, { signal: AbortSignal.timeout(DEADLINE_MS) });
  const page = await response.text();
  if (!page.includes('longshore_queue_messages{'))
    throw new Error('the retry-sweeper has not looked at the queues yet');
  return (service) => {
    const each = (seriesOf: (queue: QueueId) => string) =>
      QUEUES_OF_SERVICE[service].map((queue) => readSample(page, seriesOf(queue)));
    const sum = (samples: readonly number[]) => samples.reduce((total, sample) => total + sample, 0);
    return {
      visibleMessages: sum(each((queue) => `longshore_queue_messages{queue="${queue}",state="visible"}`)),
      waitingRows: sum(each((queue) => `longshore_open_rows{queue="${queue}",state="waiting for admission"}`)),
      oldestAgeSeconds: Math.max(...each((queue) => `longshore_oldest_due_seconds{queue="${queue}"}`)),
    };
  };
}

/** A gauge that was never set is not shown: nothing waits. prom-client writes labels in the order in which they were declared. */
function readSample(page: string, series: string): number {
  const line = page.split('\n').find((one) => one.startsWith(`${series} `));
  return line === undefined ? 0 : Number(line.slice(series.length + 1));
}

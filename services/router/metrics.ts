/** What the router counts, besides the metrics of its queue. */
import { Counter, type Registry } from 'prom-client';
import { createS3RequestCounter } from '#shared/files/s3-requests.ts';

export function createRouterMetrics(registry: Registry) {
  return {
    s3Requests: createS3RequestCounter(registry),
    files: new Counter({
      name: 'longshore_routed_files_total',
      help: 'Files by what the router decided.',
      labelNames: ['outcome'] as const,
      registers: [registry],
    }),
    jobs: new Counter({
      name: 'longshore_created_jobs_total',
      help: 'Jobs created, by the queue of their first step and by whether they were let in at once.',
      labelNames: ['queue', 'admission'] as const,
      registers: [registry],
    }),
  };
}

export type RouterMetrics = ReturnType<typeof createRouterMetrics>;

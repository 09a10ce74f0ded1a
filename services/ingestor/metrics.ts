/** What the ingestor counts, besides the metrics of its queue. */
import { Counter, type Registry } from 'prom-client';
import { createS3RequestCounter } from '#shared/files/s3-requests.ts';

export function createIngestorMetrics(registry: Registry) {
  return {
    events: new Counter({
      name: 'longshore_landing_events_total',
      help: 'Events of the landing bucket, by outcome.',
      labelNames: ['event', 'outcome'] as const,
      registers: [registry],
    }),
    mailEvents: new Counter({
      name: 'longshore_mail_events_total',
      help: 'Reports of the mail service about mails of campaigns: new, repeated, or unknown, of no mail of ours.',
      labelNames: ['outcome'] as const,
      registers: [registry],
    }),
    s3Requests: createS3RequestCounter(registry),
  };
}

export type IngestorMetrics = ReturnType<typeof createIngestorMetrics>;

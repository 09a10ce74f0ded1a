/** What the ingestor counts, besides the metrics of its queue. */
import { Counter, type Registry } from 'prom-client';

export function createIngestorMetrics(registry: Registry) {
  return {
    events: new Counter({
      name: 'longshore_landing_events_total',
      help: 'Events of the landing bucket, by what came of them.',
      labelNames: ['event', 'outcome'] as const,
      registers: [registry],
    }),
    mailEvents: new Counter({
      name: 'longshore_mail_events_total',
      help: 'Reports of the mail service about mails of campaigns: new, repeated, or unknown, of no mail of ours.',
      labelNames: ['outcome'] as const,
      registers: [registry],
    }),
    s3Requests: new Counter({
      name: 'longshore_s3_requests_total',
      help: 'Requests sent to the object store.',
      labelNames: ['operation'] as const,
      registers: [registry],
    }),
  };
}

export type IngestorMetrics = ReturnType<typeof createIngestorMetrics>;

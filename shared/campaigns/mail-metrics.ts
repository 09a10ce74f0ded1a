/** Metrics of campaigns in the worker. */
import { Counter, type Registry } from 'prom-client';

export function createMailCounter(registry: Registry) {
  return new Counter({
    name: 'longshore_mails_total',
    help: 'Mails of campaigns by outcome: sent, refused, throttled, quota, stopped, not-sent, unknown, suppressed, render-failed.',
    labelNames: ['outcome'] as const,
    registers: [registry],
  });
}

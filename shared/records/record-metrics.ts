/** What a worker of records shows. Labels are tenants, routes, partners and operations: bounded by what is applied, never lines or ids. */
import { Counter, Gauge, Histogram, type Registry } from 'prom-client';
import type { PartnerDirectory } from '#shared/partners/partner-directory.ts';

export interface RecordMetrics {
  readonly ended: Counter<'tenant' | 'route' | 'state'>;
  readonly calls: Counter<'tenant' | 'partner' | 'operation' | 'outcome'>;
  readonly callSeconds: Histogram<'tenant' | 'partner'>;
  readonly chunks: Counter<'outcome'>;
  readonly begun: Gauge;
  /** The state of the breakers is asked for when metrics are read. */
  watchBreakers(states: PartnerDirectory['states']): void;
}

/** Call once per registry: prom-client refuses a second metric of the same name. */
export function createRecordMetrics(registry: Registry): RecordMetrics {
  const registers = [registry];
  let states: PartnerDirectory['states'] = () => [];
  new Gauge({
    name: 'longshore_record_partner_breaker_open',
    help: 'Whether a partner’s breaker lets no call pass in this process.',
    labelNames: ['tenant', 'partner'] as const,
    registers,
    collect() {
      this.reset();
      for (const { tenantId, name, breakerOpenForMs } of states()) {
        this.set({ tenant: tenantId, partner: name }, breakerOpenForMs > 0 ? 1 : 0);
      }
    },
  });
  return {
    ended: new Counter({
      name: 'longshore_records_total',
      help: 'Records that ended, by state; without those that are retried.',
      labelNames: ['tenant', 'route', 'state'] as const,
      registers,
    }),
    calls: new Counter({
      name: 'longshore_record_calls_total',
      help: 'Calls of partners, by what they came to; waiting was found out before anything was sent.',
      labelNames: ['tenant', 'partner', 'operation', 'outcome'] as const,
      registers,
    }),
    callSeconds: new Histogram({
      name: 'longshore_record_call_seconds',
      help: 'Run time of one call of a partner.',
      labelNames: ['tenant', 'partner'] as const,
      buckets: [0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300],
      registers,
    }),
    chunks: new Counter({
      name: 'longshore_record_chunks_total',
      help: 'Chunks of records that left this worker’s hands, by why.',
      labelNames: ['outcome'] as const,
      registers,
    }),
    begun: new Gauge({
      name: 'longshore_record_begun',
      help: 'Records in progress in this process.',
      registers,
    }),
    watchBreakers(given) {
      states = given;
    },
  };
}

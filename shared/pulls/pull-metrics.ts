/** What a worker of pulls shows. Label sets are bounded: no names of files. */
import { Counter, Histogram, type Registry } from 'prom-client';

export interface PullMetrics {
  readonly pulls: Counter<'outcome'>;
  readonly pullSeconds: Histogram<'outcome'>;
  readonly listingSeconds: Histogram<'outcome'>;
  readonly leasesLost: Counter;
}

const OUTCOMES = ['completed', 'error', 'skipped', 'retrying', 'waiting', 'unsettled'];

/** Call once per registry. */
export function createPullMetrics(registry: Registry): PullMetrics {
  const registers = [registry];
  const pulls = new Counter({
    name: 'longshore_pulls_total',
    help: 'Pulls that left this worker’s hands, by what they came to.',
    labelNames: ['outcome'] as const,
    registers,
  });
  // A counter that begins at 1 has no increase.
  for (const outcome of OUTCOMES) pulls.inc({ outcome }, 0);
  return {
    pulls,
    pullSeconds: new Histogram({
      name: 'longshore_pull_seconds',
      help: 'Run time of one claim of a pull, by what it came to.',
      labelNames: ['outcome'] as const,
      buckets: [0.1, 0.5, 2, 10, 60, 300, 1800, 7200],
      registers,
    }),
    listingSeconds: new Histogram({
      name: 'longshore_source_listing_seconds',
      help: 'Run time of one listing of a source, by whether it came whole.',
      labelNames: ['outcome'] as const,
      buckets: [0.1, 0.5, 2, 10, 60, 300],
      registers,
    }),
    leasesLost: new Counter({
      name: 'longshore_pull_leases_lost_total',
      help: 'Leases on pulls that ended while this worker was at work on them.',
      registers,
    }),
  };
}

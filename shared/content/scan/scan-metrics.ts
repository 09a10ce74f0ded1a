import { Histogram, type Registry } from 'prom-client';

/** Call once per registry. */
export function createScanSeconds(registry: Registry): Histogram<'verdict'> {
  return new Histogram({
    name: 'longshore_scan_seconds',
    help: 'Time to scan one file, by verdict: clean, infected, too-large, encrypted, unavailable or untrusted.',
    labelNames: ['verdict'] as const,
    buckets: [0.005, 0.02, 0.1, 0.5, 2, 10, 60, 300],
    registers: [registry],
  });
}

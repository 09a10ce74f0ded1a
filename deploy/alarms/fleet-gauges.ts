/** Gauges about the whole fleet, which the retry-sweepers show and CloudWatch is given as well: `docs/reference/metrics.md` says what they mean. */
import { Duration } from 'aws-cdk-lib';
import { Metric, Stats } from 'aws-cdk-lib/aws-cloudwatch';

interface FleetGauge {
  readonly name: string;
  readonly labels: readonly string[];
}

export const FLEET_GAUGES: readonly FleetGauge[] = [
  { name: 'longshore_open_rows', labels: ['queue', 'state'] },
  { name: 'longshore_oldest_due_seconds', labels: ['queue'] },
  { name: 'longshore_parked_dead_letters', labels: [] },
  { name: 'longshore_effects', labels: ['kind', 'stage'] },
  { name: 'longshore_expiry_overdue_seconds', labels: ['what'] },
  { name: 'longshore_remote_breakers_open', labels: [] },
  { name: 'longshore_sources_overdue', labels: [] },
  { name: 'longshore_partner_held_seconds', labels: [] },
  { name: 'longshore_certificate_days', labels: [] },
  { name: 'longshore_outbox_oldest_seconds', labels: [] },
  { name: 'longshore_open_notices', labels: ['state'] },
  { name: 'longshore_notices_oldest_due_seconds', labels: [] },
  { name: 'longshore_copy_still_seconds', labels: [] },
  { name: 'longshore_evidence_lag_seconds', labels: [] },
  { name: 'longshore_database_connections_max', labels: [] },
];

export const fleetNamespace = (prefix: string): string => `Longshore/${prefix}`;

export function fleetGauge(prefix: string, name: string, labels: Readonly<Record<string, string>> = {}): Metric {
  return new Metric({
    namespace: fleetNamespace(prefix),
    metricName: name,
    dimensionsMap: { service: 'retry-sweeper', ...labels },
    statistic: Stats.MAXIMUM,
    period: Duration.minutes(1),
  });
}

/**
 * What each task counts of itself and CloudWatch is given as well: `docs/reference/metrics.md` says what they mean.
 *
 * 1. Counters arrive as what was added since, gauges as they are. Tasks, and labels that are not named here, add up in CloudWatch.
 * 2. No histograms: the collector gives CloudWatch their sums as they have grown, and no quantiles.
 * 3. A metric with a label for each tenant or route would be paid for with each of them: only what has few is here.
 */
import { Duration } from 'aws-cdk-lib';
import { Metric } from 'aws-cdk-lib/aws-cloudwatch';
import type { ServiceName } from '../services/service-catalogue.ts';
import { FLEET_GAUGES, fleetNamespace } from './fleet-gauges.ts';

export interface TaskMetric {
  readonly name: string;
  /** The dimensions next to the service. */
  readonly labels: readonly string[];
  readonly services: readonly ServiceName[];
  /** Of a label, the values that are wanted. */
  readonly only?: { readonly label: string; readonly values: readonly string[] };
}

/** Those that end files. */
export const WORKERS = ['partner-worker', 'large-file-worker'] as const;
/** Those that have queues, and the database and the stores behind them. */
export const QUEUE_SERVICES = ['ingestor', 'router', ...WORKERS, 'retry-sweeper'] as const;

export const TASK_METRICS: readonly TaskMetric[] = [
  {
    name: 'longshore_jobs_total',
    labels: ['outcome'],
    services: WORKERS,
    only: { label: 'outcome', values: ['succeeded', 'failed'] },
  },
  { name: 'longshore_small_files_total', labels: ['pace'], services: WORKERS },
  { name: 'longshore_dead_letters_total', labels: [], services: ['retry-sweeper'] },
  { name: 'longshore_leases_lost_total', labels: [], services: WORKERS },
  { name: 'longshore_pull_leases_lost_total', labels: [], services: ['large-file-worker'] },
  { name: 'longshore_queue_leases_lost_total', labels: [], services: QUEUE_SERVICES },
  { name: 'longshore_dependency_faults_total', labels: [], services: QUEUE_SERVICES },
  { name: 'longshore_database_answer_seconds', labels: [], services: QUEUE_SERVICES },
  { name: 'longshore_record_partner_breaker_open', labels: [], services: ['partner-worker'] },
];

/** Of one service: its own, and those of the fleet when it is who shows them. */
export function cloudWatchMetricsOf(service: string): readonly Omit<TaskMetric, 'services'>[] {
  const own = TASK_METRICS.filter(({ services }) => services.some((name) => name === service));
  return service === 'retry-sweeper' ? [...FLEET_GAUGES, ...own] : own;
}

export interface TaskMetricOptions {
  readonly service: ServiceName;
  readonly labels?: Readonly<Record<string, string>>;
  readonly statistic: string;
  readonly periodMinutes?: number;
}

export function taskMetric(prefix: string, metricName: string, options: TaskMetricOptions): Metric {
  const { service, labels = {}, statistic, periodMinutes = 1 } = options;
  return new Metric({
    namespace: fleetNamespace(prefix),
    metricName,
    dimensionsMap: { service, ...labels },
    statistic,
    period: Duration.minutes(periodMinutes),
  });
}

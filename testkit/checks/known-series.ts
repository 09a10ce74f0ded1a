/**
 * Every series that a dashboard or a rule may name, with its labels: what our processes register, what prom-client registers on its own, what
 * Prometheus adds, and what the rules record.
 */
import { readFileSync } from 'node:fs';
import { collectDefaultMetrics, Registry } from 'prom-client';
import { parse } from 'yaml';
import { registeredMetrics } from './registered-metrics.ts';

/** Prometheus gives them to every series: who was read, and where. */
const TARGET_LABELS = ['job', 'instance'];
/** The labels of a recording rule are those of its query; ours sum them away. */
const OF_PROMETHEUS = new Map<string, ReadonlySet<string>>([
  ['up', new Set(TARGET_LABELS)],
  ['ALERTS', new Set(['alertname', 'alertstate', 'severity'])],
]);

interface Metric {
  readonly name: string;
  readonly type: string;
  readonly labels: readonly string[];
}

export async function knownSeries(): Promise<ReadonlyMap<string, ReadonlySet<string>>> {
  const metrics = [...(await registeredMetrics()), ...defaultMetrics()];
  const series = metrics.flatMap(seriesOf);
  return new Map([...OF_PROMETHEUS, ...series, ...recordedNames().map((name) => [name, new Set<string>()] as const)]);
}

function seriesOf({ name, type, labels }: Metric): (readonly [string, ReadonlySet<string>])[] {
  const all = new Set([...labels, ...TARGET_LABELS]);
  if (type !== 'histogram') return [[name, all]];
  return [
    [`${name}_bucket`, new Set([...all, 'le'])],
    [`${name}_sum`, all],
    [`${name}_count`, all],
  ];
}

function defaultMetrics(): Metric[] {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  return registry.getMetricsAsArray().map((metric) => {
    const { name, labelNames } = metric as unknown as { readonly name: string; readonly labelNames: readonly string[] };
    return { name, labels: labelNames, type: metric.constructor.name.toLowerCase() };
  });
}

function recordedNames(): string[] {
  const text = readFileSync(new URL('../../deploy/prometheus/rules.yaml', import.meta.url), 'utf8');
  const { groups } = parse(text) as { readonly groups: readonly { readonly rules: readonly { record?: string }[] }[] };
  return groups.flatMap(({ rules }) => rules.flatMap(({ record }) => record ?? []));
}

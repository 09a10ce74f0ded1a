/** PromQL as Prometheus's own grammar reads it: whether it is whole, which metrics it names, and by which labels it asks for them. */
import { parser } from '@prometheus-io/lezer-promql';

export interface ReadQuery {
  /** Where the grammar did not follow; empty for a query that is whole. */
  readonly faults: readonly string[];
  /** Labels that a selector names, by metric. A metric that is named without labels is there with none. */
  readonly selected: ReadonlyMap<string, ReadonlySet<string>>;
  /** Labels of `by (...)`, `on (...)` and the like. */
  readonly grouped: ReadonlySet<string>;
}

/** Grafana replaces these before it asks; any duration serves the grammar. */
const GRAFANA_DURATIONS = /\$__(rate_interval|interval|range)\b/g;

export function readPromql(query: string): ReadQuery {
  const text = query.replace(GRAFANA_DURATIONS, '5m');
  const faults: string[] = [];
  const selected = new Map<string, Set<string>>();
  const grouped = new Set<string>();
  let labelsOfSelector: Set<string> | undefined;
  let isGrouping = false;

  parser.parse(text).iterate({
    enter: ({ name, type, from, to }) => {
      const written = text.slice(from, to);
      if (type.isError) faults.push(`at ${from}: ...${text.slice(Math.max(0, from - 20), from + 20)}...`);
      if (name === 'Identifier') {
        labelsOfSelector = selected.get(written) ?? new Set();
        selected.set(written, labelsOfSelector);
      }
      if (name === 'GroupingLabels' || name === 'LabelMatchers') isGrouping = name === 'GroupingLabels';
      if (name === 'LabelName') (isGrouping ? grouped : labelsOfSelector)?.add(written);
    },
  });
  return { faults, selected, grouped };
}

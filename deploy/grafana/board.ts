/** A dashboard as data: what is asked, in which unit, and why one looks at it. `build-dashboard.ts` makes Grafana's JSON of it. */

export interface Query {
  readonly expr: string;
  /** Grafana's own template, e.g. `{{queue}}`. */
  readonly legend: string;
}

export type Unit = 'short' | 'percentunit' | 's' | 'bytes' | 'Bps' | 'ops' | 'bool_yes_no';

export interface Panel {
  readonly title: string;
  /** What it means when this moves, in a sentence: shown behind the panel's `i`. */
  readonly why: string;
  readonly unit: Unit;
  readonly queries: readonly [Query, ...Query[]];
  /** `now` shows the last value large, `history` when each series was there; `over time` is the default. */
  readonly shows?: 'over time' | 'now' | 'history';
  /** From here on it is bad: drawn as a line, and colours what is shown now. */
  readonly bound?: number;
  readonly isStacked?: boolean;
}

/** Asked of the database. Of `bars` the first column is a time. */
export interface SqlPanel {
  readonly title: string;
  readonly why: string;
  readonly shows: 'table' | 'pie' | 'bars';
  readonly sql: string;
}

export interface Row {
  readonly title: string;
  readonly panels: readonly (Panel | SqlPanel)[];
}

export interface Variable {
  /** A label, chosen from the values that `metric` has. */
  readonly name: string;
  readonly metric: string;
}

export interface Board {
  /** Stays the same for ever: links and bookmarks name it. */
  readonly uid: string;
  readonly title: string;
  readonly description: string;
  readonly variables?: readonly Variable[];
  /** Has panels of the database, so that one is chosen. */
  readonly readsDatabase?: boolean;
  readonly rows: readonly Row[];
}

export function isSqlPanel(panel: Panel | SqlPanel): panel is SqlPanel {
  return 'sql' in panel;
}

export function query(legend: string, expr: string): Query {
  return { legend, expr };
}

/** Counters are asked for their rate per second over Grafana's own interval, which follows the zoom. */
export function rate(selector: string): string {
  return `rate(${selector}[$__rate_interval])`;
}

/** A histogram's quantile, by `labels`. */
export function quantile(
  share: number,
  metric: string,
  { by = [], where = '' }: { by?: string[]; where?: string } = {},
): string {
  return `histogram_quantile(${share}, sum by (${['le', ...by].join(', ')}) (${rate(`${metric}_bucket${where}`)}))`;
}

/**
 * Grafana's JSON of a board, by Grafana's own SDK.
 *
 * 1. The same board gives the same JSON: ids and places follow from the order, nothing from a clock.
 * 2. The datasources are variables, so that one file serves every Prometheus and every database.
 */

import { PanelBuilder as BarsBuilder } from '@grafana/grafana-foundation-sdk/barchart';
import type { Builder, Dataquery } from '@grafana/grafana-foundation-sdk/cog';
import {
  BigValueColorMode,
  GraphThresholdsStyleConfigBuilder,
  GraphThresholdsStyleMode,
  LegendDisplayMode,
  LegendPlacement,
  ReduceDataOptionsBuilder,
  SortOrder,
  StackingConfigBuilder,
  StackingMode,
  TooltipDisplayMode,
  VisibilityMode,
  VizLegendOptionsBuilder,
  VizTooltipOptionsBuilder,
} from '@grafana/grafana-foundation-sdk/common';
import {
  type Dashboard,
  DashboardBuilder,
  DashboardCursorSync,
  DashboardLinkBuilder,
  DashboardLinkType,
  DatasourceVariableBuilder,
  QueryVariableBuilder,
  RowBuilder,
  ThresholdsConfigBuilder,
  ThresholdsMode,
  VariableRefresh,
  VariableSort,
} from '@grafana/grafana-foundation-sdk/dashboard';
import { PanelBuilder as PieBuilder, PieChartLegendOptionsBuilder } from '@grafana/grafana-foundation-sdk/piechart';
import { DataqueryBuilder } from '@grafana/grafana-foundation-sdk/prometheus';
import { PanelBuilder as StatBuilder } from '@grafana/grafana-foundation-sdk/stat';
import { PanelBuilder as HistoryBuilder } from '@grafana/grafana-foundation-sdk/statetimeline';
import { PanelBuilder as TableBuilder } from '@grafana/grafana-foundation-sdk/table';
import { PanelBuilder as TimeseriesBuilder } from '@grafana/grafana-foundation-sdk/timeseries';
import { type Board, isSqlPanel, type Panel, type Row, type SqlPanel, type Variable } from './board.ts';

const DATASOURCE = { type: 'prometheus', uid: '$datasource' };
const DATABASE = { type: 'grafana-postgresql-datasource', uid: '$database' };
/** All dashboards of the fleet carry it, and link to each other by it. */
const TAG = 'longshore';
const GRID_WIDTH = 24;
const PANEL_HEIGHT = 8;
const STAT = { width: 4, height: 4 };

export function buildDashboard({ uid, title, description, variables = [], readsDatabase, rows }: Board): Dashboard {
  const dashboard = new DashboardBuilder(`Longshore: ${title}`)
    .uid(uid)
    .description(description)
    .tags([TAG])
    .readonly()
    .time({ from: 'now-3h', to: 'now' })
    .refresh('30s')
    .timezone('browser')
    .tooltip(DashboardCursorSync.Crosshair)
    .link(
      new DashboardLinkBuilder('Longshore')
        .type(DashboardLinkType.Dashboards)
        .tags([TAG])
        .asDropdown(true)
        .keepTime(true),
    )
    .withVariable(new DatasourceVariableBuilder('datasource').label('Prometheus').type('prometheus'));
  if (readsDatabase === true)
    dashboard.withVariable(new DatasourceVariableBuilder('database').label('Database').type(DATABASE.type));
  for (const variable of variables) dashboard.withVariable(buildVariable(variable));
  let nextId = 1;
  for (const row of rows) {
    dashboard.withRow(new RowBuilder(row.title).id(nextId++));
    for (const panel of row.panels) {
      const builder = isSqlPanel(panel) ? buildSqlPanel(panel, row) : buildPanel(panel, row);
      dashboard.withPanel(builder.id(nextId++));
    }
  }
  return dashboard.build();
}

function buildVariable({ name, metric }: Variable): QueryVariableBuilder {
  return new QueryVariableBuilder(name)
    .label(name)
    .datasource(DATASOURCE)
    .query({ query: `label_values(${metric}, ${name})`, refId: `Values of ${name}` })
    .refresh(VariableRefresh.OnTimeRangeChanged)
    .sort(VariableSort.AlphabeticalAsc)
    .multi(true)
    .includeAll(true)
    .allValue('.*');
}

function buildSqlPanel({ title, why, shows, sql }: SqlPanel, row: Row): TableBuilder | PieBuilder | BarsBuilder {
  const builder = { table: () => new TableBuilder(), pie: buildPie, bars: () => new BarsBuilder() }[shows]();
  return builder
    .title(title)
    .description(why)
    .datasource(DATABASE)
    .height(PANEL_HEIGHT)
    .span(widthIn(row))
    .withTarget(sqlTarget(sql));
}

/** A slice for each row. */
function buildPie(): PieBuilder {
  const legend = new PieChartLegendOptionsBuilder()
    .displayMode(LegendDisplayMode.List)
    .placement(LegendPlacement.Right)
    .showLegend(true);
  return new PieBuilder().legend(legend).reduceOptions(new ReduceDataOptionsBuilder().values(true).calcs([]));
}

/** The SDK has no query of PostgreSQL. */
function sqlTarget(rawSql: string): Builder<Dataquery> {
  const target = { refId: 'A', datasource: DATABASE, format: 'table', editorMode: 'code', rawQuery: true, rawSql };
  return { build: () => ({ ...target, _implementsDataqueryVariant: () => undefined }) };
}

function buildPanel(panel: Panel, row: Row): StatBuilder | TimeseriesBuilder | HistoryBuilder {
  const { shows = 'over time' } = panel;
  const builder = {
    now: () => buildStat(panel),
    history: () => new HistoryBuilder().height(PANEL_HEIGHT).span(widthIn(row)).showValue(VisibilityMode.Never),
    'over time': () => buildTimeseries(panel, widthIn(row)),
  }[shows]();
  builder
    .title(panel.title)
    .description(panel.why)
    .datasource(DATASOURCE)
    .unit(panel.unit)
    .min(0)
    .thresholds(thresholdsOf(panel));
  for (const [index, { expr, legend }] of panel.queries.entries()) {
    const target = new DataqueryBuilder().refId(String.fromCharCode('A'.charCodeAt(0) + index)).expr(expr);
    builder.withTarget(
      panel.shows === 'now' ? target.instant().legendFormat(legend) : target.range().legendFormat(legend),
    );
  }
  return builder;
}

function buildStat({ bound }: Panel): StatBuilder {
  return new StatBuilder()
    .height(STAT.height)
    .span(STAT.width)
    .noValue('0')
    .colorMode(bound === undefined ? BigValueColorMode.None : BigValueColorMode.Background);
}

function buildTimeseries({ bound, isStacked }: Panel, width: number): TimeseriesBuilder {
  const builder = new TimeseriesBuilder()
    .height(PANEL_HEIGHT)
    .span(width)
    .fillOpacity(isStacked ? 40 : 8)
    .showPoints(VisibilityMode.Never)
    .legend(
      new VizLegendOptionsBuilder()
        .displayMode(LegendDisplayMode.List)
        .placement(LegendPlacement.Bottom)
        .showLegend(true),
    )
    .tooltip(new VizTooltipOptionsBuilder().mode(TooltipDisplayMode.Multi).sort(SortOrder.Descending));
  if (isStacked) builder.stacking(new StackingConfigBuilder().mode(StackingMode.Normal).group('A'));
  if (bound !== undefined) {
    builder.thresholdsStyle(new GraphThresholdsStyleConfigBuilder().mode(GraphThresholdsStyleMode.Dashed));
  }
  return builder;
}

/** Graphs of one row share its width, up to three side by side. */
function widthIn({ panels }: Row): number {
  const graphs = panels.filter(({ shows }) => shows !== 'now').length;
  return GRID_WIDTH / (graphs % 3 === 0 ? 3 : Math.min(graphs, 2));
}

function thresholdsOf({ bound }: Panel): ThresholdsConfigBuilder {
  const fine = { value: null, color: 'green' };
  return new ThresholdsConfigBuilder()
    .mode(ThresholdsMode.Absolute)
    .steps(bound === undefined ? [fine] : [fine, { value: bound, color: 'red' }]);
}

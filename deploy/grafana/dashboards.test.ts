/** The committed JSON is what the boards say; `vitest run deploy/grafana -u` writes it again. */
import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import type { Sql } from '#shared/db/connect-database.ts';
import { knownSeries } from '#testkit/checks/known-series.ts';
import { useTestDatabase } from '#testkit/servers/use-test-database.ts';
import { readPromql } from '../prometheus/read-promql.ts';
import { ALL_BOARDS } from './all-boards.ts';
import { isSqlPanel } from './board.ts';
import { buildDashboard } from './build-dashboard.ts';

const series = await knownSeries();
const all = ALL_BOARDS.flatMap((board) =>
  board.rows.flatMap((row) => row.panels.map((panel) => ({ panel, board: board.title }))),
);
const panels = all.flatMap(({ panel, board }) => (isSqlPanel(panel) ? [] : [{ ...panel, board }]));
const sqlPanels = all.flatMap(({ panel, board }) => (isSqlPanel(panel) ? [{ ...panel, board }] : []));

describe.each(ALL_BOARDS)('$title', (board) => {
  const dashboard = buildDashboard(board);

  test('is committed as it is built', async () => {
    await expect(`${JSON.stringify(dashboard, null, 2)}\n`).toMatchFileSnapshot(`dashboards/${board.uid}.json`);
  });

  test('has panels that overlap nowhere and leave no edge', () => {
    const taken = new Set<string>();
    for (const { gridPos, title } of dashboard.panels ?? []) {
      if (gridPos === undefined) throw new Error(`${title} has no place`);
      expect(gridPos.x + gridPos.w, title).toBeLessThanOrEqual(24);
      for (let x = gridPos.x; x < gridPos.x + gridPos.w; x += 1) {
        for (let y = gridPos.y; y < gridPos.y + gridPos.h; y += 1) {
          expect(taken.has(`${x} ${y}`), `${title} at ${x}, ${y}`).toBe(false);
          taken.add(`${x} ${y}`);
        }
      }
    }
  });

  test('offers choices from metrics that have them', () => {
    for (const { name, metric } of board.variables ?? []) {
      const labels = [...(series.get(metric) ?? [])];
      expect(labels, `${metric} by ${name}`).toContain(name);
    }
  });
});

describe.each(panels)('$board: $title', ({ queries, board }) => {
  test.each(queries)('asks $expr', ({ expr, legend }) => {
    const { faults, selected, grouped } = readPromql(expr);
    expect(faults).toEqual([]);
    expect(selected.size).toBeGreaterThan(0);
    const labels = new Set<string>();
    for (const [metric, asked] of selected) {
      const has = series.get(metric);
      if (has === undefined) throw new Error(`${metric} is shown by nobody`);
      expect(
        [...asked].filter((label) => !has.has(label)),
        metric,
      ).toEqual([]);
      for (const label of has) labels.add(label);
    }
    expect([...grouped].filter((label) => !labels.has(label))).toEqual([]);
    // A legend names what is left after grouping, or Grafana shows it empty.
    const shown = [...legend.matchAll(/{{(\w+)}}/g)].map(([, label]) => label ?? '');
    expect(shown.filter((label) => !(grouped.size > 0 ? grouped : labels).has(label))).toEqual([]);
    const chosen = [...expr.matchAll(/\$(?!__)(\w+)/g)].map(([, name]) => name);
    const offered = (ALL_BOARDS.find(({ title }) => title === board)?.variables ?? []).map(({ name }) => name);
    expect(chosen.filter((name) => !offered.includes(name ?? ''))).toEqual([]);
  });
});

describe('panels of the database', () => {
  let sql: Sql;
  useTestDatabase((opened) => {
    sql = opened;
  });

  test('ask what there is, as the role that may read no more', async () => {
    await sql.unsafe(readFileSync(new URL('reader-role.sql', import.meta.url), 'utf8'));
    const connection = await sql.reserve();
    try {
      await connection`SET ROLE longshore_reader`;
      expect(sqlPanels.length).toBeGreaterThan(0);
      for (const panel of sqlPanels) {
        // As Grafana writes it out.
        const asked = panel.sql.replaceAll(/\$__timeFilter\((\w+)\)/g, "$1 BETWEEN now() - interval '1 day' AND now()");
        const { columns } = await connection.unsafe(asked);
        expect(columns.length, panel.title).toBeGreaterThan(1);
      }
      await expect(connection`SELECT key_hash FROM api_keys`).rejects.toThrow('permission denied');
      await expect(connection`SELECT head FROM files`).rejects.toThrow('permission denied');
    } finally {
      await connection`RESET ROLE`;
      connection.release();
    }
  });

  test('are on boards that offer a database, and no others are', () => {
    const boards = ALL_BOARDS.filter(({ readsDatabase }) => readsDatabase).map(({ title }) => title);
    expect(boards).toEqual([...new Set(sqlPanels.map(({ board }) => board))]);
  });
});

test('every dashboard that is committed has a board', () => {
  const committed = readdirSync(new URL('dashboards', import.meta.url)).sort();
  expect(committed).toEqual(ALL_BOARDS.map(({ uid }) => `${uid}.json`).sort());
});

test('every metric of ours is on a dashboard, or it says nothing to anybody', () => {
  const shown = new Set(
    panels.flatMap(({ queries }) => queries.flatMap(({ expr }) => [...readPromql(expr).selected.keys()])),
  );
  const names = [...series.keys()].filter((name) => name.startsWith('longshore_') && !name.endsWith('_bucket'));
  const unshown = names.filter((name) => {
    const family = name.replace(/_(sum|count)$/, '');
    return ![...shown].some((one) => one === family || one.startsWith(`${family}_`));
  });
  expect(unshown, 'add a panel in deploy/grafana/boards, then run vitest with -u').toEqual([]);
});

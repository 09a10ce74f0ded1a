import { execFileSync, spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { anchorsOf } from '#testkit/checks/anchors-of.ts';
import { knownSeries } from '#testkit/checks/known-series.ts';
import { readPromql } from './read-promql.ts';

interface Rule {
  readonly record?: string;
  readonly alert?: string;
  readonly expr: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
}

const read = (path: string) => readFileSync(new URL(path, import.meta.url), 'utf8');
const { groups } = parse(read('rules.yaml')) as { readonly groups: readonly { readonly rules: readonly Rule[] }[] };
const rules = groups
  .flatMap((group) => group.rules)
  .map((rule) => ({ ...rule, name: rule.alert ?? rule.record ?? '' }));
const alerts = rules.filter(({ alert }) => alert !== undefined);
const { tests: unitTests } = parse(read('rules.test.yaml')) as {
  readonly tests: readonly {
    readonly name: string;
    readonly input_series: readonly { readonly series: string }[];
    readonly alert_rule_test?: readonly { readonly alertname: string; readonly exp_alerts?: unknown[] }[];
  }[];
};
const series = await knownSeries();
const SECONDS = { s: 1, m: 60, h: 3_600 };
/** Of every configuration here, and of the collector. */
const SCRAPE_SECONDS = 15;

describe.each(rules)('$name', ({ expr }) => {
  test('asks for series and labels that exist', () => {
    const { faults, selected, grouped } = readPromql(expr);
    expect(faults).toEqual([]);
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
  });

  // The grammar above is that of 3; promtool below is whichever is installed.
  test('asks so that Prometheus 2 and 3 answer alike', () => {
    const ranges = [...expr.matchAll(/\[(\d+)([smh])(?::\w*)?\]/g)].map(
      ([, count, unit]) => Number(count) * SECONDS[unit as 's'],
    );
    // 3 leaves the sample at a range's left edge out: a rate needs two, and a scrape may be missed.
    expect(Math.min(...ranges, Number.POSITIVE_INFINITY)).toBeGreaterThanOrEqual(4 * SCRAPE_SECONDS);
    // 3 writes whole bounds of buckets as "30.0".
    expect(expr).not.toMatch(/\ble=~?"\d+"/);
    // Under other names, or behind a flag, in 3.
    expect(expr).not.toMatch(/\b(holt_winters|double_exponential_smoothing|sort_by_label|info|limitk)\b/);
  });
});

describe.each(alerts)('the alert $name', ({ alert = '', labels, annotations }) => {
  test('says who is told, and what, and where the runbook speaks of it', () => {
    expect(['page', 'ticket']).toContain(labels?.severity);
    expect(annotations?.summary).toBeTruthy();
    const [page, anchor] = (annotations?.runbook ?? '').split('#');
    expect(page).toMatch(/^docs\/operations\/alerts\/[a-z]+\.md$/);
    expect(anchorsOf(read(`../../${page}`))).toContain(anchor);
  });

  test('has unit tests: it is raised, and not by a fleet that is idle or busy and well', () => {
    const proofs = unitTests.flatMap(({ name, alert_rule_test: given = [] }) =>
      given
        .filter(({ alertname }) => alertname === alert)
        .map(({ exp_alerts: expected = [] }) => ({ name, isRaised: expected.length > 0 })),
    );
    expect(proofs.filter(({ isRaised }) => isRaised).length).toBeGreaterThan(0);
    for (const name of ['a fleet that is idle', 'a fleet that is busy and well']) {
      const [first, ...others] = proofs.filter((proof) => proof.name === name);
      expect(first).toEqual({ name, isRaised: false });
      expect(others.filter(({ isRaised }) => isRaised)).toEqual([]);
    }
  });
});

describe.each(unitTests)('the unit test "$name"', ({ input_series: given }) => {
  test('feeds series and labels that exist', () => {
    for (const { series: one } of given) {
      const { selected } = readPromql(one);
      for (const [metric, labels] of selected) {
        const has = series.get(metric);
        expect(
          [...labels].filter((label) => !has?.has(label)),
          metric,
        ).toEqual([]);
      }
    }
  });
});

const hasPromtool = spawnSync('promtool', ['--version']).status === 0;

test.skipIf(!hasPromtool)(
  'the rules pass their unit tests (needs promtool, which comes with Prometheus)',
  {
    timeout: 300_000,
  },
  () => {
    const run = (...words: string[]) =>
      execFileSync('promtool', words, { cwd: fileURLToPath(new URL('.', import.meta.url)), encoding: 'utf8' });
    expect(run('check', 'rules', 'rules.yaml')).toContain('SUCCESS');
    expect(run('test', 'rules', 'rules.test.yaml')).toContain('SUCCESS');
  },
);

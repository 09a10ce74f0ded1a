import { execFileSync, spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { knownSeries } from '../../test/support/known-series.ts';
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
const series = await knownSeries();

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
});

describe.each(alerts)('the alert $name', ({ alert = '', labels, annotations }) => {
  test('says who is told, and what, and where the runbook speaks of it', () => {
    expect(['page', 'ticket']).toContain(labels?.severity);
    expect(annotations?.summary).toBeTruthy();
    const [page, anchor] = (annotations?.runbook ?? '').split('#');
    expect(page).toBe('docs/runbook.md');
    expect(anchorsOf(read('../../docs/runbook.md'))).toContain(anchor);
  });

  test('has a unit test', () => {
    const { tests } = parse(read('rules.test.yaml')) as {
      readonly tests: readonly {
        readonly alert_rule_test?: readonly { readonly alertname: string; readonly exp_alerts?: unknown[] }[];
      }[];
    };
    const firing = tests
      .flatMap(({ alert_rule_test: given = [] }) => given)
      .filter(({ exp_alerts: expected = [] }) => expected.length > 0);
    expect(firing.map(({ alertname }) => alertname)).toContain(alert);
  });
});

/** As GitHub makes them of headings. */
function anchorsOf(page: string): string[] {
  return [...page.matchAll(/^#+ (.+)$/gm)].map(([, heading = '']) =>
    heading
      .toLowerCase()
      .replace(/[^\p{L}\p{N}\s-]/gu, '')
      .trim()
      .replace(/\s/g, '-'),
  );
}

const hasPromtool = spawnSync('promtool', ['--version']).status === 0;

test.skipIf(!hasPromtool)('the rules pass their unit tests (needs promtool, which comes with Prometheus)', () => {
  const run = (...words: string[]) =>
    execFileSync('promtool', words, { cwd: fileURLToPath(new URL('.', import.meta.url)), encoding: 'utf8' });
  expect(run('check', 'rules', 'rules.yaml')).toContain('SUCCESS');
  expect(run('test', 'rules', 'rules.test.yaml')).toContain('SUCCESS');
});

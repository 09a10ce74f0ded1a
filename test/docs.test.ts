/**
 * Pages that repeat what the code says are made from the code, or compared with it; `vitest run test/docs.test.ts -u` writes the
 * former anew.
 */
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { z } from 'zod';
import { DEAD_LETTER_STATES, FILE_STATUSES, JOB_STATES } from '#shared/db/schema.ts';
import { ERROR_CODES } from '#shared/errors.ts';
import { EVENT_TYPES, publishedEvent } from '#shared/messages/published-event.ts';
import { findBrokenLinks } from '#testkit/checks/find-broken-links.ts';
import { findDocumentedVariables } from '#testkit/checks/find-documented-variables.ts';
import { findVariables } from '#testkit/checks/find-variables.ts';
import { registeredMetrics } from '#testkit/checks/registered-metrics.ts';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const PAGES = globSync('**/*.md', { cwd: join(ROOT, 'docs') }).sort();
const readPage = (name: string) => readFileSync(join(ROOT, 'docs', name), 'utf8');

test('every link between pages, and every page that the code names, is there', () => {
  const files = globSync('**/*.{md,ts,mjs,yaml,yml,json,example}', {
    cwd: ROOT,
    exclude: ['**/node_modules/**', '**/.longshore/**', '**/cdk.out/**', 'package-lock.json'],
  });
  expect(files.length).toBeGreaterThan(500);
  expect(findBrokenLinks(ROOT, files.sort())).toEqual([]);
});

test('docs/reference/errors.md lists every code with its meaning and remedy', async () => {
  const rows = Object.entries(ERROR_CODES)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([code, entry]) => `| \`${code}\` | ${entry.meaning} | ${entry.remedy} |`);
  const page = [
    '# Error codes',
    '',
    'Every code that Longshore shows in an API answer, a job, a log line or an event. Codes are stable: they are never renamed',
    'or given another meaning. This page is made from `shared/errors.ts`.',
    '',
    '| Code | What happened | What to do |',
    '|---|---|---|',
    ...rows,
    '',
  ].join('\n');
  await expect(page).toMatchFileSnapshot('../docs/reference/errors.md');
});

test('docs/reference/event.v1.schema.json is the schema of published events', async () => {
  const schema = { title: 'Longshore event', ...z.toJSONSchema(publishedEvent) };
  await expect(`${JSON.stringify(schema, null, 2)}\n`).toMatchFileSnapshot('../docs/reference/event.v1.schema.json');
});

test('docs/reference/events.md describes every type of event', () => {
  const page = readPage('reference/events.md');
  expect(EVENT_TYPES.filter((type) => !page.includes(`\`${type}\``))).toEqual([]);
});

test('docs/reference/configuration.md lists every variable of every process with its default', async () => {
  expect(findDocumentedVariables(readPage('reference/configuration.md'))).toEqual(await findVariables());
});

test('the pages say what each state of a file, a job and a dead letter means', () => {
  const page = readPage('operations/finding-a-file.md') + readPage('operations/replaying.md');
  const states = [...FILE_STATUSES, ...JOB_STATES, ...DEAD_LETTER_STATES];
  expect(states.filter((state) => !page.includes(`\n| \`${state}\` | `))).toEqual([]);
});

test('no page names a metric of ours that does not exist', async () => {
  const known = new Set((await registeredMetrics()).map(({ name }) => name));
  const named = PAGES.flatMap((page) =>
    [...readPage(page).matchAll(/`[^`]*?(longshore_[a-z0-9_]+)[^`]*`/g)].map(([, name]) => name),
  );
  expect(named.length).toBeGreaterThan(10);
  expect(named.filter((name) => !known.has(name ?? ''))).toEqual([]);
});

test('docs/reference/metrics.md lists every metric with its labels and who shows it', async () => {
  const rows = (await registeredMetrics()).map(
    ({ name, type, labels, help, processes }) =>
      `| \`${name}\` | ${type} | ${labels.map((label) => `\`${label}\``).join(', ')} | ${help} | ${processes.join(', ')} |`,
  );
  const page = [
    '# Metrics',
    '',
    'What each process shows at `/metrics`, in the form that Prometheus reads, beside the metrics of Node.js itself (`process_*`,',
    '`nodejs_*`). Label sets are bounded: no file name and no id is ever a label. What to be woken for is in',
    '[alerts](../operations/alerts/README.md). This page is made from what the processes register.',
    '',
    '| Metric | Type | Labels | Meaning | Shown by |',
    '|---|---|---|---|---|',
    ...rows,
    '',
  ].join('\n');
  await expect(page).toMatchFileSnapshot('../docs/reference/metrics.md');
});

/**
 * Pages that repeat what the code says are made from the code, or compared with it; `vitest run test/docs.test.ts -u` writes the
 * former anew.
 */
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { z } from 'zod';
import { DEAD_LETTER_STATES, FILE_STATUSES, JOB_STATES } from '#shared/db/schema.ts';
import { ERROR_CODES } from '#shared/errors.ts';
import { EVENT_TYPES, publishedEvent } from '#shared/messages/published-event.ts';
import { findDocumentedVariables } from './support/find-documented-variables.ts';
import { findVariables } from './support/find-variables.ts';
import { registeredMetrics } from './support/registered-metrics.ts';

const readPage = (name: string) => readFileSync(new URL(`../docs/${name}`, import.meta.url), 'utf8');

test('docs/errors.md lists every code with its meaning and remedy', async () => {
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
  await expect(page).toMatchFileSnapshot('../docs/errors.md');
});

test('docs/event.v1.schema.json is the schema of published events', async () => {
  const schema = { title: 'Longshore event', ...z.toJSONSchema(publishedEvent) };
  await expect(`${JSON.stringify(schema, null, 2)}\n`).toMatchFileSnapshot('../docs/event.v1.schema.json');
});

test('docs/events.md describes every type of event', () => {
  const page = readPage('events.md');
  expect(EVENT_TYPES.filter((type) => !page.includes(`\`${type}\``))).toEqual([]);
});

test('docs/operating.md lists every variable of every process with its default', async () => {
  expect(findDocumentedVariables(readPage('operating.md'))).toEqual(await findVariables());
});

test('docs/operating.md says what each state of a file, a job and a dead letter means', () => {
  const page = readPage('operating.md');
  const states = [...FILE_STATUSES, ...JOB_STATES, ...DEAD_LETTER_STATES];
  expect(states.filter((state) => !page.includes(`\n| \`${state}\` | `))).toEqual([]);
});

test('docs/operating.md names no metric of ours that is not there', async () => {
  const known = new Set((await registeredMetrics()).map(({ name }) => name));
  const named = [...readPage('operating.md').matchAll(/`[^`]*?(longshore_[a-z0-9_]+)[^`]*`/g)].map(([, name]) => name);
  expect(named.length).toBeGreaterThan(10);
  expect(named.filter((name) => !known.has(name ?? ''))).toEqual([]);
});

test('docs/metrics.md lists every metric with its labels and who shows it', async () => {
  const rows = (await registeredMetrics()).map(
    ({ name, type, labels, help, processes }) =>
      `| \`${name}\` | ${type} | ${labels.map((label) => `\`${label}\``).join(', ')} | ${help} | ${processes.join(', ')} |`,
  );
  const page = [
    '# Metrics',
    '',
    'What each process shows at `/metrics`, in the form that Prometheus reads, beside the metrics of Node.js itself (`process_*`,',
    '`nodejs_*`). Label sets are bounded: no file name and no id is ever a label. What to be woken for is in',
    '[operating.md](operating.md#what-to-be-woken-for). This page is made from what the processes register.',
    '',
    '| Metric | Type | Labels | Meaning | Shown by |',
    '|---|---|---|---|---|',
    ...rows,
    '',
  ].join('\n');
  await expect(page).toMatchFileSnapshot('../docs/metrics.md');
});

/** Pages that repeat what the code says are made from the code; `vitest run test/docs.test.ts -u` writes them anew. */
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { z } from 'zod';
import { ERROR_CODES } from '#shared/errors.ts';
import { EVENT_TYPES, publishedEvent } from '#shared/messages/published-event.ts';

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
  const page = readFileSync(new URL('../docs/events.md', import.meta.url), 'utf8');
  expect(EVENT_TYPES.filter((type) => !page.includes(`\`${type}\``))).toEqual([]);
});

import { randomUUID } from 'node:crypto';
import { pino } from 'pino';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { applyDefinition, removeDefinitions } from '#shared/definitions/apply-definitions.ts';
import { calendarDocumentSchema } from '#shared/definitions/calendar-schema.ts';
import { definitionHash } from '#shared/definitions/definition-hash.ts';
import { expectationDocumentSchema } from '#shared/definitions/expectation-schema.ts';
import type { StoreDirectory } from '#shared/stores/store-directory.ts';
import { FAR_BUCKET, type StoreTestBed, startStoreTestBed } from '#testkit/beds/store-bed.ts';
import { emptyTables } from '#testkit/seeds/empty-tables.ts';
import { readCalendars } from './read-calendars.ts';
import { watchExpectations } from './watch-expectations.ts';

let bed: StoreTestBed;
let stores: StoreDirectory;
const logged: string[] = [];
const logger = pino({ level: 'debug' }, { write: (line: string) => void logged.push(line) });
const FILE = { bucket: FAR_BUCKET, key: 'calendars/us.txt' };

beforeAll(async () => {
  bed = await startStoreTestBed({
    url: 'http://127.0.0.1:1',
    credentials: { accessKeyId: 'none', secretAccessKey: 'none' },
  });
  stores = bed.openDirectory();
});

afterAll(async () => {
  stores.close();
  await bed.stop();
});

beforeEach(async () => {
  await emptyTables(bed.sql, 'calendars', 'expectations', 'expected_occurrences', 'audit_events', 'outbox');
  bed.proxy.spoil(() => undefined);
  logged.length = 0;
});

const read = () => readCalendars({ sql: bed.sql, stores, logger, signal: new AbortController().signal });
const put = (body: string) => bed.farStore.put({ target: FILE, body });
const makeDue = () => bed.sql`UPDATE calendars SET holidays_look_at = now() - interval '1 second'`;

async function apply(fields: object = {}): Promise<void> {
  const definition = calendarDocumentSchema.parse({
    ...{ kind: 'calendar', tenant: 'acme', name: 'us', timeZone: 'UTC', holidays: ['2026-12-25'] },
    holidaysFrom: { store: 'globex', ...FILE },
    ...fields,
  });
  const calendar = { tenantId: 'acme', name: 'us', definition, definitionHash: randomUUID() };
  await applyDefinition(bed.sql, 'calendar', calendar, 'test');
}

async function holidays(): Promise<unknown> {
  const [row] = await bed.sql`SELECT days -> 'holidays' AS holidays FROM calendars`;
  return row?.holidays;
}

const events = async () =>
  (await bed.sql`SELECT type, detail FROM audit_events WHERE type LIKE 'calendar.holidays%' ORDER BY at, id`).map(
    ({ type, detail }) => [type.replace('calendar.holidays-', ''), detail.message ?? detail.holidays],
  );

test('holidays of the object count with those of the calendar, and are read again when they changed', async () => {
  await put('2027-01-01 New Year\n2027-07-04\n');
  await apply();
  expect(await holidays()).toEqual(['2026-12-25']);
  await read();
  expect(await holidays()).toEqual(['2026-12-25', '2027-01-01', '2027-07-04']);

  await put('2027-01-01\n');
  await read();
  expect(await holidays(), 'not due yet').toHaveLength(3);
  await makeDue();
  await read();
  expect(await holidays()).toEqual(['2026-12-25', '2027-01-01']);
  await makeDue();
  await read();
  expect(await events()).toEqual([
    ['read', 2],
    ['read', 1],
  ]);

  await apply({ holidaysFrom: undefined });
  expect(await holidays()).toEqual(['2026-12-25']);
});

test('an expectation is planned again when the holidays of its calendar changed', async () => {
  const inDays = (days: number): string => new Date(Date.now() + days * 86_400_000).toISOString().slice(0, 10);
  await put('');
  await apply({ weekdays: ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'] });
  const definition = expectationDocumentSchema.parse({
    ...{ kind: 'expectation', tenant: 'acme', name: 'daily', match: 'in/*', due: { at: '07:00', calendar: 'us' } },
  });
  const expectation = { tenantId: 'acme', name: 'daily', definition, definitionHash: definitionHash(definition) };
  await applyDefinition(bed.sql, 'expectation', { ...expectation, notify: definition.notify }, 'test');
  const planned = async () => {
    await read();
    await watchExpectations({ sql: bed.sql, logger });
    return (
      await bed.sql`SELECT to_char(due_at AT TIME ZONE 'UTC', 'YYYY-MM-DD') AS day FROM expected_occurrences`
    ).map(({ day }) => day);
  };
  expect(await planned()).toContain(inDays(9));
  await put(`${inDays(9)}\n`);
  await makeDue();
  const days = await planned();
  expect(days).not.toContain(inDays(9));
  expect(days).toContain(inDays(10));
});

test.each<[string, (() => Promise<unknown>) | undefined, object, string]>([
  ['is not there', undefined, { key: 'calendars/other.txt' }, 'there is no such object'],
  [
    'has a line without a date',
    () => put('2027-01-01\nhush'),
    {},
    'line 2 does not begin with a date such as 2026-12-25',
  ],
  ['is too large', () => put('#'.repeat(300_000)), {}, 'the object has more than 256 KiB'],
  [
    'is elsewhere than the store allows',
    undefined,
    { bucket: 'not-allowed' },
    'the store globex does not allow the object',
  ],
  ['is of a store that is gone', undefined, { store: 'gone' }, 'The tenant has no store gone'],
])('an object that %s changes no day, and is told of once', async (_name, spoil, from, message) => {
  await put('2027-01-01\n');
  await apply();
  await read();
  await spoil?.();
  await apply({ description: 'another version', holidaysFrom: { store: 'globex', ...FILE, ...from } });
  await read();
  await makeDue();
  await read();
  expect(await holidays()).toEqual(['2026-12-25', '2027-01-01']);
  expect(await events()).toEqual([
    ['read', 1],
    ['unread', message],
  ]);
  expect(logged.join()).not.toContain('hush');
});

test('a store that refuses, says nothing of itself, and is asked again', async () => {
  await put('2027-01-01\n');
  await apply();
  bed.proxy.spoil(() => ({ type: 'status', status: 503 }));
  await read();
  expect(await holidays()).toEqual(['2026-12-25']);
  expect(await events()).toEqual([['unread', 'the object cannot be read (OBJECT_STORE_UNAVAILABLE)']]);
  expect(logged.join()).not.toContain('hush');

  bed.proxy.spoil(() => undefined);
  await makeDue();
  await read();
  expect(await holidays()).toEqual(['2026-12-25', '2027-01-01']);
});

test('a calendar that was removed is not read', async () => {
  await put('2027-01-01\n');
  await apply();
  await removeDefinitions(bed.sql, { kind: 'calendar', tenantId: 'acme', names: ['us'] }, 'test');
  await read();
  expect(await events()).toEqual([]);
});

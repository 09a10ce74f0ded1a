/** Expectations over HTTP: applied as files, planned and judged by the retry-sweeper's clock, and a person's decision about what is late. */
import { pino } from 'pino';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { watchExpectations } from '#services/retry-sweeper/watch-expectations.ts';
import { startTestApi, type TestApi } from '#testkit/beds/start-test-api.ts';
import { emptyTables } from '#testkit/seeds/empty-tables.ts';
import { seedTenant } from '#testkit/seeds/seed-jobs.ts';

let api: TestApi;

beforeAll(async () => {
  api = await startTestApi();
  await seedTenant(api.sql);
  await seedTenant(api.sql, { tenantId: 'globex' });
});
afterAll(() => api.stop());
beforeEach(() =>
  emptyTables(
    api.sql,
    'calendars',
    'expectations',
    'expected_occurrences',
    'definition_versions',
    'audit_events',
    'outbox',
  ),
);

async function ask(method: 'GET' | 'POST', path: string, key: string, payload?: object) {
  const reply = await api.app.inject({
    method,
    url: `/api/v1${path}`,
    headers: { 'x-api-key': key },
    ...(payload !== undefined && { payload }),
  });
  return { status: reply.statusCode, body: reply.json() };
}

/** Where it is between 12:00 and 13:00 now: the window of today is over, and no test runs while one is open. */
const HOURS_TO_NOON = 12 - new Date().getUTCHours();
const CALENDAR = `
kind: calendar
tenant: acme
name: workdays
timeZone: Etc/GMT${HOURS_TO_NOON < 0 ? '+' : '-'}${Math.abs(HOURS_TO_NOON)}
holidays: [2026-12-25, 2027-01-01]
`;
const EXPECTATION = `
kind: expectation
tenant: acme
name: orders
match: in/orders/*.csv
due: { at: "07:00", opens: "05:00", graceUntil: "09:00", calendar: workdays }
count: { min: 3, max: 3 }
warn: { before: 30m }
`;
const apply = (...texts: string[]) =>
  ask('POST', '/routes', api.keys.operator, { files: [{ name: 'acme.yaml', text: texts.join('---') }] });
const watch = () => watchExpectations({ sql: api.sql, logger: pino({ level: 'silent' }) });

/** Makes the first occurrence one that is late. */
async function beLate(): Promise<string> {
  await watch();
  const [row] = await api.sql<{ id: string }[]>`
    WITH first AS (SELECT id, now() - interval '1 minute' - due_at AS shift FROM expected_occurrences ORDER BY due_at LIMIT 1)
    UPDATE expected_occurrences o SET opens_at = opens_at + shift, due_at = due_at + shift, closes_at = closes_at + shift, next_look_at = now()
    FROM first f WHERE o.id = f.id RETURNING o.id`;
  await watch();
  return row?.id ?? '';
}

test('are applied with their calendars, listed, and planned', async () => {
  expect(await apply(EXPECTATION, CALENDAR)).toMatchObject({
    status: 200,
    body: {
      calendars: [{ name: 'workdays', change: 'created' }],
      expectations: [{ name: 'orders', change: 'created' }],
    },
  });
  expect((await apply(EXPECTATION, CALENDAR)).body.expectations).toMatchObject([{ change: 'unchanged' }]);
  const list = async (path: string, key = api.keys.acme) => (await ask('GET', path, key)).body;
  expect((await list('/expectations')).expectations).toMatchObject([
    { customer_id: 'acme', name: 'orders', version: 1 },
  ]);
  expect((await list('/calendars')).calendars).toMatchObject([
    { name: 'workdays', definition: { weekdays: expect.any(Array) } },
  ]);
  await api.sql`
    UPDATE calendars SET definition = definition || '{"holidaysFrom": {}}', holidays_read = '["2031-01-01"]' WHERE name = 'workdays'`;
  const [{ definition, days }] = (await list('/calendars')).calendars;
  expect(days.holidays).toEqual([...definition.holidays, '2031-01-01']);
  await api.sql`UPDATE calendars SET definition = definition - 'holidaysFrom' WHERE name = 'workdays'`;
  expect((await list('/expectations', api.keys.globex)).expectations).toEqual([]);
  await watch();
  const { occurrences, next_cursor } = await list('/occurrences?limit=2');
  expect(occurrences).toMatchObject([{ state: 'PENDING', needed: 3 }, { state: 'PENDING' }]);
  const more = await list(`/occurrences?limit=2&cursor=${next_cursor}`);
  expect(more.occurrences[0].due_at > occurrences[1].due_at).toBe(true);
  expect((await list('/occurrences', api.keys.globex)).occurrences).toEqual([]);
  expect((await list('/expectations/acme/orders')).source).toBe(EXPECTATION.trimStart());
});

test.each([
  [EXPECTATION, 'has no calendar workdays'],
  [EXPECTATION.replace('workdays', 'nights'), 'has no calendar nights'],
  [EXPECTATION.replace('"07:00"', '07:00'), undefined],
  [EXPECTATION.replace('"07:00"', '"7"'), 'time of day'],
  [CALENDAR.replace(/Etc\/\S+/, 'Mars/Olympus'), 'not an IANA time zone'],
  [CALENDAR.replace('2026-12-25', '2026-02-30'), 'must be a date'],
  [EXPECTATION.replace('count: { min: 3', 'count: { min: 30'), 'min is greater than max'],
])('a faulty document is refused at its place: %#', async (text, message) => {
  const { status, body } = await apply(text);
  expect(status).toBe(422);
  if (message !== undefined) expect(JSON.stringify(body)).toContain(message);
});

test('a calendar that an expectation uses is kept by prune', async () => {
  await apply(EXPECTATION, CALENDAR);
  const other = CALENDAR.replace('workdays', 'other');
  const prune = (...texts: string[]) =>
    ask('POST', '/routes?prune=true', api.keys.operator, { files: [{ name: 'acme.yaml', text: texts.join('---') }] });
  expect((await prune(other)).body.missing).toMatchObject([
    { kind: 'calendar', name: 'workdays', change: 'kept', used_by: ['orders'] },
  ]);
});

test('what is late can be excused or met by a linked file, by who may, with a reason', async () => {
  await apply(EXPECTATION, CALENDAR);
  const id = await beLate();
  expect((await ask('GET', '/occurrences?state=late', api.keys.operator)).body.occurrences).toMatchObject([
    { occurrence_id: id },
  ]);
  const excuse = (key: string, payload: object = { reason: 'a holiday of the partner' }) =>
    ask('POST', `/occurrences/${id}/excuse`, key, payload);
  expect((await excuse(api.keys.globex)).status).toBe(404);
  expect((await excuse(api.keys.acme)).status).toBe(403);
  expect((await excuse(api.keys.operator, {})).status).toBe(400);
  const link = await ask('POST', `/occurrences/${id}/link`, api.keys.operator, {
    file_id: '0198c0de-0000-7000-8000-000000000001',
    reason: 'it is this one',
  });
  expect(link).toMatchObject({ status: 404, body: { message: 'The tenant has no such file.' } });
  expect(await excuse(api.keys.operator)).toMatchObject({
    status: 200,
    body: { state: 'EXCUSED', note: 'a holiday of the partner' },
  });
  expect(await excuse(api.keys.operator)).toMatchObject({ status: 409, body: { code: 'OCCURRENCE_OVER' } });
  const [line] = await api.sql`SELECT actor, detail FROM audit_events WHERE type = 'expectation.excused'`;
  expect(line).toMatchObject({ detail: { occurrenceId: id, reason: 'a holiday of the partner' } });
});

import { pino } from 'pino';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { connectDatabase, type Sql } from '#shared/db/connect-database.ts';
import { applyDefinition, removeDefinitions } from '#shared/definitions/apply-definitions.ts';
import { applyTenants } from '#shared/definitions/apply-tenants.ts';
import { calendarDocumentSchema } from '#shared/definitions/calendar-schema.ts';
import { definitionHash } from '#shared/definitions/definition-hash.ts';
import { expectationDocumentSchema } from '#shared/definitions/expectation-schema.ts';
import { excuseOccurrence, linkFile } from '#shared/expectations/expectation-transitions.ts';
import { notifyChannels } from '#shared/notices/notice-transitions.ts';
import { emptyTables } from '#testkit/seeds/empty-tables.ts';
import { createTestDatabase, type TestDatabase } from '#testkit/servers/test-database.ts';
import { watchExpectations } from './watch-expectations.ts';

let database: TestDatabase;
let sql: Sql;
const logger = pino({ level: 'silent' });
const watch = () => watchExpectations({ sql, logger });

beforeAll(async () => {
  database = await createTestDatabase();
  const settings = { DATABASE_POOL_MAX: 3, DATABASE_PREPARE: true, DATABASE_STATEMENT_TIMEOUT_MS: 60_000 };
  sql = connectDatabase({ DATABASE_URL: database.url, ...settings }, 'expectations-test');
});

afterAll(async () => {
  await sql.end({ timeout: 5 });
  await database.drop();
});

beforeEach(async () => {
  await emptyTables(sql, 'tenants', 'audit_events', 'outbox', 'notices');
  await applyTenants(
    sql,
    ['acme', 'globex'].map((id) => ({ id, name: id, timeZone: 'UTC', homeRegion: null, ignoreGlobs: [] })),
    'test',
  );
});

/** Half a day from now: no window is open when a test begins, at whatever time of day or year it runs. */
const farHour = (new Date().getUTCHours() + 12) % 24;
const farMonth = ((new Date().getUTCMonth() + 6) % 12) + 1;

async function apply(changes: object = {}): Promise<void> {
  const definition = expectationDocumentSchema.parse({
    kind: 'expectation',
    tenant: 'acme',
    name: 'orders',
    match: 'in/*.csv',
    due: { cron: `0 ${farHour} * * *`, opensBefore: '2h', grace: '2h' },
    ...changes,
  });
  const { tenant: tenantId, name, notify } = definition;
  await applyDefinition(
    sql,
    'expectation',
    { tenantId, name, definition, definitionHash: definitionHash(definition), notify },
    'test',
  );
}

/** Moves the next occurrence so that it is due so many minutes from now; the others stay away. */
async function bringNext(minutes: number): Promise<string> {
  const [row] = await sql<{ id: string }[]>`
    WITH next AS (SELECT id, now() + ${minutes}::int * interval '1 minute' - due_at AS shift FROM expected_occurrences ORDER BY due_at LIMIT 1)
    UPDATE expected_occurrences o SET opens_at = opens_at + shift, due_at = due_at + shift, closes_at = closes_at + shift,
      next_look_at = opens_at + shift
    FROM next n WHERE o.id = n.id RETURNING o.id`;
  return row?.id ?? '';
}

async function passTime(minutes: number): Promise<void> {
  await sql`
    UPDATE expected_occurrences SET opens_at = opens_at - ${minutes}::int * interval '1 minute', due_at = due_at - ${minutes}::int * interval '1 minute',
      closes_at = closes_at - ${minutes}::int * interval '1 minute', next_look_at = next_look_at - ${minutes}::int * interval '1 minute',
      looked_until = looked_until - ${minutes}::int * interval '1 minute'`;
  await sql`UPDATE files SET created_at = created_at - ${minutes}::int * interval '1 minute'`;
}

async function arrive(key: string, { tenant = 'acme', minutesAgo = 0 } = {}): Promise<string> {
  const [row] = await sql<{ id: string }[]>`
    INSERT INTO files (id, tenant_id, bucket, key, version_id, name, size_bytes, etag, status, source, order_key, uploaded_at, created_at)
    VALUES (uuid_v7(), ${tenant}, 'landing', ${`${tenant}/${key}`}, gen_random_uuid()::text, ${key.split('/').at(-1) ?? ''}, 1000, 'e', 'COMPLETED', 'sftp', 'k', now(),
      now() - ${minutesAgo}::int * interval '1 minute')
    RETURNING id`;
  return row?.id ?? '';
}

const occurrence = async (id: string) =>
  (
    await sql`SELECT state, at_risk_at, met_at, file_ids, oddities, next_look_at FROM expected_occurrences WHERE id = ${id}`
  )[0];
const events = async () =>
  (
    await sql<
      { type: string }[]
    >`SELECT type FROM audit_events WHERE type LIKE 'expectation.%' AND type <> 'expectation.applied' ORDER BY at, id`
  ).map(({ type }) => type);

test.each([
  ['has no holiday after the next 60 days', 59, [{ calendar: 'business', lastHoliday: true }]],
  ['has one after that', 62, []],
])('an expectation whose calendar %s says so, once', async (_name, days, expected) => {
  const lastHoliday = new Date(Date.now() + days * 86_400_000).toISOString().slice(0, 10);
  const holidays = [lastHoliday, '2020-01-01'];
  const fields = { kind: 'calendar', tenant: 'acme', name: 'business', timeZone: 'UTC', holidays };
  const definition = calendarDocumentSchema.parse(fields);
  const calendar = { tenantId: 'acme', name: 'business', definition, definitionHash: definitionHash(definition) };
  await applyDefinition(sql, 'calendar', calendar, 'test');
  for (const name of ['orders', 'invoices']) await apply({ name, due: { at: '07:00', calendar: 'business' } });
  await watch();
  await watch();
  const events = await sql`SELECT detail FROM audit_events WHERE type = 'calendar.ending'`;
  expect(events.map(({ detail }) => ({ ...detail, lastHoliday: detail.lastHoliday === lastHoliday }))).toEqual(
    expected,
  );
});

test('a file that comes late, when the next occurrence has opened, counts for the late one alone', async () => {
  await apply({ due: { cron: `0 ${farHour} * * *`, opensBefore: '6h', grace: '12h' } });
  await watch();
  const lateOne = await bringNext(-60);
  const [next] = await sql<{ id: string }[]>`
    UPDATE expected_occurrences SET opens_at = now() - interval '2 hours', due_at = now() + interval '4 hours',
      closes_at = now() + interval '10 hours', next_look_at = now() - interval '2 hours'
    WHERE id = (SELECT id FROM expected_occurrences WHERE id <> ${lateOne} ORDER BY due_at LIMIT 1) RETURNING id`;
  await watch();
  const file = await arrive('in/a.csv', { minutesAgo: 1 });
  const look = async (): Promise<void> => {
    await sql`UPDATE expected_occurrences SET next_look_at = now() WHERE next_look_at IS NOT NULL AND state <> 'PENDING'`;
    await watch();
  };
  await look();
  await look();
  expect(await occurrence(lateOne)).toMatchObject({ state: 'MET_LATE', file_ids: [file] });
  expect(await occurrence(next?.id ?? '')).toMatchObject({ state: 'OPEN', file_ids: [] });
  const second = await arrive('in/b.csv');
  await look();
  await look();
  expect(await occurrence(next?.id ?? '')).toMatchObject({ state: 'MET', file_ids: [second] });
  expect(await occurrence(lateOne)).toMatchObject({ file_ids: [file] });
});

describe('a plan', () => {
  test('reaches three weeks ahead, and follows the expectation and its calendar', async () => {
    await apply();
    await watch();
    const count = async () => (await sql`SELECT FROM expected_occurrences WHERE state = 'PENDING'`).length;
    expect(await count()).toBe(21);
    const calendar = calendarDocumentSchema.parse({
      kind: 'calendar',
      tenant: 'acme',
      name: 'weekly',
      timeZone: 'UTC',
      weekdays: ['mon'],
    });
    const row = { tenantId: 'acme', name: 'weekly', definition: calendar, definitionHash: definitionHash(calendar) };
    await applyDefinition(sql, 'calendar', row, 'test');
    await apply({ due: { cron: `0 ${farHour} * * *`, calendar: 'weekly' } });
    await watch();
    expect(await count()).toBe(3);
    const daily = { ...calendar, weekdays: ['mon', 'tue'] as const };
    await applyDefinition(
      sql,
      'calendar',
      { ...row, definition: daily, definitionHash: definitionHash(daily) },
      'test',
    );
    await watch();
    expect(await count()).toBe(6);
    await removeDefinitions(sql, { kind: 'expectation', tenantId: 'acme', names: ['orders'] }, 'test');
    await watch();
    expect(await count()).toBe(0);
  });

  test('of a schedule of every minute is made again when half of it has passed, not at every look', async () => {
    await apply({ due: { cron: '* * * * *', opensBefore: '1m', grace: '1m' } });
    await watch();
    await sql`DELETE FROM expected_occurrences WHERE due_at > now() + interval '2 hours'`;
    const count = async () => (await sql`SELECT FROM expected_occurrences`).length;
    const before = await count();
    await watch();
    expect(await count()).toBe(before);
    await sql`UPDATE expectations SET planned_until = now() - interval '1 s'`;
    await watch();
    expect(await count()).toBeGreaterThan(before);
  });

  test('of an expectation that is changed leaves what is open as it was promised', async () => {
    await apply();
    await watch();
    const id = await bringNext(30);
    await watch();
    await apply({ due: { cron: `30 ${farHour} * * *` } });
    await watch();
    expect(await occurrence(id)).toMatchObject({ state: 'OPEN' });
  });
});

describe('an occurrence', () => {
  test('is open, at risk, late and missed, each said once', async () => {
    await apply({ warn: { before: '30m' } });
    await watch();
    const id = await bringNext(60);
    await watch();
    expect(await occurrence(id)).toMatchObject({ state: 'OPEN', at_risk_at: null });
    await passTime(40);
    await watch();
    expect(await occurrence(id)).toMatchObject({ state: 'OPEN', at_risk_at: expect.any(Date) });
    await passTime(30);
    await watch();
    await passTime(1);
    await watch();
    expect(await occurrence(id)).toMatchObject({ state: 'LATE' });
    await passTime(120);
    await watch();
    expect(await occurrence(id)).toMatchObject({ state: 'MISSED', next_look_at: null });
    expect(await events()).toEqual(['expectation.at-risk', 'expectation.late', 'expectation.missed']);
  });

  test('is met by files of its tenant and path alone, counted once however often they are looked at', async () => {
    await apply({ count: { min: 2, max: 2 } });
    await watch();
    const id = await bringNext(30);
    await arrive('in/a.csv');
    await arrive('in/b.txt');
    await arrive('out/c.csv');
    await arrive('in/d.csv', { tenant: 'globex' });
    for (let looks = 0; looks < 3; looks += 1) {
      await watch();
      await passTime(1);
    }
    expect(await occurrence(id)).toMatchObject({ state: 'OPEN', file_ids: [expect.any(String)] });
    await arrive('in/e.csv');
    await watch();
    expect(await occurrence(id)).toMatchObject({ state: 'MET', met_at: expect.any(Date), oddities: [] });
    await arrive('in/f.csv');
    await passTime(2);
    await watch();
    expect(await occurrence(id)).toMatchObject({ state: 'MET', oddities: ['TOO_MANY'] });
    expect(await events()).toEqual(['expectation.met', 'expectation.odd']);
  });

  test('that nobody looked at for a night is judged by when its files came', async () => {
    await apply();
    await watch();
    const id = await bringNext(-600);
    await arrive('in/a.csv', { minutesAgo: 610 });
    await watch();
    expect(await occurrence(id)).toMatchObject({ state: 'MET', next_look_at: null });
    expect(await events()).toEqual(['expectation.met']);
  });

  test('is found among many thousand files of its tenant, a stretch at a time', async () => {
    await apply();
    await watch();
    const id = await bringNext(1);
    await sql`
      INSERT INTO files (id, tenant_id, bucket, key, version_id, name, size_bytes, etag, status, source, order_key, uploaded_at, created_at)
      SELECT uuid_v7(), 'acme', 'landing', 'acme/in/' || n || '.txt', n::text, n || '.txt', 1, 'e', 'COMPLETED', 'sftp', 'k', now(), now() - interval '10 minutes'
        + n * interval '1 ms'
      FROM generate_series(1, 12000) AS n`;
    await arrive('in/last.csv', { minutesAgo: 5 });
    let rounds = 1;
    for (; rounds < 10 && (await watch()) === 'again'; rounds += 1);
    expect(rounds).toBe(3);
    expect(await occurrence(id)).toMatchObject({ state: 'MET' });
  });

  test('is judged once by sweepers that look together', async () => {
    await apply();
    await watch();
    await bringNext(-1);
    await Promise.all([watch(), watch(), watch()]);
    expect(await events()).toEqual(['expectation.late']);
  });

  test('is excused with a reason, by a person who may, or met by a file that is linked', async () => {
    await apply();
    await watch();
    const id = await bringNext(-10);
    await watch();
    const word = { id, reason: 'the partner has a holiday', actor: 'M. Diaz' };
    expect(await excuseOccurrence(sql, { ...word, tenantId: 'globex' })).toBe(false);
    const fileId = await arrive('elsewhere/a.csv');
    const foreign = await arrive('in/a.csv', { tenant: 'globex' });
    expect(await linkFile(sql, { ...word, tenantId: null, fileId: foreign })).toBe(false);
    expect(await linkFile(sql, { ...word, tenantId: null, fileId })).toBe(true);
    await watch();
    expect(await occurrence(id)).toMatchObject({ state: 'MET_LATE', file_ids: [fileId] });
    expect(await excuseOccurrence(sql, { ...word, tenantId: 'acme' })).toBe(false);
    await sql`UPDATE expected_occurrences SET state = 'LATE' WHERE id = ${id}`;
    expect(await excuseOccurrence(sql, { ...word, tenantId: 'acme' })).toBe(true);
    expect(await occurrence(id)).toMatchObject({ state: 'EXCUSED', next_look_at: null });
    expect(await events()).toEqual([
      'expectation.late',
      'expectation.linked',
      'expectation.met',
      'expectation.excused',
    ]);
  });
});

test('its channels are told, and no other expectation’s', async () => {
  const channel = (name: string) => ({ name, on: ['expected-late'], email: { to: ['desk@acme.example'] } });
  await apply({ notify: [channel('desk')] });
  await apply({
    name: 'invoices',
    match: 'invoices/*',
    notify: [channel('invoices-desk')],
    due: { cron: `0 0 1 ${farMonth} *` },
  });
  await watch();
  await bringNext(-1);
  await watch();
  await notifyChannels(sql, { limit: 10 });
  expect(await sql`SELECT channel, notice FROM notices`).toEqual([{ channel: 'desk', notice: 'expected-late' }]);
});

test('one that cannot be read holds up no other', async () => {
  await apply();
  await apply({ name: 'other', match: 'other/*' });
  await watch();
  await sql`UPDATE expectations SET definition = '{}' WHERE name = 'orders'`;
  await sql`UPDATE expected_occurrences SET opens_at = now() - interval '2 hours', due_at = now() - interval '1 minute' + extract(second FROM due_at) * interval '0',
    next_look_at = now() WHERE id IN (SELECT DISTINCT ON (expectation) id FROM expected_occurrences ORDER BY expectation, due_at)`;
  await watch();
  expect(await events()).toEqual(['expectation.late']);
});

import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { connectDatabase, type Sql } from '#shared/db/connect-database.ts';
import { emptyTables } from '#testkit/seeds/empty-tables.ts';
import { sealAudit } from '#testkit/seeds/seal-audit.ts';
import { createTestDatabase, type TestDatabase } from '#testkit/servers/test-database.ts';
import { sealLines } from './seal-lines.ts';
import { type FaultyLine, hasHash, verifyPage } from './verify-chain.ts';

let database: TestDatabase;
let sql: Sql;
let other: Sql;

beforeAll(async () => {
  database = await createTestDatabase();
  const connect = (name: string) =>
    connectDatabase(
      {
        DATABASE_URL: database.url,
        DATABASE_POOL_MAX: 2,
        DATABASE_PREPARE: true,
        DATABASE_STATEMENT_TIMEOUT_MS: 120_000,
      },
      name,
    );
  sql = connect('audit-test');
  other = connect('audit-test-other');
});
afterAll(async () => {
  await Promise.all([sql.end({ timeout: 5 }), other.end({ timeout: 5 })]);
  await database.drop();
});
beforeEach(async () => {
  await emptyTables(sql, 'audit_events', 'audit_seals', 'audit_heads');
  await sql`UPDATE audit_sealing SET written = '0', id = '00000000-0000-0000-0000-000000000000'`;
});

/** A line a second, up to now. */
async function write(count: number, tenantId = 'acme', on: Sql = sql): Promise<void> {
  await on`
    INSERT INTO audit_events (id, at, type, tenant_id, actor, detail)
    SELECT uuid_v7(), now() - (${count} - n) * interval '1 second', 'file.queued', ${tenantId}, 'ingestor', jsonb_build_object('n', n, 'price', 1.10)
    FROM generate_series(1, ${count}::int) AS n`;
}

async function verify(tenantId = 'acme', limit = 10) {
  // Pages overlap in time, so that a line without a seal can be named by two.
  const faults = new Map<string, FaultyLine>();
  let lines = 0;
  for (let after: number | null = 0; after !== null; ) {
    const page = await verifyPage(sql, { tenantId, after, limit });
    for (const fault of page.faults) faults.set(`${fault.fault} ${fault.seq} ${fault.eventId}`, fault);
    lines += page.lines;
    after = page.next;
  }
  return { lines, faults: [...faults.values()] };
}

const lineAt = async (seq: number, tenantId = 'acme') => {
  const [line] = await sql<{ eventId: string }[]>`
    SELECT event_id AS "eventId" FROM audit_seals WHERE tenant_id = ${tenantId} AND seq = ${seq}`;
  return line!.eventId;
};
/** Lines without a seal last. */
const named = (faults: readonly FaultyLine[]) =>
  faults
    .toSorted((one, other) => (one.seq ?? Infinity) - (other.seq ?? Infinity))
    .map(({ fault, seq, eventId }) => [fault, seq, eventId]);

test('every line gets one seal, each tenant a chain of its own, and a whole chain has no faults', async () => {
  await write(25);
  await write(3, 'globex');
  await sealAudit(sql, 28);
  await write(5);
  await sealAudit(sql, 33);
  for (const limit of [1, 10, 1_000]) expect(await verify('acme', limit)).toEqual({ lines: 30, faults: [] });
  expect(await verify('globex')).toEqual({ lines: 3, faults: [] });
  expect(await verify('nobody')).toEqual({ lines: 0, faults: [] });
});

test('sealers side by side seal each line once, and number all tenants’ lines without gaps', async () => {
  await write(30);
  await write(30, 'globex');
  const sealers = [sql, other, sql, other].map(async (on) => {
    let sealed = 0;
    for (let round = 0; round < 30; round += 1) sealed += (await sealLines(on, { limit: 4 })).sealed;
    return sealed;
  });
  const sealed = (await Promise.all(sealers)).reduce((sum, one) => sum + one, 0);
  await sealAudit(sql, 60);
  expect(sealed).toBeLessThanOrEqual(60);
  for (const tenant of ['acme', 'globex']) expect(await verify(tenant)).toEqual({ lines: 30, faults: [] });
  const [numbers] = await sql`
    SELECT count(DISTINCT number)::int AS lines, (max(number) - min(number) + 1)::int AS width,
      (max(number) = (SELECT lines FROM audit_sealing)) AS "isLast" FROM audit_seals`;
  expect(numbers).toEqual({ lines: 60, width: 60, isLast: true });
});

test('a line whose transaction is still open is waited for, and the lag says so', async () => {
  await write(3);
  const open = await other.reserve();
  try {
    await open`BEGIN`;
    await write(1, 'acme', open as unknown as Sql);
    await write(2);
    await sealAudit(sql, 3);
    await sealLines(sql, { limit: 10 });
    expect(await verify()).toEqual({ lines: 3, faults: [] });
    expect((await sealLines(sql, { limit: 10 })).lagSeconds).toBeGreaterThan(0);
    await open`COMMIT`;
  } finally {
    await open`ROLLBACK`;
    open.release();
  }
  await sealAudit(sql, 6);
  expect(await verify()).toEqual({ lines: 6, faults: [] });
  expect((await sealLines(sql, { limit: 10 })).lagSeconds).toBe(0);
});

test('after a restore into a cluster that counts transactions from the beginning, sealing goes on', async () => {
  await write(4);
  await sealAudit(sql, 4);
  await sql`UPDATE audit_events SET written = '999999999999'`;
  await sql`UPDATE audit_sealing SET written = '999999999999'`;
  await write(3);
  await sealAudit(sql, 7);
  expect(await verify()).toEqual({ lines: 7, faults: [] });
});

test.each([
  ['type', (sql) => sql`type = 'file.completed'`],
  ['actor', (sql) => sql`actor = 'operator:eve'`],
  ['file', (sql) => sql`file_id = uuid_v7()`],
  ['detail', (sql) => sql`detail = detail || '{"n": 0}'`],
  ['number', (sql) => sql`detail = jsonb_set(detail, '{price}', '1.1')`],
] as [string, (sql: Sql) => ReturnType<Sql>][])('an altered %s is named', async (_what, change) => {
  await write(25);
  await sealAudit(sql, 25);
  const id = await lineAt(13);
  await sql`UPDATE audit_events SET ${change(sql)} WHERE id = ${id}`;
  expect(named((await verify()).faults)).toEqual([['altered', 13, id]]);
});

test('an altered time shows as a line that is gone and one that was added', async () => {
  await write(25);
  await sealAudit(sql, 25);
  const id = await lineAt(13);
  await sql`UPDATE audit_events SET at = at + interval '1 millisecond' WHERE id = ${id}`;
  expect(named((await verify()).faults)).toEqual([
    ['removed', 13, id],
    ['added', null, id],
  ]);
});

test.each([1, 13, 25])('line %i that was removed is named, with its seal or without', async (seq) => {
  await write(25);
  await sealAudit(sql, 25);
  const id = await lineAt(seq);
  await sql`DELETE FROM audit_events WHERE id = ${id}`;
  expect(named((await verify()).faults)).toEqual([['removed', seq, id]]);
  if (seq === 1) return;
  await sql`DELETE FROM audit_seals WHERE event_id = ${id}`;
  expect(named((await verify()).faults)).toEqual([['removed', seq, null]]);
});

test('a line that was added is named: behind the position, with an old time, and with a seal', async () => {
  await write(25);
  await sealAudit(sql, 25);
  const add = async (written: string, age: string) => {
    const [row] = await sql<{ id: string }[]>`
      INSERT INTO audit_events (at, type, tenant_id, actor, detail, written)
      VALUES (now() - ${age}::interval, 'job.released', 'acme', 'operator:eve', '{}',
        CASE WHEN ${written} = '' THEN pg_current_xact_id() ELSE ${written}::text::xid8 END) RETURNING id`;
    return row!.id;
  };
  const behind = await add('1', '10 seconds');
  const old = await add('', '1 hour');
  await sealAudit(sql, 26);
  expect(named((await verify()).faults)).toEqual([
    ['added', 26, old],
    ['added', null, behind],
  ]);
  await sql`
    INSERT INTO audit_seals (event_at, event_id, tenant_id, seq, previous, hash)
    SELECT at, id, tenant_id, 13, decode(repeat('00', 32), 'hex'), decode(repeat('00', 32), 'hex') FROM audit_events WHERE id = ${behind}`;
  expect((await verify()).faults.some(({ eventId, seq }) => eventId === behind || seq === 12)).toBe(true);
});

test('a seal that was written again breaks the chain at the next line, and a hash that was noted shows a whole new chain', async () => {
  await write(25);
  await sealAudit(sql, 25);
  const [noted] = await sql<{ hash: string }[]>`SELECT encode(hash, 'hex') AS hash FROM audit_seals WHERE seq = 20`;
  expect(await hasHash(sql, 'acme', 20, noted!.hash)).toBe(true);
  const id = await lineAt(13);
  await sql`UPDATE audit_events SET actor = 'operator:eve' WHERE id = ${id}`;
  await sql`
    UPDATE audit_seals s SET hash = sha256(s.previous || convert_to(jsonb_build_array(e.id, (extract(epoch FROM e.at) * 1000000)::bigint,
      e.type, e.tenant_id, e.file_id, e.job_id, e.actor, e.detail)::text, 'UTF8'))
    FROM audit_events e WHERE e.id = s.event_id AND s.seq = 13`;
  expect(named((await verify()).faults)).toEqual([['seal altered', 14, await lineAt(14)]]);
  await emptyTables(sql, 'audit_seals', 'audit_heads');
  await sql`UPDATE audit_sealing SET written = '0', id = '00000000-0000-0000-0000-000000000000'`;
  await sealAudit(sql, 25);
  expect((await verify()).faults).toEqual([]);
  expect(await hasHash(sql, 'acme', 20, noted!.hash)).toBe(false);
});

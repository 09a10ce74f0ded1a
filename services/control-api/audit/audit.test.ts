import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { ensurePartitions } from '#shared/db/partitions.ts';
import { startTestApi, type TestApi } from '#testkit/beds/start-test-api.ts';
import { emptyTables } from '#testkit/seeds/empty-tables.ts';
import { sealAudit } from '#testkit/seeds/seal-audit.ts';

let api: TestApi;
const fileId = randomUUID();

beforeAll(async () => {
  api = await startTestApi();
  await ensurePartitions(api.sql, new Date());
  await emptyTables(api.sql, 'audit_events');
  await api.sql`
    INSERT INTO audit_events (at, type, tenant_id, file_id, actor, detail)
    SELECT now() - (100 - n) * interval '1 second', CASE WHEN n % 10 = 0 THEN 'job.released' ELSE 'file.queued' END,
      CASE WHEN n % 4 = 0 THEN 'globex' ELSE 'acme' END, CASE WHEN n = 7 THEN ${fileId}::uuid END,
      CASE WHEN n % 10 = 0 THEN 'operator:maria' ELSE 'ingestor' END, jsonb_build_object('n', n)
    FROM generate_series(1, 100) AS n`;
  await sealAudit(api.sql, 90);
});
afterAll(() => api.stop());

const ask = (path: string, key = api.keys.operator) =>
  api.app.inject({ url: `/api/v1/audit${path}`, headers: { 'x-api-key': key } });
const numbersOf = async (query: string, key?: string) =>
  ((await ask(query, key)).json().events as { detail: { n: number } }[]).map(({ detail }) => detail.n);

test('lines are listed newest first, by each filter, and a page after the other', async () => {
  expect((await numbersOf('?limit=3')).slice(0, 3)).toEqual([100, 99, 98]);
  expect(await numbersOf('?actor=operator:maria&limit=200')).toEqual([100, 90, 80, 70, 60, 50, 40, 30, 20, 10]);
  expect(await numbersOf('?actor=operator:maria&type=job.released&tenant=globex')).toEqual([100, 80, 60, 40, 20]);
  expect(await numbersOf('?actor=ingestor&limit=2')).toEqual([99, 98]);
  expect(await numbersOf(`?file=${fileId}`)).toEqual([7]);
  const seen: number[] = [];
  for (let cursor: string | null = ''; cursor !== null; ) {
    const page: { events: { detail: { n: number } }[]; next_cursor: string | null } = (
      await ask(`?tenant=acme&limit=20${cursor === '' ? '' : `&cursor=${cursor}`}`)
    ).json();
    seen.push(...page.events.map(({ detail }) => detail.n));
    cursor = page.next_cursor;
  }
  expect(seen).toEqual(Array.from({ length: 100 }, (_, index) => 100 - index).filter((n) => n % 4 !== 0));
  const all: { line: number | null; hash: string | null }[] = (await ask('?limit=200')).json().events;
  expect(all.filter(({ line, hash }) => line === null && hash === null)).toHaveLength(10);
  expect(all.filter(({ hash }) => /^[0-9a-f]{64}$/.test(hash ?? ''))).toHaveLength(90);
});

test('a time span is one of instants', async () => {
  const { at } = (await ask(`?file=${fileId}`)).json().events[0];
  const next = new Date(Date.parse(at) + 1_500).toISOString();
  expect(await numbersOf(`?from=${at.slice(0, 23)}Z&to=${next}`)).toEqual([8, 7]);
});

test('a tenant sees its own lines alone, and a role without the permission none', async () => {
  const own = (await numbersOf('?limit=200', api.keys.globex)).sort((a, b) => a - b);
  expect(own).toEqual(Array.from({ length: 25 }, (_, index) => 4 * (index + 1)));
  for (const path of ['?tenant=acme', `?file=${fileId}`]) expect(await numbersOf(path, api.keys.globex)).toEqual([]);
  expect((await ask('/export?tenant=acme', api.keys.globex)).body).toBe('');
  expect((await ask('/verify?tenant=acme', api.keys.globex)).json()).toMatchObject({ lines: 0, head: null });
  expect((await ask('/verify?tenant=globex', api.keys.globex)).json().lines).toBeGreaterThan(0);
});

test('an export is one JSON object a line, oldest first, and whole', async () => {
  const response = await ask('/export?tenant=acme');
  expect(response.headers['content-type']).toContain('application/x-ndjson');
  const lines = response.body
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));
  expect(lines.map(({ detail }) => detail.n)).toEqual(
    Array.from({ length: 100 }, (_, index) => index + 1).filter((n) => n % 4 !== 0),
  );
});

test('a chain is verified a page at a time, and against a hash that was noted', async () => {
  await sealAudit(api.sql);
  const first = (await ask('/verify?tenant=acme&limit=50')).json();
  expect(first).toMatchObject({ tenant: 'acme', lines: 50, first_line: 1, faults: [], head: { line: 75 } });
  const second = (await ask(`/verify?tenant=acme&limit=50&cursor=${first.next_cursor}`)).json();
  expect(second).toMatchObject({ lines: 25, faults: [], next_cursor: null });
  const known = `${first.head.line}:${first.head.hash}`;
  expect((await ask(`/verify?tenant=acme&known=${known}`)).json().faults).toEqual([]);
  expect((await ask(`/verify?tenant=acme&known=74:${first.head.hash}`)).json().faults).toMatchObject([
    { fault: 'seal altered', line: 74 },
  ]);
  await api.sql`UPDATE audit_events SET actor = 'operator:eve' WHERE file_id = ${fileId}`;
  const altered = (await ask(`?file=${fileId}`)).json().events[0];
  expect((await ask('/verify?tenant=acme')).json().faults).toMatchObject([
    { fault: 'altered', line: altered.line, event_id: altered.event_id },
  ]);
});

test('each filter walks an index, in each partition', async () => {
  const plan = async (condition: ReturnType<typeof api.sql>) => {
    const rows = await api.sql.begin(async (transaction) => {
      // Of a hundred lines a scan is always cheapest.
      await transaction`SET LOCAL enable_seqscan = off`;
      return await transaction`
        EXPLAIN SELECT * FROM audit_events e WHERE ${condition} ORDER BY e.at DESC, e.id DESC LIMIT 51`;
    });
    return rows.map((row) => String(row['QUERY PLAN'])).join('\n');
  };
  const { sql } = api;
  const month = new Date().toISOString().slice(0, 7).replace('-', '_');
  expect(await plan(sql`e.tenant_id = 'acme'`)).toMatch(new RegExp(`Index.*audit_events_${month}_tenant_id_at_id_idx`));
  expect(await plan(sql`e.actor = 'operator:maria' AND strpos(e.actor, ':') > 0`)).toMatch(
    new RegExp(`Index.*audit_events_${month}_actor_at_id_idx`),
  );
  expect(await plan(sql`e.file_id = ${fileId}`)).toMatch(new RegExp(`Index.*audit_events_${month}_file_id_idx`));
  expect(await plan(sql`e.at > now()`)).toMatch(new RegExp(`Index.*audit_events_${month}_pkey`));
});

test('pages leave out none of the lines that were written within one millisecond', async () => {
  await api.sql`
    INSERT INTO audit_events (at, type, tenant_id, actor, detail)
    SELECT '2026-03-04T05:06:07.001Z'::timestamptz + n * interval '1 microsecond', 'close', 'acme', 'test', jsonb_build_object('n', n)
    FROM generate_series(1, 9) AS n`;
  const seen: number[] = [];
  for (let cursor: string | null = ''; cursor !== null; ) {
    const page: { events: { detail: { n: number } }[]; next_cursor: string | null } = (
      await ask(`?type=close&limit=2${cursor === '' ? '' : `&cursor=${cursor}`}`)
    ).json();
    seen.push(...page.events.map(({ detail }) => detail.n));
    cursor = page.next_cursor;
  }
  expect(seen).toEqual([9, 8, 7, 6, 5, 4, 3, 2, 1]);
});

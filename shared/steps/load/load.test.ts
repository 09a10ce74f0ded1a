/** `load` into a real PostgreSQL: exactly once, refused by line, and with a server that goes away at every point. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import type { OpenDatabase } from '#shared/databases/open-database.ts';
import { recordsSchema } from '#shared/definitions/routes/records-schema.ts';
import type { ObjectLocation } from '#shared/files/object-location.ts';
import { type LoadBed, startLoadBed } from '#testkit/beds/load-bed.ts';
import { memoryEffectLog, runStep, type StepBench, startStepBench } from '#testkit/beds/step-bed.ts';
import { emptyTables } from '#testkit/seeds/empty-tables.ts';
import { startTcpProxy, type TcpProxy } from '#testkit/servers/start-tcp-proxy.ts';
import { loadOptions } from './options.ts';
import { loadStep } from './run.ts';
import { createTableLoad } from './table-load.ts';

let bench: StepBench;
let bed: LoadBed;
let database: OpenDatabase;

beforeAll(async () => {
  [bench, bed] = await Promise.all([startStepBench(), startLoadBed()]);
});
afterAll(() => Promise.all([bench.stop(), bed.stop()]));
beforeEach(async () => {
  database = bed.open();
  await emptyTables(bed.sql, 'statements', 'longshore_loads');
});
afterEach(() => database.close());

const LAYOUT = { format: 'csv', columns: [{ name: 'id', required: true }, { name: 'name' }, { name: 'amount' }] };

function load(object: ObjectLocation, request: Record<string, unknown> = {}) {
  const { options = {}, layout = LAYOUT, open = database, ...rest } = request;
  const records = { layout: recordsSchema.parse(layout), failJobAt: 1, store: {} as never };
  return runStep(bench, {
    ...{ step: loadStep, kind: loadOptions, object, records, targets: bed.targets(open as OpenDatabase) },
    options: { database: 'warehouse', table: 'statements', ...(options as object) },
    ...rest,
  });
}

const rowsOf = (count: number, of = (index: number) => `${index},name ${index},${index}.50`) =>
  `id,name,amount\n${Array.from({ length: count }, (_, index) => `${of(index + 1)}\n`).join('')}`;
const count = async () => (await bed.sql<{ n: number }[]>`SELECT count(*)::int AS n FROM statements`)[0]?.n;
/** Transactions that the loader's sessions have open. */
const leftover = async () =>
  (
    await bed.sql<{ n: number }[]>`
      SELECT count(*)::int AS n FROM pg_stat_activity WHERE usename = ${bed.place.user} AND xact_start IS NOT NULL`
  )[0]?.n;
/** A server undoes a transaction shortly after its connection was closed. */
const nothingLeft = () => vi.waitUntil(async () => (await leftover()) === 0, { timeout: 60_000 });

describe('an insert', () => {
  test('loads every row once, however often it is repeated, and leaves nothing behind', async () => {
    const object = await bench.land('a.csv', rowsOf(2_500));
    const effects = memoryEffectLog();
    expect(await load(object, { effects })).toMatchObject({
      type: 'succeeded',
      output: { database: 'warehouse', table: 'statements', rows: 2_500, rejected: 0, wasThere: false },
    });
    expect(effects.rows.get(0)?.stages).toEqual(['PREPARING', 'COMMITTING', 'DONE']);
    // Whoever finds no trace of it in the effects, as after a restore of our database.
    expect(await load(object, { isFirstTry: false })).toMatchObject({ type: 'succeeded', output: { rows: 2_500 } });
    expect(await load(object, { effects })).toMatchObject({ type: 'succeeded', output: { wasThere: true } });
    expect([await count(), await nothingLeft()]).toEqual([2_500, true]);
    expect(await bed.sql`SELECT name, amount FROM statements WHERE id = 2500`).toEqual([
      { name: 'name 2500', amount: '2500.50' },
    ]);
  });

  test('of an empty file loads nothing, and is done', async () => {
    const object = await bench.land('empty.csv', rowsOf(0));
    expect(await load(object)).toMatchObject({ type: 'succeeded', output: { rows: 0 } });
  });

  test('fills the columns that the route names from those of the file', async () => {
    const object = await bench.land('renamed.csv', rowsOf(1));
    await load(object, { options: { columns: { id: 'id', name: 'amount' } } });
    expect(await bed.sql`SELECT name, amount FROM statements`).toEqual([{ name: '1.50', amount: null }]);
  });

  test.each([
    ['a number that is none', (index: number) => (index === 1_777 ? 'x,n,1' : `${index},n,1`), 1_778],
    ['a key that was there in the file', (index: number) => `${index === 900 ? 7 : index},n,1`, 901],
    ['what must not be empty', (index: number) => `${index},${index === 3 ? '' : 'n'},1`, 4],
    ['the very first', (index: number) => `${index === 1 ? 'x' : index},n,1`, 2],
    ['the very last', (index: number) => `${index},n,${index === 2_000 ? '99999999999' : '1'}`, 2_001],
  ])('of %s loads no row, and names the line and no value', async (_name, of, line) => {
    const object = await bench.land('wrong.csv', rowsOf(2_000, of));
    const outcome = await load(object);
    expect(outcome).toMatchObject({ type: 'failed', code: 'DELIVERY_ERROR', cause: 'LOAD_ROW_REFUSED' });
    expect((outcome as { message: string }).message).toMatch(new RegExp(`^Line ${line}: `));
    expect((outcome as { message: string }).message).not.toMatch(/99999999999|"x"/);
    expect([await count(), await nothingLeft()]).toEqual([0, true]);
  });

  test('of rejected rows loads the others when the route says so, and none otherwise', async () => {
    const layout = {
      ...LAYOUT,
      columns: [{ name: 'id', type: 'integer', required: true }, { name: 'name' }, { name: 'amount' }],
    };
    const object = await bench.land(
      'rejects.csv',
      rowsOf(10, (index) => `${index === 4 ? 'x' : index},n,1`),
    );
    const refused = await load(object, { layout });
    expect(refused).toMatchObject({
      type: 'failed',
      cause: 'COLUMN_TYPE',
      message: expect.stringContaining('Line 5:'),
    });
    expect([await count(), await nothingLeft()]).toEqual([0, true]);
    const onReject = { action: 'reject-rows', upToShare: '10%' };
    const loaded = await load(object, { layout: { ...layout, onReject } });
    expect(loaded).toMatchObject({
      type: 'succeeded',
      output: { rows: 9, rejected: 1, rejects: { key: 'acme/rejects/rejects.csv' } },
    });
    expect(await count()).toBe(9);
  });

  test('keeps every character, and tells an empty text from none', async () => {
    const texts = [
      'tab\there',
      'line\nbreak',
      'return\rhere',
      'back\\slash',
      '\\N',
      '\\.',
      '{a,"b"}',
      'größe €',
      'NULL',
    ];
    const quoted = texts.map((text, index) => `${index},"${text.replaceAll('"', '""')}",\n`).join('');
    const object = await bench.land('characters.csv', `id,name,amount\n${quoted}`);
    expect(await load(object)).toMatchObject({ type: 'succeeded', output: { rows: texts.length } });
    const rows = await bed.sql<{ name: string; amount: null }[]>`SELECT name, amount FROM statements ORDER BY id`;
    expect(rows.map(({ name }) => name)).toEqual(texts);
    expect(new Set(rows.map(({ amount }) => amount))).toEqual(new Set([null]));
  });

  test.each([
    ['a view', 'CREATE VIEW gone AS SELECT id, name, amount FROM statements'],
    [
      'a table whose rows a policy guards',
      `CREATE TABLE gone (LIKE statements); ALTER TABLE gone ENABLE ROW LEVEL SECURITY;
       CREATE POLICY all_of_it ON gone USING (true) WITH CHECK (id < 100)`,
    ],
    [
      'a table with a rule',
      `CREATE TABLE gone (LIKE statements);
       CREATE RULE twice AS ON INSERT TO gone DO ALSO INSERT INTO statements VALUES (new.id + 1000, new.name, new.amount)`,
    ],
    [
      'partitions',
      `CREATE TABLE gone (LIKE statements) PARTITION BY RANGE (id);
       CREATE TABLE gone_1 PARTITION OF gone FOR VALUES FROM (0) TO (50); CREATE TABLE gone_2 PARTITION OF gone DEFAULT`,
    ],
    [
      'a column that numbers itself unless it is given',
      'CREATE TABLE gone (LIKE statements, n int GENERATED BY DEFAULT AS IDENTITY)',
    ],
  ])('into %s is the same', async (name, statements) => {
    await bed.sql.unsafe(statements);
    await bed.sql.unsafe(`GRANT ALL ON gone TO ${bed.place.user}`);
    try {
      const object = await bench.land('elsewhere.csv', rowsOf(80));
      expect(await load(object, { options: { table: 'gone' } })).toMatchObject({
        type: 'succeeded',
        output: { rows: 80 },
      });
      expect(await bed.sql`SELECT count(*)::int AS n, sum(amount)::text AS total FROM gone`).toEqual([
        { n: 80, total: '3280.00' },
      ]);
      if (name === 'a table with a rule') expect(await count()).toBe(80);
    } finally {
      await bed.sql.unsafe(`DROP ${name === 'a view' ? 'VIEW' : 'TABLE'} gone CASCADE`);
    }
  });

  test('into a column whose values the table alone gives fails', async () => {
    await bed.sql`CREATE TABLE gone (id int GENERATED ALWAYS AS IDENTITY, name text)`;
    await bed.sql.unsafe(`GRANT ALL ON gone TO ${bed.place.user}`);
    const object = await bench.land('always.csv', rowsOf(2));
    const columns = { id: 'id', name: 'name' };
    expect(await load(object, { options: { table: 'gone', columns } })).toMatchObject({
      type: 'failed',
      cause: 'LOAD_SCHEMA',
    });
    await bed.sql`DROP TABLE gone`;
  });

  test.each([
    ['a column that is not there', { columns: { nobody: 'id' } }, 'LOAD_SCHEMA', 'nobody'],
    ['a table that is not there', { table: 'gone' }, 'LOAD_SCHEMA', 'gone'],
    ['a table that the definition does not name', { table: 'longshore_loads' }, 'LOAD_DENIED', 'longshore_loads'],
  ])('into %s fails with its name', async (_name, options, cause, shown) => {
    const object = await bench.land('schema.csv', rowsOf(1));
    expect(await load(object, { options })).toMatchObject({
      type: 'failed',
      cause,
      message: expect.stringContaining(shown),
    });
  });

  test('without the right, with a wrong password or an address that may not be called is retried, and shows no secret', async () => {
    const object = await bench.land('denied.csv', rowsOf(1));
    const { user } = bed.place;
    await bed.sql.unsafe(`REVOKE ALL ON statements FROM ${user}`);
    const denied = await load(object);
    await bed.sql.unsafe(`GRANT ALL ON statements TO ${user}`);
    expect(denied).toMatchObject({ type: 'retry', cause: 'LOAD_DENIED', message: expect.stringContaining('42501') });
    const nobody = bed.open({ user: 'nobody' });
    const wrong = await load(object, { open: nobody });
    nobody.close();
    expect(wrong).toMatchObject({ type: 'retry', cause: 'LOAD_DENIED' });
    const elsewhere = bed.open({ host: '10.1.2.3' });
    const refused = await load(object, { open: elsewhere });
    elsewhere.close();
    expect(refused).toMatchObject({
      type: 'retry',
      cause: 'LOAD_UNAVAILABLE',
      message: expect.stringContaining('may not be called'),
    });
    expect(JSON.stringify([denied, wrong, refused])).not.toContain(bed.password);
  });
});

describe('an upsert', () => {
  const upsert = { upsert: ['id'] };

  test('replaces the rows that are there, the last of a file counts, and it may be repeated', async () => {
    const first = await bench.land('u1.csv', rowsOf(1_500));
    const second = await bench.land('u2.csv', `${rowsOf(3, (index) => `${index},new,0`)}2,newest,1\n`);
    expect(await load(first, { options: upsert })).toMatchObject({ type: 'succeeded', output: { rows: 1_500 } });
    for (let time = 0; time < 2; time += 1)
      expect(await load(second, { options: upsert, jobId: 'job-2' })).toMatchObject({ type: 'succeeded' });
    expect(await count()).toBe(1_500);
    expect(await bed.sql`SELECT id, name FROM statements WHERE id <= 4 ORDER BY id`).toEqual([
      { id: 1, name: 'new' },
      { id: 2, name: 'newest' },
      { id: 3, name: 'new' },
      { id: 4, name: 'name 4' },
    ]);
  });

  test('that meets a row which is refused names its line', async () => {
    const object = await bench.land(
      'u3.csv',
      rowsOf(1_500, (index) => `${index === 1_234 ? 'x' : index},n,1`),
    );
    expect(await load(object, { options: upsert })).toMatchObject({
      ...{ type: 'failed', cause: 'LOAD_ROW_REFUSED' },
      message: expect.stringMatching(/^Line 1235: /),
    });
  });
});

describe('a server that goes away', () => {
  let proxy: TcpProxy;
  beforeEach(async () => {
    proxy = await startTcpProxy(bed.database.url);
    const { port } = new URL(proxy.url);
    database.close();
    database = bed.open({ port: Number(port) });
  });
  afterEach(() => proxy.stop());

  test('before its reply to the commit is asked, and what was loaded is not loaded again', async () => {
    const object = await bench.land('lost.csv', rowsOf(300));
    const effects = memoryEffectLog();
    const lost = proxy.loseReply('COMMIT');
    expect(await load(object, { effects })).toMatchObject({ type: 'succeeded', output: { rows: 300 } });
    await lost;
    expect([await count(), effects.rows.get(0)?.stage]).toEqual([300, 'DONE']);
    expect(effects.rows.get(0)?.stages).toEqual(['PREPARING', 'COMMITTING', 'DONE']);
  });

  test.each(['COMMITTING', 'PREPARING'])(
    'and never answers, from %s on, is given up with the step, and asked by the next try',
    async (from) => {
      const object = await bench.land('late.csv', rowsOf(300));
      const effects = memoryEffectLog();
      const { begin, write } = effects;
      const stop = new AbortController();
      const hang = (): void => {
        proxy.hush();
        setTimeout(() => stop.abort(), 100);
      };
      effects.begin = async (part) => {
        if (from === 'PREPARING') hang();
        return await begin.call(effects, part);
      };
      effects.write = async (part, stage, facts) => {
        await write.call(effects, part, stage, facts);
        if (stage === from) hang();
      };
      expect(await load(object, { effects, signal: stop.signal })).toMatchObject({
        type: 'retry',
        cause: 'LOAD_UNAVAILABLE',
      });
      expect(effects.rows.get(0)?.stage).toBe(from);
      Object.assign(effects, { begin, write });
      proxy.speak();
      proxy.cut();
      expect(await load(object, { effects })).toMatchObject({ type: 'succeeded', output: { rows: 300 } });
      expect([await count(), await nothingLeft()]).toEqual([300, true]);
    },
    30_000,
  );

  test('and comes back while rows are added, or after, has them loaded once, none of them outside of the transaction', async () => {
    for (const stage of ['PREPARING', 'COMMITTING']) {
      const object = await bench.land(`${stage}.csv`, rowsOf(20_000));
      const effects = memoryEffectLog();
      const { begin, write } = effects;
      effects.begin = async (part) => {
        if (stage === 'PREPARING') await bed.whileRowsWait(() => proxy.cut());
        return await begin.call(effects, part);
      };
      effects.write = async (part, written, facts) => {
        await write.call(effects, part, written, facts);
        if (written === stage) proxy.cut();
      };
      const options = { jobId: `job-${stage}`, effects };
      expect(await load(object, options)).toMatchObject({ type: 'retry', cause: 'LOAD_UNAVAILABLE' });
      expect(await count()).toBe(0);
      Object.assign(effects, { begin, write });
      expect(await load(object, options)).toMatchObject({ type: 'succeeded', output: { rows: 20_000 } });
      expect(await count()).toBe(20_000);
      await emptyTables(bed.sql, 'statements');
    }
  });
});

describe('two loads of one key', () => {
  test('at the same time load it once, and both say so', async () => {
    const object = await bench.land('twice.csv', rowsOf(6_000));
    const outcomes = await Promise.all([load(object), load(object)]);
    for (const outcome of outcomes) expect(outcome).toMatchObject({ type: 'succeeded', output: { rows: 6_000 } });
    expect(await count()).toBe(6_000);
  });

  test('are asked about once the commit of the first, whose reply was lost, has ended', async () => {
    const plan = { table: 'statements', columns: [['id', 'id']] } as const;
    const table = createTableLoad(database, plan, AbortSignal.timeout(60_000));
    const first = await bed.sql.reserve();
    await first`BEGIN`;
    await first`SELECT pg_advisory_xact_lock(hashtextextended('k', 0))`;
    await first`INSERT INTO longshore_loads (key, "table", rows) VALUES ('k', 'statements', 1)`;
    const answer = table.isLoaded('k');
    await expect
      .poll(async () => await bed.sql`SELECT FROM pg_locks WHERE locktype = 'advisory' AND NOT granted`)
      .toHaveLength(1);
    await first`COMMIT`;
    first.release();
    expect(await answer).toBe(true);
    expect(await table.isLoaded('other')).toBe(false);
  });

  test('of which one stands still with its transaction open end once that is gone', async () => {
    const object = await bench.land('still.csv', rowsOf(10));
    const effects = memoryEffectLog();
    const { write } = effects;
    const stop = new AbortController();
    const stored = Promise.withResolvers<void>();
    effects.write = async (part, stage, facts) => {
      await write.call(effects, part, stage, facts);
      if (stage !== 'COMMITTING') return;
      stored.resolve();
      await new Promise((resolve) => stop.signal.addEventListener('abort', resolve));
      throw new Error('stopped');
    };
    const first = load(object, { effects });
    first.catch(() => {});
    await stored.promise;
    const second = load(object);
    await vi.waitUntil(async () => (await leftover()) === 2, { timeout: 60_000 });
    stop.abort();
    await expect(first).rejects.toThrow('stopped');
    expect(await second).toMatchObject({ type: 'succeeded', output: { rows: 10 } });
    expect([await count(), await nothingLeft()]).toEqual([10, true]);
  });
});

describe('columns', () => {
  test('of every kind take what their type makes of the text, and nothing is cut off', async () => {
    await bed.sql`CREATE DOMAIN short_code AS varchar(3)`;
    await bed.sql`CREATE TYPE mood AS ENUM ('good', 'bad')`;
    await bed.sql`
      CREATE TABLE gone (a varchar(3), b char(3), c short_code, d mood, e jsonb, f int[], g bit(4), h numeric(5,2), i timestamptz, j boolean)`;
    await bed.sql.unsafe(`GRANT ALL ON gone TO ${bed.place.user}`);
    const columns = [...'abcdefghij'].map((name) => ({ name }));
    const layout = { format: 'csv', delimiter: ';', quote: "'", columns };
    const row = (fields: Record<string, string> = {}): string =>
      Object.values({
        ...{
          a: 'a"\\',
          b: 'xy',
          c: 'abc',
          d: 'good',
          e: '{"k": [1]}',
          f: '{1,2}',
          g: '1010',
          h: '1.005',
          i: '2026-01-01',
        },
        ...{ j: 'true', ...fields },
      }).join(';');
    const file = (text: string): string => `a;b;c;d;e;f;g;h;i;j\n${text}\n`;
    const object = await bench.land('kinds.csv', file(`${row()}\n;xy;;;;;;;;`));
    expect(await load(object, { layout, options: { table: 'gone' } })).toMatchObject({
      type: 'succeeded',
      output: { rows: 2 },
    });
    expect(await bed.sql`SELECT a, b, c, d, e, f, g::text, h, i::text, j FROM gone WHERE a IS NOT NULL`).toMatchObject([
      { a: 'a"\\', b: 'xy ', c: 'abc', d: 'good', e: { k: [1] }, f: [1, 2], g: '1010', h: '1.01', j: true },
    ]);
    for (const fields of [
      { a: 'abcd' },
      { b: 'abcd' },
      { c: 'abcd' },
      { d: 'sad' },
      { e: '{' },
      { g: '1' },
      { h: '1000' },
    ]) {
      const name = Object.keys(fields).join('');
      const wrong = await bench.land(`kinds-${name}.csv`, file(`${row()}\n${row(fields)}`));
      expect(await load(wrong, { layout, options: { table: 'gone' }, jobId: `job-${name}` })).toMatchObject({
        ...{ type: 'failed', cause: 'LOAD_ROW_REFUSED', message: expect.stringMatching(/^Line 3: /) },
      });
    }
    expect((await bed.sql`SELECT count(*)::int AS n FROM gone`)[0]?.n).toBe(2);
    await bed.sql`DROP TABLE gone`;
    await bed.sql`DROP TYPE mood`;
    await bed.sql`DROP DOMAIN short_code`;
  });
});

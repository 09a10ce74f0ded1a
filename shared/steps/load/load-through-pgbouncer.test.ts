/** `load` with `pooler: true` through a real PgBouncer in transaction mode: what holds without one holds with it. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import type { OpenDatabase } from '#shared/databases/open-database.ts';
import { recordsSchema } from '#shared/definitions/routes/records-schema.ts';
import type { ObjectLocation } from '#shared/files/object-location.ts';
import { type LoadBed, startLoadBed } from '#testkit/beds/load-bed.ts';
import { memoryEffectLog, runStep, type StepBench, startStepBench } from '#testkit/beds/step-bed.ts';
import { emptyTables } from '#testkit/seeds/empty-tables.ts';
import { type PgBouncer, startPgBouncer, whyNoPgBouncer } from '#testkit/servers/start-pgbouncer.ts';
import { startTcpProxy, type TcpProxy } from '#testkit/servers/start-tcp-proxy.ts';
import { loadOptions } from './options.ts';
import { loadStep } from './run.ts';

const missing = whyNoPgBouncer();
const LAYOUT = recordsSchema.parse({ format: 'csv', columns: [{ name: 'id', required: true }, { name: 'name' }] });

describe.skipIf(missing !== undefined)(missing === undefined ? 'PgBouncer' : `PgBouncer (skipped: ${missing})`, () => {
  let bench: StepBench;
  let bed: LoadBed;
  let bouncer: PgBouncer;
  let proxy: TcpProxy;
  let database: OpenDatabase;

  beforeAll(async () => {
    [bench, bed] = await Promise.all([startStepBench(), startLoadBed()]);
    const { user } = bed.place;
    bouncer = await startPgBouncer({ url: bed.database.url, user, password: bed.password, size: 2 });
  });
  afterAll(() => Promise.all([bench?.stop(), bouncer?.stop().then(() => bed.stop())]));
  beforeEach(async () => {
    proxy = await startTcpProxy(`postgres://127.0.0.1:${bouncer.port}`);
    database = bed.open({ port: Number(new URL(proxy.url).port), pooler: true });
    await emptyTables(bed.sql, 'statements', 'longshore_loads');
  });
  afterEach(async () => {
    database.close();
    await proxy.stop();
  });

  function load(object: ObjectLocation, { options = {}, open = database, ...rest }: Record<string, unknown> = {}) {
    return runStep(bench, {
      ...{ step: loadStep, kind: loadOptions, object, targets: bed.targets(open as OpenDatabase) },
      records: { layout: LAYOUT, failJobAt: 1, store: {} as never },
      options: { database: 'warehouse', table: 'statements', ...(options as object) },
      ...rest,
    });
  }

  const land = (name: string, count: number, of = (index: number) => `${index},name ${index}`) =>
    bench.land(name, `id,name\n${Array.from({ length: count }, (_each, index) => `${of(index + 1)}\n`).join('')}`);
  const count = async () => (await bed.sql<{ n: number }[]>`SELECT count(*)::int AS n FROM statements`)[0]?.n;
  const open = async () =>
    (
      await bed.sql<{ n: number }[]>`
        SELECT count(*)::int AS n FROM pg_stat_activity WHERE usename = ${bed.place.user} AND xact_start IS NOT NULL`
    )[0]?.n;
  const nothingLeft = () => vi.waitUntil(async () => (await open()) === 0, { timeout: 60_000 });

  test('six files at the same time over two connections are each loaded once, and none of them again', async () => {
    const of = (file: number) => (index: number) => `${file * 10_000 + index},n`;
    const files = await Promise.all(Array.from({ length: 6 }, (_each, file) => land(`p${file}.csv`, 5_000, of(file))));
    const loadAll = () => Promise.all(files.map((object, file) => load(object, { jobId: `job-${file}` })));
    for (let time = 0; time < 2; time += 1)
      for (const outcome of await loadAll())
        expect(outcome).toMatchObject({ type: 'succeeded', output: { rows: 5_000 } });
    expect([await count(), await nothingLeft()]).toEqual([30_000, true]);
  });

  test('two loads of one key at the same time load it once', async () => {
    const object = await land('twice.csv', 6_000);
    for (const outcome of await Promise.all([load(object), load(object)]))
      expect(outcome).toMatchObject({ type: 'succeeded', output: { rows: 6_000 } });
    expect(await count()).toBe(6_000);
  });

  test('a refused row is named by its line, and nothing is loaded', async () => {
    const object = await land('wrong.csv', 9_000, (index) => (index === 8_765 ? 'x,n' : `${index},n`));
    expect(await load(object)).toMatchObject({
      ...{ type: 'failed', cause: 'LOAD_ROW_REFUSED' },
      message: expect.stringMatching(/^Line 8766: /),
    });
    expect([await count(), await nothingLeft()]).toEqual([0, true]);
  });

  test('an upsert may be repeated', async () => {
    const object = await land('upsert.csv', 5_000);
    for (let time = 0; time < 2; time += 1)
      expect(await load(object, { options: { upsert: ['id'] } })).toMatchObject({ type: 'succeeded' });
    expect(await count()).toBe(5_000);
  });

  test('a worker that is cut off while it adds rows leaves none, and the next try loads them once', async () => {
    const object = await land('cut.csv', 20_000);
    const effects = memoryEffectLog();
    const { begin } = effects;
    effects.begin = async (part) => {
      await bed.whileRowsWait(() => proxy.cut());
      return await begin.call(effects, part);
    };
    expect(await load(object, { effects })).toMatchObject({ type: 'retry', cause: 'LOAD_UNAVAILABLE' });
    expect([await nothingLeft(), await count()]).toEqual([true, 0]);
    effects.begin = begin;
    expect(await load(object, { effects })).toMatchObject({ type: 'succeeded', output: { rows: 20_000 } });
    expect(await count()).toBe(20_000);
  });

  test('a reply to the commit that is lost is asked for, and what was loaded is not loaded again', async () => {
    const object = await land('lost.csv', 300);
    const effects = memoryEffectLog();
    const lost = proxy.loseReply('COMMIT');
    expect(await load(object, { effects })).toMatchObject({ type: 'succeeded', output: { rows: 300 } });
    await lost;
    expect([await count(), effects.rows.get(0)?.stages]).toEqual([300, ['PREPARING', 'COMMITTING', 'DONE']]);
  });

  test('a statement that waits is cancelled at the server when the step is stopped', async () => {
    const object = await land('waits.csv', 300);
    const holder = await bed.sql.reserve();
    await holder`BEGIN`;
    await holder`LOCK TABLE statements IN ACCESS EXCLUSIVE MODE`;
    const stop = new AbortController();
    const waiting = load(object, { signal: stop.signal });
    const isWaiting = async () =>
      (
        await bed.sql`
          SELECT FROM pg_stat_activity WHERE usename = ${bed.place.user} AND wait_event_type = 'Lock'`
      ).length === 1;
    await vi.waitUntil(isWaiting, { timeout: 60_000 });
    stop.abort();
    expect(await waiting).toMatchObject({ type: 'retry', cause: 'LOAD_UNAVAILABLE' });
    // The lock is held yet: what waited for it has ended.
    expect(await nothingLeft()).toBe(true);
    await holder`ROLLBACK`;
    holder.release();
    expect(await load(object)).toMatchObject({ type: 'succeeded', output: { rows: 300 } });
    expect(await count()).toBe(300);
  });

  test('without `pooler` PgBouncer refuses the session, which fails with a cause and no secret', async () => {
    const wrong = bed.open({ port: bouncer.port });
    const outcome = await load(await land('wrong-mode.csv', 1), { open: wrong });
    wrong.close();
    expect(outcome).toMatchObject({ type: 'retry' });
    expect(JSON.stringify(outcome)).not.toContain(bed.password);
    expect(await count()).toBe(0);
  });
});

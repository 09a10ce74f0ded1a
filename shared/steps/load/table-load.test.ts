/** What the server works on while the next rows are read, with a real PostgreSQL. */
import { afterAll, beforeAll, beforeEach, expect, test, vi } from 'vitest';
import { type LoadBed, startLoadBed } from '#testkit/beds/load-bed.ts';
import { emptyTables } from '#testkit/seeds/empty-tables.ts';
import { createTableLoad } from './table-load.ts';

let bed: LoadBed;
beforeAll(async () => {
  bed = await startLoadBed();
});
afterAll(() => bed.stop());
beforeEach(() => emptyTables(bed.sql, 'statements', 'longshore_loads'));

const PLAN = {
  table: 'statements',
  columns: [
    ['id', 'id'],
    ['name', 'name'],
  ],
} as const;
const rows = (first: number, count = 1) =>
  Array.from({ length: count }, (_each, index) => ({
    line: first + index + 1,
    values: { id: String(first + index), name: 'ours' },
  }));
const ids = async () => (await bed.sql`SELECT id FROM statements ORDER BY id`).map(({ id }) => id);

/** While the server waits with the first row for another transaction. */
async function whileFirstRowWaits(act: (load: Load) => Promise<void>, end: 'COMMIT' | 'ROLLBACK'): Promise<void> {
  const database = bed.open();
  const table = createTableLoad(database, PLAN, AbortSignal.timeout(120_000));
  const other = await bed.sql.reserve();
  try {
    await table.check();
    const load = await table.begin('k');
    if (load === undefined) throw new Error('the load was there');
    await other`BEGIN`;
    await other`INSERT INTO statements (id, name) VALUES (1, 'theirs')`;
    await load.add(rows(1));
    const waits = async () =>
      (
        await bed.sql`
          SELECT FROM pg_stat_activity WHERE usename = ${bed.place.user} AND wait_event_type = 'Lock'`
      ).length > 0;
    await vi.waitUntil(waits, { timeout: 60_000 });
    await act({ ...load, endOther: async () => void (await other.unsafe(end)) });
    load.end();
  } finally {
    other.release();
    database.close();
  }
}

type Load = NonNullable<Awaited<ReturnType<ReturnType<typeof createTableLoad>['begin']>>> & {
  endOther(): Promise<void>;
};

test('rows that the server has are not waited for, but with the next ones', async () => {
  await whileFirstRowWaits(async ({ add, commit, endOther }) => {
    let isAdded = false;
    const next = add(rows(2, 3)).then(() => {
      isAdded = true;
    });
    await ids();
    expect(isAdded).toBe(false);
    await endOther();
    await next;
    expect(await commit(4)).toBe('loaded');
  }, 'ROLLBACK');
  expect(await ids()).toEqual([1, 2, 3, 4]);
});

test.each(['add', 'added', 'commit'] as const)('a row that is refused afterwards is an error of %s', async (act) => {
  await whileFirstRowWaits(async ({ endOther, ...load }) => {
    await endOther();
    const acts = { add: () => load.add(rows(2)), added: () => load.added(), commit: () => load.commit(1) };
    await expect(acts[act]()).rejects.toMatchObject({ fault: 'row-refused', sqlState: '23505' });
  }, 'COMMIT');
  expect(await ids()).toEqual([1]);
});

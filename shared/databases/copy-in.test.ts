/** `COPY` by postgres.js: what the server says after the data reaches the caller, and a statement that waits can be cancelled. */
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import type { Sql } from '#shared/db/connect-database.ts';
import { type LoadBed, startLoadBed } from '#testkit/beds/load-bed.ts';
import { emptyTables } from '#testkit/seeds/empty-tables.ts';
import { type CancellableQuery, copyIn } from './copy-in.ts';

let bed: LoadBed;
beforeAll(async () => {
  bed = await startLoadBed();
});
afterAll(() => bed.stop());
beforeEach(() => emptyTables(bed.sql, 'statements'));

const copy = (sql: Sql, text: string) => copyIn(sql`COPY statements (id, name) FROM STDIN`, text);
const ids = async () => (await bed.sql`SELECT id FROM statements ORDER BY id`).map(({ id }) => id);

test('rows are there, and the connection serves the next statement', async () => {
  await copy(bed.sql, '1\tone\n2\ttwo\n');
  await copy(bed.sql, '');
  expect(await ids()).toEqual([1, 2]);
});

test.each([
  ['a value that is refused', '1\tone\nx\ttwo\n', '22P02'],
  ['a key that is there twice, which is known at the end', '1\tone\n1\ttwo\n', '23505'],
  ['a line that is not of the table', '1\n', '22P04'],
  ['megabytes behind the line that is refused', `x\tone\n${'2\ttwo\n'.repeat(500_000)}`, '22P02'],
])('%s is an error of the statement, and the connection serves the next one', async (_name, text, code) => {
  await expect(copy(bed.sql, text)).rejects.toMatchObject({ code });
  await copy(bed.sql, '3\tthree\n');
  expect(await ids()).toEqual([3]);
});

test('a table that is not there is an error too', async () => {
  await expect(copyIn(bed.sql`COPY nobody FROM STDIN`, '1\n')).rejects.toMatchObject({ code: '42P01' });
});

/** While another transaction holds the row 1, and `COPY` waits for it. `session` looks at the one that waits. */
async function whileWaiting(act: (waiting: CancellableQuery, session: Sql) => unknown): Promise<void> {
  const other = await bed.sql.reserve();
  try {
    await other`BEGIN`;
    await other`INSERT INTO statements (id, name) VALUES (1, 'theirs')`;
    const waiting = copy(bed.sql, '1\tours\n');
    waiting.then(undefined, () => {});
    const look = async () => {
      // Within a transaction the first look is kept.
      await other`SELECT pg_stat_clear_snapshot()`;
      const [row] = await other`SELECT ${waits(other)}`;
      return row;
    };
    await expect.poll(look, { timeout: 60_000 }).toEqual({ n: 1 });
    await act(waiting, other);
  } finally {
    await other`ROLLBACK`;
    other.release();
  }
}

/** Other tests of the run have databases of the same server. */
const waits = (sql: Sql) =>
  sql`count(*)::int AS n FROM pg_stat_activity
      WHERE datname = current_database() AND query LIKE 'COPY statements%' AND wait_event_type = 'Lock'`;

test('a statement that waits for a row of another transaction is cancelled', async () => {
  await whileWaiting(async (waiting) => {
    waiting.cancel();
    await expect(waiting).rejects.toMatchObject({ code: '57014' });
  });
  expect(await ids()).toEqual([]);
});

test('a connection that ends before the answer is an error', async () => {
  await whileWaiting(async (waiting, session) => {
    await session`
      SELECT pg_terminate_backend(pid) FROM pg_stat_activity
      WHERE datname = current_database() AND query LIKE 'COPY statements%' AND wait_event_type = 'Lock'`;
    await expect(waiting).rejects.toThrow();
  });
});

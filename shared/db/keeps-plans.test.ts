import { afterAll, beforeAll, expect, test } from 'vitest';
import { createTestDatabase, type TestDatabase } from '#testkit/servers/test-database.ts';
import { connectDatabase } from './connect-database.ts';

let database: TestDatabase;

beforeAll(async () => {
  database = await createTestDatabase();
});

afterAll(async () => {
  await database.drop();
});

/** How often a statement was planned for its parameters, and how often not. */
async function plansOf(options: { readonly keepsPlans?: boolean }) {
  const config = { DATABASE_URL: database.url, DATABASE_POOL_MAX: 1, DATABASE_PREPARE: true };
  const sql = connectDatabase({ ...config, DATABASE_STATEMENT_TIMEOUT_MS: 30_000 }, 'plans-test', options);
  try {
    for (let time = 0; time < 4; time += 1) {
      await sql`SELECT id FROM files WHERE id = ANY(${['00000000-0000-7000-8000-000000000001']}::uuid[])`;
    }
    const [row] = await sql<{ custom: number; general: number }[]>`
      SELECT custom_plans::int AS custom, generic_plans::int AS general FROM pg_prepared_statements WHERE statement LIKE 'SELECT id FROM files%'`;
    return row;
  } finally {
    await sql.end({ timeout: 5 });
  }
}

test('a pool that keeps plans plans a statement once, another for its parameters', async () => {
  expect(await plansOf({ keepsPlans: true })).toEqual({ custom: 0, general: 4 });
  expect(await plansOf({})).toEqual({ custom: 4, general: 0 });
});

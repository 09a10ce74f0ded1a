import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import type { Sql } from '#shared/db/connect-database.ts';
import { loadRoutingInput } from '#shared/definitions/load-routing-input.ts';
import { connectTestDatabase, createTestRunner, jobDue, neverStops } from '#testkit/beds/job-runner.ts';
import { findRowViolations } from '#testkit/checks/find-row-violations.ts';
import { emptyTables } from '#testkit/seeds/empty-tables.ts';
import { seedFiles, seedRoutes } from '#testkit/seeds/seed-routed-files.ts';
import { createTestDatabase, type TestDatabase } from '#testkit/servers/test-database.ts';
import { type Product, registerProducts } from './register-products.ts';
import { wakeFiles } from './wake-files.ts';

let database: TestDatabase;
let sql: Sql;
beforeAll(async () => {
  database = await createTestDatabase();
  sql = connectTestDatabase(database.url, { poolMax: 1 });
});
afterAll(async () => {
  await sql.end({ timeout: 5 });
  await database.drop();
});
beforeEach(() => emptyTables(sql, 'tenants', 'job_steps', 'attempts', 'audit_events', 'outbox'));

const product = (place: number): Product => ({
  id: `00000000-0000-8000-a000-00000000000${place}`,
  key: `acme/inbound/day/${place}.csv`,
  name: `${place}.csv`,
  sizeBytes: 10,
  etag: '"e"',
  orderKey: 'group',
  archive: { bucket: 'test-archive', key: `acme/2026/${place}.csv`, versionId: `v${place}` },
});

test('products are files once, with their parent, whatever is repeated; a worker that lost the job registers none', async () => {
  await seedRoutes(sql, { routes: [['deliver']] });
  const [job] = await seedFiles(sql);
  const owner = {
    jobId: job!.id,
    epoch: 1,
    tenantId: 'acme',
    fileId: job!.fileId,
    landingBucket: 'l',
    service: 'test',
  };
  const seen: unknown[] = [];
  const runner = createTestRunner({
    sql,
    steps: {
      deliver: async (context) => {
        seen.push(context.job.depth);
        await context.products.register([product(1), product(2)]);
        await context.products.register([product(1), product(2)]);
        const taken = registerProducts(sql, [product(3)], { ...owner, epoch: 0 });
        await expect(taken).rejects.toMatchObject({ code: 'LEASE_LOST' });
        return { type: 'succeeded' };
      },
    },
  });
  runner.start();
  await runner.handle(jobDue(job!), neverStops);
  await runner.stop();
  const files =
    await sql`SELECT key, status, source, parent_file_id AS parent, archived_at IS NOT NULL AS "isArchived" FROM files
    WHERE parent_file_id IS NOT NULL ORDER BY key`;
  const made = { status: 'QUEUED', source: 'unpack', parent: job!.fileId, isArchived: true };
  expect(files).toEqual([
    { key: 'acme/inbound/day/1.csv', ...made },
    { key: 'acme/inbound/day/2.csv', ...made },
  ]);
  expect(seen).toEqual([0]);
  await expect(registerProducts(sql, [product(3)], owner)).rejects.toMatchObject({ code: 'LEASE_LOST' });
  const woken = await wakeFiles(sql, { limit: 10, missing: 0, graceMs: 1_000, boundMs: 1_000, actor: 'test' });
  expect(woken.map(({ queue }) => queue)).toEqual(['ingest', 'ingest']);
  const inputs = await loadRoutingInput(sql, [product(1).id]);
  expect(inputs.map(({ routes }) => routes.length)).toEqual([1]);
  expect(await findRowViolations(sql, { isAtRest: false })).toEqual([]);
});

/** Partners as they are applied, on a real database. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { connectDatabase, type Sql } from '#shared/db/connect-database.ts';
import { definitionHash } from '#shared/definitions/definition-hash.ts';
import type { PartnerDocument } from '#shared/definitions/partner-schema.ts';
import { examplePartner } from '#testkit/beds/partner-bed.ts';
import { seedTenant } from '#testkit/seeds/seed-jobs.ts';
import { createTestDatabase, type TestDatabase } from '#testkit/servers/test-database.ts';
import { applyPartner } from './apply-definitions.ts';

let database: TestDatabase;
let sql: Sql;

beforeAll(async () => {
  database = await createTestDatabase();
  sql = connectDatabase(
    {
      DATABASE_URL: database.url,
      DATABASE_POOL_MAX: 5,
      DATABASE_PREPARE: true,
      DATABASE_STATEMENT_TIMEOUT_MS: 5_000,
    },
    'test',
  );
  await seedTenant(sql);
  await seedTenant(sql, { tenantId: 'globex' });
});
afterAll(async () => {
  await sql?.end();
  await database?.drop();
});

function apply(definition: PartnerDocument) {
  const { tenant: tenantId, name } = definition;
  return applyPartner(sql, { tenantId, name, definition, definitionHash: definitionHash(definition) }, 'test');
}

test('a partner gets a version and an event for each change, and none for the same definition', async () => {
  const first = examplePartner();
  const second = examplePartner({ timeout: '3s' });
  expect(await apply(first)).toEqual({ version: 1, isNew: true });
  expect(await apply(first)).toEqual({ version: 1, isNew: false });
  expect(await apply(second)).toEqual({ version: 2, isNew: true });
  expect(await apply(first)).toEqual({ version: 3, isNew: true });
  const told = await sql`
    SELECT a.detail, a.actor, o.body -> 'data' AS data FROM audit_events a JOIN outbox o ON o.event_id = a.id
    WHERE a.type = 'partner.applied' ORDER BY a.at, a.id`;
  const details = [1, 2, 3].map((version) => ({ partner: 'rfi', version }));
  expect(told).toEqual(details.map((detail) => ({ detail, actor: 'test', data: detail })));
});

test('changes applied side by side are numbered in turn', async () => {
  const changes = Array.from({ length: 8 }, (_, index) => examplePartner({ name: 'many', timeout: 1_000 + index }));
  const applied = await Promise.all(changes.map(apply));
  expect(applied.map(({ version }) => version).sort()).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
});

test('partners of the same name are apart by their tenants, and none is applied to an unknown one', async () => {
  expect(await apply(examplePartner({ tenant: 'globex' }))).toEqual({ version: 1, isNew: true });
  const rows = await sql`SELECT tenant_id, version FROM partners WHERE name = 'rfi' ORDER BY tenant_id`;
  expect(rows).toEqual([
    { tenant_id: 'acme', version: 3 },
    { tenant_id: 'globex', version: 1 },
  ]);
  await expect(apply(examplePartner({ tenant: 'nobody' }))).rejects.toMatchObject({ code: '23503' });
});

test('a definition is stored as it was applied, and a change keeps how far its rate is given away', async () => {
  const definition = examplePartner({ name: 'rated', limits: { ratePerSecond: 5 } });
  await apply(definition);
  await sql`UPDATE partners SET rate_given_until = '2026-01-02T03:04:05Z' WHERE name = 'rated'`;
  await apply({ ...definition, timeout: 3_000 });
  const [row] = await sql`SELECT definition, rate_given_until FROM partners WHERE name = 'rated'`;
  expect(row).toEqual({
    definition: { ...definition, timeout: 3_000 },
    rate_given_until: new Date('2026-01-02T03:04:05Z'),
  });
});

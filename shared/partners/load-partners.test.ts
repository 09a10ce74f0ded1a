/** Partners as they are applied and read again, on a real database. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createTestDatabase, type TestDatabase } from '#local/postgres/test-database.ts';
import { connectDatabase, type Sql } from '#shared/db/connect-database.ts';
import { applyPartner } from '#shared/jobs/apply-definitions.ts';
import { definitionHash } from '#shared/routes/definition-hash.ts';
import { seedTenant } from '#shared/testing/seed-jobs.ts';
import { loadPartners } from './load-partners.ts';
import type { PartnerDocument } from './partner-schema.ts';
import { examplePartner } from './partner-test-bed.ts';

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

test('partners are read as they are now, of the tenant asked for; unknown ones are absent', async () => {
  const definition = examplePartner({ tenant: 'globex' });
  await apply(definition);
  const wanted = ['rfi', 'nobody', 'rfi'].map((name) => ({ tenantId: 'globex', name }));
  expect(await loadPartners(sql, wanted)).toEqual([
    { tenantId: 'globex', name: 'rfi', version: 1, ok: true, definition },
  ]);
  expect(await loadPartners(sql, [])).toEqual([]);
});

test('a definition that cannot be read is a value with its faults', async () => {
  await apply(examplePartner({ tenant: 'globex', name: 'odd' }));
  await sql`UPDATE partners SET definition = definition - 'baseUrl' WHERE tenant_id = 'globex' AND name = 'odd'`;
  expect(await loadPartners(sql, [{ tenantId: 'globex', name: 'odd' }])).toEqual([
    { tenantId: 'globex', name: 'odd', version: 1, ok: false, message: expect.stringContaining('baseUrl') },
  ]);
});

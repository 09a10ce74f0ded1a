/** Definitions as they are applied, on a real database. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { setAccess } from '#shared/access/disable-access.ts';
import { connectDatabase, type Sql } from '#shared/db/connect-database.ts';
import { definitionHash } from '#shared/definitions/definition-hash.ts';
import type { PartnerDocument } from '#shared/definitions/partner-schema.ts';
import { examplePartner } from '#testkit/beds/partner-bed.ts';
import { seedTenant } from '#testkit/seeds/seed-jobs.ts';
import { createTestDatabase, type TestDatabase } from '#testkit/servers/test-database.ts';
import {
  type ApplyTerms,
  applyDefinition,
  applyRoute,
  DEFINITION_TABLES,
  removeDefinitions,
} from './apply-definitions.ts';

let database: TestDatabase;
let sql: Sql;

beforeAll(async () => {
  database = await createTestDatabase();
  sql = connectDatabase(
    {
      DATABASE_URL: database.url,
      DATABASE_POOL_MAX: 20,
      DATABASE_PREPARE: true,
      DATABASE_STATEMENT_TIMEOUT_MS: 60_000,
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
  return applyDefinition(
    sql,
    'partner',
    { tenantId, name, definition, definitionHash: definitionHash(definition) },
    'test',
  );
}

test('a partner gets a version and an event for each change, and none for the same definition', async () => {
  const first = examplePartner();
  const second = examplePartner({ timeout: '3s' });
  expect(await apply(first)).toEqual({ version: 1, isNew: true });
  expect(await apply(first)).toEqual({ version: 1, isNew: false });
  expect(await apply(second)).toEqual({ version: 2, isNew: true });
  expect(await apply(first)).toEqual({ version: 3, isNew: true });
  const written = await sql`
    SELECT a.detail, a.actor, o.body -> 'data' AS data FROM audit_events a JOIN outbox o ON o.event_id = a.id
    WHERE a.type = 'partner.applied' AND a.detail ->> 'partner' = 'rfi' ORDER BY a.at, a.id`;
  const details = [1, 2, 3].map((version) => ({
    partner: 'rfi',
    version,
    ...(version > 1 && { before: version - 1 }),
  }));
  expect(written).toEqual(details.map((detail) => ({ detail, actor: 'test', data: detail })));
});

test('changes applied side by side are numbered in turn', async () => {
  const changes = Array.from({ length: 8 }, (_, index) => examplePartner({ name: 'many', timeout: 1_000 + index }));
  const applied = await Promise.all(changes.map(apply));
  expect(applied.map(({ version }) => version).sort()).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
});

describe.each(['route', 'partner', 'store'] as const)('the same %s', (kind) => {
  const name = `same-${kind}`;
  const put = (a: number) => {
    const definition = { a };
    const row = { tenantId: 'acme', name, definition, definitionHash: definitionHash(definition), source: `a: ${a}\n` };
    return applyDefinition(sql, kind, row, 'test');
  };

  test('applied by twenty at once is one version and one event', async () => {
    for (let version = 1; version <= 3; version++) {
      const applied = await Promise.all(Array.from({ length: 20 }, () => put(version)));
      expect(applied.map((one) => one.version)).toEqual(Array.from({ length: 20 }, () => version));
      expect(applied.filter(({ isNew }) => isNew)).toHaveLength(1);
    }
    const table = kind === 'route' ? 'routes' : DEFINITION_TABLES[kind];
    expect(await sql`SELECT revision FROM ${sql(table)} WHERE name = ${name}`).toEqual([{ revision: 3 }]);
    expect(await sql`SELECT 1 FROM audit_events WHERE detail ->> ${kind} = ${name}`).toHaveLength(3);
  });
});

test('partners of the same name are apart by their tenants, and none is applied to an unknown one', async () => {
  for (const timeout of [1_000, 2_000]) await apply(examplePartner({ name: 'apart', timeout }));
  expect(await apply(examplePartner({ name: 'apart', tenant: 'globex' }))).toEqual({ version: 1, isNew: true });
  const rows = await sql`SELECT tenant_id, version FROM partners WHERE name = 'apart' ORDER BY tenant_id`;
  expect(rows).toEqual([
    { tenant_id: 'acme', version: 2 },
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

describe.each(['route', 'partner', 'store'] as const)('a %s', (kind) => {
  const name = `kept-${kind}`;
  const put = async (definition: object, source?: string, terms?: ApplyTerms) => {
    const row = { tenantId: 'acme', name, definition, definitionHash: definitionHash(definition), source };
    const { version, isNew } = await applyDefinition(sql, kind, row, 'test', terms);
    return [version, isNew];
  };
  const texts = async () =>
    (kind === 'route'
      ? await sql`
          SELECT v.version, v.source FROM route_versions v JOIN routes r ON r.id = v.route_id WHERE r.name = ${name} ORDER BY 1`
      : await sql`
          SELECT version, source FROM definition_versions WHERE kind = ${kind} AND name = ${name} ORDER BY 1`
    ).map((row) => [row.version, row.source]);
  const state = async () =>
    (
      await sql`SELECT revision, removed_at FROM ${sql(kind === 'route' ? 'routes' : DEFINITION_TABLES[kind])} WHERE name = ${name}`
    )[0];
  const written = async () =>
    (await sql`SELECT type, detail FROM audit_events WHERE detail ->> ${kind} = ${name} ORDER BY at, id`).map(
      ({ type, detail: { [kind]: _name, ...rest } }) => [type, rest],
    );

  test('keeps the text of each version, and another text of the same definition in its place', async () => {
    expect(await put({ a: 1 }, '# one\na: 1\n')).toEqual([1, true]);
    expect(await put({ a: 1 }, '# one\na: 1\n')).toEqual([1, false]);
    expect((await state())?.revision).toBe(1);
    expect(await put({ a: 1 })).toEqual([1, false]);
    expect(await put({ a: 1 }, '# first\na: 1\n')).toEqual([1, false]);
    expect((await state())?.revision).toBe(2);
    const diff = { from: 1, text: '-a: 1\n+a: 2\n' };
    expect(await put({ a: 2 }, 'a: 2\n', { reason: 'INC-1', diff })).toEqual([2, true]);
    expect(await texts()).toEqual([
      [1, '# first\na: 1\n'],
      [2, 'a: 2\n'],
    ]);
    expect(await written()).toEqual([
      [`${kind}.applied`, { version: 1 }],
      [`${kind}.applied`, { version: 1, before: 1 }],
      [`${kind}.applied`, { version: 2, before: 1, reason: 'INC-1', diff: diff.text }],
    ]);
  });

  test('is applied under a condition by one of two that read the same state', async () => {
    const { revision } = (await state()) as { revision: number };
    const both = await Promise.allSettled([3, 4].map((a) => put({ a }, `a: ${a}\n`, { revision })));
    expect(both.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
    expect(both.find(({ status }) => status === 'rejected')).toMatchObject({ reason: { code: 'DEFINITION_CHANGED' } });
    expect(await texts()).toHaveLength(3);
    await expect(put({ a: 9 }, 'a: 9', { revision: 0 })).rejects.toMatchObject({ code: 'DEFINITION_CHANGED' });
  });

  test('that is removed is back when it is applied again', async () => {
    await removeDefinitions(sql, { kind, tenantId: 'acme', names: [name, 'nothing'], reason: 'gone' }, 'test');
    await removeDefinitions(sql, { kind, tenantId: 'acme', names: [name] }, 'test');
    expect(await state()).toMatchObject({ removed_at: expect.any(Date) });
    const before = await written();
    expect(before.at(-1)).toEqual([`${kind}.removed`, { version: 3, reason: 'gone' }]);
    const [last] = (await texts()).slice(-1);
    const a = Number(/\d/.exec(String(last?.[1]))?.[0]);
    expect(await put({ a }, `a: ${a}\n`)).toEqual([3, false]);
    expect(await state()).toMatchObject({ removed_at: null });
    expect(await written()).toHaveLength(before.length + 1);
  });
});

test('a condition that is not met makes nothing of a name that does not exist', async () => {
  const row = { tenantId: 'acme', name: 'never', definition: {}, definitionHash: 'x' };
  for (const kind of ['route', 'partner', 'store'] as const)
    await expect(applyDefinition(sql, kind, row, 'test', { revision: 3 })).rejects.toMatchObject({
      code: 'DEFINITION_CHANGED',
    });
  const rows = await sql`
    SELECT name FROM routes WHERE name = 'never' UNION ALL SELECT name FROM partners WHERE name = 'never'
    UNION ALL SELECT name FROM stores WHERE name = 'never'`;
  expect(rows).toEqual([]);
});

test('a removed route takes no files; what an operator disabled before stays disabled when it is back', async () => {
  const row = { tenantId: 'acme', name: 'off', definition: {}, definitionHash: 'x' };
  const target = { kind: 'route', tenant: 'acme', name: 'off' } as const;
  const disabledAt = async () => (await sql`SELECT disabled_at FROM routes WHERE name = 'off'`)[0]?.disabled_at;
  await applyRoute(sql, row, 'test');
  await removeDefinitions(sql, { kind: 'route', tenantId: 'acme', names: ['off'] }, 'test');
  expect(await disabledAt()).toEqual(expect.any(Date));
  await applyRoute(sql, row, 'test');
  expect(await disabledAt()).toBeNull();
  await setAccess(sql, target, { isDisabled: true, reason: 'x', actor: 'test' });
  await removeDefinitions(sql, { kind: 'route', tenantId: 'acme', names: ['off'] }, 'test');
  await applyRoute(sql, row, 'test');
  expect(await disabledAt()).toEqual(expect.any(Date));
});

import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { connectLauncher } from '#local/launcher/connect-launcher.ts';
import { prepareExamples } from '#local/launcher/load-examples.ts';
import { ensureTenants } from '#local/launcher/tenant-access.ts';
import { createTestDatabase, type TestDatabase } from '#testkit/servers/test-database.ts';

let home: string;
let database: TestDatabase;

beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'longshore-examples-'));
  database = await createTestDatabase();
});

afterEach(async () => {
  await database.drop();
  await rm(home, { recursive: true, force: true });
});

test('the examples have at least two tenants, each with a route, and applying them twice makes no second version', async () => {
  const examples = await prepareExamples(home);
  const sql = connectLauncher(database.url);
  try {
    await ensureTenants(sql, home, examples!.tenants);
    await examples!.applyDefinitions(database.url);
    await examples!.applyDefinitions(database.url);
    const routes = await sql<{ tenant: string; versions: number }[]>`
      SELECT tenant_id AS tenant, max(v.version) AS versions FROM routes r
      JOIN route_versions v ON v.route_id = r.id GROUP BY tenant_id ORDER BY tenant_id`;
    expect(routes.length).toBeGreaterThanOrEqual(2);
    expect(routes.map(({ tenant }) => tenant)).toEqual(examples!.tenants.map(({ id }) => id).sort());
    expect(routes.every(({ versions }) => versions === 1)).toBe(true);
  } finally {
    await sql.end({ timeout: 1 });
  }
});

test('partners are applied with the address at which the gateway of this home stands', async () => {
  const examples = await prepareExamples(home, 9_180);
  const sql = connectLauncher(database.url);
  try {
    await ensureTenants(sql, home, examples!.tenants);
    await examples!.applyDefinitions(database.url);
    const partners = await sql<{ tenant: string; baseUrl: string; tokenUrl: string; version: number }[]>`
      SELECT tenant_id AS tenant, definition->>'baseUrl' AS "baseUrl", definition->'auth'->>'tokenUrl' AS "tokenUrl", version
      FROM partners`;
    expect([...partners]).toEqual([
      {
        tenant: 'globex-bank',
        baseUrl: 'http://127.0.0.1:9188',
        tokenUrl: 'http://127.0.0.1:9188/oauth/token',
        version: 1,
      },
    ]);
  } finally {
    await sql.end({ timeout: 1 });
  }
});

test('a home that has had the examples gets none; with other ports, what nobody changed gets these', async () => {
  const examples = await prepareExamples(home, 9_180);
  const sql = connectLauncher(database.url);
  try {
    await ensureTenants(sql, home, examples!.tenants);
    await examples!.applyDefinitions(database.url);
    await writeFile(join(home, 'examples-sent'), '9180\n');
    expect(await prepareExamples(home, 9_180)).toBeUndefined();

    await sql`UPDATE remotes SET definition_hash = 'changed', definition = jsonb_set(definition, '{port}', '22') WHERE name = 'bank'`;
    const moved = await prepareExamples(home, 9_280);
    expect(moved?.tenants).toEqual([]);
    await moved!.applyDefinitions(database.url);
    const ports = await sql`
      SELECT name, (definition ->> 'port')::int AS port, version FROM remotes WHERE tenant_id = 'fsa' ORDER BY name`;
    expect(ports.map(({ name, port }) => [name, port])).toEqual([
      ['bank', 22],
      ['fsa-ftps', 9_296],
      ['fsa-ftps-old-password', 9_296],
      ['fsa-sftp', 9_289],
    ]);
    expect(
      await sql`SELECT version FROM routes r JOIN route_versions v ON v.route_id = r.id WHERE v.version > 1`,
    ).toEqual([]);
    expect(await prepareExamples(home, 9_280)).toBeUndefined();
  } finally {
    await sql.end({ timeout: 1 });
  }
});

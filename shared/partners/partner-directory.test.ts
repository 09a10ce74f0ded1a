import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { pino } from 'pino';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { Sql } from '#shared/db/connect-database.ts';
import { applyDefinition } from '#shared/definitions/apply-definitions.ts';
import { createAddressGuard } from '#shared/http/address-guard.ts';
import { connectTestDatabase } from '#testkit/beds/job-runner.ts';
import { examplePartner } from '#testkit/beds/partner-bed.ts';
import { seedTenant } from '#testkit/seeds/seed-jobs.ts';
import { createTestDatabase, type TestDatabase } from '#testkit/servers/test-database.ts';
import { createPartnerDirectory, type PartnerDirectory } from './partner-directory.ts';

let database: TestDatabase;
let sql: Sql;
let directory: PartnerDirectory;
let later: number;
let asked: string[];
const closers: (() => unknown)[] = [];

beforeEach(async () => {
  database = await createTestDatabase();
  sql = connectTestDatabase(database.url);
  later = 0;
  asked = [];
  directory = createPartnerDirectory({
    sql,
    secrets: {
      read: async (name) => {
        asked.push(name);
        return { text: 'secret', version: '1' };
      },
    },
    addressGuard: createAddressGuard({ allow: ['127.0.0.0/8'] }),
    logger: pino({ level: 'silent' }),
    now: () => performance.now() + later,
  });
  await Promise.all([seedTenant(sql, { routes: 0 }), seedTenant(sql, { tenantId: 'globex', routes: 0 })]);
});

afterEach(async () => {
  directory.close();
  for (const close of closers.splice(0)) await close();
  await sql.end({ timeout: 5 });
  await database.drop();
});

let versions = 0;

async function apply(changes: Record<string, unknown> = {}, tenantId = 'acme'): Promise<void> {
  versions += 1;
  const definition = { ...examplePartner(), ...changes, tenant: tenantId };
  await applyDefinition(sql, 'partner', { tenantId, name: 'rfi', definition, definitionHash: `h${versions}` }, 'test');
}

async function find(tenantId = 'acme') {
  const found = await directory.find(tenantId, 'rfi');
  if (!found.ok) throw new Error(found.message);
  return found.partner;
}

test('asks the database once for those who ask together, and again only after a while', async () => {
  await apply();
  const [one, other] = await Promise.all([find(), find()]);
  expect(other).toBe(one);
  await apply({ timeout: 3_000 });
  expect(await find()).toBe(one);
  later += 15_000;
  expect((await find()).definition.timeout).toBe(3_000);
});

test('keeps what it knows when nothing changed, also while the database is away', async () => {
  await apply();
  const partner = await find();
  later += 15_000;
  expect(await find()).toBe(partner);
  await sql.end({ timeout: 5 });
  later += 15_000;
  expect(await find()).toBe(partner);
  await expect(directory.find('acme', 'another')).rejects.toThrow();
});

test('tells partners that are not there, or not usable, and finds them once they are', async () => {
  expect(await directory.find('acme', 'rfi')).toEqual({
    ok: false,
    message: expect.stringContaining('no partner rfi'),
  });
  await apply({ baseUrl: 'ftp://partner.example' });
  later += 15_000;
  expect(await directory.find('acme', 'rfi')).toEqual({
    ok: false,
    message: expect.stringContaining('cannot be used'),
  });
  await apply();
  later += 15_000;
  expect((await find()).definition.name).toBe('rfi');
  expect(directory.states()).toEqual([{ tenantId: 'acme', name: 'rfi', breakerOpenForMs: 0 }]);
});

test('keeps tenants apart, and reaches the secrets of each under its own name', async () => {
  const server = createServer((_request, response) => response.end('{"status":"VALID"}'));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  closers.push(() => server.close());
  const baseUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const auth = { type: 'static', header: 'x-key', prefix: '', secret: 'token' };
  await Promise.all([apply({ baseUrl, auth }), apply({ baseUrl, auth }, 'globex')]);
  const values = { record: { key: 'r1', amount: 1, name: 'n' }, replies: {}, meta: {} };
  for (const tenantId of ['acme', 'globex']) {
    const partner = await find(tenantId);
    const call = { operation: 'validate', values, requestId: 'q' };
    expect(await partner.call(call, () => true)).toMatchObject({ type: 'success' });
    expect(await partner.call(call, () => false)).toEqual({ type: 'withdrawn' });
  }
  expect(asked).toEqual(['acme/token', 'globex/token']);
});

test('further walks are begun while outcomes are being stored, up to a bound', async () => {
  await apply({ limits: { concurrency: 2 } });
  const partner = await find();
  let begun = 0;
  const { promise: end, resolve: endAll } = Promise.withResolvers<void>();
  const { promise: stored, resolve: storeAll } = Promise.withResolvers<void>();
  const walks = Array.from({ length: 40 }, () =>
    partner.begun(async () => {
      begun += 1;
      await end;
    }),
  );
  await expect.poll(() => begun).toBe(6);
  const storing = [partner.whileStoring(() => stored)];
  await expect.poll(() => begun).toBe(7);
  storing.push(...Array.from({ length: 30 }, () => partner.whileStoring(() => stored)));
  await expect.poll(() => begun).toBe(16);
  storeAll();
  await Promise.all(storing);
  expect(partner.begun.concurrency).toBe(6);
  endAll();
  await Promise.all(walks);
  expect(begun).toBe(40);
});

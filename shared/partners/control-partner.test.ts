/** What an operator decides about a partner, by two processes that call it over HTTP and share nothing but the database. */
import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { pino } from 'pino';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import type { Sql } from '#shared/db/connect-database.ts';
import { toJsonb } from '#shared/db/run-statements.ts';
import { applyDefinition } from '#shared/definitions/apply-definitions.ts';
import { createAddressGuard } from '#shared/http/address-guard.ts';
import { connectTestDatabase } from '#testkit/beds/job-runner.ts';
import { examplePartner } from '#testkit/beds/partner-bed.ts';
import { emptyTables } from '#testkit/seeds/empty-tables.ts';
import { seedJobs, seedTenant } from '#testkit/seeds/seed-jobs.ts';
import { createTestDatabase, type TestDatabase } from '#testkit/servers/test-database.ts';
import { type ControlPartner, controlPartner } from './control-partner.ts';
import { createPartnerDirectory, type PartnerDirectory } from './partner-directory.ts';

let database: TestDatabase;
let sql: Sql;
let directories: PartnerDirectory[];
let clock: number;
let baseUrl: string;
let calls: string[];
let reply: (response: ServerResponse) => void;
const server = createServer((request, response) => {
  calls.push(request.url ?? '');
  reply(response);
});

beforeAll(async () => {
  database = await createTestDatabase();
  sql = connectTestDatabase(database.url);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  baseUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterAll(async () => {
  server.closeAllConnections();
  server.close();
  await sql.end({ timeout: 5 });
  await database.drop();
});

beforeEach(async () => {
  await emptyTables(sql, 'tenants', 'audit_events', 'outbox', 'record_chunks', 'definition_versions');
  clock = 0;
  calls = [];
  reply = (response) => response.end('{"status":"VALID","reference":"r"}');
  directories = [1, 2].map(() =>
    createPartnerDirectory({
      sql,
      secrets: { read: () => Promise.reject(new Error('no secret is named here')) },
      addressGuard: createAddressGuard({ allow: ['127.0.0.0/8'] }),
      logger: pino({ level: 'silent' }),
      now: () => clock,
    }),
  );
  await seedTenant(sql);
  await seedTenant(sql, { tenantId: 'globex', routes: 0 });
  const definition = examplePartner({ baseUrl, timeout: '60s', breaker: { failures: 2, openFor: '10m' } });
  for (const tenantId of ['acme', 'globex'])
    await applyDefinition(sql, 'partner', { tenantId, name: 'rfi', definition, definitionHash: 'h' }, 'test');
});
afterEach(() => {
  for (const directory of directories) directory.close();
});

const say = (verb: ControlPartner['verb'], rest: Partial<ControlPartner> = {}) =>
  controlPartner(sql, { tenantId: 'acme', name: 'rfi', verb, reason: 'a test', actor: 'operator:ada', ...rest });

/** More than a process may know something old. */
const later = (ms = 2_001) => {
  clock += ms;
};

async function call(worker = 0, tenantId = 'acme') {
  const found = await directories[worker]!.find(tenantId, 'rfi');
  if (!found.ok) throw new Error(found.message);
  const values = { record: { key: 'r1', amount: 1, name: 'n' }, replies: {}, meta: {} };
  return await found.partner.call({ operation: 'validate', values, requestId: 'q' }, () => true);
}

const events = () =>
  sql<{ type: string; reason: string }[]>`
    SELECT type, detail ->> 'reason' AS reason FROM audit_events WHERE type LIKE 'partner.%' AND type <> 'partner.applied' ORDER BY id`;

test('a pause holds the calls of every process, and those of no other tenant', async () => {
  for (const worker of [0, 1]) expect(await call(worker)).toMatchObject({ type: 'success' });
  expect(await say('pause')).toBe('changed');
  later();
  calls = [];
  for (const worker of [0, 1]) expect(await call(worker)).toMatchObject({ type: 'wait', reason: 'paused' });
  expect(calls).toEqual([]);
  expect(await call(0, 'globex')).toMatchObject({ type: 'success' });
  expect(directories[0]!.states().map(({ breakerOpenForMs }) => breakerOpenForMs)).toEqual([0, 0]);
  expect(await say('resume')).toBe('changed');
  later();
  for (const worker of [0, 1]) expect(await call(worker)).toMatchObject({ type: 'success' });
});

test('a process that begins during a pause makes no call', async () => {
  await say('pause');
  expect(await call(1)).toMatchObject({ type: 'wait', reason: 'paused' });
});

test('a call that waits for its turn meets a pause that came meanwhile', async () => {
  const found = await directories[0]!.find('acme', 'rfi');
  if (!found.ok) throw new Error(found.message);
  await say('pause');
  later();
  const values = { record: { key: 'r1', amount: 1, name: 'n' }, replies: {}, meta: {} };
  const made = () => found.partner.call({ operation: 'validate', values, requestId: 'q' }, () => true);
  await expect.poll(made, { timeout: 60_000 }).toMatchObject({ type: 'wait', reason: 'paused' });
  expect(found.partner).toMatchObject({ isPaused: true, closedForMs: 300_000 });
});

test('after a resume one call of each process is a trial; if it fails the breaker opens at once', async () => {
  expect(await call()).toMatchObject({ type: 'success' });
  await say('pause');
  later();
  await call();
  await say('resume');
  later();
  reply = (response) => response.writeHead(503).end();
  calls = [];
  expect(await call()).toMatchObject({ type: 'retryable' });
  // Two failures in a row are what opens it otherwise.
  expect(await call()).toMatchObject({ type: 'wait', reason: 'breaker-open' });
  expect(calls).toHaveLength(1);
});

test('a pause that came and went between two looks still ends with a trial', async () => {
  await call();
  await say('pause');
  await say('resume');
  later();
  reply = (response) => response.writeHead(503).end();
  await call();
  expect(await call()).toMatchObject({ type: 'wait', reason: 'breaker-open' });
});

test('a breaker that a process opened is closed by hand: the next call is a trial', async () => {
  reply = (response) => response.writeHead(503).end();
  for (const _ of [1, 2]) await call();
  expect(await call()).toMatchObject({ type: 'wait', reason: 'breaker-open' });
  reply = (response) => response.end('{"status":"VALID","reference":"r"}');
  expect(await say('close-breaker')).toBe('changed');
  later();
  expect(await call()).toMatchObject({ type: 'success' });
});

test('a breaker that is opened by hand for a time closes by itself, with a trial', async () => {
  await call();
  await say('open-breaker', { forMs: 60_000 });
  later();
  expect(await call()).toMatchObject({ type: 'wait', reason: 'breaker-open' });
  await sql`UPDATE partners SET breaker_open_until = now() - interval '1 second'`;
  later();
  reply = (response) => response.writeHead(503).end();
  expect(await call()).toMatchObject({ type: 'retryable' });
  expect(await call()).toMatchObject({ type: 'wait', reason: 'breaker-open' });
});

test('without a time it is open until it is closed', async () => {
  await say('open-breaker');
  expect(await call()).toEqual({ type: 'wait', reason: 'breaker-open', afterMs: 300_000 });
  clock += 86_400_000;
  expect(await call()).toMatchObject({ type: 'wait', reason: 'breaker-open' });
  await say('close-breaker');
  later();
  expect(await call()).toMatchObject({ type: 'success' });
});

test('a new definition of a paused partner is paused', async () => {
  await call();
  await say('pause');
  const definition = examplePartner({ baseUrl, timeout: '50s' });
  await applyDefinition(sql, 'partner', { tenantId: 'acme', name: 'rfi', definition, definitionHash: 'h2' }, 'test');
  later();
  expect(await call()).toMatchObject({ type: 'wait', reason: 'paused' });
});

test('what is so already stays, with its reason and one event', async () => {
  expect(await say('pause', { reason: 'the first' })).toBe('changed');
  expect(await say('pause', { reason: 'the second' })).toBe('same');
  const [row] = await sql`SELECT paused_reason, paused_by, control_revision FROM partners WHERE tenant_id = 'acme'`;
  expect(row).toEqual({ paused_reason: 'the first', paused_by: 'operator:ada', control_revision: 1 });
  expect(await say('resume', { reason: 'done' })).toBe('changed');
  expect(await say('resume')).toBe('same');
  expect(await events()).toEqual([
    { type: 'partner.paused', reason: 'the first' },
    { type: 'partner.resumed', reason: 'done' },
  ]);
});

test('a change under an old revision is not made; of several at once one is', async () => {
  await say('pause');
  expect(await say('resume', { revision: 0 })).toBe('stale');
  expect(await say('resume', { revision: 1 })).toBe('changed');
  const said = await Promise.all(Array.from({ length: 5 }, () => say('pause', { revision: 2 })));
  expect(said.filter((done) => done === 'changed')).toHaveLength(1);
  expect(await say('pause', { name: 'none' })).toBe('absent');
});

test('what waits for it is due at once when calls may pass again, and what waits for another is not', async () => {
  const jobs = await seedJobs(sql, { count: 4 });
  const steps = (partner: string) => toJsonb({ steps: [{ post: { partner, operation: 'upload' } }] });
  const [step, records, ofAnother, held] = jobs.map(({ id }) => id);
  for (const [id, partner, version] of [
    [step, 'rfi', 2],
    [records, 'rfi', 3],
    [ofAnother, 'other', 4],
    [held, 'rfi', 5],
  ] as const)
    await sql`
      WITH made AS (
        INSERT INTO route_versions SELECT (jsonb_populate_record(v, jsonb_build_object('id', j.id, 'version', ${version}::int,
          'definition', ${steps(partner)}::text::jsonb))).*
        FROM route_versions v JOIN jobs j ON j.route_version_id = v.id WHERE j.id = ${id!})
      UPDATE jobs SET state = 'WAITING', step_kind = 'post', wait_reason = 'PARTNER_PAUSED', next_action_at = now() + interval '5 minutes',
        route_version_id = id WHERE id = ${id!}`;
  await sql`UPDATE jobs SET step_kind = 'call', open_records = 3, next_action_at = NULL WHERE id = ${records!}`;
  await sql`UPDATE jobs SET wait_reason = 'HELD', next_action_at = NULL WHERE id = ${held!}`;
  await sql`
    INSERT INTO record_chunks (id, tenant_id, job_id, lines, next_action_at) VALUES
      (uuid_v7(), 'acme', ${records!}, '{1,2,3}', now() + interval '1 minute')`;
  await say('pause');
  await say('resume');
  expect(
    await sql`SELECT id, wait_reason, next_action_at <= now() AS is_due FROM jobs ORDER BY array_position(${jobs.map(({ id }) => id)}::uuid[], id)`,
  ).toEqual([
    { id: step, wait_reason: 'PARTNER_PAUSED', is_due: true },
    { id: records, wait_reason: 'RECORDS', is_due: null },
    { id: ofAnother, wait_reason: 'PARTNER_PAUSED', is_due: false },
    { id: held, wait_reason: 'HELD', is_due: null },
  ]);
  expect(await sql`SELECT next_action_at <= now() AS is_due FROM record_chunks`).toEqual([{ is_due: true }]);
});

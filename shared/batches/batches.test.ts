/** Batches over a real database: each file in one batch, one close for any order and any repetition, so many at once, one outcome. */
import { randomUUID, randomUUIDv7 } from 'node:crypto';
import fc from 'fast-check';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { Sql } from '#shared/db/connect-database.ts';
import { applyRoute, removeDefinitions } from '#shared/definitions/apply-definitions.ts';
import { loadRoutingInput, type RoutingInput } from '#shared/definitions/load-routing-input.ts';
import { claimJobs } from '#shared/jobs/claim-jobs.ts';
import { cancelJobs } from '#shared/jobs/end-jobs.ts';
import { registerFiles } from '#shared/jobs/register-files.ts';
import { reopenJobs } from '#shared/jobs/reopen-jobs.ts';
import { type RoutingDecision, routeFiles } from '#shared/jobs/route-files.ts';
import { storeOutcomes } from '#shared/jobs/store-outcomes.ts';
import { findRowViolations } from '#testkit/checks/find-row-violations.ts';
import { runBehind } from '#testkit/checks/run-behind.ts';
import { emptyTables } from '#testkit/seeds/empty-tables.ts';
import { arrivedObject, seedTenant } from '#testkit/seeds/seed-jobs.ts';
import { useTestDatabase } from '#testkit/servers/use-test-database.ts';
import { advanceBatches, advanceDueBatches } from './advance-batches.ts';
import { closeBatch, closeDueBatches } from './close-batches.ts';
import type { JoinedBatch } from './join-batches.ts';

let sql: Sql;

useTestDatabase((opened) => {
  sql = opened;
});

const TABLES = ['tenants', 'batches', 'job_steps', 'attempts', 'audit_events', 'outbox'];

beforeEach(async () => {
  await emptyTables(sql, ...TABLES);
  await seedGathering();
});

afterEach(async () => {
  expect(await findRowViolations(sql, { isAtRest: false })).toEqual([]);
});

async function seedGathering(): Promise<void> {
  await seedTenant(sql);
  await applyRoute(sql, route({ batch: {} }), 'test');
}

const route = (definition: object) => ({
  tenantId: 'acme',
  name: 'route-0',
  definition: { name: 'route-0', ...definition },
  definitionHash: JSON.stringify(definition),
});

const options = { actor: 'test', window: 1_000, limit: 100 };
const ALL: JoinedBatch = {
  key: '',
  fullAt: undefined,
  idleMs: undefined,
  maxConcurrency: undefined,
  closeAt: undefined,
};

async function arrive(names: readonly string[]): Promise<RoutingInput[]> {
  const objects = names.map((name) => arrivedObject({ name, key: `acme/inbound/${name}` }));
  const { files } = await registerFiles(sql, objects, 'test');
  return await loadRoutingInput(
    sql,
    files.map(({ id }) => id),
  );
}

function decisionsOf(inputs: readonly RoutingInput[], batch: JoinedBatch): RoutingDecision[] {
  const step = { lane: 'standard', queue: 'partner-steps', stepKind: 'deliver', stepCount: 1, maxAttempts: 1 } as const;
  return inputs.map(({ fileId, routes: [route] }) => ({
    fileId,
    isLarge: false,
    jobs: [{ id: randomUUIDv7(), ...route!, ...step, isOrdered: false, headFailure: 'block' as const, batch }],
  }));
}

async function join(names: readonly string[], more: Partial<JoinedBatch>): Promise<void> {
  expect(await routeFiles(sql, decisionsOf(await arrive(names), { ...ALL, ...more }), 'test')).toEqual([]);
}

async function nameManifest(expected: readonly string[], batch: JoinedBatch): Promise<void> {
  const [input] = await arrive(['manifest.txt']);
  const routeId = input!.routes[0]!.routeId;
  const manifests = [{ ...batch, routeId, expected: expected.map((name) => `inbound/${name}`) }];
  await routeFiles(
    sql,
    [{ fileId: input!.fileId, isLarge: false, jobs: [], companionOf: 'route-0', manifests }],
    'test',
  );
}

const names = (count: number, prefix = 'f') =>
  Array.from({ length: count }, (_, index) => `${prefix}${String(index).padStart(3, '0')}`);

async function batches() {
  return await sql<
    { id: string; state: string; by: string | null; files: number; missing: string[] | null; names: string[] }[]
  >`
    SELECT b.id, b.state, b.closed_by AS by, b.files, b.missing, b.succeeded_files AS succeeded, b.failed_files AS failed, coalesce((
      SELECT array_agg(f.name ORDER BY f.name) FROM jobs j JOIN files f ON f.id = j.file_id WHERE j.batch_id = b.id), '{}') AS names
    FROM batches b ORDER BY b.id`;
}

async function end(jobId: string, outcome: 'succeeded' | 'failed') {
  const claim = { token: randomUUID(), worker: 'test/1', service: 'partner-worker', leaseMs: 60_000 };
  const [job] = await claimJobs(sql, { ...claim, jobIds: [jobId], queue: 'partner-steps', kinds: ['deliver'] });
  const { id, epoch, stepSeq, stepKind, generation } = job!;
  const tried = { jobId: id, epoch, stepSeq, stepKind, generation, attempt: 1, startedAt: new Date(), durationMs: 1 };
  const error = { code: 'DELIVERY_ERROR', cause: 'HTTP_500', message: 'It is down.' };
  const stored = { ...tried, outcome, next: { type: outcome }, ...(outcome === 'failed' && { error }) } as const;
  const store = {
    worker: 'test/1',
    service: 'partner-worker',
    leaseMs: 60_000,
    token: randomUUID(),
    archivesLarge: false,
  };
  return (await storeOutcomes(sql, [stored], store)).successors;
}

const going = async () =>
  (await sql<{ id: string }[]>`SELECT id FROM jobs WHERE state = 'PENDING' ORDER BY id`).map(({ id }) => id);

const events = async () =>
  (
    await sql<
      { type: string }[]
    >`SELECT type FROM audit_events WHERE type LIKE 'batch.%' ORDER BY at, CASE type WHEN 'batch.closed' THEN 0 ELSE 1 END`
  ).map(({ type }) => type);

test('a batch closes with its count, and what is beyond it opens the next', async () => {
  await join(names(25), { fullAt: 10 });
  const woken = [];
  for (let looked = 1; looked > 0; ) {
    const closed = await closeDueBatches(sql, options);
    woken.push(...closed.jobs);
    looked = closed.looked;
  }
  const found = await batches();
  expect(found.map(({ state, by, files }) => [state, by, files])).toEqual([
    ['RUNNING', 'count', 10],
    ['RUNNING', 'count', 10],
    ['OPEN', null, 5],
  ]);
  expect(found.flatMap((batch) => batch.names).sort()).toEqual(names(25));
  expect(new Set(woken.map(({ id }) => id)).size).toBe(20);
  await join(['z'], { fullAt: 10 });
  expect(await batches()).toMatchObject([{ files: 10 }, { files: 10 }, { files: 6 }]);
});

test('every file is in one batch and each batch is full, for any order, repetition and concurrency', {
  timeout: 120_000,
}, async () => {
  const step = fc.oneof(
    fc.record({ join: fc.integer({ min: 1, max: 7 }) }),
    fc.constant('again'),
    fc.constant('close'),
  );
  await fc.assert(
    fc.asyncProperty(
      fc.array(step, { minLength: 2, maxLength: 10 }),
      fc.integer({ min: 1, max: 5 }),
      async (steps, fullAt) => {
        await emptyTables(sql, ...TABLES);
        await seedGathering();
        const all: RoutingDecision[] = [];
        const running: Promise<unknown>[] = [];
        for (const each of steps) {
          if (each === 'close') running.push(closeDueBatches(sql, options));
          else if (each === 'again') running.push(routeFiles(sql, all, 'test'));
          else {
            const decisions = decisionsOf(await arrive(names(each.join, `s${all.length}-`)), { ...ALL, fullAt });
            all.push(...decisions);
            running.push(routeFiles(sql, decisions, 'test'));
          }
        }
        await Promise.all(running);
        for (let looked = 1; looked > 0; ) looked = (await closeDueBatches(sql, options)).looked;
        const found = await batches();
        expect(found.flatMap((batch) => batch.names).sort()).toHaveLength(all.length);
        expect(new Set(found.flatMap((batch) => batch.names)).size).toBe(all.length);
        for (const { state, files, names: members } of found) {
          expect(members).toHaveLength(files);
          if (state === 'OPEN') expect(files).toBeLessThan(fullAt);
          else expect({ state, files }).toEqual({ state: 'RUNNING', files: fullAt });
        }
        expect(await going()).toHaveLength(found.filter(({ state }) => state === 'RUNNING').length * fullAt);
        expect((await events()).filter((type) => type === 'batch.closed')).toHaveLength(
          found.filter(({ by }) => by !== null).length,
        );
      },
    ),
    { numRuns: 15 },
  );
});

test('without a count it closes at its time or after its pause, and is not looked at before', async () => {
  await join(['a'], { key: 'by-time/', closeAt: new Date(Date.now() + 60_000) });
  await join(['b'], { key: 'by-pause/', idleMs: 60_000 });
  await join(['c'], { key: 'never/', fullAt: 2 });
  expect((await closeDueBatches(sql, options)).looked).toBe(3);
  expect((await closeDueBatches(sql, options)).looked).toBe(0);
  await sql`UPDATE batches SET close_at = now(), look_at = now() WHERE key = 'by-time/'`;
  await sql`UPDATE batches SET last_joined_at = now() - interval '1 hour', look_at = now() WHERE key = 'by-pause/'`;
  expect((await closeDueBatches(sql, options)).jobs).toHaveLength(2);
  expect(await batches()).toMatchObject([{ by: 'time' }, { by: 'idle' }, { state: 'OPEN' }]);
});

test('a manifest closes its batch when all that it names is there, before or after it', async () => {
  await join(['a', 'b'], { closeAt: new Date(Date.now() + 60_000) });
  await nameManifest(['a', 'b', 'c'], ALL);
  expect((await closeDueBatches(sql, options)).jobs).toEqual([]);
  await join(['c'], {});
  expect((await closeDueBatches(sql, options)).jobs).toHaveLength(3);
  expect(await batches()).toMatchObject([{ by: 'manifest', files: 3, missing: null }]);
});

test('what a manifest named and did not come is told at its time, and the batch fails', async () => {
  await nameManifest(['a', 'b', 'c'], { ...ALL, closeAt: new Date(Date.now() + 60_000) });
  await join(['b'], {});
  await sql`UPDATE batches SET close_at = now(), look_at = now()`;
  const { jobs } = await closeDueBatches(sql, options);
  expect(await batches()).toMatchObject([{ state: 'RUNNING', by: 'time', missing: ['inbound/a', 'inbound/c'] }]);
  await end(jobs[0]!.id, 'succeeded');
  expect(await batches()).toMatchObject([{ state: 'FAILED', succeeded: 1, failed: 0 }]);
  expect(await events()).toEqual(['batch.closed', 'batch.failed']);
});

test('a manifest of which nothing came ends its batch at once', async () => {
  await nameManifest(['a'], { ...ALL, closeAt: new Date(Date.now() + 60_000) });
  await sql`UPDATE batches SET close_at = now(), look_at = now()`;
  expect((await closeDueBatches(sql, options)).jobs).toEqual([]);
  expect(await batches()).toMatchObject([{ state: 'FAILED', files: 0, missing: ['inbound/a'] }]);
  expect(await events()).toEqual(['batch.closed', 'batch.failed']);
});

test('so many files go at once as its route says, one after the other, and it ends once with the last', async () => {
  await join(names(5), { fullAt: 5, maxConcurrency: 2 });
  await closeDueBatches(sql, options);
  const order: string[] = [];
  for (let ids = await going(); ids.length > 0; ids = await going()) {
    expect(ids.length).toBeLessThanOrEqual(2);
    order.push(ids[0]!);
    await end(ids[0]!, 'succeeded');
  }
  expect(order).toEqual([...order].sort());
  expect(order).toHaveLength(5);
  const [batch] = await batches();
  expect(batch).toMatchObject({ state: 'SUCCEEDED', succeeded: 5, failed: 0 });
  await advanceBatches(sql, [batch!.id], options);
  expect(await events()).toEqual(['batch.closed', 'batch.succeeded']);
});

test('two that end side by side begin no more than there is room for', async () => {
  await join(names(12), { fullAt: 12, maxConcurrency: 4 });
  await closeDueBatches(sql, options);
  for (let ids = await going(); ids.length > 0; ids = await going()) {
    expect(ids.length).toBeLessThanOrEqual(4);
    await Promise.all(ids.map((id) => end(id, 'succeeded')));
  }
  expect(await batches()).toMatchObject([{ state: 'SUCCEEDED', succeeded: 12 }]);
  expect((await events()).filter((type) => type === 'batch.succeeded')).toHaveLength(1);
});

test('a file that failed fails the batch, and one that a person retried is judged again', async () => {
  await join(names(2), { fullAt: 2 });
  await closeDueBatches(sql, options);
  const [one, other] = await going();
  await end(one!, 'failed');
  await end(other!, 'succeeded');
  expect(await batches()).toMatchObject([{ state: 'FAILED', succeeded: 1, failed: 1 }]);
  await reopenJobs(sql, { jobIds: [one!], actor: 'operator:test', reason: 'it is up' });
  await end(one!, 'succeeded');
  expect(await batches()).toMatchObject([{ state: 'SUCCEEDED', succeeded: 2, failed: 0 }]);
});

test('what was cancelled, and what a killed worker left, the clock goes on with', async () => {
  await join(names(3), { fullAt: 3, maxConcurrency: 1 });
  await closeDueBatches(sql, options);
  const [first] = await going();
  await cancelJobs(sql, { jobIds: [first!], actor: 'operator:test', reason: 'test' });
  expect(await going()).toEqual([]);
  expect((await advanceDueBatches(sql, options)).looked).toBe(0);
  const look = () => sql`UPDATE batches SET look_at = now()`.then(() => advanceDueBatches(sql, options));
  expect((await look()).jobs).toHaveLength(1);
  expect((await look()).jobs).toEqual([]);
  for (let [id] = await going(); id !== undefined; [id] = await going()) await end(id, 'succeeded');
  expect(await batches()).toMatchObject([{ state: 'FAILED', succeeded: 2, failed: 1 }]);
});

test('an operator closes it with what is there, once', async () => {
  await join(names(3), { fullAt: 10 });
  const [batch] = await batches();
  const word = { id: batch!.id, actor: 'operator:test', window: 1_000, reason: 'the rest comes tomorrow' };
  expect(await closeBatch(sql, word)).toHaveLength(3);
  expect(await closeBatch(sql, word)).toBeUndefined();
  expect(await batches()).toMatchObject([{ by: 'operator', files: 3 }]);
});

test('an operator closes it while files join it, however long that takes', async () => {
  await join(names(3), { fullAt: 10 });
  const [batch] = await batches();
  const word = { id: batch!.id, actor: 'operator:test', window: 1_000, reason: 'the rest comes tomorrow' };
  const decisions = decisionsOf(await arrive(['late.csv']), { ...ALL, fullAt: 10 });
  const jobs = await runBehind(
    sql,
    (router) => routeFiles(router, decisions, 'test'),
    () => closeBatch(sql, word),
  );
  expect(jobs).toHaveLength(4);
  expect(await batches()).toMatchObject([{ by: 'operator', files: 4 }]);
});

test.each([
  ['is removed', () => removeDefinitions(sql, { kind: 'route', tenantId: 'acme', names: ['route-0'] }, 'test')],
  ['takes files one by one now', () => applyRoute(sql, route({}), 'test')],
])('an open batch whose route %s closes with what is there', async (_what, change) => {
  await join(names(3), { fullAt: 10 });
  expect((await closeDueBatches(sql, options)).jobs).toEqual([]);
  await change();
  expect((await closeDueBatches(sql, options)).jobs).toHaveLength(3);
  expect(await batches()).toMatchObject([{ state: 'RUNNING', by: 'route', files: 3 }]);
});

test('a file that a worker routed by what it knew before opens no batch that stays', async () => {
  const decisions = decisionsOf(await arrive(names(1)), { ...ALL, fullAt: 10 });
  await applyRoute(sql, route({}), 'test');
  await routeFiles(sql, decisions, 'test');
  expect((await closeDueBatches(sql, options)).jobs).toHaveLength(1);
});

test('a route with another rule: the open batch goes by it from the next file on, and never later than it said', async () => {
  const inMinutes = (minutes: number) => new Date(Date.now() + minutes * 60_000);
  await join(['a'], { closeAt: inMinutes(120) });
  await applyRoute(sql, route({ batch: { within: '10m' } }), 'test');
  expect((await closeDueBatches(sql, options)).jobs).toEqual([]);
  await join(['b'], { closeAt: inMinutes(10) });
  await join(['c'], { closeAt: inMinutes(15) });
  const [open] = await sql<
    { minutes: number }[]
  >`SELECT extract(epoch FROM close_at - now())::float8 / 60 AS minutes FROM batches`;
  expect(open?.minutes).toBeGreaterThan(8);
  expect(open?.minutes).toBeLessThanOrEqual(10);
});

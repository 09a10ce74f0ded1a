/** `parse` and `call` as the engine runs them: with a real database behind the records and a real store behind the objects. */
import { randomUUID } from 'node:crypto';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Sql } from '#shared/db/connect-database.ts';
import { applyRoute } from '#shared/definitions/apply-definitions.ts';
import { applyTenants } from '#shared/definitions/apply-tenants.ts';
import { loadRoutingInput } from '#shared/definitions/load-routing-input.ts';
import { type ClaimedJob, claimJobs } from '#shared/jobs/claim-jobs.ts';
import { registerFiles } from '#shared/jobs/register-files.ts';
import { releaseJobs } from '#shared/jobs/release-jobs.ts';
import { routeFiles, type WokenJob } from '#shared/jobs/route-files.ts';
import { wakeJobs } from '#shared/jobs/wake-jobs.ts';
import { createRecordStore } from '#shared/records/create-record-store.ts';
import type { WokenChunk } from '#shared/records/open-records.ts';
import {
  connectTestDatabase,
  createTestRunner,
  jobDue,
  neverStops,
  type TestRunner,
} from '#testkit/beds/job-runner.ts';
import { type StepBench, startStepBench } from '#testkit/beds/step-bed.ts';
import { findRowViolations } from '#testkit/checks/find-row-violations.ts';
import { emptyTables } from '#testkit/seeds/empty-tables.ts';
import { arrivedObject } from '#testkit/seeds/seed-jobs.ts';
import { createTestDatabase, type TestDatabase } from '#testkit/servers/test-database.ts';
import { callStep } from './call/run.ts';
import { parseStep } from './parse/run.ts';
import type { RecordStore } from './record-store.ts';
import type { StepContext, StepKind } from './step-context.ts';

let database: TestDatabase;
let sql: Sql;
let bench: StepBench;
let chunks: WokenChunk[];

beforeAll(async () => {
  [database, bench] = await Promise.all([createTestDatabase(), startStepBench()]);
  sql = connectTestDatabase(database.url);
});

afterAll(async () => {
  await sql?.end({ timeout: 5 });
  await Promise.all([database?.drop(), bench?.stop()]);
});

beforeEach(async () => {
  chunks = [];
  await emptyTables(
    sql,
    'tenants',
    'job_steps',
    'attempts',
    'audit_events',
    'outbox',
    'records',
    'record_chunks',
    'record_attempts',
    'record_keys',
  );
  await applyTenants(sql, [{ id: 'acme', name: 'Acme', timeZone: 'UTC', homeRegion: null, ignoreGlobs: [] }], 'test');
});

afterEach(async () => {
  // A connection that was cut says so once more to whoever asks next.
  await vi.waitFor(async () => expect(await findRowViolations(sql, { isAtRest: false })).toEqual([]), {
    timeout: 60_000,
  });
  expect(await bench.openUploads()).toBe(0);
});

const LAYOUT = {
  format: 'csv',
  columns: [
    { name: 'id', required: true },
    { name: 'n', type: 'integer' },
  ],
  businessKey: ['id'],
  onReject: { action: 'reject-rows', upToShare: '50%' },
};

async function applyRecordRoute(records: object = LAYOUT): Promise<void> {
  const calls = ['validate', 'assign'].map((operation) => ({
    call: { partner: 'globex', operation, code: `${operation.toUpperCase()}_ERROR` },
  }));
  const definition = {
    kind: 'route',
    tenant: 'acme',
    name: 'rfi',
    match: { path: ['**'] },
    records,
    steps: [{ parse: {} }, ...calls],
  };
  await applyRoute(sql, { tenantId: 'acme', name: 'rfi', definition, definitionHash: randomUUID() }, 'test');
}

/** A file in landing, with its job. */
async function send(name: string, body: string): Promise<WokenJob> {
  const landed = await bench.land(`in/${name}`, body);
  const { bucket, key, sizeBytes, versionId = '', etag = '' } = landed;
  const {
    files: [file],
  } = await registerFiles(sql, [arrivedObject({ bucket, key, name, sizeBytes, versionId, etag })], 'test');
  const [input] = await loadRoutingInput(sql, [file?.id ?? '']);
  const route = input?.routes[0];
  if (input === undefined || route === undefined) throw new Error('a routed file was expected');
  const job = {
    id: randomUUID(),
    routeId: route.routeId,
    routeVersionId: route.routeVersionId,
    lane: 'standard' as const,
    queue: 'partner-steps' as const,
    stepKind: 'parse',
    stepCount: 2,
    maxAttempts: 3,
    isOrdered: false,
    headFailure: 'block' as const,
  };
  const [woken] = await routeFiles(sql, [{ fileId: input.fileId, isLarge: false, jobs: [job] }], 'test');
  if (woken === undefined) throw new Error('a job was expected');
  return woken;
}

const real =
  <Options>(step: StepKind<Options>) =>
  (context: StepContext<unknown>) =>
    step.run({ ...context, store: bench.store, bucketNames: bench.bucketNames } as StepContext<Options>);

const recordsOf = (job: Pick<ClaimedJob, 'id' | 'epoch'>): RecordStore =>
  createRecordStore({ sql, job, window: 8, leaseMs: 30_000, onWoken: (woken) => chunks.push(...woken) });

function startRunner(recordStoreFor: (job: ClaimedJob) => RecordStore = recordsOf): TestRunner {
  const runner = createTestRunner({ sql, steps: { parse: real(parseStep), call: real(callStep) }, recordStoreFor });
  runner.start();
  return runner;
}

async function run(due: WokenJob): Promise<void> {
  const runner = startRunner();
  await runner.handle(jobDue(due), neverStops);
  await runner.stop();
}

async function wake(): Promise<WokenJob> {
  await sql`UPDATE jobs SET next_action_at = now() WHERE state = 'WAITING'`;
  const [due] = await wakeJobs(sql, {
    queue: 'partner-steps',
    window: 100,
    limit: 10,
    missing: 100,
    graceMs: 0,
    boundMs: 0,
    actor: 'test',
  });
  if (due === undefined) throw new Error('a job was expected to be due');
  return due;
}

async function jobRow(id: string) {
  const [job] = await sql`
    SELECT state, step_kind, wait_reason, open_records, record_summary, error_code, error_cause, error_message FROM jobs WHERE id = ${id}`;
  return job;
}

const states = (jobId: string) =>
  sql`SELECT line::int, state, error_cause AS cause FROM records WHERE job_id = ${jobId} ORDER BY line`;

/** As the walkers of chunks leave the records behind: every one that is open has come to `state`. */
async function endRecords(jobId: string, state: 'SUCCESS' | 'FAILED'): Promise<void> {
  const code = state === 'FAILED' ? 'VALIDATE_ERROR' : null;
  await sql`UPDATE records SET state = ${state}, chunk_id = NULL, error_code = ${code}, error_cause = ${code && 'HTTP_503'},
      error_message = ${code && 'The partner answered 503.'}
    WHERE job_id = ${jobId} AND state = 'PENDING'`;
  await sql`DELETE FROM record_chunks WHERE job_id = ${jobId}`;
  await sql`UPDATE jobs SET open_records = 0 WHERE id = ${jobId}`;
}

function csvOf(rows: number, bad: readonly number[] = []): string {
  const row = (index: number) => `k${index},${bad.includes(index) ? 'x' : index}\n`;
  return `id,n\n${Array.from({ length: rows }, (_, index) => row(index + 1)).join('')}`;
}

const outbound = async (key: string) => (await bench.read({ bucket: 'test-outbound', key })).toString();

describe('a record file', () => {
  it('is parsed, waits for its records, and ends with a summary and a results file', async () => {
    await applyRecordRoute();
    const job = await send('whole.csv', csvOf(250, [3]));
    await run(job);
    expect(await jobRow(job.id)).toMatchObject({
      state: 'WAITING',
      step_kind: 'call',
      wait_reason: 'RECORDS',
      open_records: 249,
    });
    const carried = await sql<{ lines: number[] }[]>`SELECT lines::int[] FROM record_chunks ORDER BY lines[1]`;
    expect(carried.flatMap(({ lines }) => lines)).toHaveLength(249);
    expect(chunks).toHaveLength(carried.length);
    await endRecords(job.id, 'SUCCESS');
    await run(await wake());
    expect(await jobRow(job.id)).toMatchObject({
      state: 'SUCCEEDED',
      record_summary: { byState: { SUCCESS: 249, REJECTED: 1 }, byCode: { 'PARSE_ERROR COLUMN_TYPE': 1 } },
    });
    const results = (await outbound('acme/results/in/whole.csv')).split('\r\n');
    expect(results).toHaveLength(252);
    expect(results.slice(1, 4)).toEqual([
      '"2","k1","SUCCESS","","","",""',
      '"3","k2","SUCCESS","","","",""',
      expect.stringMatching(/^"4","","REJECTED","PARSE_ERROR","COLUMN_TYPE","The column n .*It is ""x"".",""$/),
    ]);
    expect(await outbound('acme/rejects/in/whole.csv')).toMatch(
      /^id,n,reject_reason\nk3,x,"Line 4: COLUMN_TYPE: [^"]*"\n$/,
    );
  });

  it('whose rows are stored is progress: its parsing is taken over without a further attempt, until what was stored is discarded', async () => {
    await applyRecordRoute();
    const job = await send('halfway.csv', csvOf(10));
    const takeOver = async () => {
      await sql`UPDATE jobs SET lease_until = now() - interval '1 second' WHERE state = 'RUNNING'`;
      const options = {
        worker: 'test/1',
        service: 'partner-worker',
        queue: 'partner-steps',
        kinds: ['parse'],
      } as const;
      const [claimed] = await claimJobs(sql, { ...options, jobIds: [job.id], token: randomUUID(), leaseMs: 60_000 });
      if (claimed === undefined) throw new Error('the job was not taken over');
      return claimed;
    };
    const first = await takeOver();
    const row = { line: 2, businessKey: null, values: { id: 'k1' } };
    const store = recordsOf(first);
    expect((await store.insert([row])).accepted).toBe(1);
    const second = await takeOver();
    expect([second.epoch, second.stepAttempts]).toEqual([2, 1]);
    // Stored already, so nothing new.
    expect((await recordsOf(second).insert([row])).accepted).toBe(0);
    const third = await takeOver();
    expect(third.stepAttempts).toBe(2);
    await recordsOf(third).insert([{ ...row, line: 3 }]);
    await recordsOf(third).discardAccepted();
    expect((await takeOver()).stepAttempts).toBe(3);
  });

  it('fails when as many of its records failed as the route says, and is summed up all the same', async () => {
    await applyRecordRoute({ ...LAYOUT, failJobAt: '50%' });
    const job = await send('failing.csv', csvOf(4));
    await run(job);
    await endRecords(job.id, 'FAILED');
    await run(await wake());
    expect(await jobRow(job.id)).toMatchObject({
      state: 'FAILED',
      error_code: 'RECORDS_ERROR',
      error_cause: 'RECORDS_FAILED',
      record_summary: { byState: { FAILED: 4 }, byCode: { 'VALIDATE_ERROR HTTP_503': 4 } },
    });
  });

  it('is carried again where it was corrected alone: rows that stand for the same key are not', async () => {
    await applyRecordRoute();
    const first = await send('first.csv', csvOf(4, [2]));
    await run(first);
    await endRecords(first.id, 'SUCCESS');
    const corrected = (await outbound('acme/rejects/in/first.csv')).replace('k2,x', 'k2,2');
    const again = await send('again.csv', `${corrected}k1,1,\n`);
    await run(again);
    expect(await states(again.id)).toEqual([
      { line: 2, state: 'PENDING', cause: null },
      { line: 3, state: 'REJECTED', cause: 'RECORD_DUPLICATE' },
    ]);
    expect(await jobRow(again.id)).toMatchObject({ state: 'WAITING', open_records: 1 });
  });

  it('that is held is carried after its release, and not before', async () => {
    await applyRecordRoute({ ...LAYOUT, onReject: 'hold' });
    const job = await send('held.csv', csvOf(3, [1]));
    await run(job);
    expect(await jobRow(job.id)).toMatchObject({ state: 'WAITING', wait_reason: 'HELD', open_records: null });
    expect(chunks).toEqual([]);
    const [released] = await releaseJobs(sql, { jobIds: [job.id], actor: 'ops', reason: 'looked at' });
    if (released === undefined) throw new Error('the job was expected to be released');
    await run(released);
    expect(await jobRow(job.id)).toMatchObject({ state: 'WAITING', wait_reason: 'RECORDS', open_records: 2 });
    expect(chunks).toHaveLength(1);
  });

  it.each([
    [
      'by its route',
      csvOf(
        2_500,
        Array.from({ length: 2_000 }, (_, index) => index + 400),
      ),
      'COLUMN_TYPE',
    ],
    ['by what stands in its middle', `${csvOf(2_500)}"k,1\n`, 'CSV_QUOTE'],
  ])('that is refused %s leaves nothing that could be carried', async (_how, body, cause) => {
    await applyRecordRoute();
    const job = await send('refused.csv', body);
    await run(job);
    expect(await jobRow(job.id)).toMatchObject({ state: 'FAILED', error_code: 'PARSE_ERROR', error_cause: cause });
    const [left] = await sql`
      SELECT (SELECT count(*)::int FROM records WHERE state <> 'REJECTED') AS records,
        (SELECT count(*)::int FROM record_chunks) AS chunks, (SELECT count(*)::int FROM record_keys) AS keys`;
    expect(left).toEqual({ records: 0, chunks: 0, keys: 0 });
  });

  it('goes on where a worker that stopped left it: nothing double, nothing missing, the rejects whole', async () => {
    await applyRecordRoute();
    const bad = [5, 1_005, 2_005, 3_005, 5_005];
    const job = await send('stopped.csv', csvOf(6_000, bad));
    const stop = new AbortController();
    const runner = startRunner((claimed) => stoppingAfter(2, recordsOf(claimed), () => stop.abort()));
    await runner.handle(jobDue(job), stop.signal);
    await runner.stop();
    const there = await states(job.id);
    expect(there.length).toBeGreaterThanOrEqual(2_000);
    expect(there.length).toBeLessThan(6_000);
    await run(await wake());
    expect((await states(job.id)).map(({ line }) => line)).toEqual(
      Array.from({ length: 6_000 }, (_, index) => index + 2),
    );
    expect(await jobRow(job.id)).toMatchObject({ state: 'WAITING', wait_reason: 'RECORDS', open_records: 5_995 });
    expect((await outbound('acme/rejects/in/stopped.csv')).match(/^k\d+/gm)).toEqual(bad.map((index) => `k${index}`));
    const [carried] = await sql`SELECT count(*)::int AS lines FROM (SELECT unnest(lines) FROM record_chunks) AS l`;
    expect(carried).toEqual({ lines: 5_995 });
  });

  it('is parsed in one attempt over a database that loses its connections', async () => {
    await applyRecordRoute();
    const job = await send('cut.csv', csvOf(4_000));
    const runner = startRunner((claimed) => cutDuring(2, recordsOf(claimed)));
    await runner.handle(jobDue(job), neverStops);
    await runner.stop();
    expect(await jobRow(job.id)).toMatchObject({
      state: 'WAITING',
      wait_reason: 'RECORDS',
      open_records: 4_000,
      record_summary: null,
    });
    expect(await sql`SELECT step_kind, attempt, outcome FROM attempts ORDER BY step_seq`).toEqual([
      { step_kind: 'parse', attempt: 1, outcome: 'succeeded' },
      { step_kind: 'call', attempt: 1, outcome: 'wait' },
    ]);
  });

  it('is left alone by a worker that lost it', async () => {
    await applyRecordRoute();
    const job = await send('lost.csv', csvOf(5_000));
    let there: readonly unknown[] = [];
    const loseIt = async () => {
      await takeOver(job.id);
      there = await states(job.id);
    };
    const runner = startRunner((claimed) => stoppingAfter(1, recordsOf(claimed), loseIt));
    await runner.handle(jobDue(job), neverStops);
    await runner.stop();
    expect(there.length).toBeGreaterThanOrEqual(1_000);
    expect(there.length).toBeLessThan(5_000);
    expect(await states(job.id)).toEqual(there);
    expect(await jobRow(job.id)).toMatchObject({ state: 'RUNNING', step_kind: 'parse' });
  });
});

function stoppingAfter(batches: number, store: RecordStore, then: () => unknown): RecordStore {
  let inserted = 0;
  return {
    ...store,
    async insert(records) {
      const result = await store.insert(records);
      inserted += 1;
      if (inserted === batches) await then();
      return result;
    },
  };
}

function cutDuring(batch: number, store: RecordStore): RecordStore {
  let inserted = 0;
  return {
    ...store,
    async insert(records) {
      inserted += 1;
      const [result] = await Promise.all([store.insert(records), inserted === batch ? cutConnections() : undefined]);
      return result;
    },
  };
}

async function cutConnections(): Promise<void> {
  await sql`SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'`;
}

async function takeOver(jobId: string): Promise<void> {
  await sql`UPDATE jobs SET epoch = epoch + 1, worker = 'other/1' WHERE id = ${jobId}`;
}

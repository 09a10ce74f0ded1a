import { randomUUID } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import type { Sql } from '#shared/db/connect-database.ts';
import { cancelJobs, rejectHeldJobs } from '#shared/jobs/end-jobs.ts';
import { releaseJobs } from '#shared/jobs/release-jobs.ts';
import { reopenJobs } from '#shared/jobs/reopen-jobs.ts';
import { findRowViolations } from '#testkit/checks/find-row-violations.ts';
import { emptyTables } from '#testkit/seeds/empty-tables.ts';
import { seedTenant } from '#testkit/seeds/seed-jobs.ts';
import { claimForRecords, newRecord, seedParsingJob, seedRecords, storeStep } from '#testkit/seeds/seed-records.ts';
import { useTestDatabase } from '#testkit/servers/use-test-database.ts';
import { beginRecords, type RecordAt } from './begin-records.ts';
import { type ClaimedChunk, type ClaimedRecord, claimChunks } from './claim-chunks.ts';
import { deleteExpiredKeys } from './delete-expired-keys.ts';
import { countInserted, discardAccepted, findLineBefore, insertRecords } from './insert-records.ts';
import { openRecords } from './open-records.ts';
import { countReopenable, reopenRecords } from './reopen-records.ts';
import { settleChunks } from './settle-chunks.ts';
import { type RecordMove, type RecordOutcome, storeRecordOutcomes } from './store-record-outcomes.ts';
import { summariseByErrors, summariseRecords } from './summarise-records.ts';
import { sweepRecords } from './sweep-records.ts';
import { countStandingChunks, wakeChunks } from './wake-chunks.ts';

let sql: Sql;

useTestDatabase((opened) => {
  sql = opened;
});

beforeEach(async () => {
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
  await seedTenant(sql);
});

afterEach(async () => {
  expect(await findRowViolations(sql, { isAtRest: false })).toEqual([]);
});

const worker = 'test/1';
const sweep = { limit: 500, missing: 0, window: 8, graceMs: 60_000, boundMs: 60_000 };

async function claim(ids: readonly string[], leaseMs = 60_000, token: string = randomUUID()): Promise<ClaimedChunk[]> {
  return await claimChunks(sql, { chunkIds: ids, token, worker, leaseMs });
}

async function claimOne(id: string | undefined, leaseMs?: number): Promise<ClaimedChunk> {
  const [chunk] = await claim([id ?? ''], leaseMs);
  if (chunk === undefined) throw new Error('the chunk was expected to be free');
  return chunk;
}

async function claimInOrder(ids: readonly string[]): Promise<ClaimedChunk[]> {
  const first = ({ records }: ClaimedChunk) => records[0]?.line ?? 0;
  return (await claim(ids)).sort((one, other) => first(one) - first(other));
}

function at(chunk: ClaimedChunk, record: Pick<ClaimedRecord, 'line' | 'step' | 'tries'>, tries: number): RecordAt {
  const { id, epoch, jobId, recordsCreatedAt } = chunk;
  return { chunkId: id, epoch, jobId, createdAt: recordsCreatedAt, line: record.line, step: record.step, tries };
}

const begin = (chunk: ClaimedChunk, record: ClaimedRecord, intent = false) =>
  beginRecords(sql, [{ ...at(chunk, record, record.tries + 1), intent }]);

function outcome(chunk: ClaimedChunk, where: { line: number; step: number; tries: number }, move: RecordMove) {
  const isGood = move.type === 'next-step' || move.type === 'success';
  const result: RecordOutcome = {
    ...at(chunk, where, where.tries),
    generation: chunk.generation,
    stepName: `step-${where.step}`,
    move,
    ...(isGood ? { reply: { reference: `r${where.line}` } } : {}),
    ...(move.type === 'success' ? { reference: `r${where.line}` } : {}),
    ...(isGood || move.type === 'wait'
      ? {}
      : { error: { code: 'VALIDATION_ERROR', cause: 'HTTP_503', message: 'The partner answered HTTP 503.' } }),
    ...(move.type === 'wait'
      ? {}
      : {
          attempt: {
            outcome: isGood ? 'succeeded' : move.type === 'ambiguous' ? 'ambiguous' : 'failed',
            requestId: randomUUID(),
            startedAt: new Date(),
            durationMs: 3,
          },
        }),
  };
  return result;
}

async function store(...outcomes: RecordOutcome[]): Promise<number> {
  return (await storeRecordOutcomes(sql, outcomes, { worker })).stored.length;
}

/** Begins every record of the chunk and ends it as `moveOf` says. */
async function processChunk(chunk: ClaimedChunk, moveOf: (line: number) => RecordMove): Promise<void> {
  for (const record of chunk.records) {
    await begin(chunk, record);
    await store(outcome(chunk, { ...record, tries: record.tries + 1 }, moveOf(record.line)));
  }
}

const settle = (chunk: ClaimedChunk, delayMs = 0) =>
  settleChunks(sql, [{ chunkId: chunk.id, epoch: chunk.epoch, delayMs }], { actor: worker });

async function jobRow(id: string) {
  const [row] = await sql<
    { state: string; openRecords: number | null; generation: number; stepKind: string; fileStatus: string }[]
  >`
    SELECT j.state, j.open_records AS "openRecords", j.generation, j.step_kind AS "stepKind", f.status AS "fileStatus"
    FROM jobs j JOIN files f ON f.id = j.file_id WHERE j.id = ${id}`;
  return row;
}

async function statesOf(jobId: string): Promise<string[]> {
  const rows = await sql<{ state: string }[]>`SELECT state FROM records WHERE job_id = ${jobId} ORDER BY line`;
  return rows.map((row) => row.state);
}

async function untilBlocked(): Promise<void> {
  await vi.waitFor(
    async () => {
      const rows = await sql`
      SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`;
      expect(rows).toHaveLength(1);
    },
    { timeout: 60_000 },
  );
}

const SUCCESS = { type: 'success' } as const;
const LATER = { type: 'later', delayMs: 0 } as const;
const FAILED = { type: 'failed' } as const;

describe('parsing', () => {
  test('rows become records in chunks of 100, and rows that are there already change nothing', async () => {
    const job = await seedParsingJob(sql);
    const records = Array.from({ length: 250 }, (_, index) => newRecord(index + 1));
    const at = { jobId: job.id, epoch: job.epoch };
    expect(await insertRecords(sql, { ...at, records })).toEqual({ accepted: 250, rejected: 0, duplicates: 0 });
    expect(await insertRecords(sql, { ...at, records })).toEqual({ accepted: 0, rejected: 0, duplicates: 0 });
    const chunks = await sql<{ n: number }[]>`SELECT cardinality(lines) AS n FROM record_chunks ORDER BY lines`;
    expect(chunks.map(({ n }) => n)).toEqual([100, 100, 50]);
    expect(await findLineBefore(sql, job.id, 0)).toBe(250);
    expect(await findLineBefore(sql, job.id, 100)).toBe(150);
    expect(await findLineBefore(sql, job.id, 250)).toBe(0);
    expect(await countInserted(sql, job.id)).toEqual({ accepted: 250, rejected: 0, duplicates: 0 });
  });

  test('a stale epoch inserts nothing', async () => {
    const job = await seedParsingJob(sql);
    expect(await insertRecords(sql, { jobId: job.id, epoch: job.epoch - 1, records: [newRecord(1)] })).toBeUndefined();
    expect(await findLineBefore(sql, job.id, 0)).toBe(0);
  });

  test('values that PostgreSQL cannot hold are cleaned, and rejected rows keep their reason', async () => {
    const job = await seedParsingJob(sql);
    const records = [
      { line: 1, businessKey: 'k\0', values: { a: 'x\0\ud800' } },
      { line: 2, businessKey: null, values: null, rejected: { cause: 'COLUMN_TYPE', message: 'no number' } },
    ];
    expect(await insertRecords(sql, { jobId: job.id, epoch: job.epoch, records })).toMatchObject({ rejected: 1 });
    const rows = await sql`SELECT state, error_code, error_cause, "values" FROM records ORDER BY line`;
    expect(rows).toMatchObject([
      { state: 'PENDING', values: { a: 'x\ufffd\ufffd' } },
      { state: 'REJECTED', error_code: 'PARSE_ERROR', error_cause: 'COLUMN_TYPE', values: null },
    ]);
  });

  test('a business key is carried once, until its record failed for good', async () => {
    const first = await seedRecords(sql, { records: 2, keyOf: (line) => `key-${line}` });
    const chunk = await claimOne(first.chunks[0]?.id);
    await processChunk(chunk, (line) => (line === 1 ? SUCCESS : FAILED));
    await settle(chunk);
    const again = await seedParsingJob(sql);
    const records = [newRecord(1, 'key-1'), newRecord(2, 'key-2'), newRecord(3, 'key-3'), newRecord(4, 'key-3')];
    expect(await insertRecords(sql, { jobId: again.id, epoch: again.epoch, records })).toEqual({
      accepted: 2,
      rejected: 0,
      duplicates: 2,
    });
    expect(await statesOf(again.id)).toEqual(['REJECTED', 'PENDING', 'PENDING', 'REJECTED']);
    // The newer row holds the key now: the old record is not called again.
    expect(await countReopenable(sql, { jobId: first.job.id })).toBe(0);
  });

  test('a file refused as a whole leaves its rejected rows only, and frees its keys', async () => {
    const job = await seedParsingJob(sql);
    const at = { jobId: job.id, epoch: job.epoch };
    const rejected = {
      line: 2,
      businessKey: null,
      values: null,
      rejected: { cause: 'COLUMN_TYPE', message: 'no number' },
    };
    await insertRecords(sql, { ...at, records: [newRecord(1, 'key-1'), rejected] });
    expect(await discardAccepted(sql, { ...at, epoch: at.epoch + 1 })).toBe(false);
    expect(await discardAccepted(sql, at)).toBe(true);
    expect(await statesOf(job.id)).toEqual(['REJECTED']);
    expect(await sql`SELECT 1 FROM record_keys`).toHaveLength(0);
    expect(await sql`SELECT 1 FROM record_chunks`).toHaveLength(0);
  });
});

describe('counting', () => {
  const MOVES: readonly RecordMove[] = [
    ...([{ type: 'success' }, { type: 'wait' }, { type: 'failed' }, { type: 'later', delayMs: 0 }] as const),
    ...([{ type: 'ambiguous' }, { type: 'postponed', delayMs: 0 }, { type: 'success' }] as const),
  ];

  test('records that are being carried are counted without being read, after every transition', async () => {
    const keyOf = (line: number) => (line % 40 === 0 ? 'twice' : null);
    const { job, chunks } = await seedRecords(sql, { records: 450, window: 2, keyOf });
    await sql`UPDATE job_steps SET output = '{"records": 450}' WHERE job_id = ${job.id} AND kind = 'parse'`;
    const countBoth = async () => {
      const [known, counted] = [await summariseByErrors(sql, job.id), await summariseRecords(sql, job.id)];
      expect({ ...known, durationMs: 0 }).toEqual({ ...counted, durationMs: 0 });
      return counted;
    };
    // Told by what transitions keep, not by the rows.
    const [idle] = await sql<
      { line: string }[]
    >`SELECT lines[1] AS line FROM record_chunks WHERE woken_at IS NULL LIMIT 1`;
    const change = (state: string) =>
      sql`UPDATE records SET state = ${state} WHERE job_id = ${job.id} AND line = ${idle?.line ?? null}::bigint`;
    await change('SUCCESS');
    expect((await summariseByErrors(sql, job.id)).byState).toEqual({ PENDING: 440, REJECTED: 10 });
    await change('PENDING');
    let turn = 0;
    let reopened = 0;
    let ids = chunks.map(({ id }) => id);
    for (let round = 0; round < 80 && ids.length > 0; round += 1) {
      const [chunk, ...others] = await claim(ids.slice(0, 2));
      for (const record of chunk?.records ?? []) {
        if (chunk === undefined) break;
        if (record.state === 'PENDING') await begin(chunk, record);
        turn += 1;
        if (turn % 20 === 0) await countBoth();
        // A worker that is killed leaves some of them begun.
        if (turn % 23 === 0) break;
        const move = MOVES[turn % MOVES.length] ?? SUCCESS;
        const tries = record.tries + Number(record.state === 'PENDING');
        await store(outcome(chunk, { ...record, tries }, move));
      }
      await countBoth();
      const woken: { readonly id: string }[] = [];
      for (const each of [...(chunk ? [chunk] : []), ...others]) woken.push(...(await settle(each)).chunks);
      await countBoth();
      if (round % 7 === 5) reopened += await reopenRecords(sql, { jobId: job.id, actor: worker, reason: 'a test' });
      woken.push(...(await sweepRecords(sql, { limit: 500, actor: worker })), ...(await wakeChunks(sql, sweep)));
      await countBoth();
      ids = [...new Set([...ids.slice(2), ...woken.map(({ id }) => id)])];
    }
    const { byState } = await countBoth();
    expect(byState.SUCCESS).toBeGreaterThan(50);
    expect(byState.AMBIGUOUS).toBeGreaterThan(10);
    expect(reopened).toBeGreaterThan(0);
  });
});

describe('carrying', () => {
  test('no chunk is claimed before its job’s records are opened', async () => {
    const job = await seedParsingJob(sql);
    await insertRecords(sql, { jobId: job.id, epoch: job.epoch, records: [newRecord(1)] });
    const [chunk] = await sql<{ id: string }[]>`SELECT id FROM record_chunks`;
    expect(await claim([chunk?.id ?? ''])).toEqual([]);
    expect(await wakeChunks(sql, sweep)).toEqual([]);
  });

  test('the job is woken by the statement that settles its last chunk, and not before', async () => {
    const { job, chunks } = await seedRecords(sql, { records: 150 });
    expect(chunks).toHaveLength(2);
    const [one, other] = await claimInOrder(chunks.map(({ id }) => id));
    if (one === undefined || other === undefined) throw new Error('two chunks were expected');
    await processChunk(one, () => SUCCESS);
    expect(await settle(one)).toMatchObject({ jobs: [], settled: [{ isDone: true }] });
    expect(await jobRow(job.id)).toMatchObject({ state: 'WAITING', openRecords: 50 });
    await processChunk(other, () => SUCCESS);
    expect(await settle(other)).toMatchObject({ jobs: [{ id: job.id, queue: 'partner-steps' }] });
    expect(await jobRow(job.id)).toMatchObject({ state: 'PENDING', openRecords: 0 });
    expect(await settle(other)).toEqual({ settled: [], chunks: [], jobs: [] });
    expect(await summariseRecords(sql, job.id)).toMatchObject({ byState: { SUCCESS: 150 }, byCode: {} });
  });

  test('a job that is about to wait for records that just ended does not wait', async () => {
    const { job, chunks } = await seedRecords(sql, { records: 1 });
    await sql`UPDATE jobs SET next_action_at = now() WHERE id = ${job.id}`;
    const claimed = await claimForRecords(sql, job.id);
    const chunk = await claimOne(chunks[0]?.id);
    await processChunk(chunk, () => SUCCESS);
    await settle(chunk);
    await storeStep(sql, claimed, { type: 'later', delayMs: 300_000, countsAttempt: false, reason: 'RECORDS' });
    const rows = await sql`SELECT 1 FROM jobs WHERE state = 'WAITING' AND next_action_at <= now()`;
    expect(rows).toHaveLength(1);
  });

  test('chunks stand in the queue of their job’s lane, whoever wakes them', async () => {
    const { job, chunks } = await seedRecords(sql, { records: 300, window: 1 });
    await sql`UPDATE jobs SET lane = 'bronze' WHERE id = ${job.id}`;
    const chunk = await claimOne(chunks[0]?.id);
    await processChunk(chunk, () => SUCCESS);
    expect((await settle(chunk)).chunks).toMatchObject([{ queue: 'bronze-steps' }]);
    expect(await wakeChunks(sql, { ...sweep, window: 2 })).toMatchObject([{ queue: 'bronze-steps' }]);
    expect(await countStandingChunks(sql, 'bronze-steps')).toEqual({ standing: 2, running: 0 });
    expect(await countStandingChunks(sql, 'partner-steps')).toEqual({ standing: 0, running: 0 });
  });

  test('each chunk that is done lets in the next of its job', async () => {
    const { chunks } = await seedRecords(sql, { records: 300, window: 1 });
    expect(chunks).toHaveLength(1);
    const chunk = await claimOne(chunks[0]?.id);
    await processChunk(chunk, () => SUCCESS);
    const { chunks: next } = await settle(chunk);
    expect(next).toMatchObject([{ wake: 1 }]);
    expect(await countStandingChunks(sql, 'partner-steps')).toEqual({ standing: 1, running: 0 });
    expect(await wakeChunks(sql, { ...sweep, window: 1 })).toEqual([]);
    expect(await wakeChunks(sql, { ...sweep, window: 2 })).toHaveLength(1);
  });

  test('a record walks on with its reply, and every try is kept', async () => {
    const { job, chunks } = await seedRecords(sql, { records: 1 });
    const chunk = await claimOne(chunks[0]?.id);
    const [record] = chunk.records;
    if (record === undefined) throw new Error('a record was expected');
    await begin(chunk, record);
    await store(outcome(chunk, { line: 1, step: 0, tries: 1 }, { type: 'next-step' }));
    await store(outcome(chunk, { line: 1, step: 1, tries: 1 }, SUCCESS));
    const rows = await sql`SELECT state, step, replies, reference FROM records`;
    expect(rows).toEqual([
      {
        state: 'SUCCESS',
        step: 1,
        replies: { 'step-0': { reference: 'r1' }, 'step-1': { reference: 'r1' } },
        reference: 'r1',
      },
    ]);
    const tries = await sql`SELECT step, attempt, outcome FROM record_attempts WHERE job_id = ${job.id} ORDER BY step`;
    expect(tries).toEqual([
      { step: 0, attempt: 1, outcome: 'succeeded' },
      { step: 1, attempt: 1, outcome: 'succeeded' },
    ]);
  });

  test('a begin whose reply was lost is counted once', async () => {
    const { chunks } = await seedRecords(sql, { records: 1 });
    const chunk = await claimOne(chunks[0]?.id);
    const [record] = chunk.records;
    if (record === undefined) throw new Error('a record was expected');
    expect(await begin(chunk, record)).toHaveLength(1);
    expect(await begin(chunk, record, true)).toHaveLength(1);
    expect(await sql`SELECT tries, has_intent FROM records`).toEqual([{ tries: 1, has_intent: true }]);
  });

  test('a wait counts no try, and the chunk comes again', async () => {
    const { chunks } = await seedRecords(sql, { records: 1 });
    const chunk = await claimOne(chunks[0]?.id);
    await processChunk(chunk, () => ({ type: 'wait' }));
    expect(await settle(chunk)).toMatchObject({ settled: [{ isDone: false }], chunks: [], jobs: [] });
    expect(await sql`SELECT state, tries FROM records`).toEqual([{ state: 'PENDING', tries: 0 }]);
    expect(await wakeChunks(sql, sweep)).toHaveLength(1);
    expect(await claim([chunk.id])).toMatchObject([{ epoch: 2, records: [{ line: 1, tries: 0 }] }]);
  });

  test('a chunk that was woken for months costs no other chunk its wake-up', async () => {
    const { chunks } = await seedRecords(sql, { records: 150 });
    await sql`UPDATE record_chunks SET woken_at = now() - interval '2 days', wakes = CASE WHEN id = ${chunks[0]?.id ?? ''} THEN 2000 ELSE 1 END`;
    expect(await wakeChunks(sql, sweep)).toHaveLength(2);
  });

  test('a chunk that is not due is not claimed', async () => {
    const { chunks } = await seedRecords(sql, { records: 1 });
    const chunk = await claimOne(chunks[0]?.id);
    await settle(chunk, 60_000);
    expect(await claim([chunk.id])).toEqual([]);
    expect(await wakeChunks(sql, sweep)).toEqual([]);
  });
});

describe('taking over', () => {
  test('a repeated claim gives the same rows, another one nothing', async () => {
    const { chunks } = await seedRecords(sql, { records: 2 });
    const ids = chunks.map(({ id }) => id);
    const token = randomUUID();
    const first = await claim(ids, 60_000, token);
    expect(await claim(ids, 60_000, token)).toEqual(first);
    expect(await claim(ids)).toEqual([]);
  });

  test('whoever held the chunk before can begin, store and settle nothing', async () => {
    const { chunks } = await seedRecords(sql, { records: 2 });
    const stale = await claimOne(chunks[0]?.id, 0);
    const [one, other] = stale.records;
    if (one === undefined || other === undefined) throw new Error('two records were expected');
    await begin(stale, one, true);
    expect(await wakeChunks(sql, sweep)).toHaveLength(1);
    const held = await claimOne(stale.id);
    expect(held.records).toMatchObject([
      { line: 1, state: 'RUNNING', tries: 1, hasIntent: true },
      { line: 2, state: 'PENDING' },
    ]);
    expect(await begin(stale, other)).toEqual([]);
    expect(await store(outcome(stale, { line: 1, step: 0, tries: 1 }, SUCCESS))).toBe(0);
    expect(await settle(stale)).toMatchObject({ settled: [] });
    expect(await sql`SELECT 1 FROM record_attempts`).toHaveLength(0);
  });

  test('one row that the database refuses does not cost the others', async () => {
    const { chunks } = await seedRecords(sql, { records: 2 });
    const chunk = await claimOne(chunks[0]?.id);
    for (const record of chunk.records) await begin(chunk, record);
    const [good, bad] = chunk.records.map((record) => outcome(chunk, { ...record, tries: 1 }, SUCCESS));
    if (good === undefined || bad?.attempt === undefined) throw new Error('two records were expected');
    const broken = { ...bad, attempt: { ...bad.attempt, requestId: 'no uuid' } };
    const { stored, refused } = await storeRecordOutcomes(sql, [good, broken], { worker });
    expect(stored).toMatchObject([{ line: 1 }]);
    expect(refused.map(({ row }) => row.line)).toEqual([2]);
  });
});

describe('sweeping', () => {
  test('what failed for now goes into a new chunk, and is counted there alone', async () => {
    const { job, chunks } = await seedRecords(sql, { records: 2 });
    const first = await claimOne(chunks[0]?.id);
    const [one, other] = first.records;
    if (one === undefined || other === undefined) throw new Error('two records were expected');
    await begin(first, one);
    await store(outcome(first, { ...one, tries: 1 }, LATER));
    // Swept while its first chunk is still carried.
    const [second] = await sweepRecords(sql, { limit: 100, actor: 'sweeper' });
    const swept = await claimOne(second?.id);
    expect(swept.records).toMatchObject([{ line: 1, tries: 1, step: 0 }]);
    await processChunk(swept, () => SUCCESS);
    expect(await settle(swept)).toMatchObject({ jobs: [] });
    await begin(first, other);
    await store(outcome(first, { ...other, tries: 1 }, SUCCESS));
    expect(await settle(first)).toMatchObject({ settled: [{ isDone: true }], jobs: [{ id: job.id }] });
    expect(await jobRow(job.id)).toMatchObject({ openRecords: 0 });
    expect(await sweepRecords(sql, { limit: 100, actor: 'sweeper' })).toEqual([]);
  });

  test('what is not due is left alone', async () => {
    const { chunks } = await seedRecords(sql, { records: 1 });
    const chunk = await claimOne(chunks[0]?.id);
    await processChunk(chunk, () => ({ type: 'later', delayMs: 60_000 }));
    await settle(chunk);
    expect(await sweepRecords(sql, { limit: 100, actor: 'sweeper' })).toEqual([]);
  });

  test('a lost wake-up is sent again once the queue’s count proves it', async () => {
    await seedRecords(sql, { records: 1 });
    expect(await wakeChunks(sql, sweep)).toEqual([]);
    expect(await wakeChunks(sql, { ...sweep, missing: 1, graceMs: 0 })).toMatchObject([{ wake: 2 }]);
    expect(await wakeChunks(sql, { ...sweep, boundMs: 0 })).toMatchObject([{ wake: 3 }]);
  });
});

describe('an operator’s word', () => {
  const word = { actor: 'operator:test', reason: 'the partner is back' };

  test('takes up the failed records of a job that still carries others', async () => {
    const { job, chunks } = await seedRecords(sql, { records: 101 });
    const [one, other] = await claimInOrder(chunks.map(({ id }) => id));
    if (one === undefined || other === undefined) throw new Error('two chunks were expected');
    await processChunk(one, (line) => (line <= 2 ? FAILED : SUCCESS));
    // Still in its chunk: a worker is at it.
    expect(await countReopenable(sql, { jobId: job.id })).toBe(0);
    await settle(one);
    expect(await countReopenable(sql, { jobId: job.id, codes: ['VALIDATION_ERROR'], lines: [2, 3] })).toBe(1);
    expect(await reopenRecords(sql, { jobId: job.id, ...word })).toBe(2);
    expect(await jobRow(job.id)).toMatchObject({ state: 'WAITING', openRecords: 3, generation: 1 });
    const [swept] = await sweepRecords(sql, { limit: 100, actor: 'sweeper' });
    const chunk = await claimOne(swept?.id);
    await processChunk(chunk, () => SUCCESS);
    await settle(chunk);
    await processChunk(other, () => SUCCESS);
    expect(await settle(other)).toMatchObject({ jobs: [{ id: job.id }] });
  });

  test('takes a job that ended back to its record steps, one record after the other', async () => {
    const { job, chunks } = await seedRecords(sql, { records: 3 });
    const chunk = await claimOne(chunks[0]?.id);
    await processChunk(chunk, (line) => (line === 3 ? { type: 'ambiguous' } : line === 2 ? FAILED : SUCCESS));
    await settle(chunk);
    const claimed = await claimForRecords(sql, job.id);
    await storeStep(sql, claimed, { type: 'next-step', stepSeq: 2, stepKind: 'deliver' });
    await storeStep(sql, { ...claimed, stepSeq: 2, stepKind: 'deliver' }, { type: 'succeeded' });
    const reopened = await reopenRecords(sql, {
      jobId: job.id,
      states: ['FAILED', 'AMBIGUOUS'],
      perSecond: 0.01,
      asNew: true,
      ...word,
    });
    expect(reopened).toBe(2);
    expect(await jobRow(job.id)).toEqual({
      state: 'WAITING',
      openRecords: 2,
      generation: 2,
      stepKind: 'call',
      fileStatus: 'PROCESSING',
    });
    expect(await sql`SELECT key_generation FROM records ORDER BY line`).toMatchObject([
      { key_generation: 0 },
      { key_generation: 1 },
      { key_generation: 1 },
    ]);
    const [swept] = await sweepRecords(sql, { limit: 100, actor: 'sweeper' });
    expect((await claimOne(swept?.id)).records).toMatchObject([{ line: 2, tries: 0 }]);
    const rows = await sql`SELECT type FROM audit_events WHERE type LIKE '%.reopened' ORDER BY type`;
    expect(rows).toEqual([{ type: 'job.reopened' }, { type: 'records.reopened' }]);
  });

  test.each(['the operator first', 'the file first'])(
    'a record and its newer row are not both carried: %s',
    async (who) => {
      const { job, chunks } = await seedRecords(sql, { records: 2, keyOf: (line) => (line === 1 ? 'key' : null) });
      const chunk = await claimOne(chunks[0]?.id);
      await processChunk(chunk, (line) => (line === 1 ? FAILED : { type: 'later', delayMs: 60_000 }));
      await settle(chunk);
      const newer = await seedParsingJob(sql);
      const reopen = (on: Sql) => reopenRecords(on, { jobId: job.id, ...word });
      const insert = async (on: Sql) =>
        (await insertRecords(on, { jobId: newer.id, epoch: newer.epoch, records: [newRecord(1, 'key')] }))?.accepted;
      const [first, second] = who === 'the operator first' ? [reopen, insert] : [insert, reopen];
      const held = await sql.reserve();
      try {
        await held`BEGIN`;
        expect(await first(held)).toBe(1);
        const waiting = second(sql);
        await untilBlocked();
        await held`COMMIT`;
        expect(await waiting).toBe(0);
      } finally {
        await held`ROLLBACK`;
        held.release();
      }
    },
  );

  test('a cancelled job’s chunks go, and come anew when it is reopened', async () => {
    const { job, chunks } = await seedRecords(sql, { records: 3 });
    const chunk = await claimOne(chunks[0]?.id);
    const [one, two, three] = chunk.records;
    if (one === undefined || two === undefined || three === undefined) throw new Error('three records were expected');
    await begin(chunk, one);
    await store(outcome(chunk, { ...one, tries: 1 }, SUCCESS));
    await begin(chunk, two, true);
    await begin(chunk, three);
    await store(outcome(chunk, { ...three, tries: 1 }, LATER));
    await cancelJobs(sql, { jobIds: [job.id], ...word });
    expect(await store(outcome(chunk, { ...two, tries: 1 }, SUCCESS))).toBe(0);
    expect(await sweepRecords(sql, { limit: 100, actor: 'sweeper' })).toEqual([]);
    await reopenJobs(sql, { jobIds: [job.id], ...word });
    const claimed = await claimForRecords(sql, job.id);
    const opened = await openRecords(sql, { jobId: job.id, epoch: claimed.epoch, window: 8 });
    expect(opened).toMatchObject({ openRecords: 2, woken: [{}] });
    const again = await claimOne(opened?.woken[0]?.id);
    expect(again.records).toMatchObject([
      { line: 2, state: 'RUNNING', hasIntent: true },
      { line: 3, state: 'PENDING', tries: 1 },
    ]);
  });

  test('a reopened job leaves out the rows that were sent again meanwhile', async () => {
    const keyOf = (line: number) => (line === 3 ? null : `key-${line}`);
    const { job, chunks } = await seedRecords(sql, { records: 4, keyOf });
    const chunk = await claimOne(chunks[0]?.id);
    const [one, two] = chunk.records;
    if (one === undefined || two === undefined) throw new Error('two records were expected');
    await begin(chunk, one);
    await store(outcome(chunk, { ...one, tries: 1 }, SUCCESS));
    await begin(chunk, two);
    await store(outcome(chunk, { ...two, tries: 1 }, LATER));
    await cancelJobs(sql, { jobIds: [job.id], ...word });
    const { job: newer } = await seedRecords(sql, { records: 2, keyOf });
    expect(await statesOf(newer.id)).toEqual(['REJECTED', 'PENDING']);
    await reopenJobs(sql, { jobIds: [job.id], ...word });
    const claimed = await claimForRecords(sql, job.id);
    const opened = await openRecords(sql, { jobId: job.id, epoch: claimed.epoch, window: 8 });
    expect(opened).toMatchObject({ openRecords: 2, woken: [{}] });
    expect((await claimOne(opened?.woken[0]?.id)).records).toMatchObject([{ line: 3 }, { line: 4 }]);
    const rows = await sql`
      SELECT state, error_cause, next_attempt_at FROM records WHERE job_id = ${job.id} AND line = 2`;
    expect(rows).toEqual([{ state: 'REJECTED', error_cause: 'RECORD_DUPLICATE', next_attempt_at: null }]);
  });

  test('a row whose call was under way when its job was cancelled keeps its key', async () => {
    const keyOf = (line: number) => `key-${line}`;
    const { job, chunks } = await seedRecords(sql, { records: 1, keyOf });
    const chunk = await claimOne(chunks[0]?.id);
    const [record] = chunk.records;
    if (record === undefined) throw new Error('a record was expected');
    await begin(chunk, record, true);
    await cancelJobs(sql, { jobIds: [job.id], ...word });
    const newer = await seedParsingJob(sql);
    const inserted = await insertRecords(sql, {
      jobId: newer.id,
      epoch: newer.epoch,
      records: [newRecord(1, keyOf(1))],
    });
    expect(inserted).toEqual({ accepted: 0, rejected: 0, duplicates: 1 });
  });

  test('a held job is released or rejected, and no other job is', async () => {
    const { job } = await seedRecords(sql, { records: 1 });
    expect(await releaseJobs(sql, { jobIds: [job.id], ...word })).toEqual([]);
    expect(await rejectHeldJobs(sql, { jobIds: [job.id], ...word })).toMatchObject({ jobIds: [] });
    await sql`UPDATE jobs SET wait_reason = 'HELD' WHERE id = ${job.id}`;
    expect(await releaseJobs(sql, { jobIds: [job.id], ...word })).toMatchObject([{ id: job.id }]);
    await sql`UPDATE jobs SET state = 'WAITING', wait_reason = 'HELD', next_action_at = now() WHERE id = ${job.id}`;
    expect(await rejectHeldJobs(sql, { jobIds: [job.id], ...word })).toMatchObject({ jobIds: [job.id] });
    expect(await jobRow(job.id)).toMatchObject({ state: 'FAILED' });
  });
});

test('business keys past retention go in batches, and those after it stay', async () => {
  const job = await seedParsingJob(sql);
  const records = Array.from({ length: 7 }, (_, index) => newRecord(index + 1, `key-${index}`));
  await insertRecords(sql, { jobId: job.id, epoch: job.epoch, records });
  await sql`UPDATE record_keys SET created_at = now() - interval '500 days' WHERE line <= 5`;
  const before = new Date(Date.now() - 400 * 86_400_000);
  const signal = new AbortController().signal;
  expect(await deleteExpiredKeys(sql, before, AbortSignal.abort())).toBe(0);
  expect(await deleteExpiredKeys(sql, before, signal, 2)).toBe(5);
  expect(await deleteExpiredKeys(sql, before, signal, 2)).toBe(0);
  expect(await sql`SELECT line::int FROM record_keys ORDER BY line`).toEqual([{ line: 6 }, { line: 7 }]);
});

test.each(['force_custom_plan', 'force_generic_plan'])(
  'with %s, beginning and storing read the records that they change, and not the others of their job',
  async (mode) => {
    const { chunks } = await seedRecords(sql, { records: 20_000 });
    await sql`ANALYZE records, record_chunks`;
    const chunk = await claimOne(chunks[0]?.id);
    const moving = chunk.records.slice(0, 35);
    const tx = await sql.reserve();
    try {
      await tx`BEGIN`;
      await tx.unsafe(`SET LOCAL plan_cache_mode = ${mode}`);
      const before = await rowsRead(tx);
      await beginRecords(
        tx,
        moving.map((record) => ({ ...at(chunk, record, record.tries + 1), intent: false })),
      );
      const outcomes = moving.map((record) =>
        outcome(chunk, { ...record, tries: record.tries + 1 }, { type: 'next-step' }),
      );
      expect((await storeRecordOutcomes(tx, outcomes, { worker })).stored).toHaveLength(35);
      expect((await rowsRead(tx)) - before).toBeLessThan(500);
    } finally {
      await tx`COMMIT`;
      tx.release();
    }
  },
);

/** Also those of earlier transactions whose counts the server has not passed on yet, which it does at most once a second. */
async function rowsRead(tx: Sql): Promise<number> {
  const [read] = await tx<{ rows: number }[]>`
    SELECT sum(seq_tup_read + coalesce(idx_tup_fetch, 0))::int AS rows FROM pg_stat_xact_user_tables WHERE relname LIKE 'records\_%'`;
  return read?.rows ?? Number.NaN;
}

import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { RecordMove } from '#shared/records/store-record-outcomes.ts';
import { summariseRecords } from '#shared/records/summarise-records.ts';
import { sweepRecords } from '#shared/records/sweep-records.ts';
import { processRecords } from '#testkit/beds/process-records.ts';
import { startTestApi, type TestApi } from '#testkit/beds/start-test-api.ts';
import { seedJobs, seedTenant } from '#testkit/seeds/seed-jobs.ts';
import { claimForRecords, type SeededRecords, seedRecords, storeStep } from '#testkit/seeds/seed-records.ts';
import { createRecordCounter } from './count-records.ts';

let api: TestApi;
beforeAll(async () => {
  api = await startTestApi();
  await seedTenant(api.sql);
});
afterAll(() => api.stop());

const DEFINITION = {
  records: { columns: [{ name: 'id' }, { name: 'pin', sensitive: true }], businessKey: ['id', 'pin'] },
  steps: [
    { parse: {} },
    { call: { partner: 'p', operation: 'validate' } },
    { call: { partner: 'p', operation: 'verify', name: 'check' } },
    { deliver: {} },
  ],
};

/** 1 and 2 succeed, 3 waits for its next try, 4 failed, 5 is ambiguous. */
const MOVES: Readonly<Record<number, RecordMove>> = {
  3: { type: 'later', delayMs: 600_000 },
  4: { type: 'failed' },
  5: { type: 'ambiguous' },
};

let seeded: SeededRecords;
let jobId: string;
beforeEach(async () => {
  await api.sql`UPDATE route_versions SET definition = ${api.sql.json(DEFINITION)}`;
  seeded = await seedRecords(api.sql, {
    records: 5,
    keyOf: (line) => JSON.stringify([`k${line}-${randomUUID()}`, '4711']),
  });
  jobId = seeded.job.id;
  await api.sql`UPDATE records SET "values" = jsonb_build_object('id', line::text, 'pin', '4711', 'odd', 'x') WHERE job_id = ${jobId}`;
});

async function ask(method: 'GET' | 'POST', path: string, payload?: object, key = api.keys.operator) {
  const response = await api.app.inject({
    method,
    url: `/api/v1/jobs/${path}`,
    headers: { 'x-api-key': key },
    ...(payload === undefined ? {} : { payload }),
  });
  return { status: response.statusCode, body: response.json(), text: response.body };
}

const processAll = () => processRecords(api.sql, seeded.chunks, (line) => MOVES[line] ?? { type: 'success' });

/** The job ends as it would when its records are the reason. */
async function failJob(cause = 'RECORDS_FAILED'): Promise<void> {
  await api.sql`UPDATE jobs SET next_action_at = now() WHERE id = ${jobId} AND state = 'WAITING'`;
  await claimForRecords(api.sql, jobId);
  await api.sql`
    WITH ended AS (
      UPDATE jobs SET state = 'FAILED', finished_at = now(), lease_until = NULL, claim_token = NULL, error_code = 'RECORDS_ERROR',
        error_cause = ${cause}, error_message = 'm', open_records = 0 WHERE id = ${jobId} RETURNING *),
    step AS (
      INSERT INTO job_steps (job_id, seq, kind, state, attempts, started_at, finished_at)
      SELECT id, 1, 'call', 'FAILED', 1, now(), now() FROM ended ON CONFLICT DO NOTHING)
    UPDATE files SET open_jobs = 0, failed_jobs = 1, error_code = 'RECORDS_ERROR' WHERE id = (SELECT file_id FROM ended)`;
}

describe('records', () => {
  test('come in the order of the file, in pages that hold each once', async () => {
    const lines: number[] = [];
    let cursor: string | null = null;
    do {
      const query: string = cursor === null ? '' : `&cursor=${cursor}`;
      const { body } = await ask('GET', `${jobId}/records?limit=2${query}`);
      lines.push(...body.records.map(({ line }: { line: number }) => line));
      cursor = body.next_cursor;
    } while (cursor !== null);
    expect(lines).toEqual([1, 2, 3, 4, 5]);
  });

  test('tell where each stands and why, and are found by state, code and line', async () => {
    await processAll();
    const { body } = await ask('GET', `${jobId}/records`);
    expect(body.records).toMatchObject([
      { line: 1, state: 'SUCCESS', step: 'validate', tries: 1, reference: 'r1', error: null, next_attempt_at: null },
      { line: 2, state: 'SUCCESS' },
      { line: 3, state: 'FAILED', next_attempt_at: expect.stringMatching(/Z$/) },
      { line: 4, state: 'FAILED', next_attempt_at: null, error: { code: 'VALIDATION_ERROR', cause: 'HTTP_503' } },
      { line: 5, state: 'AMBIGUOUS' },
    ]);
    const found = async (query: string) =>
      (await ask('GET', `${jobId}/records?${query}`)).body.records.map(({ line }: { line: number }) => line);
    expect(await found('state=FAILED')).toEqual([3, 4]);
    expect(await found('code=VALIDATION_ERROR')).toEqual([3, 4, 5]);
    expect(await found('code=OTHER')).toEqual([]);
    expect(await found('line=4')).toEqual([4]);
    expect(await found('line=4&state=SUCCESS')).toEqual([]);
  });

  test('show their values to operators who ask, and what is sensitive to nobody', async () => {
    const plain = await ask('GET', `${jobId}/records`);
    expect(plain.body.records[0]).not.toHaveProperty('values');
    expect(plain.body.records[0].key).toMatch(/^\["k1-.*","\*\*\*"\]$/);
    const shown = await ask('GET', `${jobId}/records?values=true`);
    expect(shown.body.records[0].values).toEqual({ id: '1', pin: '***', odd: '***' });
    const one = await ask('GET', `${jobId}/records/1?values=true`);
    expect(one.body.values).toEqual({ id: '1', pin: '***', odd: '***' });
    for (const { text } of [plain, shown, one]) expect(text).not.toContain('4711');
    for (const path of [`${jobId}/records?values=true`, `${jobId}/records/1?values=true`])
      expect((await ask('GET', path, undefined, api.keys.acme)).body.code).toBe('FORBIDDEN');
  });

  test('show each of their attempts', async () => {
    await processAll();
    const { body } = await ask('GET', `${jobId}/records/4`);
    expect(body).toMatchObject({ line: 4, state: 'FAILED' });
    expect(body.attempts).toMatchObject([
      { generation: 1, step: 'step-0', attempt: 1, outcome: 'failed', http_status: 503, error: { cause: 'HTTP_503' } },
    ]);
    expect((await ask('GET', `${jobId}/records/6`)).status).toBe(404);
    expect((await ask('GET', `${jobId}/records/0`)).status).toBe(400);
  });

  test('of a job without any are refused with a code of their own', async () => {
    await api.sql`UPDATE route_versions SET definition = '{"steps":[{"deliver":{}}]}'`;
    const [job] = await seedJobs(api.sql);
    const payload = { reason: 'r' };
    for (const answer of [
      await ask('GET', `${job!.id}/records`),
      await ask('GET', `${job!.id}/records/1`),
      await ask('POST', `${job!.id}/records/retry`, payload),
    ])
      expect([answer.status, answer.body.code]).toEqual([409, 'JOB_HAS_NO_RECORDS']);
    expect((await ask('GET', job!.id)).body).toMatchObject({ record_summary: null, open_records: null });
  });

  test('are counted in their job, while they are carried and after', async () => {
    const counted = async () => (await ask('GET', jobId)).body;
    await processAll();
    expect(await counted()).toMatchObject({
      open_records: 1,
      wait_reason: 'RECORDS',
      record_summary: {
        by_state: { AMBIGUOUS: 1, FAILED: 2, SUCCESS: 2 },
        by_code: { 'VALIDATION_ERROR HTTP_503': 3 },
      },
    });
    const kept = { byState: { SUCCESS: 5 }, byCode: {}, durationMs: 7 };
    await api.sql`UPDATE jobs SET record_summary = ${api.sql.json(kept)} WHERE id = ${jobId}`;
    expect((await counted()).record_summary).toEqual({ by_state: { SUCCESS: 5 }, by_code: {}, duration_ms: 7 });
  });

  test('of another tenant are not there', async () => {
    const calls = [
      await ask('GET', `${jobId}/records`, undefined, api.keys.globex),
      await ask('GET', `${jobId}/records/1`, undefined, api.keys.globex),
      await ask('POST', `${jobId}/records/retry`, { dry_run: true }, api.keys.globex),
      await ask('POST', `${jobId}/release`, { reason: 'x' }, api.keys.globex),
      await ask('POST', `${jobId}/reject`, { reason: 'x' }, api.keys.globex),
    ];
    expect(calls.map(({ status }) => status)).toEqual([404, 404, 404, 404, 404]);
    expect((await ask('GET', `${jobId}/records`, undefined, api.keys.acme)).status).toBe(200);
  });
});

describe('a person’s word on records', () => {
  const retry = (body: object) => ask('POST', `${jobId}/records/retry`, body);

  test('counts first, then takes up the failed ones alone, with its reason in the audit', async () => {
    await processAll();
    expect((await retry({ dry_run: true })).body).toEqual({ dry_run: true, records: 1, ambiguous: 1 });
    expect((await retry({})).body.code).toBe('REQUEST_INVALID');
    expect((await retry({ reason: 'the partner is back' })).body).toEqual({
      dry_run: false,
      records: 1,
      ambiguous: 1,
    });
    const [swept] = await sweepRecords(api.sql, { limit: 100, actor: 'sweeper' });
    expect(swept).toMatchObject({ jobId });
    const { audit } = (await ask('GET', jobId)).body;
    expect(audit.find(({ type }: { type: string }) => type === 'records.reopened')).toMatchObject({
      actor: 'operator:operator',
      detail: { records: 1, reason: 'the partner is back', asNew: false },
    });
  });

  test('takes ambiguous ones only when it names them, and as new only when it says so', async () => {
    await processAll();
    const lines = [5];
    const unnamed = await retry({ lines, reason: 'r' });
    expect([unnamed.status, unnamed.body.code]).toEqual([409, 'RECORDS_AMBIGUOUS']);
    expect((await retry({ lines, states: ['AMBIGUOUS'], dry_run: true })).body.records).toBe(1);
    expect((await retry({ lines, states: ['AMBIGUOUS'], as_new: true, reason: 'r' })).body.records).toBe(1);
    expect(await api.sql`SELECT key_generation, state FROM records WHERE job_id = ${jobId} AND line = 5`).toEqual([
      { key_generation: 1, state: 'PENDING' },
    ]);
  });

  test('that fits no record is refused, and previews as none', async () => {
    await processAll();
    const refused = await retry({ codes: ['OTHER'], reason: 'r' });
    expect([refused.status, refused.body.code]).toEqual([409, 'RECORDS_NOT_RETRYABLE']);
    expect((await retry({ codes: ['OTHER'], dry_run: true })).body).toEqual({
      dry_run: true,
      records: 0,
      ambiguous: 0,
    });
  });

  test('spreads the calls at the rate that it names', async () => {
    await processRecords(api.sql, seeded.chunks, (line) => MOVES[line === 3 ? 3 : 4] as RecordMove);
    const { body } = await retry({ rate_per_second: 0.2, reason: 'r' });
    expect(body).toMatchObject({ records: 4 });
    const [row] = await api.sql`
      SELECT extract(epoch FROM max(next_attempt_at) - min(next_attempt_at))::int AS seconds
      FROM records WHERE job_id = ${jobId} AND state = 'PENDING'`;
    expect(row?.seconds).toBe(15);
  });

  test('with a wrong type, an unknown field or no line at all is a fault of the request', async () => {
    for (const body of [
      { lines: [0], reason: 'r' },
      { lines: ['1'], reason: 'r' },
      { lines: [], reason: 'r' },
      { states: ['SUCCESS'], reason: 'r' },
      { rate_per_second: 0, reason: 'r' },
      { all: true, reason: 'r' },
      { codes: ['\0'], reason: 'r' },
    ])
      expect([body, (await retry(body)).body.code]).toEqual([body, 'REQUEST_INVALID']);
    for (const query of ['state=DONE', 'line=one', 'line=99999999999999999999', 'cursor=x', 'cursor=LTU', 'values=yes'])
      expect([query, (await ask('GET', `${jobId}/records?${query}`)).body.code]).toEqual([query, 'REQUEST_INVALID']);
  });
});

describe('a retry of a job', () => {
  test('that failed for its records takes those up', async () => {
    await processAll();
    await failJob();
    const { status, body } = await ask('POST', `${jobId}/retry`, { reason: 'fixed' });
    expect([status, body]).toMatchObject([
      200,
      { state: 'WAITING', step: 'call', generation: 2, wait_reason: 'RECORDS' },
    ]);
    expect(await api.sql`SELECT line::int FROM records WHERE job_id = ${jobId} AND state = 'PENDING'`).toEqual([
      { line: 4 },
    ]);
    expect((await ask('POST', `${jobId}/retry`, { reason: 'x' })).body.code).toBe('JOB_NOT_RETRYABLE');
  });

  test('that failed for ambiguous ones alone says so', async () => {
    await processRecords(api.sql, seeded.chunks, () => ({ type: 'ambiguous' }));
    await failJob();
    expect((await ask('POST', `${jobId}/retry`, { reason: 'x' })).body.code).toBe('RECORDS_AMBIGUOUS');
  });

  test('that failed for another reason goes on as any other does', async () => {
    await processAll();
    await failJob('OBJECT_STORE_UNAVAILABLE');
    expect((await ask('POST', `${jobId}/retry`, { reason: 'x' })).body).toMatchObject({
      state: 'PENDING',
      generation: 2,
    });
  });
});

describe('a held job', () => {
  beforeEach(async () => {
    await api.sql`UPDATE jobs SET next_action_at = now() WHERE id = ${jobId}`;
    const job = await claimForRecords(api.sql, jobId);
    await storeStep(api.sql, job, { type: 'later', delayMs: 86_400_000, countsAttempt: false, reason: 'HELD' });
  });

  test('is released once, and woken', async () => {
    expect((await ask('GET', jobId)).body).toMatchObject({ state: 'WAITING', wait_reason: 'HELD' });
    expect((await ask('POST', `${jobId}/release`, { reason: 'looked at' })).body).toMatchObject({ state: 'PENDING' });
    const again = await ask('POST', `${jobId}/release`, { reason: 'again' });
    expect([again.status, again.body.code]).toEqual([409, 'JOB_NOT_HELD']);
    expect((await ask('POST', `${jobId}/reject`, { reason: 'x' })).body.code).toBe('JOB_NOT_HELD');
    const { audit } = (await ask('GET', jobId)).body;
    expect(audit.at(-1)).toMatchObject({ type: 'job.released', detail: { reason: 'looked at' } });
  });

  test('is rejected, and says so', async () => {
    const { body } = await ask('POST', `${jobId}/reject`, { reason: 'the wrong file' });
    expect(body).toMatchObject({
      state: 'FAILED',
      error: { code: 'REJECTED', cause: 'OPERATOR', message: 'the wrong file' },
    });
    expect((await ask('POST', `${jobId}/release`, { reason: 'x' })).body.code).toBe('JOB_NOT_HELD');
  });
});

describe('a count', () => {
  test('serves all who ask for ten times as long as it took, and a failed one nobody', async () => {
    let now = 0;
    let counts = 0;
    const count = createRecordCounter({
      now: () => now,
      summarise: async (id) => {
        counts += 1;
        now += 200;
        if (id === 'broken') throw new Error('lost');
        return await summariseRecords(api.sql, jobId);
      },
    });
    await Promise.all([count('a'), count('a'), count('b')]);
    expect(counts).toBe(2);
    now += 1_500;
    await count('a');
    expect(counts).toBe(2);
    now += 3_000;
    await count('a');
    expect(counts).toBe(3);
    await expect(count('broken')).rejects.toThrow('lost');
    await expect(count('broken')).rejects.toThrow('lost');
    expect(counts).toBe(5);
  });

  test('from before what is shown beside it is not served with it', async () => {
    let state = 'PENDING';
    const count = createRecordCounter({
      now: () => 1,
      summarise: async (id) => ({ byState: { [state]: id.length }, byCode: {}, durationMs: 0 }),
    });
    expect((await count('a', 'SENDING')).byState).toEqual({ PENDING: 1 });
    state = 'SUCCESS';
    expect((await count('a', 'SENDING')).byState).toEqual({ PENDING: 1 });
    expect((await count('a', 'SENT')).byState).toEqual({ SUCCESS: 1 });
  });

  test('is not waited for by who asked a while before, and is by who comes after long', async () => {
    let now = 1;
    const reads: (() => void)[] = [];
    const count = createRecordCounter({
      now: () => now,
      summarise: async () => {
        const rows = reads.length;
        await new Promise<void>((resolve) => reads.push(resolve));
        now += 200;
        return { byState: { PENDING: rows }, byCode: {}, durationMs: 0 };
      },
    });
    const rowsOf = async (asked: ReturnType<typeof count>) => (await asked).byState.PENDING;
    const first = count('a');
    await expect.poll(() => reads.length).toBe(1);
    reads[0]?.();
    expect(await rowsOf(first)).toBe(0);
    now += 3_000;
    expect(await rowsOf(count('a'))).toBe(0);
    await expect.poll(() => reads.length).toBe(2);
    reads[1]?.();
    await expect.poll(() => rowsOf(count('a'))).toBe(1);
    now += 10_000;
    const late = count('a');
    await expect.poll(() => reads.length).toBe(3);
    reads[2]?.();
    expect(await rowsOf(late)).toBe(2);
  });
});

/** Actions over real tables: what each verb takes, and that nothing is lost or taken twice whatever happens in between. */
import { randomUUID } from 'node:crypto';
import { Registry } from 'prom-client';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import type { ActionFilter } from '#shared/actions/action-subjects.ts';
import {
  abortAction,
  approveAction,
  pauseAction,
  type RunAction,
  resumeAction,
  runAction,
} from '#shared/actions/action-transitions.ts';
import { MOST_ITEMS, previewAction } from '#shared/actions/preview-action.ts';
import type { Sql } from '#shared/db/connect-database.ts';
import type { ActionVerb } from '#shared/db/schema.ts';
import { storeDeadLetters } from '#shared/dead-letters/dead-letters.ts';
import { applyRoute } from '#shared/definitions/apply-definitions.ts';
import { loadRouteDefinitions } from '#shared/definitions/load-routing-input.ts';
import { RouteCache } from '#shared/definitions/route-cache.ts';
import { giveDueTurns } from '#shared/jobs/give-turns.ts';
import type { SendResult } from '#shared/queue/send-messages.ts';
import { createLogger } from '#shared/runtime/logger.ts';
import { findRowViolations } from '#testkit/checks/find-row-violations.ts';
import { emptyTables } from '#testkit/seeds/empty-tables.ts';
import { seedJobs, seedTenant } from '#testkit/seeds/seed-jobs.ts';
import { seedRecords } from '#testkit/seeds/seed-records.ts';
import { useTestDatabase } from '#testkit/servers/use-test-database.ts';
import { type AdvanceActionsOptions, advanceActions } from './advance-actions.ts';
import { createRetrySweeperMetrics } from './metrics.ts';

let sql: Sql;
useTestDatabase((given) => {
  sql = given;
});

/** What the queues were sent. */
let sent: { jobs: string[]; files: string[]; letters: string[] };
let answer: (letter: { id: string }) => SendResult;

beforeEach(async () => {
  sent = { jobs: [], files: [], letters: [] };
  answer = () => ({ ok: true, messageId: 'm' });
  await seedTenant(sql);
});

afterEach(async () => {
  expect(await findRowViolations(sql, { isAtRest: false })).toEqual([]);
  await emptyTables(
    sql,
    'files',
    'job_steps',
    'job_lines',
    'routes',
    'attempts',
    'audit_events',
    'outbox',
    'dead_letters',
    'records',
    'record_chunks',
    'record_keys',
    'actions',
    'action_items',
  );
});

function optionsOf(overrides: Partial<AdvanceActionsOptions> = {}): AdvanceActionsOptions {
  return {
    sql,
    routes: new RouteCache({ load: async (id) => (await loadRouteDefinitions(sql, [id])).get(id)?.definition }),
    senders: {
      sendJobs: async (jobs) => sent.jobs.push(...jobs.map(({ id }) => id)),
      sendFiles: async (files) => sent.files.push(...files.map(({ id }) => id)),
    },
    sendLetters: async (letters) => {
      sent.letters.push(...letters.map(({ id }) => id));
      return letters.map((letter) => answer(letter));
    },
    admissionWindow: 1_000,
    retentionMs: 86_400_000,
    metrics: createRetrySweeperMetrics(new Registry()),
    logger: createLogger({ service: 'test', level: 'fatal' }),
    ...overrides,
  };
}

async function advanceAll(overrides: Partial<AdvanceActionsOptions> = {}): Promise<void> {
  while ((await advanceActions(optionsOf(overrides))) === 'again');
}

const ANN = { tenantId: null, actor: 'operator:ann' };
/** Neither a key nor a session. */
const TOKEN = { keyId: null, sessionId: null };
const BOB = { tenantId: null, actor: 'operator:bob' };

const preview = (verb: ActionVerb, filter: ActionFilter) => previewAction(sql, { verb, filter, ...ANN });

async function run(verb: ActionVerb, filter: ActionFilter, more: Partial<RunAction> = {}): Promise<string> {
  const id = await preview(verb, filter);
  expect(await runAction(sql, { id, ...ANN, reason: 'INC-1', needsApproval: false, ...more })).toBe(true);
  return id;
}

async function actionOf(id: string) {
  const [action] = await sql`SELECT * FROM actions WHERE id = ${id}`;
  return action as Record<string, unknown>;
}

async function itemsOf(id: string): Promise<Record<string, number>> {
  const rows = await sql<{ what: string; count: number }[]>`
    SELECT coalesce(code, state) AS what, count(*)::int AS count FROM action_items WHERE action_id = ${id} GROUP BY 1`;
  return Object.fromEntries(rows.map(({ what, count }) => [what, count]));
}

async function jobStates(): Promise<Record<string, number>> {
  const rows = await sql<{ state: string; count: number }[]>`SELECT state, count(*)::int AS count FROM jobs GROUP BY 1`;
  return Object.fromEntries(rows.map(({ state, count }) => [state, count]));
}

/** Jobs that failed, with their files, as workers would leave them. */
async function seedFailed(count: number, { tenantId = 'acme', code = 'DELIVERY_ERROR', cause = 'HTTP_503' } = {}) {
  const jobs = await seedJobs(sql, { count, tenantId });
  await failJobs(
    jobs.map(({ id }) => id),
    { code, cause },
  );
  return jobs;
}

async function failJobs(ids: readonly string[], { code = 'DELIVERY_ERROR', cause = 'HTTP_503' } = {}): Promise<void> {
  await sql`
    WITH failed AS (
      UPDATE jobs SET state = 'FAILED', finished_at = now(), woken_at = NULL, wait_reason = NULL, next_action_at = NULL, error_code = ${code},
        error_cause = ${cause}, error_message = 'x'
      WHERE id = ANY(${[...ids]}::uuid[]) RETURNING file_id)
    UPDATE files SET status = 'FAILED', open_jobs = 0, failed_jobs = 1, finished_at = now(), archived_at = now(), error_code = ${code},
      error_cause = ${cause}, error_message = 'x'
    WHERE id IN (SELECT file_id FROM failed)`;
  await sql`
    INSERT INTO audit_events (type, tenant_id, file_id, actor, detail)
    SELECT 'file.failed', tenant_id, file_id, 'test', '{}' FROM jobs WHERE id = ANY(${[...ids]}::uuid[])`;
}

test('retry takes the jobs that fit, wakes them, and says what it left out and why', async () => {
  await seedTenant(sql, { tenantId: 'globex' });
  await seedFailed(5);
  await seedFailed(2, { code: 'PARSE_ERROR', cause: 'CSV_QUOTE' });
  await seedFailed(3, { tenantId: 'globex' });
  await seedJobs(sql, { count: 4 });
  const id = await preview('retry', { tenant: 'acme' });
  expect(await actionOf(id)).toMatchObject({
    state: 'PREVIEWED',
    takes: 7,
    preview: {
      leaves_out: [{ reason: 'pending', count: 4 }],
      by: {
        tenant: [{ value: 'acme', count: 7 }],
        route: [{ value: 'route-0', count: 7 }],
        code: [
          { value: 'DELIVERY_ERROR', count: 5 },
          { value: 'PARSE_ERROR', count: 2 },
        ],
        cause: [
          { value: 'HTTP_503', count: 5 },
          { value: 'CSV_QUOTE', count: 2 },
        ],
      },
      samples: expect.objectContaining({ length: 5 }),
    },
  });
  const ran = await run('retry', { tenant: 'acme', code: 'DELIVERY_ERROR', since: '2020-01-01T00:00:00.000Z' });
  await advanceAll();
  expect(await actionOf(ran)).toMatchObject({ state: 'DONE', takes: 5, done: 5, refused: 0, actor: 'operator:ann' });
  expect(await jobStates()).toEqual({ FAILED: 5, PENDING: 9 });
  expect(new Set(sent.jobs).size).toBe(5);
  const events =
    await sql`SELECT type, actor, detail ->> 'reason' AS reason FROM audit_events WHERE type LIKE 'action.%' AND detail ->> 'actionId' = ${ran} ORDER BY id`;
  expect(events.map(({ type }) => type)).toEqual(['action.previewed', 'action.run', 'action.done']);
  expect(
    await sql`SELECT DISTINCT actor, detail ->> 'reason' AS reason FROM audit_events WHERE type = 'job.reopened'`,
  ).toEqual([{ actor: 'operator:ann', reason: 'INC-1' }]);
});

test('the set is frozen by the preview: what fails later is not in it, and what is no longer failed is refused', async () => {
  const [first] = await seedFailed(3);
  const id = await preview('retry', { code: 'DELIVERY_ERROR' });
  await seedFailed(2);
  await sql`
    WITH job AS (UPDATE jobs SET state = 'SUCCEEDED', error_code = NULL WHERE id = ${first!.id} RETURNING file_id)
    UPDATE files SET status = 'COMPLETED', failed_jobs = 0, error_code = NULL WHERE id IN (SELECT file_id FROM job)`;
  await sql`UPDATE audit_events SET type = 'file.completed' WHERE file_id = ${first!.fileId} AND type = 'file.failed'`;
  await runAction(sql, { id, ...ANN, reason: 'x', needsApproval: false });
  await advanceAll();
  expect(await itemsOf(id)).toEqual({ DONE: 2, JOB_NOT_RETRYABLE: 1 });
  expect(await actionOf(id)).toMatchObject({ state: 'DONE', done: 2, refused: 1 });
  expect(await jobStates()).toEqual({ FAILED: 2, PENDING: 2, SUCCEEDED: 1 });
});

test('a filter without a condition is refused, and so is a set that nobody can answer for', async () => {
  await expect(preview('retry', {})).rejects.toMatchObject({ code: 'ACTION_FILTER_EMPTY' });
  await expect(preview('retry', { code: undefined })).rejects.toMatchObject({ code: 'ACTION_FILTER_EMPTY' });
  await sql`
    INSERT INTO dead_letters (id, queue, message_id, body, attributes, receive_count, reason, state)
    SELECT gen_random_uuid(), 'work', n::text, '{}', '{}', 3, 'x', 'PARKED' FROM generate_series(1, ${MOST_ITEMS + 1}) n`;
  await expect(preview('discard', { queue: 'work' })).rejects.toMatchObject({ code: 'ACTION_TOO_LARGE' });
  expect(await sql`SELECT 1 FROM action_items LIMIT 1`).toHaveLength(0);
  await sql`DELETE FROM dead_letters WHERE message_id = '1'`;
  expect(await actionOf(await preview('discard', { queue: 'work' }))).toMatchObject({ takes: MOST_ITEMS });
});

test('a word said twice runs it once, and an old preview is not run', async () => {
  await seedFailed(2);
  const id = await preview('retry', { code: 'DELIVERY_ERROR' });
  const word = { id, ...ANN, reason: 'x', needsApproval: false };
  const runs = await Promise.all([runAction(sql, word), runAction(sql, { ...word, ...BOB }), runAction(sql, word)]);
  expect(runs.filter(Boolean)).toHaveLength(1);
  await Promise.all([advanceAll(), advanceAll(), advanceAll()]);
  expect(await sql`SELECT DISTINCT generation FROM jobs`).toEqual([{ generation: 2 }]);
  const old = await preview('cancel', { tenant: 'acme' });
  await sql`UPDATE actions SET expires_at = now() - interval '2 minutes' WHERE id = ${old}`;
  expect(await runAction(sql, { ...word, id: old })).toBe(false);
  await advanceAll();
  expect(await sql`SELECT 1 FROM action_items WHERE action_id = ${old}`).toHaveLength(0);
  expect(await actionOf(old)).toBeUndefined();
});

test('pauses once after its canary, and goes on when it is resumed', async () => {
  await seedFailed(12);
  const id = await run('retry', { code: 'DELIVERY_ERROR' }, { canary: 5 });
  await advanceAll();
  expect(await actionOf(id)).toMatchObject({ state: 'PAUSED', pause_reason: 'CANARY', done: 5 });
  expect(await resumeAction(sql, { id, ...ANN })).toBe(true);
  await advanceAll();
  expect(await actionOf(id)).toMatchObject({ state: 'DONE', pause_reason: null, done: 12 });
  const paused = await sql`SELECT 1 FROM audit_events WHERE type = 'action.paused' AND detail ->> 'why' = 'CANARY'`;
  expect(paused).toHaveLength(1);
});

test('pauses when too many of those it set going fail again, and after a word judges only what comes then', async () => {
  await seedFailed(60);
  const id = await run('retry', { code: 'DELIVERY_ERROR' }, { canary: 30, stopAtPercent: 5 });
  await advanceAll();
  await failJobs(sent.jobs.slice(0, 3));
  await succeedJobs(sent.jobs.slice(3));
  await resumeAction(sql, { id, ...ANN });
  await sql`UPDATE actions SET judged_from = NULL`;
  await advanceAll();
  expect(await actionOf(id)).toMatchObject({ state: 'PAUSED', pause_reason: 'FAILING', done: 30 });
  await resumeAction(sql, { id, ...ANN });
  await advanceAll();
  expect(await actionOf(id)).toMatchObject({ state: 'DONE', done: 60 });
});

async function succeedJobs(ids: readonly string[]): Promise<void> {
  await sql`
    WITH done AS (
      UPDATE jobs SET state = 'SUCCEEDED', finished_at = now(), woken_at = NULL WHERE id = ANY(${[...ids]}::uuid[]) RETURNING file_id)
    UPDATE files SET status = 'COMPLETED', open_jobs = 0, finished_at = now() WHERE id IN (SELECT file_id FROM done)`;
  await sql`
    INSERT INTO audit_events (type, tenant_id, file_id, actor, detail)
    SELECT 'file.completed', tenant_id, file_id, 'test', '{}' FROM jobs WHERE id = ANY(${[...ids]}::uuid[])`;
}

test('takes nothing while it is paused, and never again once it is aborted', async () => {
  await seedFailed(6);
  const id = await run('retry', { code: 'DELIVERY_ERROR' }, { canary: 2 });
  await advanceAll();
  await resumeAction(sql, { id, ...ANN });
  expect(await pauseAction(sql, { id, ...ANN })).toBe(true);
  await advanceAll();
  expect(await actionOf(id)).toMatchObject({ state: 'PAUSED', pause_reason: 'PERSON', done: 2 });
  expect(await abortAction(sql, { id, ...ANN })).toBe(true);
  expect(await resumeAction(sql, { id, ...ANN })).toBe(false);
  await advanceAll();
  expect(await actionOf(id)).toMatchObject({ state: 'ABORTED', done: 2 });
  expect(await jobStates()).toEqual({ FAILED: 4, PENDING: 2 });
});

test('keeps to its rate: the first set is small, and the next is due in time', async () => {
  await seedFailed(30);
  const id = await run('retry', { code: 'DELIVERY_ERROR' }, { ratePerSecond: 10 });
  await advanceAll();
  const [action] = await sql`
    SELECT done, extract(epoch FROM next_action_at - started_at)::float8 AS due FROM actions WHERE id = ${id}`;
  expect(action).toEqual({ done: 5, due: expect.closeTo(0.5, 1) });
});

test('needs another person than the one who asked where that is said', async () => {
  await seedFailed(4);
  const id = await run('retry', { code: 'DELIVERY_ERROR' }, { needsApproval: true });
  await advanceAll();
  expect(await actionOf(id)).toMatchObject({ state: 'AWAITING_APPROVAL', done: 0 });
  expect(await approveAction(sql, { id, ...ANN, ...TOKEN })).toBe(false);
  expect(await approveAction(sql, { id, ...BOB, ...TOKEN })).toBe(true);
  await advanceAll();
  expect(await actionOf(id)).toMatchObject({ state: 'DONE', done: 4, approved_by: 'operator:bob' });

  const late = await run('cancel', { tenant: 'acme' }, { needsApproval: true });
  await sql`UPDATE actions SET expires_at = now() WHERE id = ${late}`;
  await advanceAll();
  expect(await approveAction(sql, { id: late, ...BOB, ...TOKEN })).toBe(false);
  expect(await actionOf(late)).toMatchObject({ state: 'ABORTED', pause_reason: 'NOT_APPROVED' });
});

test('cancel ends open jobs, release and reject take held ones', async () => {
  await seedFailed(1);
  const jobs = await seedJobs(sql, { count: 6 });
  const held = jobs.slice(0, 4).map(({ id }) => id);
  await sql`
    UPDATE jobs SET state = 'WAITING', wait_reason = 'HELD', woken_at = NULL, next_action_at = now() + interval '1 day'
    WHERE id = ANY(${held})`;
  const release = await run('release', { ids: [...held.slice(0, 2), jobs[5]!.id] });
  const reject = await run('reject', { wait_reason: 'HELD', ids: held.slice(2) });
  await advanceAll();
  expect(await actionOf(release)).toMatchObject({
    state: 'DONE',
    takes: 2,
    done: 2,
    preview: { leaves_out: [{ reason: 'pending', count: 1 }] },
  });
  expect(await actionOf(reject)).toMatchObject({ state: 'DONE', done: 2 });
  expect(await jobStates()).toEqual({ FAILED: 3, PENDING: 4 });
  const cancel = await run('cancel', { tenant: 'acme' });
  await advanceAll();
  expect(await actionOf(cancel)).toMatchObject({
    state: 'DONE',
    done: 4,
    preview: { leaves_out: [{ reason: 'failed', count: 3 }] },
  });
  expect(await jobStates()).toEqual({ FAILED: 3, CANCELLED: 4 });
});

test('skip lets lines go on, of failed jobs that hold them and of open ones', async () => {
  const [failed] = await seedJobs(sql, { isOrdered: true });
  const ordered = await sql<{ id: string }[]>`SELECT id FROM jobs ORDER BY order_seq`;
  expect(failed).toBeUndefined();
  await sql`UPDATE job_lines SET holder = ${ordered[0]!.id}`;
  await sql`UPDATE jobs SET awaits_turn = false WHERE id = ${ordered[0]!.id}`;
  await failJobs([ordered[0]!.id]);
  await seedJobs(sql, { isOrdered: true });
  await seedFailed(1);
  const id = await run('skip', { tenant: 'acme' });
  await advanceAll();
  expect(await actionOf(id)).toMatchObject({ state: 'DONE', takes: 2, done: 2 });
  expect(await sql`SELECT holder FROM job_lines`).toEqual([{ holder: null }]);
});

test('reroute sends quarantined files to the router again', async () => {
  const jobs = await seedFailed(3);
  const fileIds = jobs.slice(0, 2).map(({ fileId }) => fileId);
  await sql`DELETE FROM jobs WHERE file_id = ANY(${fileIds})`;
  await sql`UPDATE files SET status = 'QUARANTINED', job_count = 0, failed_jobs = 0, error_code = 'NO_ROUTE' WHERE id = ANY(${fileIds})`;
  await sql`UPDATE audit_events SET type = 'file.quarantined' WHERE file_id = ANY(${fileIds})`;
  const id = await run('reroute', { tenant: 'acme' });
  await advanceAll();
  expect(await actionOf(id)).toMatchObject({
    state: 'DONE',
    done: 2,
    preview: { leaves_out: [{ reason: 'failed', count: 1 }], by: { code: [{ value: 'NO_ROUTE', count: 2 }] } },
  });
  expect(sent.files.sort()).toEqual([...fileIds].sort());
});

async function seedLetters(bodies: readonly string[]): Promise<string[]> {
  const letters = bodies.map((body, index) => ({
    id: randomUUID(),
    queue: 'partner-steps',
    messageId: `m${index}`,
    body,
    attributes: {},
    receiveCount: 3,
    reason: 'a test',
    state: 'PARKED' as const,
  }));
  await storeDeadLetters(sql, letters, 'test');
  return letters.map(({ id }) => id);
}

const READABLE = JSON.stringify({ type: 'job.due', v: 1, jobId: randomUUID(), tenantId: 'acme', wake: 1 });

test('redrive sends letters before it marks them, and tries later what a queue did not take', async () => {
  const [good, later, bad, odd] = await seedLetters([READABLE, READABLE, 'not JSON', READABLE]);
  answer = ({ id }) =>
    id === later
      ? { ok: false, retryable: true, reason: 'no answer' }
      : id === odd
        ? { ok: false, retryable: false, reason: 'too odd' }
        : { ok: true, messageId: 'm' };
  const id = await run('redrive', { queue: 'partner-steps' });
  await advanceAll();
  expect(await itemsOf(id)).toEqual({ DONE: 1, OPEN: 1, MESSAGE_INVALID: 1, LETTER_REFUSED: 1 });
  expect(await actionOf(id)).toMatchObject({ state: 'RUNNING', done: 1, refused: 2 });
  const states = await sql`SELECT id, state FROM dead_letters`;
  expect(states.filter(({ state }) => state === 'REDRIVEN')).toEqual([{ id: good, state: 'REDRIVEN' }]);
  expect(sent.letters).not.toContain(bad);
  answer = () => ({ ok: true, messageId: 'm' });
  await sql`UPDATE actions SET next_action_at = now()`;
  await advanceAll();
  expect(await actionOf(id)).toMatchObject({ state: 'DONE', done: 2, refused: 2 });
  expect(sent.letters.filter((letter) => letter === later)).toHaveLength(2);
});

test('what was sent while a person aborted the action is marked as sent', async () => {
  const [letter] = await seedLetters([READABLE]);
  const id = await run('redrive', { queue: 'partner-steps' });
  await advanceActions(
    optionsOf({
      sendLetters: async (letters) => {
        await abortAction(sql, { id, ...BOB });
        return letters.map(() => ({ ok: true, messageId: 'm' }));
      },
    }),
  );
  expect(await actionOf(id)).toMatchObject({ state: 'ABORTED', done: 1 });
  expect(await sql`SELECT state FROM dead_letters WHERE id = ${letter!}`).toEqual([{ state: 'REDRIVEN' }]);
});

test('actions go when they are past retention by the database’s clock, whatever this machine’s says', async () => {
  await seedLetters([READABLE]);
  const id = await run('discard', { queue: 'partner-steps' });
  await advanceAll();
  vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 400 * 86_400_000 });
  await advanceAll().finally(() => vi.useRealTimers());
  expect(await actionOf(id)).toMatchObject({ state: 'DONE' });
  await sql`UPDATE actions SET finished_at = now() - interval '25 hours'`;
  await advanceAll();
  expect(await sql`SELECT id FROM actions`).toEqual([]);
});

test('discard gives letters up', async () => {
  await seedLetters([READABLE, 'x']);
  const id = await run('discard', { queue: 'partner-steps' });
  await advanceAll();
  expect(await actionOf(id)).toMatchObject({ state: 'DONE', done: 2 });
  expect(await sql`SELECT DISTINCT state, note FROM dead_letters`).toEqual([{ state: 'DISCARDED', note: 'INC-1' }]);
});

test('retry takes a job that failed for its records up at those', async () => {
  const { job } = await seedRecords(sql, { records: 3 });
  await sql`DELETE FROM record_chunks`;
  await sql`
    UPDATE records SET chunk_id = NULL, state = CASE WHEN line = 1 THEN 'SUCCESS' ELSE 'FAILED' END,
      error_code = CASE WHEN line > 1 THEN 'X' END, error_cause = CASE WHEN line > 1 THEN 'X' END, error_message = CASE WHEN line > 1 THEN 'X' END`;
  await sql`UPDATE jobs SET open_records = 0`;
  await sql`
    INSERT INTO job_steps (job_id, seq, kind, state, attempts, started_at, finished_at)
    VALUES (${job.id}, 1, 'call', 'FAILED', 1, now(), now()) ON CONFLICT (job_id, seq) DO UPDATE SET state = 'FAILED'`;
  await failJobs([job.id], { code: 'RECORDS_ERROR', cause: 'RECORDS_FAILED' });
  const [other] = await seedFailed(1);
  const id = await run('retry', { tenant: 'acme' });
  await advanceAll();
  expect(await actionOf(id)).toMatchObject({ state: 'DONE', done: 2 });
  expect(await sql`SELECT line::int, state FROM records ORDER BY line`).toEqual([
    { line: 1, state: 'SUCCESS' },
    { line: 2, state: 'PENDING' },
    { line: 3, state: 'PENDING' },
  ]);
  expect(sent.jobs).toEqual([other!.id]);
});

test('a row that the database refuses to change is refused, and the others are taken', async () => {
  const jobs = await seedFailed(5);
  await sql.unsafe(`
    CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'no' USING ERRCODE = '23514'; END $$;
    CREATE TRIGGER refuse BEFORE UPDATE ON jobs FOR EACH ROW WHEN (OLD.id = '${jobs[2]!.id}') EXECUTE FUNCTION refuse()`);
  try {
    const id = await run('retry', { code: 'DELIVERY_ERROR' });
    await advanceAll();
    expect(await itemsOf(id)).toEqual({ DONE: 4, ROW_REFUSED: 1 });
    expect(await actionOf(id)).toMatchObject({ state: 'DONE', done: 4, refused: 1 });
  } finally {
    await sql.unsafe('DROP TRIGGER refuse ON jobs; DROP FUNCTION refuse');
  }
});

test('resend makes a new job of the route as it is now, once, and its file counts that one', async () => {
  const jobs = await seedFailed(2);
  await sql`DELETE FROM route_versions`;
  await sql`DELETE FROM routes WHERE name <> 'route-0'`;
  const definition = {
    kind: 'route',
    tenant: 'acme',
    name: 'route-0',
    match: { path: ['**'] },
    steps: [{ validate: {} }, { deliver: {} }],
  };
  await applyRoute(sql, { tenantId: 'acme', name: 'route-0', definition, definitionHash: 'new' }, 'test');
  const [open] = await seedJobs(sql);
  const id = await run('resend', { tenant: 'acme' });
  const twice = await run('resend', { tenant: 'acme' });
  await advanceAll();
  expect(await actionOf(id)).toMatchObject({
    state: 'DONE',
    takes: 2,
    done: 2,
    preview: { leaves_out: [{ reason: 'pending', count: 1 }] },
  });
  expect(await itemsOf(twice)).toEqual({ JOB_SUPERSEDED: 2 });
  const rows =
    await sql`SELECT file_id, run, state, step_kind, step_count, superseded_by IS NOT NULL AS old FROM jobs WHERE id <> ${open!.id} ORDER BY run`;
  expect(rows.map(({ file_id, ...row }) => row)).toEqual([
    ...Array.from({ length: 2 }, () => ({ run: 1, state: 'FAILED', step_kind: 'deliver', step_count: 1, old: true })),
    ...Array.from({ length: 2 }, () => ({
      run: 2,
      state: 'PENDING',
      step_kind: 'validate',
      step_count: 2,
      old: false,
    })),
  ]);
  expect(await sql`SELECT DISTINCT status, open_jobs, failed_jobs, error_code FROM files`).toEqual([
    { status: 'PROCESSING', open_jobs: 1, failed_jobs: 0, error_code: null },
  ]);
  const retry = await preview('retry', { ids: jobs.map((job) => job.id) });
  expect(await actionOf(retry)).toMatchObject({
    takes: 0,
    preview: { leaves_out: [{ reason: 'sent again as new', count: 2 }] },
  });
});

test('a job of an ordered route that is sent again frees its line, and its successor takes its place there', async () => {
  await sql`UPDATE route_versions SET definition = ${sql.json({
    kind: 'route',
    tenant: 'acme',
    name: 'route-0',
    match: { path: ['**'] },
    ordered: true,
    steps: [{ deliver: {} }],
  })}`;
  await seedJobs(sql, { isOrdered: true, count: 3 });
  const [head] = await giveDueTurns(sql, { limit: 10, window: 10, actor: 'test' });
  await failJobs([head!.id]);
  expect(await giveDueTurns(sql, { limit: 10, window: 10, actor: 'test' })).toEqual([]);
  await run('resend', { ids: [head!.id] });
  await advanceAll();
  const [next] = await giveDueTurns(sql, { limit: 10, window: 10, actor: 'test' });
  expect(await sql`SELECT file_id, run FROM jobs WHERE id = ${next!.id}`).toEqual([{ file_id: head!.fileId, run: 2 }]);
  expect(await sql`SELECT holder FROM job_lines`).toEqual([{ holder: next!.id }]);
});

test('resend refuses what cannot be sent again as new, each with its code', async () => {
  const jobs = await seedFailed(2);
  await seedTenant(sql, { tenantId: 'globex' });
  const others = await seedFailed(1, { tenantId: 'globex' });
  const ids = [...jobs, ...others].map(({ id }) => id);
  const action = await run('resend', { ids });
  expect(await actionOf(action)).toMatchObject({ takes: 3 });
  await sql`UPDATE jobs SET state = 'RUNNING', finished_at = NULL, error_code = NULL, claim_token = gen_random_uuid(),
    lease_until = now() + interval '1 hour' WHERE id = ${jobs[0]!.id}`;
  await sql`UPDATE files SET status = 'PROCESSING', open_jobs = 1, failed_jobs = 0, error_code = NULL WHERE id = ${jobs[0]!.fileId}`;
  await sql`UPDATE routes SET disabled_at = now() WHERE tenant_id = 'globex'`;
  await advanceAll();
  // The definition of a seeded route is none.
  expect(await itemsOf(action)).toEqual({ JOB_NOT_ENDED: 1, ROUTE_INVALID: 1, ROUTE_DISABLED: 1 });
});

import { randomUUIDv7 } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { TimelineLine, TimelinePage } from '#shared/api/timeline.ts';
import { registerFiles } from '#shared/jobs/register-files.ts';
import { routeFiles } from '#shared/jobs/route-files.ts';
import { startTestApi, type TestApi } from '#testkit/beds/start-test-api.ts';
import { arrivedObject, seedJobs, seedTenant } from '#testkit/seeds/seed-jobs.ts';

let api: TestApi;
beforeAll(async () => {
  api = await startTestApi();
  await seedTenant(api.sql);
});
afterAll(() => api.stop());

async function ask(fileId: string, query = '', key = api.keys.operator) {
  const url = `/api/v1/files/${fileId}/timeline?${query}`;
  const reply = await api.app.inject({ url, headers: { 'x-api-key': key } });
  return { status: reply.statusCode, ...reply.json<TimelinePage & { code?: string }>() };
}

async function readAll(fileId: string, query: string): Promise<TimelineLine[]> {
  const all: TimelineLine[] = [];
  for (let cursor = ''; ; ) {
    const page = await ask(fileId, `${query}${cursor}`);
    expect(page.status).toBe(200);
    all.push(...page.lines);
    if (page.next_cursor === null) return all;
    cursor = `&cursor=${page.next_cursor}`;
  }
}

async function seedBusyFile(): Promise<{ fileId: string; jobId: string }> {
  const [job] = await seedJobs(api.sql);
  const { id: jobId, fileId } = job!;
  const { sql } = api;
  await sql`
    INSERT INTO job_steps (job_id, seq, kind, state, attempts, output, started_at, finished_at)
    VALUES (${jobId}, 0, 'validate', 'SUCCEEDED', 1, '{"rows": 3}', now(), now() + interval '2 s')`;
  await sql`
    INSERT INTO attempts (tenant_id, job_id, generation, step_seq, step_kind, attempt, outcome, code, cause, message, worker, started_at, duration_ms)
    VALUES ('acme', ${jobId}, 1, 1, 'deliver', 1, 'retry', 'DELIVERY_ERROR', 'HTTP_503', 'No.', 'w/1', now(), 700)`;
  await sql`
    INSERT INTO transfers (owner_id, seq, owner, purpose, tenant_id, file_id, epoch, state, plan, bucket, key, source_etag, part_bytes,
      bytes_total, worker)
    VALUES (${fileId}, 0, 'file', 'archive', 'acme', ${fileId}, 1, 'COPYING', 'streamed', 'b', 'k', 'e', 5, 10, 'w/1')`;
  await sql`
    INSERT INTO record_attempts (job_id, line, started_at, tenant_id, generation, step, step_name, attempt, outcome, http_status, code, cause,
      request_id, worker, duration_ms)
    SELECT ${jobId}, n, '2026-03-04T05:06:00Z'::timestamptz + n * interval '100 ms', 'acme', 1, 0, 'check', 1,
      CASE WHEN n % 10 = 0 THEN 'retry' ELSE 'succeeded' END, CASE WHEN n % 10 = 0 THEN 503 ELSE 200 END,
      CASE WHEN n % 10 = 0 THEN 'CHECK_ERROR' END, CASE WHEN n % 10 = 0 THEN 'HTTP_503' END, uuid_v7(), 'w/1', 5
    FROM generate_series(1, 1000) AS n`;
  const [event] = await sql<{ id: string }[]>`
    INSERT INTO audit_events (type, tenant_id, file_id, job_id, actor, detail)
    VALUES ('job.held', 'acme', ${fileId}, ${jobId}, 'partner-worker', '{}') RETURNING id`;
  await sql`
    INSERT INTO notices (event_id, tenant_id, route, channel, notice, body, state, attempts, next_action_at, error_cause)
    VALUES (${event!.id}, 'acme', '', 'desk', 'held', '{}', 'PARKED', 4, now(), 'HTTP_500')`;
  return { fileId, jobId };
}

test('who routed a quarantined file again, and why, is in its timeline', async () => {
  const object = arrivedObject();
  await registerFiles(api.sql, [object], 'test');
  const error = { code: 'NO_ROUTE', cause: 'PATH_MISMATCH', message: 'No route takes it.' };
  await routeFiles(api.sql, [{ fileId: object.id, isLarge: false, jobs: [], error }], 'router', { settleMs: 0 });
  const headers = { 'x-api-key': api.keys.operator };
  const payload = { reason: 'INC-4711 the route is there now' };
  const url = `/api/v1/files/${object.id}/reroute`;
  expect((await api.app.inject({ method: 'POST', url, headers, payload })).statusCode).toBe(200);
  const { lines } = await ask(object.id);
  expect(lines.map(({ kind, type }) => [kind, type])).toEqual([
    ['file', 'file.queued'],
    ['file', 'file.quarantined'],
    ['person', 'file.queued'],
  ]);
  expect(lines[1]?.error).toEqual(error);
  expect(lines[2]).toMatchObject({ actor: 'operator:operator', reason: payload.reason });
});

test('everything of a file is in one order, and pages have each line once, in both directions', async () => {
  const { fileId, jobId } = await seedBusyFile();
  const { lines } = await ask(fileId);
  expect(new Set(lines.map(({ type }) => type))).toEqual(
    new Set([
      'records.called',
      'file.queued',
      'file.routed',
      'job.created',
      'step.started',
      'step.attempt',
      'transfer.started',
      'job.held',
      'notice.parked',
    ]),
  );
  expect(lines.map(({ at }) => at)).toEqual(lines.map(({ at }) => at).toSorted());
  const folded = lines.filter(({ kind }) => kind === 'records');
  // 100 seconds: two minutes, two outcomes.
  expect(folded.map(({ count, outcome }) => [outcome, count])).toEqual([
    ['succeeded', 540],
    ['retry', 59],
    ['retry', 41],
    ['succeeded', 360],
  ]);
  expect(folded[1]).toMatchObject({
    job_id: jobId,
    route: 'route-0',
    step: 'check',
    error: { code: 'CHECK_ERROR', cause: 'HTTP_503' },
    detail: { httpStatus: 503, meanMs: 5, longestMs: 5 },
  });
  expect(lines.find(({ kind }) => kind === 'notice')).toMatchObject({
    error: { cause: 'HTTP_500' },
    detail: { channel: 'desk', attempts: 4 },
  });
  expect(await readAll(fileId, 'limit=2')).toEqual(lines);
  expect(await readAll(fileId, 'limit=3&order=newest')).toEqual(lines.toReversed());
  const person = await readAll(fileId, 'kinds=attempt,step&limit=1');
  expect(person).toEqual(lines.filter(({ kind }) => kind === 'attempt' || kind === 'step'));
  const from = lines.find(({ kind }) => kind !== 'records')!.at.replace(/\d{3}Z$/, 'Z');
  expect((await ask(fileId, `from=${from}`)).lines).toEqual(lines.filter(({ kind }) => kind !== 'records'));
});

test('nobody but the tenant sees it', async () => {
  const { fileId } = await seedBusyFile();
  expect((await ask(fileId, '', api.keys.acme)).status).toBe(200);
  expect((await ask(fileId, '', api.keys.globex)).status).toBe(404);
  expect((await ask(randomUUIDv7())).code).toBe('NOT_FOUND');
  expect((await ask(fileId, 'kinds=nothing')).code).toBe('REQUEST_INVALID');
  expect((await ask(fileId, 'cursor=xx')).code).toBe('REQUEST_INVALID');
});

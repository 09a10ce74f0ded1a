import { afterAll, beforeAll, expect, test } from 'vitest';
import { applyRoute } from '#shared/definitions/apply-definitions.ts';
import { applySftpUser } from '#shared/definitions/apply-sftp-users.ts';
import { registerFiles } from '#shared/jobs/register-files.ts';
import { routeFiles } from '#shared/jobs/route-files.ts';
import { startTestApi, type TestApi } from '#testkit/beds/start-test-api.ts';
import { arrivedObject, seedJobs } from '#testkit/seeds/seed-jobs.ts';

let api: TestApi;

beforeAll(async () => {
  api = await startTestApi();
  await applyRoute(
    api.sql,
    { tenantId: 'acme', name: 'orders', definition: { steps: [{ deliver: {} }] }, definitionHash: 'a' },
    'test',
  );
});
afterAll(() => api.stop());

async function statusOf(reference: string, key = api.keys.operator) {
  const response = await api.app.inject({
    url: '/status',
    query: { file_id: reference },
    headers: { 'x-api-key': key },
  });
  return { code: response.statusCode, body: response.json() };
}

async function arrive(overrides: Parameters<typeof arrivedObject>[0]): Promise<string> {
  const {
    files: [file],
  } = await registerFiles(api.sql, [arrivedObject(overrides)], 'test');
  return file!.id;
}

test('a file that waits for its routes has exactly the fields promised', async () => {
  const id = await arrive({ key: 'acme/inbound/Orders.CSV', name: 'Orders.CSV', sizeBytes: 12 });
  expect(await statusOf(id, api.keys.acme)).toEqual({
    code: 200,
    body: {
      file_id: id,
      customer_id: 'acme',
      file_name: 'Orders.CSV',
      source_bucket: 'test-landing',
      key: 'acme/inbound/Orders.CSV',
      destination_bucket: null,
      file_size: 12,
      file_type: 'csv',
      status: 'queued',
      upload_timestamp: '2026-01-02T03:04:05.000Z',
      transfer_timestamp: null,
      processed_by: null,
      processing_time_ms: null,
      retry_count: 0,
      error_message: null,
      held: false,
      records: null,
    },
  });
});

test('a delivered file tells where to, when, by whom and how long it took', async () => {
  const [job] = await seedJobs(api.sql);
  await api.sql`
    UPDATE jobs SET state = 'SUCCEEDED', processed_by = 'partner-worker', retry_count = 2,
      started_at = '2026-01-02T03:05:00Z', finished_at = '2026-01-02T03:05:01.250Z' WHERE id = ${job!.id}`;
  await api.sql`
    INSERT INTO job_steps (job_id, seq, kind, state, attempts, output, started_at, finished_at)
    VALUES (${job!.id}, 0, 'deliver', 'SUCCEEDED', 1, '{"bucket":"test-delivered","key":"k"}', now(), '2026-01-02T03:05:01Z')`;
  await api.sql`UPDATE files SET status = 'COMPLETED', open_jobs = 0, finished_at = now() WHERE id = ${job!.fileId}`;
  expect((await statusOf(job!.fileId)).body).toMatchObject({
    status: 'completed',
    destination_bucket: 'test-delivered',
    transfer_timestamp: '2026-01-02T03:05:01.000Z',
    processed_by: 'partner-worker',
    processing_time_ms: 1250,
    retry_count: 2,
    error_message: null,
  });
});

test.each([
  ['UPLOADED', 'uploaded'],
  ['QUEUED', 'queued'],
  ['PROCESSING', 'processing'],
  ['COMPLETED', 'completed'],
  ['FAILED', 'failed'],
  ['QUARANTINED', 'failed'],
  ['COMPANION', 'completed'],
])('a file that is %s shows as %s', async (stored, shown) => {
  const id = await arrive({});
  await api.sql`UPDATE files SET status = ${stored} WHERE id = ${id}`;
  expect((await statusOf(id)).body.status).toBe(shown);
});

test('a quarantined file says why', async () => {
  const id = await arrive({
    status: 'QUARANTINED',
    error: { code: 'NO_ROUTE', cause: 'NO_ROUTE', message: 'No route takes it.' },
  });
  expect((await statusOf(id)).body).toMatchObject({ status: 'failed', error_message: 'No route takes it.' });
});

test('a failed job gives the file its error message', async () => {
  const [job] = await seedJobs(api.sql);
  await api.sql`
    UPDATE jobs SET state = 'FAILED', error_code = 'DELIVERY_ERROR', error_message = 'The bucket is gone.', finished_at = now()
    WHERE id = ${job!.id}`;
  await api.sql`UPDATE files SET status = 'FAILED', open_jobs = 0, failed_jobs = 1 WHERE id = ${job!.fileId}`;
  expect((await statusOf(job!.fileId)).body).toMatchObject({ status: 'failed', error_message: 'The bucket is gone.' });
});

test('a name, a key or a path as the sender sees it gives the newest file of that name', async () => {
  await applySftpUser(
    api.sql,
    { username: 'acme-sftp', tenantId: 'acme', publicKey: 'ssh-ed25519 AAAA', homePrefix: 'acme/home/' },
    'test',
  );
  const file = { key: 'acme/home/in/päck (1).tar.gz', name: 'päck (1).tar.gz' };
  await arrive(file);
  const newest = await arrive(file);
  for (const reference of [
    'päck (1).tar.gz',
    'acme/home/in/päck (1).tar.gz',
    '/acme/home/in/päck (1).tar.gz',
    '/in/päck (1).tar.gz',
    'in/päck (1).tar.gz',
    '/home/in/päck (1).tar.gz',
  ]) {
    for (const key of [api.keys.acme, api.keys.operator])
      expect([reference, (await statusOf(reference, key)).body.file_id]).toEqual([reference, newest]);
  }
  expect((await statusOf('/elsewhere/in/päck (1).tar.gz')).code).toBe(404);
  expect((await statusOf('/ck (1).tar.gz')).code).toBe(404);
});

test('a file is in the sight of its tenant and of operators only, by whatever reference', async () => {
  const id = await arrive({ key: 'acme/inbound/mine.csv', name: 'mine.csv' });
  for (const reference of [id, 'mine.csv', 'acme/inbound/mine.csv', '/inbound/mine.csv']) {
    expect((await statusOf(reference, api.keys.acme)).body.file_id).toBe(id);
    expect(await statusOf(reference, api.keys.globex)).toEqual({
      code: 404,
      body: { message: 'File not found', code: 'NOT_FOUND', hint: expect.any(String) },
    });
  }
});

test('an unknown file is not found, and a missing or repeated reference is refused', async () => {
  expect(await statusOf('0198c0de-0000-7000-8000-000000000001')).toEqual({
    code: 404,
    body: { message: 'File not found', code: 'NOT_FOUND', hint: expect.any(String) },
  });
  for (const url of ['/status', '/status?file_id=', '/status?file_id=a&file_id=b', '/status?file_id=a%00b']) {
    const response = await api.app.inject({ url, headers: { 'x-api-key': api.keys.operator } });
    expect([url, response.statusCode, response.json().code]).toEqual([url, 400, 'REQUEST_INVALID']);
  }
});

test('the time of processing is that of the work: neither the wait for a person, nor for the next try', async () => {
  const [job] = await seedJobs(api.sql);
  const tried = (startedAt: string, durationMs: number) => api.sql`
    INSERT INTO attempts (tenant_id, job_id, generation, step_seq, step_kind, attempt, outcome, worker, started_at, duration_ms)
    VALUES ('acme', ${job!.id}, 1, 0, 'deliver', 1, 'retry', 'w', ${startedAt}, ${durationMs})`;
  await tried('2026-11-02T03:05:00Z', 1_000);
  await tried('2026-11-02T03:05:00.500Z', 1_000);
  await tried('2026-11-02T06:00:00Z', 250);
  await api.sql`
    INSERT INTO record_attempts (job_id, line, generation, step, step_name, attempt, outcome, worker, started_at, duration_ms, request_id, tenant_id)
    VALUES (${job!.id}, 1, 0, 0, 'c', 1, 'failed', 'w', '2026-11-02T07:00:00Z', 100, uuid_v7(), 'acme')`;
  await api.sql`
    UPDATE jobs SET state = 'SUCCEEDED', retry_count = 2, generation = 3, started_at = '2026-11-02T03:05:00Z', finished_at = '2026-11-02T07:00:01Z'
    WHERE id = ${job!.id}`;
  await api.sql`UPDATE files SET status = 'COMPLETED', open_jobs = 0, finished_at = now() WHERE id = ${job!.fileId}`;
  expect((await statusOf(job!.fileId)).body).toMatchObject({ processing_time_ms: 1_850, retry_count: 4 });
});

test('the time of processing of a file that went on after its end counts the new tries', async () => {
  const [job] = await seedJobs(api.sql);
  const end = async (generation: number, startedAt: string) => {
    await api.sql`
      INSERT INTO attempts (tenant_id, job_id, generation, step_seq, step_kind, attempt, outcome, worker, started_at, duration_ms)
      VALUES ('acme', ${job!.id}, ${generation}, 0, 'deliver', 1, 'failed', 'w', ${startedAt}, 100)`;
    await api.sql`UPDATE jobs SET state = 'FAILED', generation = ${generation}, finished_at = ${startedAt} WHERE id = ${job!.id}`;
    await api.sql`UPDATE files SET status = 'FAILED', open_jobs = 0, finished_at = ${startedAt} WHERE id = ${job!.fileId}`;
  };
  await end(1, '2026-11-02T03:05:00Z');
  for (const _time of [1, 2])
    expect((await statusOf(job!.fileId)).body).toMatchObject({ processing_time_ms: 100, retry_count: 0 });
  await end(2, '2026-11-02T04:05:00Z');
  expect((await statusOf(job!.fileId)).body).toMatchObject({ processing_time_ms: 200, retry_count: 1 });
});

test('a file that waits for a person says so, and a record file how its records stand', async () => {
  const [job] = await seedJobs(api.sql);
  await api.sql`UPDATE jobs SET state = 'WAITING', wait_reason = 'HELD', next_action_at = now() + interval '1 day' WHERE id = ${job!.id}`;
  expect((await statusOf(job!.fileId)).body).toMatchObject({ status: 'processing', held: true, records: null });
  const summary = { byState: { SUCCESS: 3, FAILED: 2, AMBIGUOUS: 1, REJECTED: 4 }, byCode: {}, durationMs: 7 };
  await api.sql`UPDATE jobs SET state = 'SUCCEEDED', wait_reason = NULL, record_summary = ${api.sql.json(summary)} WHERE id = ${job!.id}`;
  expect((await statusOf(job!.fileId, api.keys.acme)).body).toMatchObject({
    held: false,
    records: { total: 10, success: 3, failed: 2, ambiguous: 1, rejected: 4 },
  });
});

test('a marker or checksum did not fail, and lists show it only when asked', async () => {
  const id = await arrive({ name: 'a.csv.sha256' });
  await routeFiles(api.sql, [{ fileId: id, isLarge: false, jobs: [], companionOf: 'orders' }], 'router');
  expect((await statusOf(id, api.keys.acme)).body).toMatchObject({
    status: 'completed',
    processed_by: null,
    destination_bucket: null,
    error_message: null,
  });
  const list = async (query: string) => {
    const url = `/api/v1/files?name=a.csv.sha256${query}`;
    const { files } = (await api.app.inject({ url, headers: { 'x-api-key': api.keys.acme } })).json();
    return files.map((file: { file_id: string; status: string; error: unknown }) => [
      file.file_id,
      file.status,
      file.error,
    ]);
  };
  expect(await list('')).toEqual([]);
  expect(await list('&status=quarantined')).toEqual([]);
  expect(await list('&status=companion')).toEqual([[id, 'companion', null]]);
});

test('a copy that a repeated PUT made does not speak for the file of its name', async () => {
  const [job] = await seedJobs(api.sql);
  const [file] = await api.sql<{ name: string }[]>`SELECT name FROM files WHERE id = ${job!.fileId}`;
  const copy = await arrive({ name: file!.name });
  const error = { code: 'UPLOAD_REPEATED', cause: 'SAME_UPLOAD', message: 'it came again' };
  await routeFiles(api.sql, [{ fileId: copy, isLarge: false, jobs: [], companionOf: 'uploads', error }], 'router');
  expect((await statusOf(file!.name, api.keys.acme)).body).toMatchObject({
    file_id: job!.fileId,
    status: 'processing',
  });
  expect((await statusOf(copy, api.keys.acme)).body).toMatchObject({
    status: 'completed',
    error_message: 'it came again',
  });
});

test('an answer that has not changed is not sent again', async () => {
  const [job] = await seedJobs(api.sql);
  const ask = (tag?: string) =>
    api.app.inject({
      url: `/status?file_id=${job!.fileId}`,
      headers: { 'x-api-key': api.keys.acme, ...(tag !== undefined && { 'if-none-match': tag }) },
    });
  const first = await ask();
  const tag = String(first.headers.etag);
  expect(first.headers).toMatchObject({
    'cache-control': 'private, max-age=2',
    vary: 'x-api-key, authorization, cookie, x-longshore-as',
    etag: expect.stringMatching(/^"[\w-]{22}"$/),
  });
  for (const known of [tag, `W/${tag}`, `"other", ${tag}`, '*']) {
    const again = await ask(known);
    expect([known, again.statusCode, again.body, again.headers.etag]).toEqual([known, 304, '', tag]);
  }
  await api.sql`UPDATE jobs SET state = 'WAITING', wait_reason = 'HELD', next_action_at = now() WHERE id = ${job!.id}`;
  const changed = await ask(tag);
  expect([changed.statusCode, changed.json().held, changed.headers.etag === tag]).toEqual([200, true, false]);
  const unknown = await api.app.inject({ url: '/status?file_id=none', headers: { 'x-api-key': api.keys.acme } });
  expect([unknown.statusCode, unknown.headers['cache-control'], unknown.headers.etag]).toEqual([
    404,
    'no-store',
    undefined,
  ]);
});

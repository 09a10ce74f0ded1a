import { randomUUID } from 'node:crypto';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { createApiKey } from '#shared/access/api-keys.ts';
import { applyRoute } from '#shared/definitions/apply-definitions.ts';
import { startTestApi, type TestApi } from '#testkit/beds/start-test-api.ts';
import { createTestBrowser, signInByLink } from '#testkit/beds/test-browser.ts';
import { findRowViolations } from '#testkit/checks/find-row-violations.ts';
import { emptyTables } from '#testkit/seeds/empty-tables.ts';
import { seedJobs, seedTenant } from '#testkit/seeds/seed-jobs.ts';

let api: TestApi;
let secondKey: string;

beforeAll(async () => {
  api = await startTestApi({ actionApprovalOver: 4 });
  secondKey = (await createApiKey(api.sql, { tenantId: null, label: 'second', actor: 'test' })).key;
});
afterAll(() => api.stop());

beforeEach(async () => {
  await seedTenant(api.sql);
  await seedTenant(api.sql, { tenantId: 'globex' });
});
afterEach(async () => {
  expect(await findRowViolations(api.sql, { isAtRest: false })).toEqual([]);
  await emptyTables(api.sql, 'files', 'routes', 'audit_events', 'outbox', 'dead_letters', 'actions', 'action_items');
});

async function ask(
  method: 'GET' | 'POST',
  path: string,
  { payload, key = api.keys.operator }: { payload?: object; key?: string } = {},
) {
  const reply = await api.app.inject({
    method,
    url: `/api/v1${path}`,
    headers: { 'x-api-key': key },
    ...(payload !== undefined && { payload }),
  });
  return { status: reply.statusCode, body: reply.json() };
}

async function seedCancelled(count: number, tenantId = 'acme'): Promise<string[]> {
  const jobs = await seedJobs(api.sql, { count, tenantId });
  const ids = jobs.map(({ id }) => id);
  for (const id of ids) await ask('POST', `/jobs/${id}/cancel`, { payload: { reason: 'x' } });
  const fileIds = jobs.map(({ fileId }) => fileId);
  await api.sql`
    UPDATE files SET status = 'FAILED', archived_at = now(), finished_at = now(), lease_until = NULL WHERE id = ANY(${fileIds}::uuid[])`;
  await api.sql`
    INSERT INTO audit_events (type, tenant_id, file_id, actor, detail)
    SELECT 'file.failed', tenant_id, id, 'test', '{}' FROM files WHERE id = ANY(${fileIds}::uuid[])`;
  return ids;
}

async function preview(verb: string, filter: object, key?: string): Promise<string> {
  const { status, body } = await ask('POST', '/actions', {
    payload: { verb, filter },
    ...(key !== undefined && { key }),
  });
  expect(status).toBe(200);
  return body.action_id;
}

test('previews, runs once however often it is asked, and shows how it goes', async () => {
  await seedCancelled(3);
  const { body: seen } = await ask('POST', '/actions', {
    payload: { verb: 'RETRY', filter: { code: 'CANCELLED', since: '2020-01-01T00:00:00Z' }, rate_per_second: 2 },
  });
  expect(seen).toMatchObject({ state: 'PREVIEWED', verb: 'retry', takes: 3, seconds_left: 2, results: null });
  expect(seen.needs_approval).toBe(false);
  const path = `/actions/${seen.action_id}`;
  const runs = await Promise.all(
    [1, 2, 3].map(() => ask('POST', `${path}/run`, { payload: { reason: 'INC-1', canary: 1 } })),
  );
  expect(runs.map(({ status, body }) => [status, body.state])).toEqual(Array(3).fill([200, 'RUNNING']));
  expect(await api.sql`SELECT 1 FROM audit_events WHERE type = 'action.run'`).toHaveLength(1);
  expect((await ask('POST', `${path}/pause`)).body).toMatchObject({ state: 'PAUSED', pause_reason: 'PERSON' });
  expect((await ask('POST', `${path}/pause`)).status).toBe(200);
  expect((await ask('POST', `${path}/resume`)).body).toMatchObject({ state: 'RUNNING', pause_reason: null });
  expect((await ask('POST', `${path}/abort`)).body).toMatchObject({ state: 'ABORTED' });
  expect((await ask('POST', `${path}/abort`)).status).toBe(200);
  expect(await ask('POST', `${path}/resume`)).toMatchObject({ status: 409, body: { code: 'ACTION_NOT_IN_STATE' } });
  expect(await ask('POST', `${path}/run`, { payload: { reason: 'x' } })).toMatchObject({
    status: 409,
    body: { code: 'ACTION_NOT_IN_STATE' },
  });
});

test('takes the jobs of the files that are named', async () => {
  const ids = (await seedCancelled(3)).slice(1).sort();
  const files = await api.sql<{ fileId: string }[]>`
    SELECT file_id AS "fileId" FROM jobs WHERE id = ANY(${ids}::uuid[])`;
  const fileIds = files.map(({ fileId }) => fileId);
  const { body } = await ask('POST', '/actions', { payload: { verb: 'retry', filter: { file_ids: fileIds } } });
  expect(body.takes).toBe(2);
  const { body: items } = await ask('GET', `/actions/${body.action_id}/items`);
  expect(items.items.map(({ id }: { id: string }) => id)).toEqual(ids);
  expect(items.items.map((item: { file_id: string }) => item.file_id).sort()).toEqual(fileIds.toSorted());
  expect(await ask('POST', '/actions', { payload: { verb: 'reroute', filter: { file_ids: fileIds } } })).toMatchObject({
    status: 400,
    body: { details: { faults: [{ field: 'filter.file_ids' }] } },
  });
});

test('refuses a preview that is too old, a filter of nothing, and conditions that the verb has not', async () => {
  const id = await preview('cancel', { tenant: 'acme' });
  await api.sql`UPDATE actions SET expires_at = now()`;
  expect(await ask('POST', `/actions/${id}/run`, { payload: { reason: 'x' } })).toMatchObject({
    status: 409,
    body: { code: 'ACTION_EXPIRED' },
  });
  for (const [payload, code, field] of [
    [{ verb: 'retry', filter: {} }, 'ACTION_FILTER_EMPTY', undefined],
    [{ verb: 'retry', filter: { queue: 'work' } }, 'REQUEST_INVALID', 'filter.queue'],
    [{ verb: 'redrive', filter: { code: 'X' } }, 'REQUEST_INVALID', 'filter.code'],
    [{ verb: 'reroute', filter: { held: true } }, 'REQUEST_INVALID', 'filter.wait_reason'],
    [{ verb: 'release', filter: { held: true, wait_reason: 'TURN' } }, 'REQUEST_INVALID', 'filter.wait_reason'],
    [{ verb: 'retry', filter: { everything: true } }, 'REQUEST_INVALID', 'filter'],
    [{ verb: 'retry' }, 'REQUEST_INVALID', 'filter'],
  ] as const) {
    const { body } = await ask('POST', '/actions', { payload });
    expect([body.code, body.details?.faults[0].field]).toEqual([code, field]);
  }
  const cancel = await preview('cancel', { tenant: 'acme' });
  expect(await ask('POST', `/actions/${cancel}/run`, { payload: { reason: 'x', stop_at_percent: 5 } })).toMatchObject({
    status: 400,
    body: { details: { faults: [{ field: 'stop_at_percent' }] } },
  });
});

test('a set over the limit waits for another person than the one who ran it', async () => {
  await seedCancelled(5);
  const id = await preview('retry', { tenant: 'acme' }, secondKey);
  expect((await ask('GET', `/actions/${id}`)).body).toMatchObject({ takes: 5, needs_approval: true });
  const run = await ask('POST', `/actions/${id}/run`, { payload: { reason: 'x' } });
  expect(run.body).toMatchObject({ state: 'AWAITING_APPROVAL', needs_approval: false, actor: 'operator:operator' });
  expect(await ask('POST', `/actions/${id}/approve`)).toMatchObject({
    status: 403,
    body: { code: 'ACTION_SAME_PERSON' },
  });
  expect(await ask('POST', `/actions/${id}/approve`, { key: api.keys.acme })).toMatchObject({ status: 404 });
  for (let twice = 0; twice < 2; twice += 1)
    expect((await ask('POST', `/actions/${id}/approve`, { key: secondKey })).body).toMatchObject({
      state: 'RUNNING',
      approved_by: 'operator:second',
    });
  expect(await ask('POST', `/actions/${id}/approve`)).toMatchObject({
    status: 409,
    body: { code: 'ACTION_NOT_IN_STATE' },
  });
});

test('nobody is the second person to himself: not by the sign-in link of the same key, nor by a key that was made since', async () => {
  await seedCancelled(5);
  const id = await preview('retry', { tenant: 'acme' });
  await ask('POST', `/actions/${id}/run`, { payload: { reason: 'x' } });
  const { key: madeSince } = await createApiKey(api.sql, {
    tenantId: null,
    label: 'third',
    actor: 'operator:operator',
  });
  const refused = { status: 403, body: { code: 'ACTION_SAME_PERSON' } };
  expect(await ask('POST', `/actions/${id}/approve`, { key: madeSince })).toMatchObject(refused);
  for (const key of [api.keys.operator, madeSince]) {
    const browser = await signInByLink(createTestBrowser(api.app), api.app, key);
    expect(await browser.post(`/api/v1/actions/${id}/approve`, {})).toMatchObject(refused);
  }
  const colleague = await signInByLink(createTestBrowser(api.app), api.app, secondKey);
  expect(await colleague.post(`/api/v1/actions/${id}/approve`, {})).toMatchObject({
    status: 200,
    body: { state: 'RUNNING', approved_by: 'person:second' },
  });
});

test('a tenant acts on its own jobs and sees its own actions', async () => {
  const [own] = await seedJobs(api.sql);
  const [other] = await seedJobs(api.sql, { tenantId: 'globex' });
  const id = await preview('cancel', { ids: [own!.id, other!.id] }, api.keys.acme);
  const operators = await preview('cancel', { tenant: 'acme' });
  expect((await ask('GET', `/actions/${id}/items`, { key: api.keys.acme })).body.items).toEqual([
    {
      id: own!.id,
      tenant: 'acme',
      file_id: own!.fileId,
      file_name: expect.stringMatching(/./),
      state: 'OPEN',
      code: null,
    },
  ]);
  const key = api.keys.globex;
  for (const word of ['', '/items']) expect((await ask('GET', `/actions/${id}${word}`, { key })).status).toBe(404);
  for (const word of ['pause', 'resume', 'abort', 'approve'])
    expect((await ask('POST', `/actions/${id}/${word}`, { key })).status).toBe(404);
  expect((await ask('POST', `/actions/${id}/run`, { key, payload: { reason: 'x' } })).status).toBe(404);
  expect((await ask('GET', `/actions/${operators}`, { key: api.keys.acme })).status).toBe(404);
  await ask('POST', `/actions/${id}/run`, { key: api.keys.acme, payload: { reason: 'x' } });
  await ask('POST', `/actions/${operators}/run`, { payload: { reason: 'x' } });
  const seenBy = async (reader: string) =>
    (await ask('GET', '/actions', { key: reader })).body.actions.map(
      ({ action_id }: { action_id: string }) => action_id,
    );
  expect(await seenBy(api.keys.acme)).toEqual([id]);
  expect(await seenBy(api.keys.globex)).toEqual([]);
  expect(await seenBy(api.keys.operator)).toEqual([operators, id]);
  expect(await api.sql`SELECT DISTINCT tenant_id FROM audit_events WHERE detail ->> 'actionId' = ${id}`).toEqual([
    { tenant_id: 'acme' },
  ]);
});

test.each([
  ['reroute', 'files', { status: 'quarantined' }],
  ['discard', 'dead_letters', { queue: 'landing' }],
])('items of %s name their files too', async (verb, table, filter) => {
  const [job] = await seedJobs(api.sql);
  const { fileId } = job!;
  await api.sql`DELETE FROM jobs`;
  await api.sql`
    UPDATE files SET status = 'QUARANTINED', error_code = 'NO_ROUTE', error_message = 'x', open_jobs = 0, job_count = 0, routed_at = now(),
      finished_at = now(), archived_at = now()
    WHERE id = ${fileId}`;
  await api.sql`
    INSERT INTO audit_events (type, tenant_id, file_id, actor, detail) VALUES ('file.quarantined', 'acme', ${fileId}, 'test', '{}')`;
  await api.sql`
    INSERT INTO dead_letters (id, queue, message_id, body, attributes, receive_count, reason, tenant_id, file_id, state)
    VALUES (gen_random_uuid(), 'landing', 'm', '{}', '{}', 3, 'x', 'acme', ${fileId}, 'PARKED')`;
  const id = await preview(verb, filter);
  const [item] = (await ask('GET', `/actions/${id}/items`)).body.items;
  const [row] = await api.sql`SELECT id FROM ${api.sql(table)}`;
  expect(item).toMatchObject({ id: row!.id, tenant: 'acme', file_id: fileId, file_name: expect.stringMatching(/./) });
});

test('lists actions and items page by page', async () => {
  const ids = await seedCancelled(3);
  const actions: string[] = [];
  for (let index = 0; index < 3; index += 1) actions.push(await preview('retry', { ids: ids.slice(index) }));
  const collect = async (path: string, name: string, idOf: string) => {
    const found: string[] = [];
    let cursor: string | null = '';
    while (cursor !== null) {
      const query: string = `limit=2&${path.includes('items') ? '' : 'state=previewed'}${cursor === '' ? '' : `&cursor=${cursor}`}`;
      const { body } = await ask('GET', `${path}?${query}`);
      found.push(...body[name].map((row: Record<string, string>) => row[idOf]));
      cursor = body.next_cursor;
    }
    return found;
  };
  expect(await collect('/actions', 'actions', 'action_id')).toEqual(actions.toReversed());
  expect(await collect(`/actions/${actions[0]}/items`, 'items', 'id')).toEqual(ids.toSorted());
  expect((await ask('GET', `/actions/${actions[0]}/items?state=refused`)).body.items).toEqual([]);
});

test('a file is carried on a route that it was never on at once, and once more only with a second person', async () => {
  const [job] = await seedJobs(api.sql);
  const definition = (name: string, more: object = {}) => ({
    kind: 'route',
    tenant: 'acme',
    name,
    match: { path: ['**'] },
    steps: [{ deliver: {} }],
    ...more,
  });
  for (const name of ['route-0', 'other'])
    await applyRoute(
      api.sql,
      { tenantId: 'acme', name, definition: definition(name), definitionHash: randomUUID() },
      'test',
    );
  const resend = (payload: object, key?: string) =>
    ask('POST', '/jobs', { payload: { reason: 'INC-1', ...payload }, ...(key !== undefined && { key }) });
  const first = await resend({ file_id: job!.fileId, route: 'other' });
  expect(first.body).toMatchObject({ job: { route: 'other', state: 'PENDING', file_id: job!.fileId }, action: null });
  expect(await resend({ file_id: job!.fileId, route: 'other' })).toMatchObject({
    status: 409,
    body: { code: 'JOB_NOT_ENDED' },
  });
  await ask('POST', `/jobs/${first.body.job.job_id}/cancel`, { payload: { reason: 'x' } });
  const again = await resend({ file_id: job!.fileId, route: 'other' });
  expect(again.body).toMatchObject({ job: null, action: { verb: 'resend', state: 'AWAITING_APPROVAL', takes: 1 } });
  expect((await ask('POST', `/actions/${again.body.action.action_id}/approve`)).body.code).toBe('ACTION_SAME_PERSON');
  const approved = await ask('POST', `/actions/${again.body.action.action_id}/approve`, { key: secondKey });
  expect(approved.body.state).toBe('RUNNING');
  expect(await resend({ file_id: job!.fileId, route: 'nowhere' })).toMatchObject({ status: 404 });
  expect(await resend({ file_id: randomUUID(), route: 'other' })).toMatchObject({ status: 404 });
  const { job_id: old } = first.body.job;
  const successor = randomUUID();
  await api.sql`
    INSERT INTO jobs (id, tenant_id, file_id, route_id, route_version_id, run, state, step_kind, step_count, max_attempts, queue, finished_at)
    SELECT ${successor}, tenant_id, file_id, route_id, route_version_id, 2, 'CANCELLED', step_kind, 1, 3, queue, now() FROM jobs WHERE id = ${old}`;
  await api.sql`UPDATE jobs SET superseded_by = ${successor} WHERE id = ${old}`;
  await api.sql`UPDATE audit_events SET type = 'job.resent', job_id = ${successor} WHERE job_id = ${old} AND type = 'job.cancelled'`;
  expect(await ask('POST', `/jobs/${old}/retry`, { payload: { reason: 'x' } })).toMatchObject({
    status: 409,
    body: { code: 'JOB_SUPERSEDED', message: expect.stringContaining(successor) },
  });
  await ask('POST', '/routes/acme/other/disable', { payload: { reason: 'x' } });
  expect(await resend({ file_id: job!.fileId, route: 'other' })).toMatchObject({
    status: 409,
    body: { code: 'ROUTE_DISABLED' },
  });
});

test('a body that is sent has an example in OpenAPI', () => {
  const { paths } = api.app.swagger() as { paths: Record<string, { post?: { requestBody?: unknown } }> };
  for (const path of ['/api/v1/actions', '/api/v1/actions/{id}/run', '/api/v1/jobs'])
    expect(JSON.stringify(paths[path]?.post?.requestBody)).toMatch(/"examples?":/);
});

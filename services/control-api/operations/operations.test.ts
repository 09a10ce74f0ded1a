import { randomUUID } from 'node:crypto';
import { ReceiveMessageCommand } from '@aws-sdk/client-sqs';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { storeDeadLetters } from '#shared/dead-letters/dead-letters.ts';
import { claimJobs } from '#shared/jobs/claim-jobs.ts';
import { giveDueTurns } from '#shared/jobs/give-turns.ts';
import { registerFiles } from '#shared/jobs/register-files.ts';
import { routeFiles, type WokenJob } from '#shared/jobs/route-files.ts';
import type { QueueId } from '#shared/runtime/config/resource-names.ts';
import { startTestApi, type TestApi } from '#testkit/beds/start-test-api.ts';
import { arrivedObject, seedJobs, seedTenant } from '#testkit/seeds/seed-jobs.ts';

let api: TestApi;
beforeAll(async () => {
  api = await startTestApi();
});
afterAll(() => api.stop());

async function ask(method: 'GET' | 'POST', url: string, payload?: string | object, type = 'application/json') {
  const response = await api.app.inject({
    method,
    url,
    headers: { 'x-api-key': api.keys.operator, ...(payload === undefined ? {} : { 'content-type': type }) },
    ...(payload === undefined ? {} : { payload }),
  });
  return { status: response.statusCode, body: response.json() };
}

async function receiveBodies(queue: QueueId): Promise<string[]> {
  const bodies: string[] = [];
  for (let empty = 0; empty < 2; ) {
    const { Messages = [] } = await api.fauxqs.sqs.send(
      new ReceiveMessageCommand({ QueueUrl: api.queueUrls[queue], MaxNumberOfMessages: 10, WaitTimeSeconds: 0 }),
    );
    empty = Messages.length === 0 ? empty + 1 : 0;
    bodies.push(...Messages.map(({ Body = '' }) => Body));
  }
  return bodies;
}

const ROUTE = `kind: route
tenant: acme
name: orders
match: { path: 'inbound/*.csv' }
steps:
  - validate: { maxSize: 10MB }
  - deliver:
  - confirm:
`;

const PARTNER = `kind: partner
tenant: globex
name: gw
baseUrl: https://api.partner.example/v1
auth: { type: static, secret: globex/gw-key }
operations:
  validate: { method: POST, path: /validation, idempotent: true }
  verify: { method: POST, path: /verification, idempotent: true }
`;

const RECORD_ROUTE = `kind: route
tenant: globex
name: rfi
match: { path: 'rfi/*.csv' }
records: { format: csv, columns: [{ name: member, type: text }] }
steps:
  - parse:
  - call: { partner: gw, operation: validate, code: VALIDATION_ERROR }
  - call: { partner: gw, operation: verify, code: VERIFICATION_ERROR }
  - deliver:
`;

describe('files', () => {
  test('come newest first in pages that hold each once, though more arrive meanwhile', async () => {
    const ids: string[] = [];
    for (let index = 0; index < 7; index += 1) {
      const tenantId = index % 2 === 0 ? 'acme' : 'globex';
      const {
        files: [file],
      } = await registerFiles(api.sql, [arrivedObject({ tenantId })], 'test');
      ids.unshift(file!.id);
    }
    const seen: string[] = [];
    let cursor: string | null = null;
    do {
      const { body }: { body: { files: { file_id: string }[]; next_cursor: string | null } } = await ask(
        'GET',
        `/api/v1/files?limit=3${cursor === null ? '' : `&cursor=${cursor}`}`,
      );
      seen.push(...body.files.map(({ file_id }) => file_id));
      cursor = body.next_cursor;
      await registerFiles(api.sql, [arrivedObject()], 'test');
    } while (cursor !== null && seen.length < 50);
    expect(seen).toEqual(ids);
  });

  test('are filtered by tenant, status, name, type and time', async () => {
    const object = { key: 'globex/in/a_b%c.Json', name: 'a_b%c.Json', tenantId: 'globex' };
    const {
      files: [file],
    } = await registerFiles(
      api.sql,
      [
        arrivedObject({
          ...object,
          status: 'QUARANTINED',
          error: { code: 'NO_ROUTE', cause: 'NO_ROUTE', message: 'm' },
        }),
      ],
      'test',
    );
    const found = async (query: string) =>
      (await ask('GET', `/api/v1/files?${query}`)).body.files.map(({ file_id }: { file_id: string }) => file_id);
    expect(await found('tenant=globex&status=quarantined')).toEqual([file!.id]);
    expect(await found('tenant=acme&status=quarantined')).toEqual([]);
    expect(await found(`name=${encodeURIComponent('a_b%c.Json')}`)).toEqual([file!.id]);
    expect(await found(`name=${encodeURIComponent('a_b%*')}`)).toEqual([file!.id]);
    expect(await found(`name=${encodeURIComponent('a%*')}`)).toEqual([]);
    expect(await found('type=json')).toEqual([file!.id]);
    expect(await found('type=json&to=2020-01-01T00:00:00Z')).toEqual([]);
    expect(await found('type=json&from=2020-01-01T00:00:00%2B14:00')).toEqual([file!.id]);
  });
});

describe('routes', () => {
  const apply = (text: string, query = '') => ask('POST', `/api/v1/routes${query}`, text, 'application/yaml');

  test('are checked by a dry run, applied once, and become the next version when they change', async () => {
    const dry = await apply(ROUTE, '?dry_run=true');
    expect(dry.body.routes).toEqual([{ tenant: 'acme', name: 'orders', version: 1, change: 'created' }]);
    expect((await ask('GET', '/api/v1/routes?tenant=acme')).body.routes).toEqual([]);

    expect((await apply(ROUTE)).body.routes).toMatchObject([{ version: 1, change: 'created' }]);
    expect((await apply(`# words\n${ROUTE}`)).body.routes).toMatchObject([{ version: 1, change: 'reworded' }]);
    expect((await apply(ROUTE.replace('10MB', '20MB'))).body.routes).toMatchObject([{ version: 2, change: 'changed' }]);
    const { body } = await ask('GET', '/api/v1/routes?tenant=acme');
    expect(body.routes).toMatchObject([
      { customer_id: 'acme', name: 'orders', version: 2, applied_by: 'operator:operator' },
    ]);
  });

  test('are taken as JSON too, and with the tenant in another file after them', async () => {
    const tenant = { kind: 'tenant', id: 'initech', name: 'Initech', sftpUsers: [{ username: 'initech' }] };
    const route = { kind: 'route', tenant: 'initech', name: 'all', match: { path: '**' }, steps: [{ deliver: {} }] };
    const files = [
      { name: 'a-route.json', text: JSON.stringify(route) },
      { name: 'b-tenant.json', text: JSON.stringify(tenant) },
    ];
    expect((await ask('POST', '/api/v1/routes', { files })).body).toMatchObject({
      tenants: [{ tenant: 'initech', change: 'created' }],
      sftp_users: [{ username: 'initech', change: 'skipped' }],
      routes: [{ tenant: 'initech', name: 'all', version: 1, change: 'created' }],
    });
    expect((await ask('POST', '/api/v1/routes', route)).body.routes).toMatchObject([{ change: 'unchanged' }]);
  });

  test('with faults are all listed with file, line and column, and nothing is applied', async () => {
    const files = [
      { name: 'good.yaml', text: ROUTE.replace('orders', 'invoices') },
      { name: 'bad.yaml', text: 'kind: route\ntenant: acme\nname: BAD\nmatch: {}\nsteps:\n  - launch: {}\n' },
      { name: 'stray.yaml', text: ROUTE.replace('acme', 'nobody') },
    ];
    const { status, body } = await ask('POST', '/api/v1/routes', { files });
    expect([status, body.code]).toEqual([422, 'ROUTE_INVALID']);
    const places = body.details.faults.map((fault: { file: string; line: number; column: number; path: string }) => [
      fault.file,
      fault.line,
      fault.column,
      fault.path,
    ]);
    expect(places).toContainEqual(['bad.yaml', 3, 7, 'name']);
    expect(places.length).toBeGreaterThanOrEqual(3);

    const unknown = await ask('POST', '/api/v1/routes', { files: [files[0], files[2]] });
    expect(unknown.body.details.faults).toMatchObject([{ file: 'stray.yaml', path: 'tenant' }]);
    const names = (await ask('GET', '/api/v1/routes')).body.routes.map(({ name }: { name: string }) => name);
    expect(names).not.toContain('invoices');
  });

  test('of its own are all that a tenant may check', async () => {
    const check = async (text: string) => {
      const headers = { 'x-api-key': api.keys.globex, 'content-type': 'application/yaml' };
      const url = '/api/v1/routes?dry_run=true';
      return (await api.app.inject({ method: 'POST', url, headers, payload: text })).json();
    };
    expect(await check(ROUTE.replace('acme', 'globex'))).toMatchObject({ dry_run: true });
    const [other, nobody] = [await check(ROUTE), await check(ROUTE.replace('acme', 'nobody'))];
    expect(other.code).toBe('ROUTE_INVALID');
    expect(JSON.stringify(other).replaceAll('acme', 'nobody')).toBe(JSON.stringify(nobody));
  });
});

describe('partners', () => {
  const apply = (files: readonly string[], query = '') =>
    ask('POST', `/api/v1/routes${query}`, { files: files.map((text, index) => ({ name: `${index}.yaml`, text })) });

  test('are applied before the routes that call them, and become the next version when they change', async () => {
    const dry = await apply([RECORD_ROUTE, PARTNER], '?dry_run=true');
    expect(dry.body).toMatchObject({
      dry_run: true,
      partners: [{ tenant: 'globex', name: 'gw', version: 1, change: 'created' }],
      routes: [{ name: 'rfi', change: 'created' }],
    });
    expect((await ask('GET', '/api/v1/partners')).body).toEqual({ partners: [], next_cursor: null });

    expect((await apply([RECORD_ROUTE, PARTNER])).body.partners).toMatchObject([{ version: 1, change: 'created' }]);
    expect((await apply([PARTNER])).body.partners).toMatchObject([{ version: 1, change: 'unchanged' }]);
    const changed = await apply([`${PARTNER}timeout: 3s\n`]);
    expect(changed.body.partners).toMatchObject([{ tenant: 'globex', name: 'gw', version: 2, change: 'changed' }]);
    expect((await ask('GET', '/api/v1/partners?tenant=globex')).body.partners).toMatchObject([
      {
        customer_id: 'globex',
        name: 'gw',
        version: 2,
        applied_by: 'operator:operator',
        applied_at: expect.any(String),
        definition: { timeout: 3_000, auth: { secret: 'globex/gw-key' } },
      },
    ]);
  });

  test('and calls that do not fit are faults at their place, against what is stored too', async () => {
    await apply([PARTNER, RECORD_ROUTE]);
    const faultsOf = async (files: readonly string[]) => {
      const { status, body } = await apply(files);
      expect([status, body.code]).toEqual([422, 'ROUTE_INVALID']);
      return body.details.faults;
    };
    const stray = RECORD_ROUTE.replace('operation: verify', 'operation: approve').replace(
      'partner: gw',
      'partner: gone',
    );
    expect(await faultsOf([stray.replace('rfi', 'stray')])).toMatchObject([
      { file: '0.yaml', line: 8, column: 22, path: 'steps.1.call.partner' },
      { file: '0.yaml', line: 9, column: 37, path: 'steps.2.call.operation' },
    ]);
    const less = PARTNER.replace(/ {2}verify: .*\n/, '');
    expect(await faultsOf([less])).toMatchObject([{ line: 7, path: 'operations', message: /rfi calls.*verify/ }]);
    const shorter = RECORD_ROUTE.replace(/.*verify.*\n/, '');
    expect((await apply([shorter, less])).status).toBe(200);
    expect(await faultsOf([PARTNER.replace('tenant: globex', 'tenant: nobody')])).toMatchObject([{ path: 'tenant' }]);
  });

  test('come in pages that hold each once', async () => {
    await apply(['a', 'b', 'c'].map((name) => PARTNER.replace('globex', 'acme').replace('name: gw', `name: ${name}`)));
    const names: string[] = [];
    let cursor: string | null = null;
    do {
      const query = `?tenant=acme&limit=2${cursor === null ? '' : `&cursor=${encodeURIComponent(cursor)}`}`;
      const { body }: { body: { partners: { name: string }[]; next_cursor: string | null } } = await ask(
        'GET',
        `/api/v1/partners${query}`,
      );
      names.push(...body.partners.map(({ name }) => name));
      cursor = body.next_cursor;
    } while (cursor !== null && names.length < 9);
    expect(names).toEqual(['a', 'b', 'c']);
    expect((await ask('GET', '/api/v1/partners?cursor=abc')).status).toBe(400);
  });

  test('of its own are all that a tenant may check and see', async () => {
    await apply([PARTNER]);
    const headers = { 'x-api-key': api.keys.acme, 'content-type': 'application/yaml' };
    const check = async (payload: string) =>
      (await api.app.inject({ method: 'POST', url: '/api/v1/routes?dry_run=true', headers, payload })).json();
    expect(await check(PARTNER.replace('globex', 'acme'))).toMatchObject({ dry_run: true });
    for (const text of [PARTNER, RECORD_ROUTE, RECORD_ROUTE.replace('partner: gw', 'partner: gone')]) {
      const [other, nobody] = [await check(text), await check(text.replace('globex', 'nobody'))];
      expect(other.code).toBe('ROUTE_INVALID');
      expect(JSON.stringify(other).replaceAll('globex', 'nobody')).toBe(JSON.stringify(nobody));
    }
  });
});

test('the calls of a route show as one step of its jobs', async () => {
  await ask('POST', '/api/v1/routes', {
    files: [
      { name: 'p', text: PARTNER },
      { name: 'r', text: RECORD_ROUTE },
    ],
  });
  const [job] = await seedJobs(api.sql, { tenantId: 'globex', stepCount: 3 });
  await api.sql`
    UPDATE jobs SET route_version_id = v.id FROM route_versions v JOIN routes r ON r.id = v.route_id
    WHERE jobs.id = ${job!.id} AND r.name = 'rfi' AND r.tenant_id = 'globex' AND v.version = r.active_version`;
  const { body } = await ask('GET', `/api/v1/jobs/${job!.id}`);
  expect(body.steps.map(({ seq, kind }: { seq: number; kind: string }) => [seq, kind])).toEqual([
    [0, 'parse'],
    [1, 'call'],
    [2, 'deliver'],
  ]);
});

describe('jobs', () => {
  let job: WokenJob;
  beforeEach(async () => {
    await ask('POST', '/api/v1/routes', ROUTE, 'application/yaml');
    job = (await seedJobs(api.sql, { stepCount: 3 }))[0]!;
    await receiveBodies('partner-steps');
  });

  test('show the steps of their route with what became of each, their attempts and their audit', async () => {
    await api.sql`UPDATE jobs SET step_kind = 'validate' WHERE id = ${job.id}`;
    await claimJobs(api.sql, {
      jobIds: [job.id],
      token: randomUUID(),
      worker: 'partner-worker/1',
      service: 'partner-worker',
      queue: 'partner-steps',
      kinds: ['validate'],
      leaseMs: 30_000,
    });
    await api.sql`UPDATE jobs SET step_seq = 1, step_kind = 'deliver', step_attempts = 2 WHERE id = ${job.id}`;
    await api.sql`
      INSERT INTO job_steps (job_id, seq, kind, state, attempts, output, started_at, finished_at)
      VALUES (${job.id}, 0, 'validate', 'SUCCEEDED', 1, '{"rows":5}', now(), now())`;
    await api.sql`
      INSERT INTO attempts (tenant_id, job_id, generation, step_seq, step_kind, attempt, outcome, code, cause, message, worker,
        started_at, duration_ms)
      VALUES ('acme', ${job.id}, 1, 1, 'deliver', 1, 'retry', 'DELIVERY_ERROR', 'OBJECT_STORE_UNAVAILABLE', 'm', 'w', now(), 7)`;
    const { body } = await ask('GET', `/api/v1/jobs/${job.id}`);
    expect(body).toMatchObject({ state: 'RUNNING', route: 'orders', processed_by: 'partner-worker' });
    expect(body.steps).toMatchObject([
      { seq: 0, kind: 'validate', state: 'SUCCEEDED', attempts: 1, output: { rows: 5 } },
      { seq: 1, kind: 'deliver', state: 'RUNNING', attempts: 2 },
      { seq: 2, kind: 'confirm', state: 'PENDING', attempts: 0, output: null },
    ]);
    expect(body.attempts).toMatchObject([
      { kind: 'deliver', outcome: 'retry', error: { code: 'DELIVERY_ERROR' }, duration_ms: 7 },
    ]);
    expect(body.audit).toMatchObject([{ type: 'job.claimed', actor: 'partner-worker' }]);

    const file = (await ask('GET', `/api/v1/files/${job.fileId}`)).body;
    expect(file).toMatchObject({ location: { place: 'landing', bucket: 'test-landing' }, jobs: [{ job_id: job.id }] });
  });

  test('that failed are retried as the next generation, woken at once, and audited with the reason', async () => {
    expect((await ask('POST', `/api/v1/jobs/${job.id}/retry`, { reason: 'too early' })).body.code).toBe(
      'JOB_NOT_RETRYABLE',
    );
    const cancelled = await ask('POST', `/api/v1/jobs/${job.id}/cancel`, { reason: 'wrong file' });
    expect(cancelled.body).toMatchObject({ state: 'CANCELLED', error: { message: 'wrong file' } });
    expect(await ask('POST', `/api/v1/jobs/${job.id}/cancel`, { reason: 'x' })).toMatchObject({
      status: 409,
      body: { code: 'JOB_NOT_OPEN' },
    });
    const retried = await ask('POST', `/api/v1/jobs/${job.id}/retry`, { reason: 'it was right' });
    expect(retried).toMatchObject({ status: 200, body: { state: 'PENDING', generation: 2 } });
    expect((await receiveBodies('partner-steps')).map((body) => JSON.parse(body))).toEqual([
      { type: 'job.due', v: 1, jobId: job.id, tenantId: 'acme', wake: 2 },
    ]);
    const audit = (await ask('GET', `/api/v1/jobs/${job.id}`)).body.audit;
    expect(audit.at(-1)).toMatchObject({
      type: 'job.reopened',
      actor: 'operator:operator',
      detail: { reason: 'it was right' },
    });
  });

  test('of an ordered route are skipped while they hold back others: a failed one stays failed, an open one is cancelled', async () => {
    expect(await ask('POST', `/api/v1/jobs/${job.id}/skip`, { reason: 'x' })).toMatchObject({
      status: 409,
      body: { code: 'JOB_NOT_IN_LINE' },
    });
    const directory = { orderKey: 'acme/line' };
    await seedJobs(api.sql, { objects: [directory, directory, directory], isOrdered: true });
    const give = async () =>
      (await giveDueTurns(api.sql, { limit: 10, window: 10, actor: 'test' })).map(({ id }) => id);
    const [head = ''] = await give();
    await api.sql`UPDATE jobs SET state = 'FAILED', woken_at = NULL, finished_at = now(), error_code = 'X', error_cause = 'X',
      error_message = 'X' WHERE id = ${head}`;
    await api.sql`UPDATE job_lines SET look_at = now()`;
    expect(await give()).toEqual([]);
    const skipped = await ask('POST', `/api/v1/jobs/${head}/skip`, { reason: 'a new one comes' });
    expect(skipped).toMatchObject({ status: 200, body: { state: 'FAILED' } });
    expect((await ask('POST', `/api/v1/jobs/${head}/skip`, { reason: 'x' })).body.code).toBe('JOB_NOT_IN_LINE');
    const audit = (await ask('GET', `/api/v1/jobs/${head}`)).body.audit;
    expect(audit.at(-1)).toMatchObject({
      type: 'job.skipped',
      actor: 'operator:operator',
      detail: { reason: 'a new one comes' },
    });
    const [next = ''] = await give();
    expect((await ask('POST', `/api/v1/jobs/${next}/skip`, { reason: 'x' })).body).toMatchObject({
      state: 'CANCELLED',
    });
    expect(await give()).toHaveLength(1);
  });

  test('are retried once when two ask at the same time', async () => {
    await ask('POST', `/api/v1/jobs/${job.id}/cancel`, { reason: 'x' });
    const answers = await Promise.all(
      [1, 2, 3].map(() => ask('POST', `/api/v1/jobs/${job.id}/retry`, { reason: 'x' })),
    );
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 409, 409]);
  });
});

test('a quarantined file is routed again by a person’s word, and no other', async () => {
  const {
    files: [file],
  } = await registerFiles(api.sql, [arrivedObject()], 'test');
  const error = { code: 'NO_ROUTE', cause: 'PATH_MISMATCH', message: 'No route takes it.' };
  const reroute = () => ask('POST', `/api/v1/files/${file!.id}/reroute`, { reason: 'the route is there now' });
  expect(await reroute()).toMatchObject({ status: 409, body: { code: 'FILE_NOT_QUARANTINED' } });
  await routeFiles(api.sql, [{ fileId: file!.id, isLarge: false, jobs: [], error }], 'router');
  await receiveBodies('ingest');
  expect(await reroute()).toMatchObject({ status: 200, body: { status: 'queued', error: null } });
  expect((await receiveBodies('ingest')).map((body) => JSON.parse(body))).toEqual([
    { type: 'file.settled', v: 1, fileId: file!.id, wake: 2 },
  ]);
});

test('a statement that waits too long is a 503 in time, also after a body, and its late end harms nothing', async () => {
  const slow = await startTestApi({ answerMs: 300 });
  try {
    await seedTenant(slow.sql);
    const job = (await seedJobs(slow.sql))[0]!;
    const address = await slow.app.listen({ host: '127.0.0.1', port: 0 });
    const cancel = () =>
      fetch(`${address}/api/v1/jobs/${job.id}/cancel`, {
        method: 'POST',
        headers: { 'x-api-key': slow.keys.operator, 'content-type': 'application/json' },
        body: '{"reason":"r"}',
      });
    const lock = await slow.sql.reserve();
    await lock`BEGIN`;
    await lock`SELECT 1 FROM jobs WHERE id = ${job.id} FOR UPDATE`;
    const late = await cancel();
    expect([late.status, ((await late.json()) as { code: string }).code]).toEqual([503, 'REQUEST_TIMEOUT']);
    await lock`ROLLBACK`;
    lock.release();
    const stateOf = async () => (await slow.sql`SELECT state FROM jobs WHERE id = ${job.id}`)[0]?.state;
    await expect.poll(stateOf).toBe('CANCELLED');
    expect((await cancel()).status).toBe(409);
  } finally {
    await slow.stop();
  }
});

describe('dead letters', () => {
  const good = (jobId: string) => JSON.stringify({ type: 'job.due', v: 1, jobId, tenantId: 'acme', wake: 1 });

  async function park(
    letters: { queue: string; body: string; tenantId?: string; jobId?: string }[],
  ): Promise<string[]> {
    const rows = letters.map((letter) => ({
      ...letter,
      id: randomUUID(),
      messageId: randomUUID(),
      attributes: {},
      receiveCount: 3,
      reason: 'it could not be handled',
      state: 'PARKED' as const,
    }));
    await storeDeadLetters(api.sql, rows, 'test');
    return rows.map(({ id }) => id);
  }

  const redrive = (options: object) => ask('POST', '/api/v1/dead-letters/redrive', { reason: 'fixed', ...options });

  beforeEach(async () => {
    await api.sql`DELETE FROM dead_letters`;
    await receiveBodies('partner-steps');
  });

  test('are counted first, then sent back as they were, marked and audited', async () => {
    const jobId = randomUUID();
    const [id] = await park([{ queue: 'partner-steps', body: good(jobId), tenantId: 'acme', jobId }]);
    await park([{ queue: 'work', body: good(jobId), tenantId: 'acme', jobId }]);
    const preview = await ask('POST', '/api/v1/dead-letters/redrive', { dry_run: true });
    expect(preview.body.parked).toEqual([
      { queue: 'partner-steps', letters: 1 },
      { queue: 'work', letters: 1 },
    ]);
    expect(await receiveBodies('partner-steps')).toEqual([]);
    expect((await redrive({ queue: 'partner-steps' })).body).toMatchObject({
      redriven: 1,
      refused: [],
      next_cursor: null,
    });
    expect(await receiveBodies('partner-steps')).toEqual([good(jobId)]);
    expect((await redrive({ queue: 'work' })).body.redriven).toBe(1);
    expect(await receiveBodies('work')).toEqual([good(jobId)]);
    expect((await redrive({})).body).toMatchObject({ parked: [], redriven: 0 });
    const [event] = await api.sql`
      SELECT actor, detail FROM audit_events WHERE type = 'dead-letter.redriven' AND detail ->> 'deadLetterId' = ${id!}`;
    expect(event).toMatchObject({ actor: 'operator:operator', detail: { reason: 'fixed' } });
  });

  test('that no service can read stay parked with the reason, unless forced', async () => {
    const [garbage, other] = await park([
      { queue: 'partner-steps', body: 'no JSON at all' },
      { queue: 'landing', body: '{"a":1}' },
    ]);
    const { body } = await redrive({});
    expect(body).toMatchObject({ redriven: 0, next_cursor: null });
    expect(body.refused.map(({ dead_letter_id }: { dead_letter_id: string }) => dead_letter_id).sort()).toEqual(
      [garbage, other].sort(),
    );
    expect((await ask('GET', '/api/v1/dead-letters?state=parked')).body.dead_letters).toHaveLength(2);
    expect((await redrive({ ids: [garbage], force: true })).body.redriven).toBe(1);
    expect(await receiveBodies('partner-steps')).toEqual(['no JSON at all']);
  });

  test('go back no faster than asked, in calls that end in time and go on by a cursor', async () => {
    await park(Array.from({ length: 12 }, () => ({ queue: 'partner-steps', body: good(randomUUID()) })));
    const begun = performance.now();
    const first = (await redrive({ rate_per_second: 2 })).body;
    expect(first.redriven).toBe(10);
    expect(performance.now() - begun).toBeGreaterThan(4_000);
    const second = (await redrive({ cursor: first.next_cursor })).body;
    expect(second).toMatchObject({ redriven: 2, next_cursor: null });
    expect(await receiveBodies('partner-steps')).toHaveLength(12);
  });

  test('show their queue’s depth to operators', async () => {
    const { body } = await ask('GET', '/api/v1/queues');
    expect(body.queues.map(({ queue, is_fifo }: { queue: string; is_fifo: boolean }) => [queue, is_fifo])).toEqual([
      ['landing', false],
      ['landing-overflow', false],
      ['ingest', true],
      ['work', true],
      ['platinum-work', true],
      ['partner-steps', false],
      ['platinum-steps', false],
      ['bronze-steps', false],
      ['mail-events', false],
    ]);
  });
});

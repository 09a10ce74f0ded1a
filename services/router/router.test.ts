import { randomUUID } from 'node:crypto';
import { PutObjectCommand } from '@aws-sdk/client-s3';
import { GetQueueAttributesCommand, ReceiveMessageCommand, SendMessageCommand } from '@aws-sdk/client-sqs';
import { Registry } from 'prom-client';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test, vi } from 'vitest';
import { connectDatabase, type Sql } from '#shared/db/connect-database.ts';
import { applyRoute } from '#shared/definitions/apply-definitions.ts';
import { applyTenants } from '#shared/definitions/apply-tenants.ts';
import { WEEKDAYS } from '#shared/definitions/calendar-schema.ts';
import { type ArrivedObject, type RegisteredFile, registerFiles } from '#shared/jobs/register-files.ts';
import { requeueFiles } from '#shared/jobs/requeue-files.ts';
import { wakeJobs } from '#shared/jobs/wake-jobs.ts';
import { createWakeUpSenders } from '#shared/jobs/wake-up-senders.ts';
import { type CreatedQueue, createQueues } from '#shared/queue/create-queues.ts';
import type { QueueId } from '#shared/runtime/config/resource-names.ts';
import { createLogger } from '#shared/runtime/logger.ts';
import type { Service } from '#shared/runtime/run-service.ts';
import { UPLOAD_METADATA } from '#shared/uploads/upload-metadata.ts';
import { findRowViolations } from '#testkit/checks/find-row-violations.ts';
import { emptyTables } from '#testkit/seeds/empty-tables.ts';
import { arrivedObject } from '#testkit/seeds/seed-jobs.ts';
import { type S3TestServer, startTestServer, TEST_CREDENTIAL } from '#testkit/servers/s3-server.ts';
import { type Fauxqs, startFauxqs } from '#testkit/servers/start-fauxqs.ts';
import { type S3Fault, type S3FaultProxy, startS3FaultProxy } from '#testkit/servers/start-s3-fault-proxy.ts';
import { createTestDatabase, type TestDatabase } from '#testkit/servers/test-database.ts';
import { loadRouterConfig } from './config.ts';
import { createRouter } from './service.ts';

const logger = createLogger({ service: 'router', level: 'fatal' });

let database: TestDatabase;
let sql: Sql;
let fauxqs: Fauxqs;
let queues: Record<QueueId, CreatedQueue>;
let s3: S3TestServer;
let proxy: S3FaultProxy;
let registry: Registry;
let router: Service;
let prefix: string;
let tests = 0;

const BUCKET = 'test-landing';
const STORE_ENV = () => ({
  AWS_ENDPOINT_URL_S3: proxy.url,
  AWS_ACCESS_KEY_ID: TEST_CREDENTIAL.accessKeyId,
  AWS_SECRET_ACCESS_KEY: TEST_CREDENTIAL.secretAccessKey,
});

beforeAll(async () => {
  [database, fauxqs, s3] = await Promise.all([createTestDatabase(), startFauxqs(), startTestServer()]);
  s3.server.createBucket(BUCKET);
  proxy = await startS3FaultProxy(s3.server.url);
  sql = connectDatabase(
    { DATABASE_URL: database.url, DATABASE_POOL_MAX: 2, DATABASE_PREPARE: true, DATABASE_STATEMENT_TIMEOUT_MS: 60_000 },
    'router-test',
    { keepsPlans: true },
  );
});

afterAll(async () => {
  await sql.end({ timeout: 5 });
  await Promise.all([database.drop(), fauxqs.stop(), proxy.stop(), s3.stop()]);
});

beforeEach(async () => {
  tests += 1;
  for (const [name, value] of Object.entries({ ...fauxqs.env, ...STORE_ENV() })) vi.stubEnv(name, value);
  prefix = `r${tests}`;
  queues = await createQueues({ client: fauxqs.sqs, prefix });
  registry = new Registry();
  const config = loadRouterConfig({
    ...fauxqs.env,
    LONGSHORE_S3_PATH_STYLE: 'true',
    DATABASE_URL: database.url,
    LONGSHORE_PREFIX: prefix,
    LONGSHORE_DRAIN_MS: '1000',
    LONGSHORE_LARGE_FILE_THRESHOLD_BYTES: '1000',
  });
  router = createRouter({ config, logger, registry });
  await applyTenants(sql, [{ id: 'acme', name: 'acme', timeZone: 'UTC', homeRegion: null, ignoreGlobs: [] }], 'test');
  await applyDelivery('deliver');
});

afterEach(async () => {
  await router.stop();
  await emptyTables(sql, 'files', 'routes', 'audit_events', 'outbox', 'uploads');
  vi.unstubAllEnvs();
});

function applyDelivery(name: string, path = 'inbound/**'): Promise<unknown> {
  const definition = { kind: 'route', tenant: 'acme', name, match: { path }, steps: [{ deliver: {} }] };
  return applyRoute(sql, { tenantId: 'acme', name, definition, definitionHash: path }, 'test');
}

async function register(...objects: Partial<ArrivedObject>[]): Promise<RegisteredFile[]> {
  return (await registerFiles(sql, objects.map(arrivedObject), 'test')).files;
}

async function wake(files: readonly RegisteredFile[]): Promise<void> {
  const senders = createWakeUpSenders({
    client: fauxqs.sqs,
    queueUrls: { ingest: queues.ingest.url },
    fairQueues: false,
    logger,
  });
  expect(await senders.sendFiles(files)).toBe(files.length);
}

async function countIn(queueUrl: string): Promise<number> {
  const { Attributes } = await fauxqs.sqs.send(
    new GetQueueAttributesCommand({ QueueUrl: queueUrl, AttributeNames: ['All'] }),
  );
  return Number(Attributes?.ApproximateNumberOfMessages) + Number(Attributes?.ApproximateNumberOfMessagesNotVisible);
}

function handled(): Promise<void> {
  return vi.waitFor(async () => expect(await countIn(queues.ingest.url)).toBe(0), { timeout: 60_000, interval: 50 });
}

async function bodies(queue: QueueId): Promise<Record<string, unknown>[]> {
  const { Messages = [] } = await fauxqs.sqs.send(
    new ReceiveMessageCommand({ QueueUrl: queues[queue].url, MaxNumberOfMessages: 10 }),
  );
  return Messages.map(({ Body }) => JSON.parse(Body ?? ''));
}

test('gives each route that takes a file one job and one wake-up, however often the file is told of', async () => {
  await applyDelivery('second');
  const files = await register({});
  await wake(files);
  await wake(files.map((file) => ({ ...file, wake: 2 })));
  await router.start();
  await handled();
  const jobs = await sql`SELECT id, state, queue, step_kind AS kind, wakes FROM jobs ORDER BY id`;
  expect(jobs.map(({ state, queue, kind, wakes }) => [state, queue, kind, wakes])).toEqual([
    ['PENDING', 'partner-steps', 'deliver', 1],
    ['PENDING', 'partner-steps', 'deliver', 1],
  ]);
  const sent = await bodies('partner-steps');
  expect(sent.map(({ type, jobId, tenantId, wake }) => [type, jobId, tenantId, wake]).sort()).toEqual(
    jobs.map(({ id }) => ['job.due', id, 'acme', 1]),
  );
  expect(await findRowViolations(sql, { isAtRest: false })).toEqual([]);
});

test('sends long work to work.fifo and short work to partner-steps', async () => {
  await wake(await register({ sizeBytes: 1_000, orderKey: 'a' }, { sizeBytes: 1_001, orderKey: 'b' }));
  await router.start();
  await handled();
  expect(await bodies('work')).toHaveLength(1);
  expect(await bodies('partner-steps')).toHaveLength(1);
  const rows = await sql`SELECT f.size_bytes::int AS size, j.queue, f.is_large AS "isLarge" FROM files f
    JOIN jobs j ON j.file_id = f.id ORDER BY size`;
  expect([...rows]).toEqual([
    { size: 1_000, queue: 'partner-steps', isLarge: false },
    { size: 1_001, queue: 'work', isLarge: true },
  ]);
});

test('quarantines what no route takes, and says which were tried', async () => {
  await wake(await register({ key: 'acme/elsewhere/a.csv' }));
  await router.start();
  await handled();
  const [file] = await sql`SELECT status, error_code AS code, error_message AS message FROM files`;
  expect(file).toMatchObject({ status: 'QUARANTINED', code: 'NO_ROUTE', message: expect.stringContaining('deliver') });
  expect(await findRowViolations(sql, { isAtRest: false })).toEqual([]);
});

test('decides a file once: a route applied later changes nothing', async () => {
  const files = await register({});
  await wake(files);
  await router.start();
  await handled();
  await applyDelivery('later');
  await wake(files.map((file) => ({ ...file, wake: 2 })));
  await handled();
  expect(await sql`SELECT id FROM jobs`).toHaveLength(1);
});

test('uses a new version of a route for the files after it', async () => {
  await router.start();
  await wake(await register({ orderKey: 'a' }));
  await handled();
  await applyDelivery('deliver', 'elsewhere/**');
  await wake(await register({ orderKey: 'b' }));
  await handled();
  expect((await sql`SELECT status FROM files ORDER BY created_at`).map(({ status }) => status)).toEqual([
    'PROCESSING',
    'QUARANTINED',
  ]);
});

test('leaves a file undecided whose route it cannot read, and routes the others', async () => {
  const tenantId = 'broken';
  await applyTenants(sql, [{ id: tenantId, name: 'b', timeZone: 'UTC', homeRegion: null, ignoreGlobs: [] }], 'test');
  const definition = { kind: 'route', steps: [{ teleport: {} }] };
  await applyRoute(sql, { tenantId, name: 'r', definition, definitionHash: 'x' }, 'test');
  const files = await register({ tenantId, orderKey: 'a' }, { orderKey: 'b' });
  await wake(files);
  await router.start();
  await vi.waitFor(async () => expect(await countIn(queues.ingest.url)).toBe(1), { timeout: 60_000 });
  await vi.waitFor(
    async () => {
      const metric = await registry.getSingleMetric('longshore_routed_files_total')!.get();
      expect(metric.values.find(({ labels }) => labels.outcome === 'undecided')?.value).toBeGreaterThan(0);
    },
    { timeout: 60_000 },
  );
  const rows = await sql`SELECT tenant_id AS tenant, status FROM files ORDER BY tenant_id`;
  expect([...rows]).toEqual([
    { tenant: 'acme', status: 'PROCESSING' },
    { tenant: 'broken', status: 'QUEUED' },
  ]);
});

test('routes a file past a route that it cannot read and that does not take the file’s path', async () => {
  const definition = { kind: 'route', match: { path: ['elsewhere/**'] }, steps: [{ teleport: {} }] };
  await applyRoute(sql, { tenantId: 'acme', name: 'newer', definition, definitionHash: 'x' }, 'test');
  await wake(await register({}));
  await router.start();
  await handled();
  expect(await sql`SELECT status FROM files`).toEqual([{ status: 'PROCESSING' }]);
});

test('routes a flood in few statements and requests, and lets in as much as the window holds', async () => {
  const count = 1_200;
  const files = await register(...Array.from({ length: count }, (_, index) => ({ orderKey: `g${index % 50}` })));
  const [before] =
    await sql`SELECT pg_stat_get_db_xact_commit(oid)::int AS commits FROM pg_database WHERE datname = current_database()`;
  await wake(files);
  await router.start();
  await handled();
  const [rows] = await sql`SELECT count(*)::int AS jobs, count(woken_at)::int AS woken FROM jobs`;
  expect(rows).toEqual({ jobs: count, woken: 1_000 });
  const [after] =
    await sql`SELECT pg_stat_get_db_xact_commit(oid)::int AS commits FROM pg_database WHERE datname = current_database()`;
  expect((after?.commits - before?.commits) / count).toBeLessThan(0.4);
  const metric = await registry.getSingleMetric('longshore_sqs_requests_total')!.get();
  const requests = metric.values.reduce((sum, { value }) => sum + value, 0);
  expect(requests / count).toBeLessThan(0.5);
});

test('goes on after the database has cut its connections', async () => {
  await router.start();
  expect(await router.readiness()).toMatchObject({ ok: true });
  await sql`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'longshore-router/%'`;
  await wake(await register({}));
  await handled();
  expect(await sql`SELECT id FROM jobs`).toHaveLength(1);
});

test('lets a message that is none reach the dead letters, and routes the files around it', async () => {
  await router.start();
  await fauxqs.sqs.send(
    new SendMessageCommand({
      QueueUrl: queues.ingest.url,
      MessageBody: '{"type":"file.settled","v":1,"fileId":"1 OR 1=1","wake":1}',
      MessageGroupId: 'x',
      MessageDeduplicationId: 'x',
    }),
  );
  await wake(await register({}));
  await handled();
  expect(await sql`SELECT id FROM jobs`).toHaveLength(1);
  expect(await countIn(queues.ingest.deadLetterUrl)).toBe(1);
});

async function applyMatch(name: string, match: object): Promise<void> {
  const definition = {
    kind: 'route',
    tenant: 'acme',
    name,
    match: { path: 'inbound/**', ...match },
    steps: [{ deliver: {} }],
  };
  await applyRoute(sql, { tenantId: 'acme', name, definition, definitionHash: name }, 'test');
}

async function put(name: string, body: Buffer | string, tagging = ''): Promise<Partial<ArrivedObject>> {
  const key = `acme/inbound/${name}`;
  const { VersionId } = await s3.client.send(
    new PutObjectCommand({ Bucket: BUCKET, Key: key, Body: body, Tagging: tagging }),
  );
  return { key, name, versionId: VersionId ?? 'null', sizeBytes: Buffer.byteLength(body) };
}

test('routes by content and tags, each object read once and only where a route asks for it', async () => {
  await emptyTables(sql, 'routes');
  await applyMatch('pdf', { type: ['pdf'] });
  await applyMatch('invoices', { tags: { kind: 'invoice' } });
  await applyMatch('orders', { header: { columns: ['order', 'amount'] } });
  await applyMatch('mine', { user: 'acme-*', type: ['csv'] });
  await wake(
    await register(
      // The name lies.
      await put('report.csv', Buffer.from('%PDF-1.7\n')),
      await put('invoice.xml', '<?xml version="1.0"?><a/>', 'kind=invoice&more=1'),
      { ...(await put('orders.csv', 'order,amount\n1,2\n')), uploadedBy: 'acme-sftp' },
      await put('wide.csv', Buffer.from('\ufefforder,amount\r\n', 'utf16le')),
      await put('empty.csv', ''),
      { key: 'acme/elsewhere/unread.csv' },
    ),
  );
  await router.start();
  await handled();
  const rows = await sql`
    SELECT f.name, f.error_cause AS cause, coalesce(array_agg(r.name ORDER BY r.name) FILTER (WHERE r.name IS NOT NULL), '{}') AS routes
    FROM files f LEFT JOIN jobs j ON j.file_id = f.id LEFT JOIN routes r ON r.id = j.route_id
    WHERE f.key LIKE 'acme/inbound/%' GROUP BY f.id ORDER BY f.name`;
  expect(rows.map(({ name, cause, routes }) => [name, cause, routes])).toEqual([
    ['empty.csv', 'CONDITION_MISMATCH', []],
    ['invoice.xml', null, ['invoices']],
    ['orders.csv', null, ['mine', 'orders']],
    ['report.csv', null, ['pdf']],
    ['wide.csv', null, ['orders']],
  ]);
  const [empty] = await sql`SELECT error_message AS message FROM files WHERE name = 'empty.csv'`;
  expect(empty?.message).toContain('orders: its first line is not as match.header says');
  const requests = await registry.getSingleMetric('longshore_s3_requests_total')?.get();
  const counts = Object.fromEntries(requests?.values.map(({ labels, value }) => [labels.operation, value]) ?? []);
  expect(counts).toEqual({ GetObjectTagging: 5, GetObject: 4 });
});

test.each<S3Fault>([{ type: 'reset' }, { type: 'silent' }])(
  'a file is not decided while the store answers with %o, and is routed once it is back',
  async (fault) => {
    await emptyTables(sql, 'routes');
    await applyMatch('pdf', { type: ['pdf'] });
    await wake(await register(await put('late.pdf', '%PDF-1.7\n')));
    proxy.spoil(() => fault);
    await router.start();
    const undecided = async () => {
      const metric = await registry.getSingleMetric('longshore_routed_files_total')?.get();
      return metric?.values.find(({ labels }) => labels.outcome === 'undecided')?.value ?? 0;
    };
    await vi.waitFor(async () => expect(await undecided()).toBeGreaterThan(0), { timeout: 60_000, interval: 50 });
    expect(await sql`SELECT status FROM files`).toMatchObject([{ status: 'QUEUED' }]);
    proxy.spoil(() => undefined);
    await vi.waitFor(async () => expect(await sql`SELECT 1 FROM jobs`).toHaveLength(1), {
      timeout: 60_000,
      interval: 50,
    });
  },
);

test('a job goes into the queue of its lane, or waits for its quiet hours', async () => {
  const definition = { kind: 'route', tenant: 'acme', match: { path: 'inbound/**' }, steps: [{ deliver: {} }] };
  // A day that is not today, whatever the time zone.
  const day = WEEKDAYS[(new Date().getUTCDay() + 2) % 7];
  const quietHours = [{ days: [day], from: '08:00', to: '09:00' }];
  for (const [name, more] of Object.entries({
    urgent: { priority: 'platinum' },
    cheap: { priority: 'bronze', quietHours },
  }))
    await applyRoute(
      sql,
      { tenantId: 'acme', name, definition: { ...definition, name, ...more }, definitionHash: name },
      'test',
    );
  await wake(await register({}));
  await router.start();
  await handled();
  const jobs = await sql`
    SELECT r.name, j.lane, j.queue, j.state, j.wait_reason AS reason, j.wakes, j.next_action_at > now() AS "isLater"
    FROM jobs j JOIN routes r ON r.id = j.route_id ORDER BY r.name`;
  expect(jobs).toMatchObject([
    {
      name: 'cheap',
      lane: 'bronze',
      queue: 'bronze-steps',
      state: 'WAITING',
      reason: 'QUIET_HOURS',
      wakes: 0,
      isLater: true,
    },
    { name: 'deliver', lane: 'standard', queue: 'partner-steps', state: 'PENDING', wakes: 1 },
    { name: 'urgent', lane: 'platinum', queue: 'platinum-steps', state: 'PENDING', wakes: 1 },
  ]);
  expect([await bodies('platinum-steps'), await bodies('partner-steps'), await bodies('bronze-steps')]).toMatchObject([
    [{ type: 'job.due' }],
    [{ type: 'job.due' }],
    [],
  ]);
  expect(await findRowViolations(sql, { isAtRest: false })).toEqual([]);
  // Their time has come.
  await sql`UPDATE jobs SET next_action_at = now() WHERE state = 'WAITING'`;
  const woken = await wakeJobs(sql, {
    ...{ queue: 'bronze-steps', window: 10, limit: 10, missing: 0, graceMs: 1_000, boundMs: 60_000, actor: 'test' },
  });
  expect(woken).toMatchObject([{ queue: 'bronze-steps', wake: 1 }]);
});

test('a manifest names the files of its batch, and one that cannot be read is quarantined', async () => {
  await emptyTables(sql, 'routes', 'batches');
  const definition = {
    ...{ kind: 'route', tenant: 'acme', name: 'together', match: { path: 'inbound/*.csv' } },
    ...{ batch: { manifest: 'inbound/*.manifest', within: '1h' }, steps: [{ deliver: {} }] },
  };
  await applyRoute(sql, { tenantId: 'acme', name: 'together', definition, definitionHash: 'together' }, 'test');
  await wake(
    await register(
      await put('day.manifest', '# of today\r\na.csv;12\r\nb.csv;13\r\n'),
      await put('a.csv', 'x'),
      await put('bad.manifest', Buffer.from([0xff, 0xfe, 0x00])),
    ),
  );
  await router.start();
  await handled();
  const files = await sql`SELECT name, status, error_code AS code FROM files ORDER BY name`;
  expect(files).toMatchObject([
    { name: 'a.csv', status: 'PROCESSING' },
    { name: 'bad.manifest', status: 'QUARANTINED', code: 'MANIFEST_INVALID' },
    { name: 'day.manifest' },
  ]);
  expect(await sql`SELECT state, files, expected FROM batches`).toEqual([
    { state: 'OPEN', files: 1, expected: ['inbound/a.csv', 'inbound/b.csv'] },
  ]);
  expect(await sql`SELECT state, wait_reason AS reason FROM jobs`).toEqual([{ state: 'WAITING', reason: 'BATCH' }]);
});

test.each([
  ['twice with the same content is one file', 'h', 'COMPANION'],
  ['again with other content is another file', 'other', 'PROCESSING'],
])('the PUT of one upload that came %s', async (_name, secondHash, status) => {
  const id = randomUUID();
  const key = 'acme/inbound/sent.csv';
  await sql`INSERT INTO uploads (id, tenant_id, bucket, key, source, uploaded_by, state, expires_at)
    VALUES (${id}, 'acme', 'test-landing', ${key}, 'http', 'tenant:acme:desk', 'OPEN', now() + interval '1 hour')`;
  const head = { metadata: { [UPLOAD_METADATA]: id } } as never;
  const sentOtherwise = { key, contentHash: 'h' };
  const files = await register(sentOtherwise, { key, head, contentHash: 'h' }, { key, head, contentHash: secondHash });
  await wake(files);
  await router.start();
  await handled();
  expect(await sql`SELECT id, status, error_code AS code FROM files ORDER BY order_seq`).toMatchObject([
    { id: files[0]?.id, status: 'PROCESSING', code: null },
    { id: files[1]?.id, status: 'PROCESSING', code: null },
    { id: files[2]?.id, status, code: status === 'COMPANION' ? 'UPLOAD_REPEATED' : null },
  ]);
  expect(await findRowViolations(sql, { isAtRest: false })).toEqual([]);
});

test('a file whose tenant is at home in another region stays in landing, and says so', async () => {
  await router.stop();
  const variables = { ...fauxqs.env, LONGSHORE_S3_PATH_STYLE: 'true', DATABASE_URL: database.url };
  const more = { LONGSHORE_PREFIX: prefix, LONGSHORE_DRAIN_MS: '1000', LONGSHORE_HOME_REGIONS: 'eu-west-1' };
  router = createRouter({ config: loadRouterConfig({ ...variables, ...more }), logger, registry: new Registry() });
  const acme = { id: 'acme', name: 'acme', timeZone: 'UTC', homeRegion: 'us-west-2', ignoreGlobs: [] };
  await applyTenants(sql, [acme], 'test');
  await wake(await register({}));
  await router.start();
  await handled();
  const [file] = await sql<
    { id: string }[]
  >`SELECT id, status, error_code AS code, archived_at AS "archivedAt" FROM files`;
  expect(file).toMatchObject({ status: 'ELSEWHERE', code: 'LEFT_TO_HOME', archivedAt: null });
  expect(
    await sql`SELECT detail ->> 'message' AS message FROM audit_events WHERE type = 'file.elsewhere'`,
  ).toMatchObject([{ message: expect.stringContaining('us-west-2') }]);
  expect(await findRowViolations(sql, { isAtRest: false })).toEqual([]);
  // Rerouted where it may be processed, it continues.
  const word = { fileIds: [file?.id ?? ''], actor: 'test', reason: 'moved here' };
  expect(await requeueFiles(sql, word)).toHaveLength(1);
});

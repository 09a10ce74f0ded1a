import { randomUUID } from 'node:crypto';
import { DeleteObjectCommand, PutObjectCommand } from '@aws-sdk/client-s3';
import { GetQueueAttributesCommand, ReceiveMessageCommand, SendMessageCommand } from '@aws-sdk/client-sqs';
import pLimit from 'p-limit';
import { Registry } from 'prom-client';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import {
  renameCompleted,
  type TransferEventContext,
  uploadCompleted,
  uploadFailed,
} from '#local/sftp/transfer-event.ts';
import { connectDatabase, type Sql } from '#shared/db/connect-database.ts';
import { applySftpUser } from '#shared/definitions/apply-sftp-users.ts';
import { applyTenants } from '#shared/definitions/apply-tenants.ts';
import { type CreatedQueue, createQueues } from '#shared/queue/create-queues.ts';
import { createLogger } from '#shared/runtime/logger.ts';
import type { Service } from '#shared/runtime/run-service.ts';
import { findRowViolations } from '#testkit/checks/find-row-violations.ts';
import { emptyTables } from '#testkit/seeds/empty-tables.ts';
import { type S3TestServer, startTestServer, TEST_CREDENTIAL } from '#testkit/servers/s3-server.ts';
import { type Fauxqs, startFauxqs } from '#testkit/servers/start-fauxqs.ts';
import { createTestDatabase, type TestDatabase } from '#testkit/servers/test-database.ts';
import { loadIngestorConfig } from './config.ts';
import { createIngestor } from './service.ts';

const QUIET_MS = 3_600_000;
const AS_SFTP = { 'user-agent': 'AWSTransfer', 'user-agent-id': 'acme-user@s-1' };

let database: TestDatabase;
let sql: Sql;
let fauxqs: Fauxqs;
let s3: S3TestServer;
let queues: Record<'landing' | 'landing-overflow' | 'ingest', CreatedQueue>;
let prefix: string;
let bucket: string;
let registry: Registry;
let ingestor: Service;
let tests = 0;

beforeAll(async () => {
  [database, fauxqs, s3] = await Promise.all([createTestDatabase(), startFauxqs(), startTestServer()]);
  sql = connectDatabase({ ...databaseConfig(), DATABASE_POOL_MAX: 2 }, 'ingestor-test', { keepsPlans: true });
  await applyTenants(sql, ['acme', 'plain'].map(tenant), 'test');
  await applyTenants(sql, [{ ...tenant('urgent'), priority: 'platinum' }], 'test');
  await applySftpUser(sql, { username: 'acme-user', tenantId: 'acme', publicKey: 'k', homePrefix: 'acme/' }, 'test');
});

afterAll(async () => {
  await sql.end({ timeout: 5 });
  await Promise.all([database.drop(), fauxqs.stop(), s3.stop()]);
});

beforeEach(() => begin());

afterEach(async () => {
  await ingestor.stop();
  await emptyTables(sql, 'files', 'audit_events', 'outbox');
  vi.unstubAllEnvs();
});

/** An ingestor with queues and its own bucket: messages could still go to the polls of one that was stopped. */
async function begin(s3Url = s3.server.url): Promise<void> {
  tests += 1;
  prefix = `i${tests}`;
  bucket = `${prefix}-landing`;
  s3.server.createBucket(bucket);
  queues = await createQueues({ client: fauxqs.sqs, prefix });
  registry = new Registry();
  ingestor = createIngestorFor(s3Url);
  await ingestor.start();
}

function databaseConfig() {
  return {
    DATABASE_URL: database.url,
    DATABASE_POOL_MAX: 2,
    DATABASE_PREPARE: true,
    DATABASE_STATEMENT_TIMEOUT_MS: 60_000,
  };
}

function tenant(id: string) {
  return { id, name: id, timeZone: 'UTC', homeRegion: null, ignoreGlobs: ['*.tmp', '.*'] };
}

function createIngestorFor(s3Url: string): Service {
  // The SDK reads endpoint and credentials from the environment when a client is made.
  for (const [name, value] of Object.entries({
    AWS_REGION: 'us-east-1',
    AWS_ENDPOINT_URL_SQS: fauxqs.endpoint,
    AWS_ENDPOINT_URL_S3: s3Url,
    AWS_ACCESS_KEY_ID: TEST_CREDENTIAL.accessKeyId,
    AWS_SECRET_ACCESS_KEY: TEST_CREDENTIAL.secretAccessKey,
  })) {
    vi.stubEnv(name, value);
  }
  const config = loadIngestorConfig({
    AWS_REGION: 'us-east-1',
    DATABASE_URL: database.url,
    LONGSHORE_PREFIX: prefix,
    LONGSHORE_S3_PATH_STYLE: 'true',
    LONGSHORE_DRAIN_MS: '1000',
    LONGSHORE_SFTP_QUIET_MS: String(QUIET_MS),
  });
  return createIngestor({ config, registry, logger: createLogger({ service: 'ingestor', level: 'fatal' }) });
}

interface Stored {
  readonly key: string;
  readonly versionId: string;
  readonly etag: string;
  readonly size: number;
}

async function put(key: string, body: string, metadata: Record<string, string> = {}): Promise<Stored> {
  const reply = await s3.client.send(
    new PutObjectCommand({ Bucket: bucket, Key: key, Body: body, Metadata: metadata }),
  );
  return { key, versionId: reply.VersionId!, etag: reply.ETag!.replaceAll('"', ''), size: Buffer.byteLength(body) };
}

function created({ key, versionId, etag, size }: Stored, inBucket = bucket) {
  return {
    version: '0',
    id: randomUUID(),
    'detail-type': 'Object Created',
    source: 'aws.s3',
    time: new Date().toISOString(),
    detail: { bucket: { name: inBucket }, object: { key, size, etag, 'version-id': versionId, sequencer: '1' } },
  };
}

function session(): TransferEventContext {
  return {
    server: { serverId: 's-1', region: 'us-east-1', account: '000000000000' },
    session: { sessionId: 'x', username: 'acme-user', clientIp: '127.0.0.1' },
    startedAt: new Date(Date.now() - 1_000),
    endedAt: new Date(),
  };
}

function completed({ key, etag, size }: Stored) {
  return uploadCompleted(session(), { bucket, key, etag, bytes: size });
}

function cutOff({ key, etag, size }: Stored) {
  return uploadFailed(session(), { bucket, key, etag, bytes: size, failureCode: 'PARTIAL_UPLOAD' });
}

async function send(...events: unknown[]): Promise<void> {
  await Promise.all(
    events.map((event) =>
      fauxqs.sqs.send(
        new SendMessageCommand({
          QueueUrl: queues.landing.url,
          MessageBody: typeof event === 'string' ? event : JSON.stringify(event),
        }),
      ),
    ),
  );
}

/** Waits until every event sent so far has left the queue, handled or dead. */
async function settled(queue: 'landing' | 'landing-overflow' = 'landing'): Promise<void> {
  await vi.waitFor(
    async () => {
      const { Attributes } = await fauxqs.sqs.send(
        new GetQueueAttributesCommand({ QueueUrl: queues[queue].url, AttributeNames: ['All'] }),
      );
      const { ApproximateNumberOfMessages: visible, ApproximateNumberOfMessagesNotVisible: held } = Attributes ?? {};
      expect([visible, held]).toEqual(['0', '0']);
    },
    { timeout: 60_000, interval: 50 },
  );
}

interface FileRow {
  readonly key: string;
  readonly status: string;
  readonly source: string;
  readonly versionId: string;
  readonly errorCode: string | null;
  readonly tenantId: string;
  readonly uploadedBy: string | null;
}

function files(): Promise<FileRow[]> {
  return sql<FileRow[]>`
    SELECT key, status, source, version_id AS "versionId", error_code AS "errorCode", tenant_id AS "tenantId",
      uploaded_by AS "uploadedBy"
    FROM files ORDER BY created_at, key`.then((rows) => [...rows]);
}

async function wakeUps(): Promise<{ fileId: string; wake: number; type: string }[]> {
  const { Messages = [] } = await fauxqs.sqs.send(
    new ReceiveMessageCommand({ QueueUrl: queues.ingest.url, MaxNumberOfMessages: 10, WaitTimeSeconds: 0 }),
  );
  return Messages.map(({ Body }) => JSON.parse(Body ?? ''));
}

async function countOf(event: string, outcome: string): Promise<number> {
  const metric = await registry.getSingleMetric('longshore_landing_events_total')!.get();
  return metric.values.find(({ labels }) => labels.event === event && labels.outcome === outcome)?.value ?? 0;
}

async function s3Requests(): Promise<number> {
  const metric = await registry.getSingleMetric('longshore_s3_requests_total')!.get();
  return metric.values.reduce((sum, { value }) => sum + value, 0);
}

describe('objects of other writers', () => {
  test('are queued once, after one look in a batch, however often and side by side their event comes', async () => {
    const object = await put('plain/in/a.csv', 'a,b');
    await send(...Array.from({ length: 5 }, () => created(object)));
    await settled();
    expect(await files()).toMatchObject([
      { key: 'plain/in/a.csv', status: 'QUEUED', source: 's3', versionId: object.versionId, tenantId: 'plain' },
    ]);
    const [file] = await sql`SELECT id, etag FROM files`;
    expect(file?.etag).toBe(`"${object.etag}"`);
    expect(await wakeUps()).toEqual([{ type: 'file.settled', v: 1, fileId: file?.id, wake: 1 }]);
    expect(await s3Requests()).toBeLessThanOrEqual(5);
    expect(await findRowViolations(sql, { isAtRest: false })).toEqual([]);
  });

  test('are two files when the key is overwritten', async () => {
    const first = await put('plain/a.csv', '1');
    const second = await put('plain/a.csv', '2');
    await send(created(second), created(first));
    await settled();
    expect((await files()).map(({ versionId }) => versionId).sort()).toEqual(
      [first.versionId, second.versionId].sort(),
    );
  });

  test('are registered as the store has them, whatever their event says', async () => {
    const object = await put('plain/a.csv', 'twelve bytes');
    const forged = created({ ...object, size: 3, etag: 'e\r\nx' });
    await send({ ...forged, time: '9999-12-31T23:59:59Z' });
    await settled();
    const [row] = await sql`
      SELECT size_bytes::int AS size, etag, uploaded_at < now() + interval '1 minute' AS "isPlausible" FROM files`;
    expect(row).toEqual({ size: 12, etag: `"${object.etag}"`, isPlausible: true });
    await send(created(object));
    await settled();
    expect(await files()).toHaveLength(1);
  });

  test('are not registered by events about versions that the store does not have', async () => {
    const object = await put('plain/a.csv', 'x');
    await send(created({ ...object, key: 'plain/ghost.csv' }), created({ ...object, key: 'stranger/ghost.csv' }));
    await settled();
    expect(await files()).toEqual([]);
    expect(await countOf('Object Created', 'gone')).toBe(2);
    await send(created({ ...object, versionId: 'not-a-version-id' }));
    await vi.waitFor(async () => expect(await countOf('Object Created', 'refused')).toBe(1), { timeout: 60_000 });
    expect(await files()).toEqual([]);
  });

  test('are the newest version when their event names none', async () => {
    const object = await put('plain/a.csv', 'x');
    const event = created(object);
    const { 'version-id': _, ...unversioned } = event.detail.object;
    await send({ ...event, detail: { ...event.detail, object: unversioned } });
    await settled();
    expect(await files()).toMatchObject([{ status: 'QUEUED', versionId: object.versionId }]);
  });

  test('are set aside when their key could mean another place', async () => {
    await send(created(await put('plain/in/\u202egnp.exe', 'x')));
    await settled();
    expect(await files()).toMatchObject([{ status: 'QUARANTINED', errorCode: 'NAME_REJECTED', tenantId: 'plain' }]);
    expect(await wakeUps()).toEqual([]);
  });

  test('are queued at once in the directory of a tenant that has SFTP users too, after one look', async () => {
    await send(created(await put('acme/in/presigned.csv', 'x')));
    await settled();
    expect(await files()).toMatchObject([{ status: 'QUEUED', source: 's3' }]);
    expect(await s3Requests()).toBe(1);
  });
});

describe('what is no file', () => {
  test('is acknowledged and not registered: markers, ignored names, other buckets, other events', async () => {
    const object = await put('plain/a.tmp', 'x');
    await send(
      created(object),
      created({ ...object, key: 'plain/.hidden' }),
      created({ ...object, key: 'plain/dir/' }),
      created({ ...object, key: 'plain/b.csv' }, 'another-bucket'),
      { source: 'aws.s3', 'detail-type': 'Object Deleted', detail: {} },
    );
    await settled();
    expect(await files()).toEqual([]);
    expect(await countOf('Object Created', 'ignored')).toBe(3);
    expect(await countOf('Object Created', 'foreign')).toBe(1);
    expect(await countOf('other', 'other')).toBe(1);
  });

  test('goes to the dead letters when it is no event, and holds up none of the good ones', async () => {
    const object = await put('plain/a.csv', 'x');
    await send('garbage', '{"source":"aws.s3","detail-type":"Object Created","detail":{}}', created(object));
    await settled();
    expect(await files()).toHaveLength(1);
    const { Attributes } = await fauxqs.sqs.send(
      new GetQueueAttributesCommand({ QueueUrl: queues.landing.deadLetterUrl, AttributeNames: ['All'] }),
    );
    expect(Attributes?.ApproximateNumberOfMessages).toBe('2');
  });

  test('is refused alone when no store or table can have what it names, and holds up none of the good ones', async () => {
    const object = await put('plain/a.csv', 'x');
    const transfer = completed(object);
    const ofYear = (time: string) => ({
      ...transfer,
      time,
      detail: { ...transfer.detail, 'start-timestamp': time, 'end-timestamp': time },
    });
    await send(
      created({ ...object, key: 'plain/a\0.csv' }),
      created({ ...object, key: 'plain/\ud800.csv' }),
      created({ ...object, versionId: '\0' }),
      completed({ ...object, key: 'plain/\udc00\0' }),
      cutOff({ ...object, key: 'plain/b\0.csv' }),
      ofYear('0001-01-01T00:00:00Z'),
      ofYear('9999-12-31T23:59:59-23:59'),
      created(object),
    );
    for (const [event, outcome, count] of [
      ['Object Created', 'queued', 1],
      ['Object Created', 'refused', 3],
      ['SFTP Server File Upload Completed', 'refused', 1],
      ['SFTP Server File Upload Completed', 'gone', 2],
      ['SFTP Server File Upload Failed', 'refused', 1],
    ] as const) {
      await vi.waitFor(async () => expect(await countOf(event, outcome)).toBe(count), { timeout: 60_000 });
    }
    expect(await files()).toMatchObject([{ key: 'plain/a.csv', status: 'QUEUED' }]);
  });

  test('is quarantined when no tenant has its prefix, also beside a tenant of which it begins with the name', async () => {
    for (const key of ['plainest/a.csv', 'top.csv', 'unassigned/a.csv']) await send(created(await put(key, 'x')));
    await settled();
    expect((await files()).map(({ status, errorCode, tenantId }) => [status, errorCode, tenantId])).toEqual(
      Array.from({ length: 3 }, () => ['QUARANTINED', 'TENANT_UNKNOWN', 'unassigned']),
    );
    expect(await wakeUps()).toEqual([]);
  });
});

test('a flood goes on to its own queue, and each of its files is registered once', async () => {
  await send(created(await put('urgent/a.csv', 'x')));
  await settled();
  expect(await wakeUps()).toMatchObject([{ type: 'file.settled', isUrgent: true }]);
  const objects = await pLimit(20).map(Array.from({ length: 300 }).keys(), (index) => put(`plain/${index}.csv`, 'x'));
  await send(...objects.map((object) => created(object)));
  await settled();
  await settled('landing-overflow');
  expect(await countOf('Object Created', 'overflow')).toBeGreaterThan(0);
  expect(await countOf('Object Created', 'queued')).toBe(301);
  expect(new Set((await files()).map(({ key }) => key)).size).toBe(301);
});

describe('objects that SFTP wrote', () => {
  test('wait for the report that they are whole', async () => {
    const object = await put('acme/a.csv', 'x', AS_SFTP);
    await send(created(object));
    await settled();
    expect(await files()).toMatchObject([{ status: 'UPLOADED', source: 'sftp', uploadedBy: 'acme-user' }]);
    const [row] = await sql`SELECT extract(epoch FROM next_action_at - now())::float8 * 1000 AS "leftMs" FROM files`;
    expect(row?.leftMs).toBeGreaterThan(QUIET_MS - 60_000);
    await send(completed(object));
    await settled();
    expect(await files()).toMatchObject([{ status: 'QUEUED', source: 'sftp' }]);
    const actions =
      await sql`SELECT tenant_id AS tenant, action, session_id AS session FROM sftp_actions WHERE path LIKE ${`/${bucket}/%`}`;
    expect(actions).toMatchObject([{ tenant: 'acme', action: 'upload' }]);
    expect(await wakeUps()).toHaveLength(1);
    // The object's own event cost a look; its completion was matched with the row.
    expect(await s3Requests()).toBe(1);
  });

  test('are queued by their completion alone, and once when the events are repeated and shuffled', async () => {
    const object = await put('acme/a.csv', 'x', AS_SFTP);
    await send(completed(object));
    await settled();
    expect(await files()).toMatchObject([{ status: 'QUEUED', versionId: object.versionId, uploadedBy: 'acme-user' }]);
    await send(...[completed, created, completed, created, created].map((event) => event(object)));
    await settled();
    expect(await files()).toHaveLength(1);
    expect(await wakeUps()).toHaveLength(1);
  });

  test('become no job when the upload was cut off, whichever event comes first', async () => {
    const [first, second] = [await put('acme/1.csv', 'par', AS_SFTP), await put('acme/2.csv', 'part', AS_SFTP)];
    await send(cutOff(first), created(second));
    await settled();
    await send(created(first), cutOff(second));
    await settled();
    expect((await files()).map(({ key, status, errorCode }) => [key, status, errorCode]).sort()).toEqual([
      ['acme/1.csv', 'QUARANTINED', 'PARTIAL_UPLOAD'],
      ['acme/2.csv', 'QUARANTINED', 'PARTIAL_UPLOAD'],
    ]);
    expect(await wakeUps()).toEqual([]);
  });

  test('are cut off only where the store says that SFTP wrote them', async () => {
    const [first, second] = [await put('acme/1.csv', 'whole'), await put('acme/2.csv', 'whole')];
    await send(cutOff(first), created(first));
    await settled();
    await send(cutOff(second));
    await settled();
    await send(created(second));
    await settled();
    expect((await files()).map(({ key, status }) => [key, status]).sort()).toEqual([
      ['acme/1.csv', 'QUEUED'],
      ['acme/2.csv', 'QUEUED'],
    ]);
  });

  test('tell a cut-off upload from the whole one that followed under the same name', async () => {
    const partial = await put('acme/a.csv', 'par', AS_SFTP);
    const whole = await put('acme/a.csv', 'partial no more', AS_SFTP);
    await send(cutOff(partial), completed(whole));
    await settled();
    await send(created(whole), created(partial));
    await settled();
    const byVersion = Object.fromEntries((await files()).map(({ versionId, status }) => [versionId, status]));
    expect(byVersion).toEqual({ [partial.versionId]: 'QUARANTINED', [whole.versionId]: 'QUEUED' });
  });

  test('are each settled by its own report, also when the same bytes come again at once, before their event', async () => {
    const first = await put('acme/a.csv', 'x', AS_SFTP);
    await send(created(first), completed(first));
    await settled();
    const second = await put('acme/a.csv', 'x', AS_SFTP);
    await send(completed(second));
    await settled();
    await send(created(second));
    await settled();
    const partial = await put('acme/b.csv', 'par', AS_SFTP);
    await send(cutOff(partial));
    await settled();
    const again = await put('acme/b.csv', 'par', AS_SFTP);
    await send(cutOff(again));
    await settled();
    await send(created(again));
    await settled();
    const byVersion = Object.fromEntries((await files()).map(({ versionId, status }) => [versionId, status]));
    expect(byVersion).toEqual({
      [first.versionId]: 'QUEUED',
      [second.versionId]: 'QUEUED',
      [partial.versionId]: 'QUARANTINED',
      [again.versionId]: 'QUARANTINED',
    });
  });

  test('are whole under the name that a rename gave them', async () => {
    const object = await put('acme/a.csv', 'x', AS_SFTP);
    await send(renameCompleted(session(), { bucket, fromKey: 'acme/a.tmp', toKey: 'acme/a.csv' }), created(object));
    await settled();
    expect(await files()).toMatchObject([{ key: 'acme/a.csv', status: 'QUEUED', versionId: object.versionId }]);
  });

  test('are let go when they are gone before anybody looked', async () => {
    const object = await put('acme/a.csv', 'x', AS_SFTP);
    await s3.client.send(new DeleteObjectCommand({ Bucket: bucket, Key: object.key, VersionId: object.versionId }));
    await send(created(object), completed({ ...object, key: 'acme/never.csv' }));
    await settled();
    expect(await files()).toEqual([]);
    expect(await countOf('SFTP Server File Upload Completed', 'gone')).toBe(1);
  });
});

describe('while the object store is away', () => {
  test('its events come again, and register nothing that nobody has looked at', async () => {
    await ingestor.stop();
    await begin('http://127.0.0.1:9');
    const object = await put('acme/a.csv', 'x', AS_SFTP);
    await send(created(object), completed({ ...object, key: 'acme/b.csv' }));
    for (const event of ['Object Created', 'SFTP Server File Upload Completed']) {
      await vi.waitFor(async () => expect(await countOf(event, 'later')).toBeGreaterThan(0), { timeout: 60_000 });
    }
    expect(await files()).toEqual([]);
  });
});

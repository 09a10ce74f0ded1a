import { DeleteObjectCommand, ListObjectVersionsCommand, PutObjectCommand } from '@aws-sdk/client-s3';
import { Registry } from 'prom-client';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { createTakeArrivals } from '#shared/arrival/take-arrivals.ts';
import { createTenantDirectory } from '#shared/arrival/tenant-directory.ts';
import { applySftpUser } from '#shared/definitions/apply-sftp-users.ts';
import { applyTenants } from '#shared/definitions/apply-tenants.ts';
import { createObjectStore } from '#shared/files/create-object-store.ts';
import { bucketName } from '#shared/runtime/config/resource-names.ts';
import { createLogger } from '#shared/runtime/logger.ts';
import { type SweeperTestBed, startSweeperTestBed } from '#testkit/beds/sweeper-bed.ts';
import { emptyTables } from '#testkit/seeds/empty-tables.ts';
import { createRetrySweeperMetrics } from './metrics.ts';
import { type LandingLook, type ReconcileLandingOptions, reconcileLanding } from './reconcile-landing.ts';

const MINUTE_MS = 60_000;

let bed: SweeperTestBed;
let bucket: string;
let woken: string[];

beforeAll(async () => {
  bed = await startSweeperTestBed();
  const tenant = (id: string) => ({ id, name: id, timeZone: 'UTC', homeRegion: null, ignoreGlobs: ['*.tmp'] });
  await applyTenants(bed.sql, [tenant('acme'), tenant('plain')], 'test');
  await applySftpUser(bed.sql, { username: 'u', tenantId: 'acme', publicKey: 'k', homePrefix: 'acme/' }, 'test');
});
afterAll(() => bed.stop());

beforeEach(async () => {
  ({ bucket } = await bed.begin());
  woken = [];
});
afterEach(async () => {
  await emptyTables(bed.sql, 'files', 'audit_events', 'outbox');
});

/** A comparison as it would be made `later` ms from now. */
async function reconcile(laterMs = 10 * MINUTE_MS): Promise<number> {
  return (await lookAt(laterMs)).found;
}

function lookAt(laterMs: number, look: Partial<ReconcileLandingOptions> = {}): Promise<LandingLook> {
  const logger = createLogger({ service: 'test', level: 'fatal' });
  const store = createObjectStore({ client: bed.s3.client });
  const takeArrivals = createTakeArrivals({
    sql: bed.sql,
    store,
    directory: createTenantDirectory({ sql: bed.sql }),
    landingBucket: bucket,
    quietMs: MINUTE_MS,
    senders: {
      sendFiles: async (files) => {
        woken.push(...files.map(({ id }) => id));
        return files.length;
      },
    },
    actor: 'retry-sweeper',
    logger,
  });
  return reconcileLanding({
    sql: bed.sql,
    store,
    takeArrivals,
    landingBucket: bucket,
    metrics: createRetrySweeperMetrics(new Registry()),
    logger,
    signal: new AbortController().signal,
    now: () => Date.now() + laterMs,
    ...look,
  });
}

async function put(key: string, body = 'x', metadata: Record<string, string> = {}): Promise<string> {
  const { VersionId } = await bed.s3.client.send(
    new PutObjectCommand({ Bucket: bucket, Key: key, Body: body, Metadata: metadata }),
  );
  return VersionId!;
}

function files() {
  return bed.sql`SELECT key, version_id AS version, status, source FROM files ORDER BY key, version_id`.then((rows) => [
    ...rows,
  ]);
}

test('takes in what no event told of, overwritten versions too, once', async () => {
  const versions = [await put('plain/a.csv', '1'), await put('plain/a.csv', '2')];
  expect(await reconcile()).toBe(2);
  expect((await files()).map(({ version, status, source }) => [version, status, source]).sort()).toEqual(
    versions.map((version) => [version, 'QUEUED', 'reconciliation']).sort(),
  );
  expect(woken).toHaveLength(2);
  expect(await reconcile()).toBe(0);
  expect(await files()).toHaveLength(2);
});

test('leaves young objects to their events, and old ones where they are', async () => {
  await put('plain/a.csv');
  expect(await reconcile(0)).toBe(0);
  expect(await reconcile(8 * 24 * 60 * MINUTE_MS)).toBe(0);
  expect(await files()).toEqual([]);
});

test('leaves what its sender took back, what is ignored and what is no file', async () => {
  await put('plain/withdrawn.csv');
  await bed.s3.client.send(new DeleteObjectCommand({ Bucket: bucket, Key: 'plain/withdrawn.csv' }));
  await put('plain/a.tmp');
  await put('plain/directory/');
  const again = await put('plain/withdrawn.csv', 'sent again');
  expect(await reconcile()).toBe(1);
  expect(await files()).toMatchObject([{ version: again }]);
});

test('lets an object that SFTP wrote keep its quiet period, and quarantines one that is nobody’s', async () => {
  await put('acme/a.csv', 'x', { 'user-agent': 'AWSTransfer' });
  await put('stranger/a.csv');
  expect(await reconcile()).toBe(2);
  expect((await files()).map(({ key, status }) => [key, status])).toEqual([
    ['acme/a.csv', 'UPLOADED'],
    ['stranger/a.csv', 'QUARANTINED'],
  ]);
  expect(woken).toEqual([]);
});

test('goes through all pages, and on from where a look stopped', async () => {
  const [count, pageSize] = [55, 20];
  const inner = createObjectStore({ client: bed.s3.client });
  const store: typeof inner = {
    ...inner,
    listVersions: (request) => inner.listVersions({ ...request, limit: pageSize }),
  };
  await Promise.all(Array.from({ length: count }, (_, index) => put(`plain/${index}.csv`, String(index))));
  const first = await lookAt(10 * MINUTE_MS, { store, mostPages: 2 });
  expect(first.found).toBe(2 * pageSize);
  const second = await lookAt(10 * MINUTE_MS, { store, mostPages: 2, from: first.next });
  expect(second).toEqual({ found: count - 2 * pageSize, next: undefined });
});

test('deletes what the archive has as well, by version, and nothing that it has not', async () => {
  const archive = bucketName('other', 'archive');
  bed.s3.server.createBucket(archive);
  const names = ['in-archive', 'not-copied-yet', 'expired', 'just-archived', 'open'] as const;
  const versions: Record<string, string> = {};
  for (const name of names) versions[name] = await put(`acme/${name}.csv`, name, { 'user-agent-id': 'u' });
  expect(await reconcile()).toBe(names.length);
  await bed.s3.client.send(new PutObjectCommand({ Bucket: archive, Key: 'in-archive', Body: 'in-archive' }));
  for (const name of names.filter((each) => each !== 'open'))
    await bed.sql`
      UPDATE files SET status = 'COMPLETED', finished_at = now(), archive_bucket = ${archive}, archive_key = ${name}, woken_at = NULL,
        archived_at = now() - ${name === 'just-archived' ? 0 : 2}::int * interval '1 hour',
        objects_removed_at = CASE WHEN ${name === 'expired'} THEN now() END
      WHERE version_id = ${versions[name] ?? ''}`;
  // Sent again under the same name, and not taken in yet.
  const again = await put('acme/in-archive.csv', 'another');
  await lookAt(2 * 60 * MINUTE_MS);
  const { Versions = [] } = await bed.s3.client.send(new ListObjectVersionsCommand({ Bucket: bucket }));
  const left = [again, versions['not-copied-yet'], versions['just-archived'], versions.open];
  expect(Versions.map(({ VersionId }) => VersionId).sort()).toEqual(left.sort());
});

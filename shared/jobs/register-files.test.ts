/** Arrival: what is registered of objects and their events. */
import { randomUUID } from 'node:crypto';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { Sql } from '#shared/db/connect-database.ts';
import { UPLOAD_METADATA } from '#shared/uploads/upload-metadata.ts';
import { findRowViolations } from '#testkit/checks/find-row-violations.ts';
import { emptyTables } from '#testkit/seeds/empty-tables.ts';
import { arrivedObject, seedTenant, TEST_TENANT } from '#testkit/seeds/seed-jobs.ts';
import { useTestDatabase } from '#testkit/servers/use-test-database.ts';
import { registerFiles } from './register-files.ts';
import { wakeFiles } from './wake-files.ts';

let sql: Sql;

useTestDatabase(
  (opened) => {
    sql = opened;
  },
  { poolMax: 20 },
);

beforeEach(async () => {
  await emptyTables(sql, 'tenants', 'audit_events', 'outbox', 'uploads');
  await sql`INSERT INTO tenants (id, name, ignore_globs) VALUES ('unassigned', 'unassigned', '{}')`;
  await seedTenant(sql);
});

afterEach(async () => {
  expect(await findRowViolations(sql, { isAtRest: false })).toEqual([]);
});

test('registers an object version once, however often and in whatever order its events come', async () => {
  const object = arrivedObject();
  const { files: first } = await registerFiles(sql, [object, { ...object, id: randomUUID() }], 'ingestor');
  const { files: second } = await registerFiles(sql, [{ ...object, id: randomUUID() }], 'ingestor');
  expect(first.map((file) => [file.id, file.status, file.wake])).toEqual([[object.id, 'QUEUED', 1]]);
  expect(second).toEqual([]);
  const events = await sql`SELECT type FROM audit_events WHERE file_id = ${object.id}`;
  expect(events.map((event) => event.type)).toEqual(['file.queued']);
});

test('lets an unfinished upload settle later, and never back again', async () => {
  const object = arrivedObject({ status: 'UPLOADED', quietMs: 60_000 });
  const {
    files: [uploaded],
  } = await registerFiles(sql, [object], 'ingestor');
  const {
    files: [settled],
  } = await registerFiles(sql, [{ ...object, status: 'QUEUED' }], 'ingestor');
  const { files: again } = await registerFiles(sql, [object], 'ingestor');
  expect([uploaded?.status, uploaded?.wake, settled?.status, settled?.wake]).toEqual(['UPLOADED', 0, 'QUEUED', 1]);
  expect(again).toEqual([]);
});

test('an upload that stays quiet is settled by the sweeper', async () => {
  await registerFiles(sql, [arrivedObject({ status: 'UPLOADED', quietMs: 0 })], 'ingestor');
  const woken = await wakeFiles(sql, {
    limit: 10,
    missing: 0,
    graceMs: 5_000,
    boundMs: 90_000,
    actor: 'retry-sweeper',
  });
  expect(woken.map((file) => file.queue)).toEqual(['ingest']);
  expect((await sql`SELECT status, order_seq FROM files`)[0]).toMatchObject({ status: 'QUEUED' });
});

test('an object that the database refuses is named, under each of its ids, and the others come back with their wake-ups', async () => {
  const refusedOne = arrivedObject({ uploadedAt: 'no time' });
  const again = { ...refusedOne, id: randomUUID() };
  const others = Array.from({ length: 5 }, () => arrivedObject());
  const { files, refused } = await registerFiles(sql, [...others, refusedOne, again], 'ingestor');
  expect(files.map(({ key, wake }) => [key, wake]).sort()).toEqual(others.map(({ key }) => [key, 1]).sort());
  expect([...refused.keys()].sort()).toEqual([refusedOne.id, again.id].sort());
  expect([...refused.values()][0]).toContain('timestamp');
});

test('names with NUL and lone surrogates are stored, and spoil no other row', async () => {
  const bad = arrivedObject({ name: 'a\0b\ud800', key: 'acme/a\0b\ud800' });
  const { files: registered } = await registerFiles(sql, [bad, arrivedObject()], 'ingestor');
  expect(registered).toHaveLength(2);
  expect((await sql`SELECT name FROM files WHERE id = ${bad.id}`)[0]?.name).toBe('a\ufffdb\ufffd');
});

test('flags content that came before, under another name and under the same', async () => {
  const contentHash = 'CRC64NVME:same';
  const {
    files: [first],
  } = await registerFiles(sql, [arrivedObject({ contentHash })], 'ingestor');
  const {
    files: [second],
  } = await registerFiles(sql, [arrivedObject({ contentHash })], 'ingestor');
  const {
    files: [third],
  } = await registerFiles(sql, [arrivedObject({ contentHash, key: 'acme/again.csv' })], 'ingestor');
  const {
    files: [fourth],
  } = await registerFiles(sql, [arrivedObject({ contentHash, key: 'acme/again.csv' })], 'ingestor');
  const {
    files: [other],
  } = await registerFiles(sql, [arrivedObject({ contentHash: 'CRC64NVME:other' })], 'ingestor');
  expect([second, third, fourth, other].map((file) => file?.duplicateOf)).toEqual([
    first?.id,
    first?.id,
    first?.id,
    null,
  ]);
});

test('flags content that comes twice in one batch of events, the later upload', async () => {
  const contentHash = 'CRC64NVME:twice';
  const uploadedAt = (second: number) => ({ contentHash, uploadedAt: `2026-01-02T03:04:0${second}Z` });
  const [later, first, other] = [arrivedObject(uploadedAt(7)), arrivedObject(uploadedAt(6)), arrivedObject()];
  const { files } = await registerFiles(sql, [later, first, other], 'ingestor');
  expect(new Map(files.map(({ id, duplicateOf }) => [id, duplicateOf]))).toEqual(
    new Map([
      [first.id, null],
      [later.id, first.id],
      [other.id, null],
    ]),
  );
  const queued = await sql`SELECT detail ->> 'duplicateOf' AS of FROM audit_events WHERE file_id = ${later.id}`;
  expect(queued).toEqual([{ of: first.id }]);
});

test('flags all but one of what many ingestors register in the same moment', async () => {
  const object = () => arrivedObject({ contentHash: 'CRC64NVME:many' });
  await Promise.all(Array.from({ length: 20 }, () => registerFiles(sql, [object()], 'ingestor')));
  const flagged = await sql<{ isFirst: boolean; isKnown: boolean; files: number }[]>`
    SELECT f.duplicate_of IS NULL AS "isFirst", EXISTS (SELECT FROM files d WHERE d.id = f.duplicate_of AND d.id <> f.id) AS "isKnown",
      count(*)::int AS files
    FROM files f GROUP BY 1, 2 ORDER BY 1`;
  expect(flagged).toEqual([
    { isFirst: false, isKnown: true, files: 19 },
    { isFirst: true, isKnown: false, files: 1 },
  ]);
});

test('flags content of which the row was there before its event, as that of a file that was fetched', async () => {
  const contentHash = 'CRC64NVME:fetched';
  const earlier = arrivedObject({ contentHash });
  await registerFiles(sql, [earlier], 'ingestor');
  const fetched = arrivedObject({ status: 'UPLOADED', quietMs: 60_000 });
  await registerFiles(sql, [fetched], 'partner-worker');
  const { files } = await registerFiles(sql, [{ ...fetched, contentHash, status: 'QUEUED' }], 'ingestor');
  expect(files.map(({ duplicateOf }) => duplicateOf)).toEqual([earlier.id]);
});

test('takes no ETag for a digest: without a hash of the content nothing is flagged', async () => {
  await registerFiles(sql, [arrivedObject({ etag: '"kms"' })], 'ingestor');
  const {
    files: [second],
  } = await registerFiles(sql, [arrivedObject({ etag: '"kms"' })], 'ingestor');
  expect(second?.duplicateOf).toBeNull();
});

test('a file that was fetched from a remote stays one, whatever event says that it is whole', async () => {
  const object = arrivedObject({ status: 'UPLOADED', quietMs: 60_000 });
  await registerFiles(sql, [object], 'large-file-worker');
  await sql`UPDATE files SET source = 'pull'`;
  await registerFiles(sql, [{ ...object, status: 'QUEUED' }], 'ingestor');
  expect(await sql`SELECT source, status FROM files`).toEqual([{ source: 'pull', status: 'QUEUED' }]);
});

test('an empty file is no repetition of another empty one', async () => {
  const empty = { contentHash: 'CRC64NVME:AAAAAAAAAAA=', sizeBytes: 0 };
  await registerFiles(sql, [arrivedObject(empty)], 'ingestor');
  const {
    files: [second],
  } = await registerFiles(sql, [arrivedObject(empty)], 'ingestor');
  expect(second?.duplicateOf).toBeNull();
});

test.each([[['UPLOADED', 'QUEUED']], [['QUEUED', 'UPLOADED']]] as const)(
  'of two events of one object in one batch, %j, the one that says more counts',
  async (statuses) => {
    const object = arrivedObject();
    const events = statuses.map((status) => ({ ...object, id: randomUUID(), status, quietMs: 60_000 }));
    const { files } = await registerFiles(sql, events, 'ingestor');
    expect(files.map(({ status, wake }) => [status, wake])).toEqual([['QUEUED', 1]]);
  },
);

test('the id of an upload in the metadata of an object at another key says nothing about its sender', async () => {
  const uploadId = randomUUID();
  const key = `${TEST_TENANT}/inbound/sent.csv`;
  await sql`INSERT INTO uploads (id, tenant_id, bucket, key, source, uploaded_by, state, expires_at)
    VALUES (${uploadId}, ${TEST_TENANT}, 'test-landing', ${key}, 'http', 'tenant:acme:desk', 'OPEN', now() + interval '1 hour')`;
  const head = { metadata: { [UPLOAD_METADATA]: uploadId } };
  const forged = arrivedObject({ head: head as never });
  const sent = arrivedObject({ head: head as never, key });
  await registerFiles(sql, [forged], 'ingestor');
  expect(await sql`SELECT state FROM uploads`).toMatchObject([{ state: 'OPEN' }]);
  await registerFiles(sql, [sent], 'ingestor');
  expect(await sql`SELECT state FROM uploads`).toMatchObject([{ state: 'COMPLETED' }]);
  const senders = await sql<{ id: string; by: string | null }[]>`SELECT id, uploaded_by AS by FROM files`;
  expect(new Map(senders.map(({ id, by }) => [id, by]))).toEqual(
    new Map([
      [forged.id, null],
      [sent.id, 'tenant:acme:desk'],
    ]),
  );
});

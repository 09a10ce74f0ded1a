/** Expired files with real objects: a sweeper deletes both; what stays, and what the store refuses. Kills are in `killed-expiry.long.test.ts`. */
import { randomUUID } from 'node:crypto';
import { GetObjectCommand, ListObjectVersionsCommand } from '@aws-sdk/client-s3';
import { pino } from 'pino';
import { Registry } from 'prom-client';
import { afterAll, beforeAll, beforeEach, expect, test, vi } from 'vitest';
import { createObjectStore } from '#shared/files/create-object-store.ts';
import { hasFault } from '#shared/files/store-error.ts';
import { deleteExpiredFiles, findExpiryTurns } from '#shared/retention/delete-expired.ts';
import { placeHold, releaseHold } from '#shared/retention/legal-holds.ts';
import { askRestore, claimRestores, noteRestore } from '#shared/retention/restores.ts';
import { BUCKET_IDS, bucketName } from '#shared/runtime/config/resource-names.ts';
import { type ExpiryBed, startExpiryBed } from '#testkit/beds/expiry-bed.ts';
import { runBehind } from '#testkit/checks/run-behind.ts';
import { emptyTables } from '#testkit/seeds/empty-tables.ts';
import { advanceRestores } from './advance-restores.ts';
import { createDeleteExpired } from './delete-expired.ts';
import { deleteExpiredObjects } from './delete-expired-objects.ts';
import { createRetrySweeperMetrics } from './metrics.ts';

const logger = pino({ level: 'silent' });

let expiry: ExpiryBed;
let bed: ExpiryBed['bed'];
beforeAll(async () => {
  expiry = await startExpiryBed();
  ({ bed } = expiry);
});
afterAll(() => bed.stop());
beforeEach(() => expiry.clear());

test('an output without a noted version goes only while the newest one is its job’s', async () => {
  const [own, others] = await expiry.seedExpired(2);
  await expiry.dateAll();
  for (const [job, metadata] of [
    [own, own?.id],
    [others, randomUUID()],
  ] as const) {
    await expiry.put(bucketName(expiry.prefix, 'outbound'), `acme/results/${job?.id}`, {
      Metadata: { 'longshore-job': metadata ?? '' },
    });
    await bed.sql`
      UPDATE job_steps SET output = ${bed.sql.json({ results: { bucket: bucketName(expiry.prefix, 'outbound'), key: `acme/results/${job?.id}` } })}
      WHERE job_id = ${job?.id ?? ''}`;
  }
  const buckets = BUCKET_IDS.map((id) => bucketName(expiry.prefix, id));
  for (const turn of await findExpiryTurns(bed.sql))
    await deleteExpiredFiles(bed.sql, { ...turn, limit: 10, buckets, actor: 'test' });
  const store = createObjectStore({ client: bed.s3.client });
  const metrics = createRetrySweeperMetrics(new Registry());
  await deleteExpiredObjects({ sql: bed.sql, store, metrics, logger, signal: new AbortController().signal });
  const { Versions = [] } = await bed.s3.client.send(
    new ListObjectVersionsCommand({ Bucket: bucketName(expiry.prefix, 'outbound') }),
  );
  expect(Versions.map(({ Key }) => Key)).toEqual([`acme/results/${others?.id}`]);
  expect(await bed.sql`SELECT 1 FROM expired_objects`).toHaveLength(0);
});

test('what the store refuses stays listed with its reason, and its certificate open', async () => {
  await expiry.seedExpired(2);
  await expiry.dateAll();
  for (const turn of await findExpiryTurns(bed.sql))
    await deleteExpiredFiles(bed.sql, { ...turn, limit: 10, buckets: [expiry.archive], actor: 'test' });
  const real = createObjectStore({ client: bed.s3.client });
  const [locked] = await bed.sql<{ key: string }[]>`SELECT key FROM expired_objects ORDER BY key LIMIT 1`;
  // As Amazon S3 answers under object lock; the embedded server has none.
  const store = {
    ...real,
    async deleteVersions(bucket: string, versions: Parameters<typeof real.deleteVersions>[1]) {
      const others = versions.filter(({ key }) => key !== locked?.key);
      await real.deleteVersions(bucket, others);
      return versions
        .filter(({ key }) => key === locked?.key)
        .map((version) => ({ ...version, message: 'AccessDenied: Access Denied' }));
    },
  };
  const metrics = createRetrySweeperMetrics(new Registry());
  const signal = new AbortController().signal;
  await deleteExpiredObjects({ sql: bed.sql, store, metrics, logger, signal });
  expect(
    await bed.sql`SELECT key, error_message, next_action_at > now() + interval '1 minute' AS later FROM expired_objects`,
  ).toEqual([{ key: locked?.key, error_message: 'AccessDenied: Access Denied', later: true }]);
  expect(await bed.sql`SELECT objects_left, completed_at FROM deletion_certificates`).toEqual([
    { objects_left: 1, completed_at: null },
  ]);
  await bed.sql`UPDATE expired_objects SET next_action_at = now()`;
  await deleteExpiredObjects({ sql: bed.sql, store: real, metrics, logger, signal });
  expect(await bed.sql`SELECT objects_left FROM deletion_certificates WHERE completed_at IS NOT NULL`).toEqual([
    { objects_left: 0 },
  ]);
});

test('a hold that is placed while objects are looked up for their deletion keeps them', async () => {
  const [job] = await expiry.seedExpired(1);
  await expiry.dateAll();
  const results = { bucket: bucketName(expiry.prefix, 'outbound'), key: `acme/results/${job?.id}` };
  await expiry.put(results.bucket, results.key, { Metadata: { 'longshore-job': job?.id ?? '' } });
  await bed.sql`UPDATE job_steps SET output = ${bed.sql.json({ results })} WHERE job_id = ${job?.id ?? ''}`;
  for (const turn of await findExpiryTurns(bed.sql))
    await deleteExpiredFiles(bed.sql, { ...turn, limit: 10, buckets: [expiry.archive, results.bucket], actor: 'test' });
  const real = createObjectStore({ client: bed.s3.client });
  let holdId = '';
  const store = {
    ...real,
    async head(...asked: Parameters<typeof real.head>) {
      holdId = await placeHold(bed.sql, { tenantId: 'acme', reason: 'case 4711', actor: 'test' });
      return await real.head(...asked);
    },
  };
  const metrics = createRetrySweeperMetrics(new Registry());
  const { signal } = new AbortController();
  const there = async () => [
    ...(await expiry.versionsIn(expiry.archive)),
    ...(await expiry.versionsIn(results.bucket)),
  ];
  const before = await there();
  await deleteExpiredObjects({ sql: bed.sql, store, metrics, logger, signal });
  expect(holdId).not.toBe('');
  expect(await there()).toEqual(before);
  expect(await bed.sql`SELECT 1 FROM expired_objects`).toHaveLength(2);
  await releaseHold(bed.sql, { holdId, reason: 'closed', actor: 'test' });
  await deleteExpiredObjects({ sql: bed.sql, store: real, metrics, logger, signal });
  expect(await bed.sql`SELECT 1 FROM expired_objects`).toHaveLength(0);
  expect(await there()).toHaveLength(before.length - 2);
});

test('an original in a cold tier cannot be read, is restored, and its jobs wait for a second person', async () => {
  const [job] = await expiry.seedExpired(1, 'GLACIER');
  const fileId = job?.fileId ?? '';
  const store = createObjectStore({ client: bed.s3.client });
  const [{ versionId } = { versionId: '' }] = await bed.sql<
    { versionId: string }[]
  >`SELECT archive_version_id AS "versionId" FROM files`;
  const original = { bucket: expiry.archive, key: `acme/${fileId}`, versionId };
  const target = { bucket: expiry.delivered, key: 'acme/copy' };
  const refusals = [
    () => store.readRange(original, { first: 0, last: 2 }),
    () => store.copy({ source: original, target }),
  ];
  for (const refused of refusals) await expect(refused()).rejects.toSatisfy((error) => hasFault(error, 'cold'));
  const wish = { days: 2, tier: 'bulk', resends: true, reason: 'asked for', actor: 'operator:ann' } as const;
  expect(await askRestore(bed.sql, { fileId, ...wish })).toBe(true);
  const states = new Set<string>();
  const look = async () => {
    await bed.sql`UPDATE restores SET next_action_at = now() WHERE next_action_at IS NOT NULL`;
    await advanceRestores({ sql: bed.sql, store, logger, signal: new AbortController().signal });
    const [{ state } = { state: '' }] = await bed.sql<{ state: string }[]>`SELECT state FROM restores`;
    states.add(state);
    return state;
  };
  await vi.waitFor(async () => expect(await look()).toBe('READY'), { timeout: 60_000, interval: 100 });
  expect([...states]).toEqual(['THAWING', 'READY']);
  const reply = await bed.s3.client.send(new GetObjectCommand({ Bucket: original.bucket, Key: original.key }));
  expect(await reply.Body?.transformToString()).toBe('abc');
  expect(await bed.sql`SELECT verb, state, takes, actor FROM actions`).toEqual([
    { verb: 'resend', state: 'AWAITING_APPROVAL', takes: 1, actor: 'operator:ann' },
  ]);
  const events = await bed.sql`SELECT type, detail FROM audit_events WHERE type LIKE 'file.restore%' ORDER BY id`;
  expect(events).toMatchObject([
    { type: 'file.restore-asked', detail: { tier: 'bulk', days: 2 } },
    { type: 'file.restored', detail: { readableUntil: expect.any(String), resent: expect.any(String) } },
  ]);
});

test('a wish to send again is kept, also when it comes while the store says that the original can be read', async () => {
  const [job] = await expiry.seedExpired(1);
  const fileId = job?.fileId ?? '';
  const wish = { fileId, days: 2, tier: 'bulk', reason: 'asked for', actor: 'operator:ann' } as const;
  await askRestore(bed.sql, { ...wish, resends: false });
  const [claimed] = await claimRestores(bed.sql, 1);
  await askRestore(bed.sql, { ...wish, resends: true, actor: 'operator:bob' });
  await noteRestore(bed.sql, claimed!, { state: 'READY', until: null, resent: null }, 'retry-sweeper');
  expect(await bed.sql`SELECT state FROM restores`).toEqual([{ state: 'ASKED' }]);
  await bed.sql`UPDATE restores SET next_action_at = now()`;
  const store = createObjectStore({ client: bed.s3.client });
  await advanceRestores({ sql: bed.sql, store, logger, signal: new AbortController().signal });
  expect(await bed.sql`SELECT state FROM restores`).toEqual([{ state: 'READY' }]);
  expect(await bed.sql`SELECT verb, state, actor FROM actions`).toEqual([
    { verb: 'resend', state: 'AWAITING_APPROVAL', actor: 'operator:bob' },
  ]);
  expect(
    await bed.sql`SELECT detail ->> 'resend' AS resend FROM audit_events WHERE type = 'file.restore-asked' ORDER BY id`,
  ).toEqual([{ resend: 'false' }, { resend: 'true' }]);
});

test('of many who ask for an original at once nobody’s wish to send it again is lost', async () => {
  const [job] = await expiry.seedExpired(1);
  const wish = { fileId: job?.fileId ?? '', days: 2, tier: 'bulk', reason: 'asked for' } as const;
  const answer = await runBehind(
    bed.sql,
    (ann) => askRestore(ann, { ...wish, resends: false, actor: 'operator:ann' }),
    () => askRestore(bed.sql, { ...wish, resends: true, actor: 'operator:bob' }),
  );
  expect(answer).toBe(true);
  expect(await bed.sql`SELECT resends, actor, days FROM restores`).toEqual([
    { resends: true, actor: 'operator:bob', days: 2 },
  ]);
});

test('a file of more records than go at once is deleted in one turn, and not put off in between', async () => {
  const { sql } = bed;
  const RECORDS = 12_000;
  const [job] = await expiry.seedExpired(1);
  await emptyTables(sql, 'records');
  await sql`UPDATE job_steps SET kind = 'parse' WHERE job_id = ${job?.id ?? ''}`;
  await sql`
    INSERT INTO records (job_id, line, created_at, tenant_id, state)
    SELECT id, line, created_at, tenant_id, 'SUCCESS' FROM jobs, generate_series(1, ${RECORDS}::int) AS line WHERE id = ${job?.id ?? ''}`;
  await sql`UPDATE files SET objects_removed_at = now()`;
  await expiry.dateAll();
  const metrics = createRetrySweeperMetrics(new Registry());
  const tick = createDeleteExpired({
    ...{
      sql,
      buckets: [expiry.archive, expiry.delivered],
      defaultMs: 400 * 86_400_000,
      filesPerSecond: 100_000,
      metrics,
      logger,
    },
  });
  for (let ticks = 0; ticks < 20; ticks += 1) if ((await tick(AbortSignal.timeout(30_000))) === 'done') break;
  expect(
    await sql`SELECT (SELECT count(*)::int FROM records) AS records, (SELECT count(*)::int FROM files) AS files`,
  ).toEqual([{ records: 0, files: 0 }]);
});

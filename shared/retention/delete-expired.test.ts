/** What expires, when, and what is kept: rows, the objects they name, certificates, holds. */
import { createHash, randomUUID } from 'node:crypto';
import { beforeEach, describe, expect, test } from 'vitest';
import { deleteExpiredMailEvents } from '#shared/campaigns/delete-expired-mail-events.ts';
import type { Sql } from '#shared/db/connect-database.ts';
import { applyRoute } from '#shared/definitions/apply-definitions.ts';
import { applyTenants } from '#shared/definitions/apply-tenants.ts';
import { reopenJobs } from '#shared/jobs/reopen-jobs.ts';
import { requeueFiles } from '#shared/jobs/requeue-files.ts';
import { reopenRecords } from '#shared/records/reopen-records.ts';
import { deleteExpiredSessions } from '#shared/sftp/delete-expired-sessions.ts';
import { runBehind } from '#testkit/checks/run-behind.ts';
import { emptyTables } from '#testkit/seeds/empty-tables.ts';
import { seedJobs, seedTenant } from '#testkit/seeds/seed-jobs.ts';
import { seedRecords } from '#testkit/seeds/seed-records.ts';
import { useTestDatabase } from '#testkit/servers/use-test-database.ts';
import { deleteExpiredFiles, deleteExpiredRecords, expireObjects, findExpiryTurns } from './delete-expired.ts';
import { deleteLeftovers } from './delete-leftovers.ts';
import { claimExpiredObjects, settleExpiredObjects } from './expired-objects.ts';
import { placeHold, releaseHold } from './legal-holds.ts';
import { redateFiles, setRetentionDefault } from './redate-files.ts';

let sql: Sql;
useTestDatabase((connected) => {
  sql = connected;
});

const DAY_MS = 86_400_000;
const BUCKETS = ['test-landing', 'test-archive', 'test-delivered', 'test-outbound', 'test-staging'];
const ARRIVED = { reason: 'a case', actor: 'test' };

beforeEach(async () => {
  await emptyTables(
    sql,
    'tenants',
    'files',
    'job_steps',
    'effects',
    'dead_letters',
    'batches',
    'expired_objects',
    'deletion_certificates',
  );
  await emptyTables(
    sql,
    'retention_defaults',
    'restores',
    'records',
    'audit_events',
    'outbox',
    'mail_events',
    'sftp_sessions',
  );
  await seedTenant(sql);
  await setRetentionDefault(sql, 400 * DAY_MS);
});

interface Ended {
  readonly fileId: string;
  readonly jobId: string;
}

/** Files that were delivered and archived, or are still in landing, and ended so long ago. */
async function seedEnded({
  daysAgo,
  count = 1,
  archived = true,
  state = 'SUCCEEDED',
  tenantId = 'acme',
}: {
  daysAgo: number;
  count?: number;
  archived?: boolean;
  state?: 'SUCCEEDED' | 'FAILED';
  tenantId?: string;
}): Promise<Ended[]> {
  return await endLongAgo(await seedJobs(sql, { count, tenantId }), { daysAgo, archived, state });
}

async function endLongAgo(
  jobs: readonly { readonly id: string; readonly fileId: string }[],
  { daysAgo, archived, state }: { daysAgo: number; archived: boolean; state: 'SUCCEEDED' | 'FAILED' },
): Promise<Ended[]> {
  for (const { id, fileId } of jobs) {
    await sql`
      UPDATE jobs SET state = ${state}, woken_at = NULL, finished_at = now(), error_code = ${state === 'FAILED' ? 'X' : null},
        error_cause = ${state === 'FAILED' ? 'X' : null}, error_message = ${state === 'FAILED' ? 'X' : null} WHERE id = ${id}`;
    await sql`
      INSERT INTO job_steps (job_id, seq, kind, state, attempts, output, started_at, finished_at)
      VALUES (${id}, 0, 'deliver', 'SUCCEEDED', 1, ${sql.json({ bucket: 'test-delivered', key: `acme/${fileId}`, versionId: 'd1' })}, now(), now())
      ON CONFLICT DO NOTHING`;
    await sql`
      UPDATE files SET open_jobs = 0, failed_jobs = ${state === 'FAILED' ? 1 : 0}, woken_at = NULL, status = ${state === 'FAILED' ? 'FAILED' : 'COMPLETED'},
        archived_at = ${archived ? sql`now()` : null}, archive_bucket = ${archived ? 'test-archive' : null},
        archive_key = ${archived ? `acme/${fileId}` : null}, archive_version_id = ${archived ? 'a1' : null},
        finished_at = now() - ${daysAgo}::int * interval '1 day' WHERE id = ${fileId}`;
  }
  return jobs.map(({ id, fileId }) => ({ fileId, jobId: id }));
}

async function run(step: typeof deleteExpiredFiles, limit = 100) {
  const kept: Record<string, number> = {};
  let [files, jobs, objects] = [0, 0, 0];
  for (const turn of await findExpiryTurns(sql)) {
    const gone = await step(sql, { ...turn, limit, buckets: BUCKETS, actor: 'test' });
    [files, jobs, objects] = [files + gone.files, jobs + gone.jobs, objects + gone.objects];
    for (const [reason, count] of Object.entries(gone.kept)) kept[reason] = (kept[reason] ?? 0) + count;
  }
  return { files, jobs, objects, kept };
}

const isThere = async (fileId: string) => (await sql`SELECT 1 FROM files WHERE id = ${fileId}`).length === 1;
const expiryOf = async (fileId: string) => {
  const [row] = await sql<{ days: number | null; objectDays: number | null }[]>`
    SELECT CASE WHEN isfinite(expire_at) THEN round(extract(epoch FROM expire_at - finished_at) / 86400)::int END AS days,
      round(extract(epoch FROM objects_expire_at - finished_at) / 86400)::int AS "objectDays" FROM files WHERE id = ${fileId}`;
  return row;
};
async function redateAll() {
  while (await redateFiles(sql, 2));
}

describe('an expired file', () => {
  test('goes with all that hangs on it, its objects are listed by version, and a certificate says so', async () => {
    const old = await seedEnded({ daysAgo: 401, count: 3 });
    const [young] = await seedEnded({ daysAgo: 399 });
    const [{ jobId } = { jobId: '' }] = old;
    await sql`INSERT INTO effects (job_id, step_seq, part, tenant_id, key, kind, stage, facts, epoch) VALUES (${jobId}, 0, 0, 'acme', 'k', 'push', 'DONE', '{}', 1)`;
    await sql`
      INSERT INTO dead_letters (id, queue, message_id, body, attributes, receive_count, reason, job_id, state)
      VALUES (${randomUUID()}, 'work', 'm', '', '{}', 3, 'x', ${jobId}, 'REDRIVEN')`;
    expect(await run(deleteExpiredFiles)).toEqual({ files: 3, jobs: 3, objects: 6, kept: {} });
    expect(await isThere(young?.fileId ?? '')).toBe(true);
    for (const table of ['files', 'jobs', 'job_steps']) {
      expect(await sql`SELECT 1 FROM ${sql(table)}`).toHaveLength(1);
    }
    for (const table of ['effects', 'dead_letters']) expect(await sql`SELECT 1 FROM ${sql(table)}`).toHaveLength(0);
    const ids = old.map(({ fileId }) => fileId).sort();
    const digest = createHash('sha256')
      .update(ids.map((id) => `${id}\n`).join(''))
      .digest('hex');
    const certificates = await sql`
      SELECT what, rule, files, jobs, bytes::int, objects, objects_left AS left, digest, completed_at FROM deletion_certificates`;
    expect(certificates).toEqual([
      {
        what: 'files',
        rule: 'default',
        files: 3,
        jobs: 3,
        bytes: 3_000,
        objects: 6,
        left: 6,
        digest,
        completed_at: null,
      },
    ]);
    const objects = await claimExpiredObjects(sql, 10);
    expect(objects.map(({ bucket, versionId }) => `${bucket} ${versionId}`).sort()).toEqual([
      'test-archive a1',
      'test-archive a1',
      'test-archive a1',
      'test-delivered d1',
      'test-delivered d1',
      'test-delivered d1',
    ]);
    await settleExpiredObjects(
      sql,
      { gone: objects.slice(1), refused: objects.slice(0, 1).map((object) => ({ ...object, message: 'locked' })) },
      'test',
    );
    expect(await sql`SELECT objects_left, completed_at FROM deletion_certificates`).toEqual([
      { objects_left: 1, completed_at: null },
    ]);
    expect(await claimExpiredObjects(sql, 10)).toEqual([]);
    await settleExpiredObjects(sql, { gone: objects, refused: [] }, 'test');
    const events = await sql`SELECT type, detail FROM audit_events WHERE type LIKE 'retention.%' ORDER BY id`;
    expect(events).toMatchObject([
      { type: 'retention.files-deleted', detail: { files: 3, jobs: 3, rule: 'default', digest, objects: 6 } },
      { type: 'retention.objects-deleted', detail: { objects: 6 } },
    ]);
    expect(events[0]?.detail.certificate).toBe(events[1]?.detail.certificate);
  });

  test('goes in batches of their size, the oldest first', async () => {
    const [youngest] = await seedEnded({ daysAgo: 401 });
    await seedEnded({ daysAgo: 500, count: 4 });
    expect(await run(deleteExpiredFiles, 4)).toMatchObject({ files: 4 });
    expect(await isThere(youngest?.fileId ?? '')).toBe(true);
  });

  test('whose original is still in landing loses that first, for an object without a row would be a new file', async () => {
    const [file] = await seedEnded({ daysAgo: 401, archived: false, state: 'FAILED' });
    await sql`UPDATE files SET status = 'QUARANTINED', error_code = 'X', error_message = 'X' WHERE id = ${file?.fileId ?? ''}`;
    expect(await run(deleteExpiredFiles)).toMatchObject({ files: 0, kept: { landing: 1 } });
    expect(await run(expireObjects)).toMatchObject({ files: 1, objects: 2 });
    await sql`UPDATE files SET expire_at = now() - interval '1 hour'`;
    expect(await run(deleteExpiredFiles)).toMatchObject({ files: 0, kept: { landing: 1 } });
    await settleExpiredObjects(sql, { gone: await claimExpiredObjects(sql, 10), refused: [] }, 'test');
    await sql`UPDATE files SET expire_at = now() - interval '1 hour'`;
    expect(await run(deleteExpiredFiles)).toMatchObject({ files: 1, objects: 0 });
  });

  test('with the records of a file loses those first, so many at a time', async () => {
    const [file] = await seedEnded({ daysAgo: 401 });
    const { jobId, fileId } = file ?? { jobId: '', fileId: '' };
    await sql`UPDATE job_steps SET kind = 'parse' WHERE job_id = ${jobId}`;
    await sql`
      INSERT INTO records (job_id, line, created_at, tenant_id, state)
      SELECT id, line, created_at, 'acme', 'SUCCESS' FROM jobs, generate_series(1, 25) AS line WHERE id = ${jobId}`;
    expect(await run(deleteExpiredFiles)).toMatchObject({ files: 0, kept: { records: 1 } });
    expect(await run(expireObjects)).toMatchObject({ files: 1 });
    await sql`UPDATE files SET expire_at = now() - interval '1 hour'`;
    const [turn = { tenantId: '', holdChanges: 0 }] = await findExpiryTurns(sql);
    const holdId = await placeHold(sql, { tenantId: 'acme', fileId, ...ARRIVED });
    expect(await deleteExpiredRecords(sql, { ...turn, files: 10, limit: 20 })).toBe(0);
    const [held = turn] = await findExpiryTurns(sql);
    expect(await deleteExpiredRecords(sql, { ...held, files: 10, limit: 20 })).toBe(0);
    await releaseHold(sql, { holdId, ...ARRIVED });
    expect(await deleteExpiredRecords(sql, { ...held, files: 10, limit: 20 })).toBe(20);
    expect(await deleteExpiredRecords(sql, { ...held, files: 10, limit: 20 })).toBe(5);
    expect(await run(deleteExpiredFiles)).toMatchObject({ files: 1 });
    expect(await isThere(fileId)).toBe(false);
  });

  test.each([
    [
      'an open job',
      (file: Ended) => sql`UPDATE jobs SET finished_at = NULL, state = 'PENDING' WHERE id = ${file.jobId}`,
    ],
    [
      'a parked dead letter',
      (file: Ended) => sql`
        INSERT INTO dead_letters (id, queue, message_id, body, attributes, receive_count, reason, job_id, state)
        VALUES (${randomUUID()}, 'work', 'm', '', '{}', 3, 'x', ${file.jobId}, 'PARKED')`,
    ],
    [
      'an effect in doubt',
      (file: Ended) => sql`
        INSERT INTO effects (job_id, step_seq, part, tenant_id, key, kind, stage, facts, epoch)
        VALUES (${file.jobId}, 0, 0, 'acme', 'k', 'push', 'UNKNOWN', '{}', 1)`,
    ],
    [
      'the turn of its line',
      async (file: Ended) => {
        await sql`UPDATE jobs SET order_key = 'line' WHERE id = ${file.jobId}`;
        await sql`
          INSERT INTO job_lines (order_key, route_id, tenant_id, holder, look_at)
          SELECT order_key, route_id, tenant_id, id, now() FROM jobs WHERE id = ${file.jobId}`;
      },
    ],
    [
      'an open file that was made out of it',
      async (file: Ended) => {
        const [child] = await seedJobs(sql);
        await sql`UPDATE files SET parent_file_id = ${file.fileId} WHERE id = ${child?.fileId ?? ''}`;
      },
    ],
    [
      'a restore under way',
      (file: Ended) => sql`
        INSERT INTO restores (file_id, tenant_id, state, days, tier, reason, actor, next_action_at)
        VALUES (${file.fileId}, 'acme', 'ASKED', 7, 'standard', 'x', 'test', now())`,
    ],
  ])('is kept with %s, and looked at a day later', async (_what, use) => {
    const [file] = await seedEnded({ daysAgo: 401 });
    await use(file as Ended);
    expect(await run(deleteExpiredFiles)).toMatchObject({ files: 0, kept: { 'in use': 1 } });
    expect(await isThere(file?.fileId ?? '')).toBe(true);
    expect(await findExpiryTurns(sql)).toEqual([]);
  });
});

describe('a retention', () => {
  test('is that of the route, then of the tenant, then the default; of several routes the longest', async () => {
    await applyRoute(
      sql,
      {
        tenantId: 'acme',
        name: 'long',
        definition: { retention: { files: 900 * DAY_MS, objects: 30 * DAY_MS } },
        definitionHash: 'long',
      },
      'test',
    );
    const [both] = await seedEnded({ daysAgo: 0 });
    expect(await expiryOf(both?.fileId ?? '')).toEqual({ days: 900, objectDays: 400 });
    await sql`UPDATE routes SET disabled_at = now() WHERE name = 'long'`;
    const [plain] = await seedEnded({ daysAgo: 0 });
    expect(await expiryOf(plain?.fileId ?? '')).toEqual({ days: 400, objectDays: null });
    await setRetentionDefault(sql, 0);
    const [forGood] = await seedEnded({ daysAgo: 0 });
    expect(await expiryOf(forGood?.fileId ?? '')).toEqual({ days: null, objectDays: null });
  });

  test('that changes is brought to the files that have ended, and a longer one holds before that', async () => {
    const files = await seedEnded({ daysAgo: 401, count: 5 });
    const tenant = { id: 'acme', name: 'acme', timeZone: 'UTC', homeRegion: null, ignoreGlobs: [] };
    await applyTenants(sql, [{ ...tenant, retention: { files: 1_000 * DAY_MS, objects: 500 * DAY_MS } }], 'test');
    expect(await run(deleteExpiredFiles, 2)).toMatchObject({ files: 0, kept: { later: 2 } });
    await redateAll();
    for (const { fileId } of files) expect(await expiryOf(fileId)).toEqual({ days: 1_000, objectDays: 500 });
    await applyTenants(sql, [{ ...tenant, retention: { files: DAY_MS } }], 'test');
    await redateAll();
    expect(await run(deleteExpiredFiles)).toMatchObject({ files: 5 });
    const [{ rule } = { rule: '' }] = await sql<{ rule: string }[]>`SELECT rule FROM deletion_certificates`;
    expect(rule).toBe('tenant');
  });

  test('dates files that ended before there was one', async () => {
    const [file] = await seedEnded({ daysAgo: 401 });
    await sql`UPDATE files SET expire_at = NULL`;
    await setRetentionDefault(sql, 10 * DAY_MS);
    await redateAll();
    expect(await expiryOf(file?.fileId ?? '')).toEqual({ days: 10, objectDays: null });
    expect(await sql`SELECT 1 FROM retention_changes`).toHaveLength(0);
  });

  test('of objects alone deletes them and keeps the row, which is not opened again', async () => {
    await sql`UPDATE routes SET retention = ${sql.json({ objects: 30 * DAY_MS })}`;
    const [failed] = await seedEnded({ daysAgo: 31, state: 'FAILED' });
    const { jobId, fileId } = failed ?? { jobId: '', fileId: '' };
    expect(await run(deleteExpiredFiles)).toMatchObject({ files: 0, kept: {} });
    expect(await run(expireObjects)).toMatchObject({ files: 1, objects: 2 });
    expect(await run(expireObjects)).toMatchObject({ files: 0 });
    expect(await isThere(fileId)).toBe(true);
    expect(await reopenJobs(sql, { jobIds: [jobId], ...ARRIVED })).toEqual([]);
    expect(await requeueFiles(sql, { fileIds: [fileId], ...ARRIVED })).toEqual([]);
    await expect(sql`UPDATE files SET finished_at = NULL WHERE id = ${fileId}`).rejects.toThrow(
      'files_objects_removed',
    );
  });

  test('that take them while a job is reopened leave nothing to go on with', async () => {
    await sql`UPDATE routes SET retention = ${sql.json({ objects: 30 * DAY_MS })}`;
    const [failed] = await seedEnded({ daysAgo: 31, state: 'FAILED' });
    const [turn] = await findExpiryTurns(sql);
    const reopened = await runBehind(
      sql,
      (clock) => expireObjects(clock, { ...turn!, limit: 10, buckets: BUCKETS, actor: 'test' }),
      () => reopenJobs(sql, { jobIds: [failed!.jobId], ...ARRIVED }),
    );
    expect(reopened).toEqual([]);
    expect(await sql`SELECT state FROM jobs`).toEqual([{ state: 'FAILED' }]);
  });

  test('that take them while records are called again leave nothing to go on with', async () => {
    await sql`UPDATE routes SET retention = ${sql.json({ objects: 30 * DAY_MS })}`;
    const { job } = await seedRecords(sql, { records: 2 });
    await sql`UPDATE records SET state = 'FAILED', error_code = 'X', error_cause = 'X', chunk_id = NULL`;
    await sql`DELETE FROM record_chunks`;
    await endLongAgo([job], { daysAgo: 31, archived: true, state: 'FAILED' });
    const [turn] = await findExpiryTurns(sql);
    const reopened = await runBehind(
      sql,
      (clock) => expireObjects(clock, { ...turn!, limit: 10, buckets: BUCKETS, actor: 'test' }),
      () => reopenRecords(sql, { jobId: job.id, ...ARRIVED }),
    );
    expect(reopened).toBe(0);
    expect(await sql`SELECT state FROM jobs`).toEqual([{ state: 'FAILED' }]);
    await sql`UPDATE files SET objects_removed_at = NULL`;
    expect(await reopenRecords(sql, { jobId: job.id, ...ARRIVED })).toBe(2);
  });

  test.each([
    ['the route’s own', { files: 400 }, { objects: 30 }, 'objects', 'route route-0'],
    ['the tenant’s', { objects: 30 }, { files: 400 }, 'objects', 'tenant'],
    ['that of the files, where the objects have none', {}, { files: 30 }, 'files', 'route route-0'],
    ['the tenant’s, of files whose objects have the route’s', { files: 31 }, { objects: 15 }, 'files', 'tenant'],
    ['the default', {}, {}, 'files', 'default'],
  ] as const)('is named in the certificate as it is: %s', async (_name, ofTenant, ofRoute, what, rule) => {
    const inMs = (periods: object) =>
      Object.keys(periods).length === 0
        ? null
        : sql.json(Object.fromEntries(Object.entries(periods).map(([key, days]) => [key, Number(days) * DAY_MS])));
    await sql`UPDATE tenants SET retention = ${inMs(ofTenant)}`;
    await sql`UPDATE routes SET retention = ${inMs(ofRoute)}`;
    await seedEnded({ daysAgo: rule === 'default' ? 401 : 32 });
    await run(expireObjects);
    await run(deleteExpiredFiles);
    const named = await sql`SELECT rule FROM deletion_certificates WHERE what = ${what}`;
    expect(named).toEqual([{ rule }]);
  });
});

describe('a legal hold', () => {
  const kept = async () => (await run(deleteExpiredFiles)).files;

  test.each(['tenant', 'route', 'file'])('on the %s keeps its files until it is released', async (on) => {
    const [file] = await seedEnded({ daysAgo: 401 });
    const [{ routeId } = { routeId: '' }] = await sql<{ routeId: string }[]>`SELECT id AS "routeId" FROM routes`;
    const scope = { tenant: {}, route: { routeId }, file: { fileId: file?.fileId ?? '' } }[on] ?? {};
    const holdId = await placeHold(sql, { tenantId: 'acme', ...scope, ...ARRIVED });
    expect(await kept()).toBe(0);
    expect(await kept()).toBe(0);
    expect(await releaseHold(sql, { holdId, ...ARRIVED })).toBe(true);
    expect(await releaseHold(sql, { holdId, ...ARRIVED })).toBe(false);
    await redateAll();
    expect(await kept()).toBe(1);
    const events = await sql`SELECT type FROM audit_events WHERE type LIKE 'hold.%' ORDER BY id`;
    expect(events).toEqual([{ type: 'hold.placed' }, { type: 'hold.released' }]);
  });

  test('that is placed after a deletion looked for holds keeps what it had not deleted yet', async () => {
    await seedEnded({ daysAgo: 401 });
    const [turn] = await findExpiryTurns(sql);
    await placeHold(sql, { tenantId: 'acme', ...ARRIVED });
    const options = { limit: 10, buckets: BUCKETS, actor: 'test' };
    expect(await deleteExpiredFiles(sql, { ...(turn ?? { tenantId: '', holdChanges: 0 }), ...options })).toMatchObject({
      files: 0,
    });
  });

  describe.each([
    ['whose rows are gone', deleteExpiredFiles],
    ['whose rows are kept', expireObjects],
  ] as const)('keeps the objects of files %s while the store has them', (_name, expire) => {
    test.each(['tenant', 'route', 'file'] as const)('on the %s', async (on) => {
      if (expire === expireObjects) await sql`UPDATE routes SET retention = ${sql.json({ objects: 30 * DAY_MS })}`;
      const [file] = await seedEnded({ daysAgo: expire === expireObjects ? 31 : 401 });
      await run(expire);
      const [first, ...others] = await claimExpiredObjects(sql, 10);
      if (first === undefined) throw new Error('no object was listed');
      const [{ routeId } = { routeId: '' }] = await sql<{ routeId: string }[]>`SELECT id AS "routeId" FROM routes`;
      const scope = { tenant: {}, route: { routeId }, file: { fileId: file?.fileId ?? '' } }[on];
      const holdIds = [
        await placeHold(sql, { tenantId: 'acme', ...scope, ...ARRIVED }),
        await placeHold(sql, { tenantId: 'acme', ...scope, ...ARRIVED }),
      ];
      // What the store had refused before stays away, too.
      await settleExpiredObjects(sql, { gone: others, refused: [{ ...first, message: 'locked' }] }, 'test');
      const allDue = () => sql`UPDATE expired_objects SET next_action_at = now() WHERE isfinite(next_action_at)`;
      await allDue();
      expect(await claimExpiredObjects(sql, 10)).toEqual([]);
      for (const holdId of holdIds) {
        expect(await claimExpiredObjects(sql, 10)).toEqual([]);
        await releaseHold(sql, { holdId, ...ARRIVED });
      }
      expect(await claimExpiredObjects(sql, 10)).toMatchObject([{ key: first.key }]);
    });
  });

  test('keeps what is deleted by its age', async () => {
    const holdId = await placeHold(sql, { tenantId: 'acme', ...ARRIVED });
    await sql`
      INSERT INTO batches (id, tenant_id, route_id, key, state, look_at, finished_at)
      VALUES (${randomUUID()}, 'acme', ${randomUUID()}, '', 'SUCCEEDED', now(), now() - interval '500 days')`;
    await sql`
      INSERT INTO sftp_sessions (id, tenant_id, username, first_at, last_at)
      VALUES ('s', 'acme', 'u', now() - interval '500 days', now() - interval '500 days')`;
    await sql`
      INSERT INTO mail_events (campaign_id, line, kind, tenant_id, at, received_at)
      VALUES (${randomUUID()}, 1, 'accepted', 'acme', now() - interval '500 days', now() - interval '500 days')`;
    const before = new Date(Date.now() - 400 * DAY_MS);
    const { signal } = new AbortController();
    const forget = async () => {
      await deleteExpiredSessions(sql, before, signal);
      const mails = await deleteExpiredMailEvents(sql, before, signal);
      const leftovers = await deleteLeftovers(sql, before, signal);
      const [row] = await sql<{ sessions: number }[]>`SELECT count(*)::int AS sessions FROM sftp_sessions`;
      return { mails, leftovers, sessions: row?.sessions };
    };
    expect(await forget()).toEqual({ mails: 0, leftovers: 0, sessions: 1 });
    await releaseHold(sql, { holdId, ...ARRIVED });
    expect(await forget()).toEqual({ mails: 1, leftovers: 1, sessions: 0 });
  });

  test('is not for other tenants', async () => {
    await seedTenant(sql, { tenantId: 'globex' });
    await seedEnded({ daysAgo: 401, tenantId: 'globex' });
    await placeHold(sql, { tenantId: 'acme', ...ARRIVED });
    expect(await kept()).toBe(1);
  });
});

test('of what belongs to no file, what is old and dealt with is deleted', async () => {
  const [used] = await seedEnded({ daysAgo: 1 });
  const ids = { gone: randomUUID(), used: randomUUID(), young: randomUUID() };
  await sql`
    INSERT INTO batches (id, tenant_id, route_id, key, state, look_at, finished_at)
    SELECT b.id, 'acme', ${randomUUID()}, '', 'SUCCEEDED', now(), now() - b.days * interval '1 day'
    FROM (VALUES (${ids.gone}::uuid, 500), (${ids.used}, 500), (${ids.young}, 300)) AS b (id, days)`;
  await sql`UPDATE jobs SET batch_id = ${ids.used} WHERE id = ${used?.jobId ?? ''}`;
  const letter = (state: string) => sql`
    INSERT INTO dead_letters (id, queue, message_id, body, attributes, receive_count, reason, state, created_at)
    VALUES (${randomUUID()}, 'work', ${state}, 'b', '{}', 3, 'UNREADABLE', ${state}, now() - interval '500 days')`;
  await letter('DISCARDED');
  await letter('PARKED');

  const before = new Date(Date.now() - 400 * DAY_MS);
  expect(await deleteLeftovers(sql, before, new AbortController().signal)).toBe(2);
  expect(new Set((await sql<{ id: string }[]>`SELECT id FROM batches`).map(({ id }) => id))).toEqual(
    new Set([ids.used, ids.young]),
  );
  expect(await sql`SELECT state FROM dead_letters`).toEqual([{ state: 'PARKED' }]);
});

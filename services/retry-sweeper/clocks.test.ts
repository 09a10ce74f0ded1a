import { randomUUID } from 'node:crypto';
import { SubscribeCommand } from '@aws-sdk/client-sns';
import { PurgeQueueCommand } from '@aws-sdk/client-sqs';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test, vi } from 'vitest';
import { connectDatabase } from '#shared/db/connect-database.ts';
import { giveDueTurns } from '#shared/jobs/give-turns.ts';
import { registerFiles } from '#shared/jobs/register-files.ts';
import { createWakeUpSenders } from '#shared/jobs/wake-up-senders.ts';
import { createLogger } from '#shared/runtime/logger.ts';
import type { Service } from '#shared/runtime/run-service.ts';
import { type SweeperTestBed, startSweeperTestBed } from '#testkit/beds/sweeper-bed.ts';
import { emptyTables } from '#testkit/seeds/empty-tables.ts';
import { arrivedObject, seedJobs, seedTenant, TEST_TENANT } from '#testkit/seeds/seed-jobs.ts';
import { seedRecords } from '#testkit/seeds/seed-records.ts';
import { keepPartitions } from './keep-partitions.ts';

let bed: SweeperTestBed;
let place: Awaited<ReturnType<SweeperTestBed['begin']>>;
let sweepers: Service[];

beforeAll(async () => {
  bed = await startSweeperTestBed();
});
afterAll(() => bed.stop());

beforeEach(async () => {
  for (const [name, value] of Object.entries(bed.env)) vi.stubEnv(name, value);
  place = await bed.begin();
  sweepers = [];
  await seedTenant(bed.sql);
});

afterEach(async () => {
  await Promise.all(sweepers.map((sweeper) => sweeper.stop()));
  await emptyTables(
    bed.sql,
    'files',
    'routes',
    'attempts',
    'audit_events',
    'outbox',
    'dead_letters',
    'records',
    'record_chunks',
    'record_keys',
  );
  vi.unstubAllEnvs();
});

async function startSweeper(variables: Record<string, string> = {}) {
  const { sweeper, registry } = bed.createSweeper(place.prefix, variables);
  sweepers.push(sweeper);
  await sweeper.start();
  return { sweeper, registry };
}

function until(condition: () => Promise<void>): Promise<void> {
  return vi.waitFor(condition, { timeout: 60_000, interval: 50 });
}

const senders = () =>
  createWakeUpSenders({
    client: bed.fauxqs.sqs,
    queueUrls: { ingest: place.queues.ingest.url, 'partner-steps': place.queues['partner-steps'].url },
    fairQueues: true,
    logger: createLogger({ service: 'test', level: 'fatal' }),
  });

test('wakes what a purged queue lost, and nothing that still stands in it', async () => {
  const { files } = await registerFiles(
    bed.sql,
    Array.from({ length: 30 }, () => arrivedObject()),
    'test',
  );
  const jobs = await seedJobs(bed.sql, { count: 30 });
  await senders().sendJobs(jobs);
  await startSweeper({ LONGSHORE_SWEEP_GRACE_MS: '300' });
  await until(async () => expect(await bed.count(place.queues.ingest.url)).toBe(files.length));
  const [standing] = await bed.sql`SELECT max(wakes) AS most FROM jobs`;
  expect(standing?.most).toBe(1);
  await bed.fauxqs.sqs.send(new PurgeQueueCommand({ QueueUrl: place.queues['partner-steps'].url }));
  await until(async () => expect(await bed.count(place.queues['partner-steps'].url)).toBe(jobs.length));
});

test('gathers due records into chunks, and wakes chunks that are due, orphaned or lost', async () => {
  const { chunks } = await seedRecords(bed.sql, { records: 450 });
  const [due, orphan, lost, ended] = chunks.map(({ id }) => id) as [string, string, string, string];
  await bed.sql`UPDATE record_chunks SET woken_at = NULL, next_action_at = now() + interval '300 ms' WHERE id = ${due}`;
  await bed.sql`
    UPDATE record_chunks SET woken_at = NULL, claim_token = ${randomUUID()}, lease_until = now() + interval '300 ms'
    WHERE id = ${orphan}`;
  await bed.sql`UPDATE record_chunks SET woken_at = now() - interval '1 hour' WHERE id = ${lost}`;
  // Records that failed in a chunk that is gone.
  await bed.sql`
    UPDATE records SET state = 'FAILED', tries = 1, chunk_id = NULL, next_attempt_at = now() + interval '300 ms'
    WHERE chunk_id = ${ended}`;
  await bed.sql`DELETE FROM record_chunks WHERE id = ${ended}`;
  const { registry } = await startSweeper({ LONGSHORE_SWEEP_GRACE_MS: '60000' });
  await until(async () => expect(await bed.count(place.queues['partner-steps'].url)).toBe(4));
  const bodies = await bed.bodies(place.queues['partner-steps'].url);
  expect(bodies.every(({ type, tenantId }) => type === 'records.due' && tenantId === TEST_TENANT)).toBe(true);
  expect(bodies.map(({ chunkId }) => chunkId)).toEqual(expect.arrayContaining([due, orphan, lost]));
  const [row] = await bed.sql<{ swept: number }[]>`
    SELECT count(*)::int AS swept FROM records r JOIN record_chunks c ON c.id = r.chunk_id
    WHERE r.state = 'PENDING' AND r.tries = 1 AND c.woken_at IS NOT NULL`;
  expect(row?.swept).toBeGreaterThanOrEqual(50);
  expect(await registry.metrics()).toMatch(/longshore_sweeper_wakes_total\{queue="partner-steps",row="chunk"\} 4/);
});

test('wakes chunks that a purged queue lost, and none that still stands in it', async () => {
  const { chunks } = await seedRecords(bed.sql, { records: 450 });
  await senders().sendChunks(chunks);
  await startSweeper({ LONGSHORE_SWEEP_GRACE_MS: '300' });
  await until(async () => expect(await bed.count(place.queues['partner-steps'].url)).toBe(chunks.length));
  const [standing] = await bed.sql`SELECT max(wakes) AS most FROM record_chunks`;
  expect(standing?.most).toBe(1);
  await bed.fauxqs.sqs.send(new PurgeQueueCommand({ QueueUrl: place.queues['partner-steps'].url }));
  await until(async () => expect(await bed.count(place.queues['partner-steps'].url)).toBe(chunks.length));
});

test('wakes a row that was put in by hand, a due retry and an orphan', async () => {
  const jobs = await seedJobs(bed.sql, { count: 3 });
  const [byHand, due, orphan] = jobs.map(({ id }) => id) as [string, string, string];
  await bed.sql`UPDATE jobs SET woken_at = NULL, wakes = 0 WHERE id = ${byHand}`;
  await bed.sql`UPDATE jobs SET state = 'WAITING', woken_at = NULL, next_action_at = now() + interval '300 ms' WHERE id = ${due}`;
  await bed.sql`
    UPDATE jobs SET state = 'RUNNING', woken_at = NULL, claim_token = ${randomUUID()}, lease_until = now() + interval '300 ms'
    WHERE id = ${orphan}`;
  await startSweeper();
  await until(async () => expect(await bed.count(place.queues['partner-steps'].url)).toBe(3));
  const woken = await bed.bodies(place.queues['partner-steps'].url);
  expect(woken.map(({ jobId }) => jobId).sort()).toEqual([...jobs.map(({ id }) => id)].sort());
});

test('settles an upload that stayed quiet', async () => {
  const quiet = arrivedObject({ status: 'UPLOADED', source: 'sftp', quietMs: 300 });
  await registerFiles(bed.sql, [quiet], 'test');
  await startSweeper();
  await until(async () => expect(await bed.bodies(place.queues.ingest.url)).toMatchObject([{ fileId: quiet.id }]));
  expect(await bed.sql`SELECT status FROM files`).toMatchObject([{ status: 'QUEUED' }]);
});

test('lets waiting jobs in beside another sweeper, each of them once', async () => {
  const count = 1_200;
  await seedJobs(bed.sql, { count, window: 0 });
  await Promise.all([
    startSweeper({ LONGSHORE_SWEEP_GRACE_MS: '60000' }),
    startSweeper({ LONGSHORE_SWEEP_GRACE_MS: '60000' }),
  ]);
  await until(async () => expect(await bed.count(place.queues['partner-steps'].url)).toBeGreaterThanOrEqual(1_000));
  const [rows] =
    await bed.sql`SELECT max(wakes) AS most, count(*) FILTER (WHERE woken_at IS NULL)::int AS outside FROM jobs`;
  expect(rows?.most).toBe(1);
  // Two statements side by side can let in one statement's worth too many, never all.
  expect(rows?.outside).toBeLessThanOrEqual(count - 1_000);
});

test('sends no more wake-ups in a minute than it may', async () => {
  await seedJobs(bed.sql, { count: 200, window: 0 });
  await startSweeper({ LONGSHORE_SWEEP_WAKES_PER_MINUTE: '40', LONGSHORE_SWEEP_GRACE_MS: '60000' });
  await until(async () => expect(await bed.count(place.queues['partner-steps'].url)).toBeGreaterThanOrEqual(10));
  // A quarter of a minute's worth at once, then one each 1.5 s.
  expect(await bed.count(place.queues['partner-steps'].url)).toBeLessThan(30);
});

test('publishes events with their type and tenant, and empties the outbox', async () => {
  const listener = place.queues.landing.arn;
  await bed.fauxqs.sns.send(
    new SubscribeCommand({
      TopicArn: place.topics.events,
      Protocol: 'sqs',
      Endpoint: listener,
      Attributes: {
        RawMessageDelivery: 'true',
        FilterPolicy: JSON.stringify({ type: ['file.queued'], tenantId: [TEST_TENANT] }),
      },
    }),
  );
  const { files } = await registerFiles(
    bed.sql,
    Array.from({ length: 3 }, () => arrivedObject()),
    'test',
  );
  await startSweeper();
  await until(async () => expect(await bed.count(place.queues.landing.url)).toBe(3));
  const events = await bed.bodies(place.queues.landing.url);
  expect(events.map(({ fileId, type }) => [fileId, type]).sort()).toEqual(
    files.map(({ id }) => [id, 'file.queued']).sort(),
  );
  expect(new Set(events.map(({ id }) => id)).size).toBe(3);
  await until(async () => expect(await bed.sql`SELECT 1 FROM outbox`).toHaveLength(0));
});

test('shows what is open, due, parked and blocked', async () => {
  await seedJobs(bed.sql, { count: 2 });
  await bed.sql`UPDATE jobs SET woken_at = now() - interval '90 s'`;
  const bronze = await seedJobs(bed.sql, { count: 3 });
  await bed.sql`
    UPDATE jobs SET lane = 'bronze', queue = 'bronze-steps' WHERE id = ANY(${bronze.map(({ id }) => id)}::uuid[])`;
  const [large] = await seedJobs(bed.sql);
  await bed.sql`UPDATE jobs SET lane = 'platinum', queue = 'platinum-work' WHERE id = ${large!.id}`;
  const directory = { orderKey: 'acme/line' };
  await seedJobs(bed.sql, { objects: [directory, directory], isOrdered: true });
  const [head] = await giveDueTurns(bed.sql, { limit: 1, window: 10, actor: 'test' });
  await bed.sql`
    UPDATE jobs SET state = 'FAILED', woken_at = NULL, finished_at = now() WHERE id = ${head?.id ?? ''}`;
  await bed.sql`
    INSERT INTO dead_letters (id, queue, message_id, body, attributes, receive_count, reason, state)
    VALUES (${randomUUID()}, 'work', 'm', 'b', '{}', 3, 'r', 'PARKED')`;
  const { registry, sweeper } = await startSweeper({
    LONGSHORE_SWEEP_GRACE_MS: '600000',
    LONGSHORE_SWEEP_BOUND_MS: '600000',
  });
  await until(async () => {
    const text = await registry.metrics();
    expect(text).toContain('longshore_open_rows{queue="partner-steps",state="standing"} 2');
    expect(
      Number(/longshore_oldest_due_seconds\{queue="partner-steps"\} (\d+)/.exec(text)?.[1]),
    ).toBeGreaterThanOrEqual(89);
    expect(text).toContain('longshore_parked_dead_letters 1');
    expect(text).toContain('longshore_blocked_lines 1');
    expect(text).toContain('longshore_open_rows{queue="partner-steps",state="waiting for their turn"} 1');
    expect(text).toContain('longshore_open_rows{queue="partner-steps",state="waiting in all lanes"} 3');
    expect(text).toContain('longshore_open_rows{queue="work",state="waiting in all lanes"} 1');
    expect(text).toContain('longshore_copy_still_seconds 0');
    expect(text).toContain('longshore_queue_messages{queue="work-dlq",state="visible"} 0');
  });
  expect(sweeper.liveness().ok).toBe(true);
  expect(await sweeper.readiness()).toMatchObject({ ok: true });
});

test('shows remotes that refuse, certificates that end and sources that nobody lists', async () => {
  const common = {
    ...{ tenant_id: TEST_TENANT, definition: {}, definition_hash: 'h', version: 1, created_by: 'test' },
    revision: 1,
  };
  const later = (seconds: number) => new Date(Date.now() + seconds * 1_000);
  await bed.sql`
    INSERT INTO remotes ${bed.sql([
      {
        ...common,
        name: 'refuses',
        error_code: 'REMOTE_AUTH_FAILED',
        breaker_until: later(600),
        certificate_ends_at: null,
      },
      { ...common, name: 'works', error_code: null, breaker_until: null, certificate_ends_at: later(10.5 * 86_400) },
    ])}`;
  await bed.sql`
    INSERT INTO remote_connections (tenant_id, remote, slot, token, worker, lease_until)
    VALUES (${TEST_TENANT}, 'works', 1, ${randomUUID()}, 'w', now() + interval '1 minute'),
      (${TEST_TENANT}, 'works', 2, ${randomUUID()}, 'w', now() - interval '1 minute')`;
  await bed.sql`
    INSERT INTO sources ${bed.sql([
      { ...common, name: 'fails', failures: 3, next_action_at: later(600) },
      { ...common, name: 'lists', failures: 0, next_action_at: later(600) },
    ])}`;
  const { registry } = await startSweeper();
  await until(async () => {
    const text = await registry.metrics();
    expect(text).toContain('longshore_remotes_failing 1');
    expect(text).toContain('longshore_remote_breakers_open 1');
    expect(text).toContain('longshore_remote_connections 1');
    expect(text).toContain('longshore_sources_overdue 1');
    expect(text).toMatch(/longshore_certificate_days 10\.[45]/);
  });
  await emptyTables(bed.sql, 'remotes', 'sources');
});

test('shows who is connected to the database, strangers under one name', async () => {
  const stranger = connectDatabase(bed.database, `tool-${randomUUID()}`);
  try {
    await stranger`SELECT 1`;
    const { registry } = await startSweeper();
    await until(async () => {
      const text = await registry.metrics();
      expect(text).toMatch(
        /^longshore_database_connections\{application="longshore-retry-sweeper",state="active"\} [1-9]/m,
      );
      expect(text).toMatch(/^longshore_database_connections\{application="other",state="idle"\} [1-9]/m);
      expect(text).toMatch(/^longshore_database_connections_max \d{2,}$/m);
      expect(text).not.toContain('tool-');
    });
  } finally {
    await stranger.end({ timeout: 1 });
  }
});

test('drops nothing and makes no month of another year where this machine’s clock is years ahead', async () => {
  const partitions = () =>
    bed.sql`SELECT relid::regclass::text AS name FROM pg_partition_tree('records') ORDER BY name`;
  const before = await partitions();
  vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 5 * 365 * 86_400_000 });
  try {
    await keepPartitions(bed.sql, {
      retentionDays: 400,
      cleared: new Map(),
      logger: createLogger({ service: 'test', level: 'silent' }),
      signal: new AbortController().signal,
    });
  } finally {
    vi.useRealTimers();
  }
  expect(await partitions()).toEqual(before);
});

test('makes partitions ahead and drops those past retention, with the business keys and reports of mails of that time', async () => {
  await bed.sql`CREATE TABLE audit_events_2001_01 PARTITION OF audit_events FOR VALUES FROM ('2001-01-01') TO ('2001-02-01')`;
  const inTwoMonths = new Date(Date.UTC(new Date().getUTCFullYear(), new Date().getUTCMonth() + 2, 1));
  const ahead = `attempts_${inTwoMonths.toISOString().slice(0, 7).replace('-', '_')}`;
  await bed.sql.unsafe(`DROP TABLE ${ahead}`);
  await bed.sql`
    INSERT INTO record_keys (tenant_id, route_id, business_key, job_id, line, created_at)
    SELECT ${TEST_TENANT}, ${randomUUID()}, key, ${randomUUID()}, 1, at
    FROM (VALUES ('old', '2001-01-15'::timestamptz), ('new', now())) AS k(key, at)`;
  await bed.sql`
    INSERT INTO mail_events (campaign_id, line, kind, tenant_id, at, received_at)
    SELECT ${randomUUID()}, line, 'accepted', ${TEST_TENANT}, at, at FROM (VALUES (1, '2001-01-15'::timestamptz), (2, now())) AS e(line, at)`;
  await startSweeper();
  await until(async () => {
    const [row] = await bed.sql`
      SELECT to_regclass('audit_events_2001_01') IS NULL AS "isDropped", to_regclass(${ahead}) IS NOT NULL AS "isMade"`;
    expect(row).toEqual({ isDropped: true, isMade: true });
    expect(await bed.sql`SELECT business_key FROM record_keys`).toEqual([{ business_key: 'new' }]);
    expect(await bed.sql`SELECT line::int FROM mail_events`).toEqual([{ line: 2 }]);
  });
});

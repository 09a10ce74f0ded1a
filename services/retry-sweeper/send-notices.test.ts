import { randomUUID } from 'node:crypto';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { pino } from 'pino';
import { Registry } from 'prom-client';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { closeDueBatches } from '#shared/batches/close-batches.ts';
import { applyRoute } from '#shared/definitions/apply-definitions.ts';
import { applyTenants } from '#shared/definitions/apply-tenants.ts';
import { type ChannelDefinition, channelSchema } from '#shared/definitions/notify-schema.ts';
import { createAddressGuard } from '#shared/http/address-guard.ts';
import { noticeLag, retryNotices } from '#shared/notices/notice-transitions.ts';
import { createNoticeSender, type NoticeSender } from '#shared/notices/send-notice.ts';
import { createFileSecretStore } from '#shared/runtime/secrets/file-secret-store.ts';
import { type SweeperTestBed, startSweeperTestBed } from '#testkit/beds/sweeper-bed.ts';
import { emptyTables } from '#testkit/seeds/empty-tables.ts';
import { arrivedObject } from '#testkit/seeds/seed-jobs.ts';
import { seedFiles, seedRoutes } from '#testkit/seeds/seed-routed-files.ts';
import { startProcess, type TestProcess } from '#testkit/servers/start-process.ts';
import { type Receiver, startReceiver } from '#testkit/servers/start-receiver.ts';
import { createRetrySweeperMetrics } from './metrics.ts';
import { sendNotices } from './send-notices.ts';

let bed: SweeperTestBed;
let directory: string;
let receiver: Receiver;
let sender: NoticeSender;
let registry: Registry;
let logged: string[];
const children: TestProcess[] = [];

beforeAll(async () => {
  bed = await startSweeperTestBed();
  directory = await mkdtemp(join(tmpdir(), 'notices-'));
  await mkdir(join(directory, 'acme'));
});

afterAll(async () => {
  await bed.stop();
  await rm(directory, { recursive: true });
});

beforeEach(async () => {
  await emptyTables(bed.sql, 'tenants', 'job_steps', 'audit_events', 'outbox', 'notices');
  receiver = await startReceiver();
  await writeFile(join(directory, 'acme/url'), `${receiver.url}/t0ken`, { mode: 0o600 });
  await writeFile(join(directory, 'acme/key'), 'signing-key', { mode: 0o600 });
  registry = new Registry();
  logged = [];
  sender = createNoticeSender({
    secrets: createFileSecretStore(directory),
    addressGuard: createAddressGuard({ allow: ['127.0.0.0/8'] }),
    publisher: { publish: async () => [] },
    deadlineMs: 1_000,
  });
});

afterEach(async () => {
  await Promise.all(children.splice(0).map((child) => child.end('SIGKILL')));
  sender.close();
  await receiver.stop();
});

const HOOK = { webhook: { urlSecret: 'url', signingSecret: 'key' } };

function channel(name: string, on: readonly string[], more: Readonly<Record<string, unknown>> = {}): ChannelDefinition {
  return channelSchema.parse({ name, on, ...HOOK, ...more });
}

/** A tenant with a route that notifies these channels. */
async function seed(notify: readonly ChannelDefinition[]): Promise<void> {
  await seedRoutes(bed.sql, { routes: [['deliver']] });
  await tell(notify);
}

async function tell(notify: readonly ChannelDefinition[]): Promise<void> {
  await applyTenants(
    bed.sql,
    [{ id: 'acme', name: 'Acme', timeZone: 'UTC', homeRegion: null, ignoreGlobs: [], notify }],
    'test',
  );
}

/** A large file whose name is given: an event that is a notice of `large-file`. */
async function sendFile(name = `${randomUUID()}.csv`): Promise<void> {
  await seedFiles(bed.sql, { isLarge: true, objects: [arrivedObject({ name })] });
}

let metrics: ReturnType<typeof createRetrySweeperMetrics>;

async function tick(mostAttempts = 15): Promise<'again' | 'done'> {
  if (registry.getSingleMetric('longshore_notices_total') === undefined) metrics = createRetrySweeperMetrics(registry);
  const logger = pino({ level: 'debug' }, { write: (line: string) => void logged.push(line) });
  return await sendNotices({ sql: bed.sql, sender, mostAttempts, metrics, logger, random: () => 1 });
}

async function makeDue(): Promise<void> {
  await bed.sql`UPDATE notices SET next_action_at = now(), locked_until = NULL`;
}

const rows = () => bed.sql`
  SELECT channel, route, notice, state, attempts, error_cause AS cause, delivery_id IS NULL AS "isGathering",
    round(extract(epoch FROM next_action_at - now()))::int AS "inSeconds"
  FROM notices ORDER BY created_at, event_id, route, channel`;

const idsOf = () => receiver.received.map(({ headers }) => headers['webhook-id']);
const namesOf = () =>
  receiver.received.map(({ body }) =>
    JSON.parse(body).notices.map((notice: { file: { name: string } }) => notice.file.name),
  );

describe('a channel is notified', () => {
  test('of what it wants to know, once each, and nothing stays behind', async () => {
    await seed([channel('desk', ['large-file']), channel('other', ['failed'])]);
    await sendFile('one.csv');
    await sendFile('two.csv');
    await seedFiles(bed.sql);
    while ((await tick()) === 'again');
    expect(namesOf().flat().sort()).toEqual(['one.csv', 'two.csv']);
    expect(new Set(idsOf()).size).toBe(2);
    expect(await rows()).toEqual([]);
    expect(await bed.sql`SELECT 1 FROM outbox WHERE topic = 'channels'`).toEqual([]);
    const [{ body } = { body: '' }] = receiver.received;
    expect(JSON.parse(body).notices[0]).toMatchObject({
      notice: 'large-file',
      event: { type: 'file.routed' },
      jobs: [{ route: 'route-0' }],
    });
    expect(await registry.metrics()).toContain('longshore_notices_total{channel="webhook",outcome="sent"} 2');
  });

  test('of the files of its route alone, where a route says so', async () => {
    await seed([]);
    const notify = [channel('desk', ['large-file'])];
    const [row] = await bed.sql`SELECT definition FROM route_versions`;
    const apply = (name: string) =>
      applyRoute(bed.sql, { tenantId: 'acme', name, definition: row?.definition, definitionHash: 'b', notify }, 'test');
    await apply('unused');
    await bed.sql`UPDATE routes SET disabled_at = now() WHERE name = 'unused'`;
    await sendFile('unwanted.csv');
    await tick();
    await apply('route-0');
    await sendFile('wanted.csv');
    while ((await tick()) === 'again');
    expect(namesOf()).toEqual([['wanted.csv']]);
    expect(JSON.parse(receiver.received[0]?.body ?? '')).toMatchObject({ route: 'route-0', channel: 'desk' });
  });

  test('of the batches of its route, with what is missing', async () => {
    await seed([channel('desk', ['batch-failed'])]);
    const definition = { kind: 'route', match: { path: ['**'] }, steps: [] };
    const notify = [channel('own', ['batch-done', 'batch-failed'])];
    await applyRoute(bed.sql, { tenantId: 'acme', name: 'days', definition, definitionHash: 'd', notify }, 'test');
    await bed.sql`
      INSERT INTO batches (id, tenant_id, route_id, key, expected, files, state, close_at, look_at)
      SELECT uuid_v7(), 'acme', id, name, '["a.csv"]', 0, 'OPEN', now(), now() FROM routes`;
    await closeDueBatches(bed.sql, { actor: 'test', window: 10, limit: 10 });
    while ((await tick()) === 'again');
    const bodies = receiver.received.map(({ body }) => JSON.parse(body));
    expect(bodies.map((body) => [body.channel, body.notices[0].event.data.route]).sort()).toEqual([
      ['desk', 'days'],
      ['desk', 'route-0'],
      ['own', 'days'],
    ]);
    expect(bodies[0].notices[0]).toMatchObject({ notice: 'batch-failed', event: { data: { missing: ['a.csv'] } } });
  });

  test('nothing more once its definition is gone, also of what waited', async () => {
    await seed([channel('desk', ['large-file'], { digest: '1h' })]);
    await sendFile();
    await tick();
    expect(await rows()).toHaveLength(1);
    await tell([]);
    expect(await rows()).toEqual([]);
    await sendFile();
    expect(await bed.sql`SELECT 1 FROM outbox WHERE topic = 'channels'`).toEqual([]);
  });

  test('by two sweepers at once, each notice once', async () => {
    await seed([channel('desk', ['large-file']), channel('gathered', ['large-file'], { digest: '1s' })]);
    for (let index = 0; index < 12; index += 1) await sendFile(`${index}.csv`);
    await tick();
    await makeDue();
    for (let round = 0; round < 10; round += 1) await Promise.all([tick(), tick()]);
    const bodies = receiver.received.map(({ body }) => JSON.parse(body));
    const ids = (name: string) =>
      bodies
        .filter(({ channel: by }) => by === name)
        .flatMap(({ notices }) => notices.map(({ event }: { event: { id: string } }) => event.id));
    expect(ids('desk').length).toBe(12);
    expect(new Set(ids('desk')).size).toBe(12);
    expect(ids('gathered').sort()).toEqual(ids('desk').sort());
    expect(await rows()).toEqual([]);
  });
});

describe('a digest', () => {
  test('is gathered for its time and sent as one', async () => {
    await seed([channel('desk', ['large-file'], { digest: '10m' })]);
    for (const name of ['a.csv', 'b.csv', 'c.csv']) await sendFile(name);
    await tick();
    expect(receiver.received).toEqual([]);
    expect(await rows()).toMatchObject([{ isGathering: true, inSeconds: 600 }, {}, {}]);
    await makeDue();
    await tick();
    expect(namesOf()).toEqual([['a.csv', 'b.csv', 'c.csv']]);
    expect(await rows()).toEqual([]);
  });

  test('that was refused is sent again as it was; what came meanwhile is another one', async () => {
    receiver.answer = () => ({ status: 500 });
    await seed([channel('desk', ['large-file'], { digest: '10m' })]);
    await sendFile('a.csv');
    await sendFile('b.csv');
    await tick();
    await makeDue();
    await tick();
    await sendFile('c.csv');
    await tick();
    receiver.answer = () => ({ status: 200, body: 'ok' });
    await makeDue();
    await tick();
    const [refused, ...taken] = namesOf();
    expect(refused).toEqual(['a.csv', 'b.csv']);
    // Both are due at once, and arrive in any order.
    expect(taken.sort()).toEqual([['a.csv', 'b.csv'], ['c.csv']]);
    const again = namesOf().findLastIndex((names) => names[0] === 'a.csv');
    expect(idsOf()[again]).toBe(idsOf()[0]);
    expect(await rows()).toEqual([]);
  });

  test('has a hundred at most', async () => {
    await seed([channel('desk', ['large-file'], { digest: '10m' })]);
    await seedFiles(bed.sql, { count: 130, isLarge: true });
    await tick();
    await makeDue();
    await tick();
    await makeDue();
    while ((await tick()) === 'again');
    expect(namesOf().map((names) => names.length)).toEqual([100, 30]);
  });
});

describe('a receiver', () => {
  test('that answers 500 gets it again later, with the same id, and later each time', async () => {
    receiver.answer = () => ({ status: 500 });
    await seed([channel('desk', ['large-file'])]);
    await sendFile();
    await tick();
    expect(await rows()).toMatchObject([{ state: 'PENDING', attempts: 1, cause: 'NOTICE_REFUSED', inSeconds: 5 }]);
    await tick();
    expect(receiver.received).toHaveLength(1);
    await makeDue();
    await tick();
    expect(await rows()).toMatchObject([{ attempts: 2, inSeconds: 10 }]);
    expect(new Set(idsOf()).size).toBe(1);
  });

  test.each([
    ['120', 120],
    ['0', 5],
    ['soon', 5],
  ])('that says to come again after %s is obeyed, within reason', async (after, inSeconds) => {
    receiver.answer = () => ({ status: 429, headers: { 'retry-after': after } });
    await seed([channel('desk', ['large-file'])]);
    await sendFile();
    await tick();
    expect(await rows()).toMatchObject([{ cause: 'NOTICE_REFUSED', inSeconds }]);
  });

  test('that hangs holds up no other channel', async () => {
    const other = await startReceiver();
    await writeFile(join(directory, 'acme/other-url'), other.url, { mode: 0o600 });
    receiver.answer = () => 'hang';
    await seed([
      channel('desk', ['large-file']),
      channel('other', ['large-file'], { webhook: undefined, slack: { urlSecret: 'other-url' } }),
    ]);
    await seedFiles(bed.sql, { count: 6, isLarge: true });
    await tick();
    await tick();
    expect(other.received).toHaveLength(6);
    expect((await rows()).filter(({ channel: name }) => name === 'other')).toEqual([]);
    expect((await rows()).filter(({ cause }) => cause === 'NOTICE_UNREACHABLE').length).toBeGreaterThanOrEqual(4);
    await other.stop();
  });

  test('that takes nothing ends in a parked notice, which an operator has sent again', async () => {
    receiver.answer = () => ({ status: 410 });
    await seed([channel('desk', ['large-file'])]);
    await sendFile();
    await tick(2);
    await makeDue();
    await tick(2);
    expect(await rows()).toMatchObject([{ state: 'PARKED', attempts: 2 }]);
    expect(await noticeLag(bed.sql)).toMatchObject({ pending: 0, parked: 1 });
    expect(await bed.sql`SELECT detail ->> 'cause' AS cause FROM audit_events WHERE type = 'notice.parked'`).toEqual([
      { cause: 'NOTICE_REFUSED' },
    ]);
    expect(await registry.metrics()).toContain('longshore_notices_total{channel="webhook",outcome="parked"} 1');
    await makeDue();
    await tick(2);
    expect(receiver.received).toHaveLength(2);
    receiver.answer = () => ({ status: 200, body: 'ok' });
    const word = { actor: 'operator:x', reason: 'it is back' };
    expect(await retryNotices(bed.sql, { tenantId: 'globex', ...word })).toBe(0);
    expect(await retryNotices(bed.sql, { tenantId: 'acme', ...word })).toBe(1);
    await tick();
    expect(receiver.received).toHaveLength(3);
    expect(new Set(idsOf()).size).toBe(1);
    expect(await rows()).toEqual([]);
  });

  test('leaves no secret in rows, events, metrics and logs', async () => {
    receiver.answer = () => ({ status: 500 });
    await seed([channel('desk', ['large-file'])]);
    await sendFile();
    await tick(1);
    const stored =
      await bed.sql`SELECT to_jsonb(n)::text AS text FROM notices n UNION ALL SELECT to_jsonb(a)::text FROM audit_events a UNION ALL SELECT body::text FROM outbox`;
    const all = [JSON.stringify(stored), await registry.metrics(), ...logged].join('\n');
    expect(all).not.toMatch(/t0ken|signing-key|of the receiver/);
    expect(logged.join()).toContain('notice not sent');
  });
});

test('a sweeper that is killed between sending and storing: the next one sends it again, with the same id', async () => {
  const { prefix } = await bed.begin();
  await seed([channel('desk', ['large-file'])]);
  const env = {
    ...process.env,
    ...bed.env,
    AWS_REGION: 'us-east-1',
    DATABASE_URL: bed.database.DATABASE_URL,
    LONGSHORE_PREFIX: prefix,
    LONGSHORE_S3_PATH_STYLE: 'true',
    LONGSHORE_HTTP_HOST: '127.0.0.1',
    LONGSHORE_HTTP_PORT: '0',
    LONGSHORE_SWEEP_TICK_MS: '50',
    LONGSHORE_SECRETS_DIRECTORY: directory,
    LONGSHORE_NOTICE_ADDRESSES: '127.0.0.0/8',
    LOG_LEVEL: 'silent',
  };
  const main = fileURLToPath(new URL('main.ts', import.meta.url));
  const start = (): TestProcess => {
    const child = startProcess([main], { env });
    children.push(child);
    return child;
  };
  const first = start();
  receiver.answer = () => {
    first.kill('SIGKILL');
    return { status: 200, body: 'ok' };
  };
  await sendFile('killed.csv');
  expect(await first.ended).toEqual({ code: null, signal: 'SIGKILL' });
  expect(receiver.received).toHaveLength(1);
  expect(await rows()).toMatchObject([{ state: 'PENDING', attempts: 1 }]);
  receiver.answer = () => ({ status: 200, body: 'ok' });
  await bed.sql`UPDATE notices SET locked_until = now() - interval '1 second'`;
  start();
  await expect.poll(rows).toEqual([]);
  expect(namesOf()).toEqual([['killed.csv'], ['killed.csv']]);
  expect(new Set(idsOf()).size).toBe(1);
});

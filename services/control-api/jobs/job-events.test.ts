import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { WokenJob } from '#shared/jobs/route-files.ts';
import { startTestApi, type TestApi } from '#testkit/beds/start-test-api.ts';
import { seedFiles, seedRoutes } from '#testkit/seeds/seed-routed-files.ts';
import { type EventStream, openEventStream } from '#testkit/servers/event-stream.ts';

let api: TestApi;
let address: string;
let job: WokenJob;
const streams: EventStream[] = [];

async function start(options: Parameters<typeof startTestApi>[0] = {}): Promise<void> {
  api = await startTestApi(options);
  address = await api.app.listen({ host: '127.0.0.1', port: 0 });
  await seedRoutes(api.sql, { routes: [['deliver']] });
  const [seeded] = await seedFiles(api.sql, { isLarge: true });
  if (seeded === undefined) throw new Error('no job was made');
  job = seeded;
}

beforeEach(() => start());

afterEach(async () => {
  for (const stream of streams.splice(0)) stream.request.destroy();
  await api.stop();
});

async function open(
  options: { readonly key?: string; readonly id?: string; readonly headers?: Record<string, string> } = {},
): Promise<EventStream> {
  const { key = api.keys.acme, id = job.id, headers = {} } = options;
  const stream = await openEventStream(`${address}/api/v1/jobs/${id}/events`, { 'x-api-key': key, ...headers });
  streams.push(stream);
  return stream;
}

const kindsOf = (stream: EventStream) => stream.events().map(({ event }) => event);

async function move(bytesDone: number): Promise<void> {
  await api.sql`
    INSERT INTO transfers AS t (owner_id, seq, owner, purpose, tenant_id, file_id, epoch, state, plan, bucket, key, source_etag,
      part_bytes, bytes_total, worker, bytes_done, bytes_per_second)
    VALUES (${job.id}, 0, 'job', 'deliver', 'acme', ${job.fileId}, 1, 'COPYING', 'streamed', 'b', 'k', 'e', 100, 1000, 'w', ${bytesDone}, 50)
    ON CONFLICT (owner_id, seq) DO UPDATE SET bytes_done = ${bytesDone}`;
}

const endJob = () => api.sql`UPDATE jobs SET state = 'SUCCEEDED' WHERE id = ${job.id}`;

test('tells the state at once, progress while bytes move, and the end, after which it closes', async () => {
  const stream = await open();
  expect(stream.status).toBe(200);
  expect(stream.headers).toMatchObject({
    'content-type': 'text/event-stream; charset=utf-8',
    'cache-control': 'no-store',
  });
  await expect.poll(() => kindsOf(stream)).toEqual(['state']);
  expect(stream.events()[0]?.data).toMatchObject({ job_id: job.id, state: 'PENDING', step: 'deliver' });
  await move(400);
  await expect.poll(() => kindsOf(stream)).toEqual(['state', 'progress']);
  expect(stream.events()[1]?.data.transfers).toMatchObject([
    {
      job_id: job.id,
      purpose: 'deliver',
      plan: 'streamed',
      bytes_done: 400,
      bytes_total: 1_000,
      bytes_per_second: 50,
      seconds_left: 12,
      proof: null,
    },
  ]);
  await endJob();
  await stream.ended;
  expect(kindsOf(stream)).toEqual(['state', 'progress', 'state', 'end']);
  expect(stream.events().at(-1)?.data).toMatchObject({ state: 'SUCCEEDED' });
  expect(stream.text()).toContain('id: end\n');
  expect((await open({ headers: { 'last-event-id': 'end' } })).status).toBe(204);
});

test('the job and its file show the same copies, with the proof once there is one', async () => {
  await move(1_000);
  await api.sql`INSERT INTO job_steps (job_id, seq, kind, state, attempts, output, started_at, finished_at)
    VALUES (${job.id}, 0, 'deliver', 'SUCCEEDED', 1, ${api.sql.json({ copy: { proof: 'CRC64NVME' } })}, now(), now())`;
  const ask = async (url: string) =>
    (await api.app.inject({ url, headers: { 'x-api-key': api.keys.acme } })).json<{ transfers: unknown[] }>();
  const ofJob = await ask(`/api/v1/jobs/${job.id}`);
  expect(ofJob.transfers).toMatchObject([{ plan: 'streamed', bytes_done: 1_000, proof: 'CRC64NVME' }]);
  expect((await ask(`/api/v1/files/${job.fileId}`)).transfers).toEqual(ofJob.transfers);
});

test('what has no known length is shown with its bytes and rate, and neither a total nor the time left', async () => {
  await move(400);
  await api.sql`UPDATE transfers SET plan = 'unknown-length', purpose = 'transform', bytes_total = NULL`;
  const shown = {
    plan: 'unknown-length',
    bytes_done: 400,
    bytes_total: null,
    bytes_per_second: 50,
    seconds_left: null,
  };
  const stream = await open();
  await expect.poll(() => kindsOf(stream)).toEqual(['state', 'progress']);
  expect(stream.events()[1]?.data.transfers).toMatchObject([shown]);
  const url = `/api/v1/jobs/${job.id}`;
  const reply = await api.app.inject({ url, headers: { 'x-api-key': api.keys.acme } });
  expect(reply.json()).toMatchObject({ transfers: [shown] });
});

describe('nobody but the tenant', () => {
  test('sees a job: to others there is none', async () => {
    expect((await open({ key: api.keys.globex })).status).toBe(404);
    expect((await open({ key: 'not-a-key-of-ours' })).status).toBe(401);
    expect((await open({ id: 'no-uuid' })).status).toBe(400);
    expect((await open({ key: api.keys.operator })).status).toBe(200);
  });
});

describe('streams are bounded', () => {
  test('by key and by process, and a place is free again when a client goes', async () => {
    const own = [await open(), await open(), await open()];
    const refused = await open();
    expect(refused.status).toBe(429);
    expect(refused.headers['retry-after']).toBe('10');
    await open({ key: api.keys.operator });
    await open({ key: api.keys.operator });
    expect((await open({ key: api.keys.operator })).status).toBe(429);
    expect(await api.registry.metrics()).toContain('longshore_api_streams 5');
    own[0]?.request.destroy();
    await expect.poll(async () => (await open()).status).toBe(200);
  });

  test('in time: a stream ends by itself, without an end of the job', async () => {
    await api.stop();
    await start({ streamMs: 300 });
    const stream = await open();
    await stream.ended;
    expect(kindsOf(stream)).not.toContain('end');
  });

  test('by their key: one that is revoked has none', async () => {
    await api.stop();
    let isRevoked = false;
    const owner = { keyId: 'k', tenantId: 'acme', label: 'short', role: 'tenant-admin' as const };
    await start({
      heartbeatMs: 50,
      authenticate: async () => (isRevoked ? { type: 'unknown' } : { type: 'known', owner }),
    });
    const stream = await open();
    await expect.poll(() => stream.text()).toContain(': alive\n\n');
    isRevoked = true;
    await stream.ended;
  });
});

test('the server stops with streams open, and they end whole', async () => {
  const stream = await open();
  await expect.poll(() => kindsOf(stream)).toEqual(['state']);
  await api.app.close();
  await stream.ended;
  expect(stream.text().endsWith('\n\n')).toBe(true);
});

test('nothing is asked of the database once the last client has gone', async () => {
  const [one, two] = [await open(), await open({ key: api.keys.operator })];
  await expect.poll(() => kindsOf(two)).toEqual(['state']);
  one.request.destroy();
  two.request.destroy();
  const asked = async () => {
    const [row] = await api.sql<{ age: number | null }[]>`
      SELECT extract(epoch FROM clock_timestamp() - max(query_start))::float8 AS age FROM pg_stat_activity
      WHERE pid <> pg_backend_pid() AND query LIKE '%step_attempts, generation, wait_reason%'`;
    return row?.age ?? 60;
  };
  await expect.poll(asked).toBeGreaterThan(3);
});

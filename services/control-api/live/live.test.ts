import { randomUUIDv7 } from 'node:crypto';
import { setTimeout } from 'node:timers/promises';
import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { registerFiles } from '#shared/jobs/register-files.ts';
import { startTestApi, type TestApi } from '#testkit/beds/start-test-api.ts';
import { arrivedObject, seedJobs, seedTenant } from '#testkit/seeds/seed-jobs.ts';
import { type EventStream, openEventStream } from '#testkit/servers/event-stream.ts';
import { createChangeWatch } from './watch-changes.ts';

let api: TestApi;
let address: string;
const streams: EventStream[] = [];

async function start(options: Parameters<typeof startTestApi>[0] = {}): Promise<void> {
  api = await startTestApi(options);
  address = await api.app.listen({ host: '127.0.0.1', port: 0 });
  await seedTenant(api.sql);
  await seedTenant(api.sql, { tenantId: 'globex' });
}

beforeEach(() => start());

afterEach(async () => {
  for (const stream of streams.splice(0)) stream.request.destroy();
  await api.stop();
});

/** Resolves when it hears what happens from now on. */
async function open(topics: string, key = api.keys.acme, lastId?: string): Promise<EventStream> {
  const headers = { 'x-api-key': key, ...(lastId !== undefined && { 'last-event-id': lastId }) };
  const stream = await openEventStream(`${address}/api/v1/live?topics=${topics}`, headers);
  streams.push(stream);
  if (stream.status === 200) await expect.poll(() => kindsOf(stream)).toContain('ready');
  return stream;
}

const kindsOf = (stream: EventStream) => stream.events().map(({ event }) => event);
const changesOf = (stream: EventStream) =>
  stream.events().flatMap(({ event, data }) => (event === 'changed' ? [data] : []));

test('a file that changed is reported to who watches, with its state, and to no other tenant', async () => {
  const [own, all, other] = [
    await open('files'),
    await open('files', api.keys.operator),
    await open('files', api.keys.globex),
  ];
  const [job] = await seedJobs(api.sql);
  await expect.poll(() => changesOf(own)).not.toEqual([]);
  await expect.poll(() => changesOf(all)).not.toEqual([]);
  expect(changesOf(own).at(-1)).toMatchObject({ file_id: job!.fileId, status: 'PROCESSING' });
  const [foreign] = await seedJobs(api.sql, { tenantId: 'globex' });
  await expect.poll(() => changesOf(other)).not.toEqual([]);
  expect(changesOf(other).every(({ file_id: id }) => id === foreign!.fileId)).toBe(true);
  await expect.poll(() => changesOf(all).map(({ file_id: id }) => id)).toContain(foreign!.fileId);
  expect(changesOf(own).every(({ file_id: id }) => id === job!.fileId)).toBe(true);
});

test('a topic of one file is of that file alone, and of another tenant it is silent', async () => {
  const [job, next] = await seedJobs(api.sql, { count: 2 });
  const topic = `file:${job!.fileId}`;
  const [own, foreign] = [await open(topic), await open(topic, api.keys.globex)];
  const end = (jobId: string) =>
    api.app.inject({
      method: 'POST',
      url: `/api/v1/jobs/${jobId}/cancel`,
      payload: { reason: 'a test' },
      headers: { 'x-api-key': api.keys.operator },
    });
  await end(next!.id);
  await end(job!.id);
  await expect.poll(() => changesOf(own)).not.toEqual([]);
  expect(changesOf(own)).toMatchObject([{ file_id: job!.fileId, job_id: job!.id }]);
  expect(kindsOf(foreign)).toEqual(['ready']);
});

test('a transaction that ends after later ones is reported once, and nothing twice', async () => {
  const stream = await open('files');
  const held = await api.sql.reserve();
  const [late, early] = [arrivedObject(), arrivedObject()];
  try {
    await held`BEGIN`;
    await registerFiles(held as unknown as typeof api.sql, [late], 'test');
    await registerFiles(api.sql, [early], 'test');
    await expect.poll(() => changesOf(stream).map(({ file_id: id }) => id)).toEqual([early.id]);
    await held`COMMIT`;
  } finally {
    held.release();
  }
  await expect.poll(() => changesOf(stream).map(({ file_id: id }) => id)).toEqual([early.id, late.id]);
});

test('more than a hundred changes are one word, but for a file that is watched', async () => {
  const [job] = await seedJobs(api.sql);
  const stream = await open(`files,file:${job!.fileId}`);
  await api.sql`
    INSERT INTO audit_events (type, tenant_id, file_id, actor, detail)
    SELECT 'file.test', tenant_id, id, 'test', '{}' FROM files`;
  await expect.poll(() => changesOf(stream)).toHaveLength(1);
  await registerFiles(
    api.sql,
    Array.from({ length: 120 }, () => arrivedObject()),
    'test',
  );
  await api.sql`
    INSERT INTO audit_events (type, tenant_id, file_id, actor, detail)
    SELECT 'file.test', tenant_id, id, 'test', '{}' FROM files`;
  await expect.poll(() => kindsOf(stream)).toContain('many');
  await expect.poll(() => changesOf(stream).map(({ file_id: id }) => id)).toContain(job!.fileId);
});

test('copies of a file and the course of an action are reported while they move', async () => {
  const [job] = await seedJobs(api.sql);
  const [action, foreign] = [randomUUIDv7(), randomUUIDv7()];
  const put = (id: string, tenantId: string | null) => api.sql`
    INSERT INTO actions (id, verb, state, tenant_id, filter, preview, actor, takes) VALUES (${id}, 'retry', 'RUNNING', ${tenantId}, '{}', '{}', 'x', 9)`;
  await put(action, 'acme');
  await put(foreign, null);
  const stream = await open(`file:${job!.fileId},action:${action},action:${foreign}`);
  await expect.poll(() => kindsOf(stream)).toEqual(['ready', 'action']);
  await api.sql`UPDATE actions SET done = 4`;
  await api.sql`
    INSERT INTO transfers (owner_id, seq, owner, purpose, tenant_id, file_id, epoch, state, plan, bucket, key, source_etag, part_bytes,
      bytes_total, bytes_done, worker)
    VALUES (${job!.id}, 0, 'job', 'deliver', 'acme', ${job!.fileId}, 1, 'COPYING', 'streamed', 'b', 'k', 'e', 5, 10, 5, 'w/1')`;
  await expect.poll(() => kindsOf(stream)).toContain('progress');
  await expect
    .poll(() => stream.events().flatMap(({ event, data }) => (event === 'action' ? [data] : [])))
    .toMatchObject([{ done: 0 }, { action_id: action, state: 'RUNNING', takes: 9, done: 4 }]);
  expect(stream.events().find(({ event }) => event === 'progress')?.data).toMatchObject({
    file_id: job!.fileId,
    job_id: job!.id,
    purpose: 'deliver',
    bytes_done: 5,
    bytes_total: 10,
  });
});

describe('a client that comes again', () => {
  test('hears what happened meanwhile, at whichever process', async () => {
    const before = await open('files');
    const id = before.lastId();
    before.request.destroy();
    const [job] = await seedJobs(api.sql);
    const after = await open('files', api.keys.acme, id);
    await expect.poll(() => changesOf(after)).not.toEqual([]);
    expect(changesOf(after)[0]).toMatchObject({ file_id: job!.fileId, status: 'PROCESSING' });
    expect(kindsOf(after)).not.toContain('reset');
  });

  test.each([
    ['too old', Buffer.from(JSON.stringify([Date.now() - 400_000, '10:10:'])).toString('base64url')],
    ['of another time', Buffer.from(JSON.stringify([Date.now() + 900_000, '10:10:'])).toString('base64url')],
    ['not a snapshot', Buffer.from(JSON.stringify([Date.now() - 1_000, '20:10:99'])).toString('base64url')],
    ['not an id of ours', 'end'],
  ])('with a place that is %s is asked to look for itself', async (_case, id) => {
    const stream = await open('files', api.keys.acme, id);
    await expect.poll(() => kindsOf(stream)).toContain('reset');
  });
});

test('a stream ends when its caller may not any more, and says so', async () => {
  await api.stop();
  let role: 'operator' | 'viewer' = 'operator';
  const owner = { keyId: 'k', tenantId: null, label: 'short' };
  await start({ heartbeatMs: 50, authenticate: async () => ({ type: 'known', owner: { ...owner, role } }) });
  const stream = await open('files', 'x');
  role = 'viewer';
  await stream.ended;
  expect(kindsOf(stream).at(-1)).toBe('session-ends');
});

test('a stream of the support view lasts while the operator counts, and ends then', async () => {
  await api.stop();
  let isKnown = true;
  const owner = { keyId: 'k', tenantId: null, label: 'desk', role: 'operator' } as const;
  await start({
    heartbeatMs: 50,
    authenticate: async () => (isKnown ? { type: 'known', owner } : { type: 'unknown' }),
  });
  const headers = { 'x-api-key': 'x', 'x-longshore-as': 'acme' };
  const stream = await openEventStream(`${address}/api/v1/live?topics=files`, headers);
  streams.push(stream);
  await expect.poll(() => stream.text().split(': alive').length).toBeGreaterThan(3);
  expect(kindsOf(stream)).toEqual(['ready']);
  isKnown = false;
  await stream.ended;
  expect(kindsOf(stream).at(-1)).toBe('session-ends');
});

test('HEAD takes no place among the streams', async () => {
  const headers = { 'x-api-key': api.keys.acme };
  for (let times = 0; times < 4; times += 1)
    expect((await fetch(`${address}/api/v1/live?topics=files`, { method: 'HEAD', headers })).status).toBe(200);
  const held = async () => /longshore_api_streams (\d+)/.exec(await api.registry.metrics())?.[1];
  await expect.poll(held, { timeout: 60_000 }).toBe('0');
});

test('streams of all kinds share one bound', async () => {
  const [job] = await seedJobs(api.sql);
  for (let count = 0; count < 2; count += 1) await open('files');
  const events = await openEventStream(`${address}/api/v1/jobs/${job!.id}/events`, { 'x-api-key': api.keys.acme });
  streams.push(events);
  expect((await open('files')).status).toBe(429);
});

test.each(['', 'nothing', 'file:', 'file:x', `files,${'files,'.repeat(60)}files`, 'job:x'])(
  'topics=%s is refused',
  async (topics) => {
    const reply = await api.app.inject({
      url: `/api/v1/live?topics=${topics}`,
      headers: { 'x-api-key': api.keys.acme },
    });
    expect(reply.statusCode).toBe(400);
  },
);

test('however many watch, the database is asked one question for all', async () => {
  let questions = 0;
  const counted = new Proxy(api.sql, {
    apply(target, self, args) {
      questions += Number(String((args[0] as readonly string[])[0]).includes('WITH line AS MATERIALIZED'));
      return Reflect.apply(target as never, self, args);
    },
  });
  const watch = createChangeWatch({ sql: counted, logger: pino({ level: 'silent' }) });
  const calls = Array.from({ length: 200 }, () => 0);
  const endings = calls.map((_, index) =>
    watch.listen({ fileIds: [], actionIds: [], notify: () => void calls.splice(index, 1, (calls[index] ?? 0) + 1) }),
  );
  await expect.poll(() => Math.min(...calls)).toBeGreaterThan(1);
  expect(questions).toBeLessThanOrEqual(Math.max(...calls) + 1);
  for (const end of endings) end();
  const asked = questions;
  await setTimeout(1_500);
  expect(questions).toBeLessThanOrEqual(asked + 1);
  watch.close();
});

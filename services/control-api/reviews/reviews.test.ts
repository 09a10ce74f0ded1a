import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { LINK_MS, readReviewLink, writeReviewUrl } from '#shared/reviews/review-links.ts';
import { startTestApi, type TestApi } from '#testkit/beds/start-test-api.ts';
import { seedJobs, seedTenant } from '#testkit/seeds/seed-jobs.ts';

const SECRET = 'the key of review links';
const EVIL = '<img src=x onerror=alert(1)>"\'\u202e.csv';

let api: TestApi;
let nowMs = Date.now();
let jobId: string;

beforeAll(async () => {
  api = await startTestApi({
    secrets: { read: async () => ({ text: SECRET, version: '1' }) },
    linkSecret: 'review-links',
    now: () => nowMs,
  });
  await seedTenant(api.sql);
});
afterAll(() => api.stop());
beforeEach(async () => {
  const [job] = await seedJobs(api.sql);
  jobId = job!.id;
  await api.sql`UPDATE jobs SET state = 'WAITING', wait_reason = 'HELD', next_action_at = now() + interval '1 day' WHERE id = ${jobId}`;
  await api.sql`UPDATE files SET name = ${EVIL} WHERE id = ${job!.fileId}`;
});

function makeLink(secret = SECRET): string {
  const how = { publicUrl: 'https://longshore.example/', secret, nowMs };
  const url = writeReviewUrl({ jobId, channel: 'acme/desk' }, how);
  expect(url).toMatch(/^https:\/\/longshore\.example\/review\?link=[\w.-]+$/);
  return new URL(url).searchParams.get('link') ?? '';
}

const open = (link: string) => api.app.inject({ url: '/review', query: { link } });
const send = (form: Record<string, string>) =>
  api.app.inject({
    method: 'POST',
    url: '/review',
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
    payload: new URLSearchParams({ name: 'Maria Diaz', reason: 'looked at it, ticket 4711', ...form }).toString(),
  });
const stateOf = async () => (await api.sql`SELECT state FROM jobs WHERE id = ${jobId}`)[0]?.state;

test('opening a link changes nothing, shows what is held, and runs nothing of its name', async () => {
  const link = makeLink();
  for (let times = 0; times < 2; times += 1) {
    const page = await open(link);
    expect([page.statusCode, page.headers['content-type']]).toEqual([200, 'text/html; charset=utf-8']);
    expect(page.headers).toMatchObject({
      'content-security-policy': "default-src 'none'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
      'cache-control': 'no-store',
      'referrer-policy': 'no-referrer',
    });
    expect(page.body).toContain('&lt;img src=x onerror=alert(1)&gt;&quot;&#39;');
    expect(page.body).not.toMatch(/<img|\u202e/);
  }
  expect(await stateOf()).toBe('WAITING');
});

test.each([
  ['release', 'PENDING', 'job.released', 'Released'],
  ['reject', 'FAILED', 'job.failed', 'Rejected'],
])('%s by a link is done once, and the audit says through whom and why', async (verb, state, type, title) => {
  const link = makeLink();
  const done = await send({ link, verb });
  expect([done.statusCode, done.body]).toEqual([200, expect.stringContaining(`<h1>${title}</h1>`)]);
  expect(await stateOf()).toBe(state);
  const [line] = await api.sql`SELECT actor, detail FROM audit_events WHERE job_id = ${jobId} AND type = ${type}`;
  expect(line?.actor).toBe('link:acme/desk:Maria Diaz');
  expect(JSON.stringify(line?.detail)).toContain('ticket 4711');
  expect((await send({ link, verb })).statusCode).toBe(409);
  expect((await open(link)).statusCode).toBe(409);
});

test('a link that was used does nothing when the job is held again, and of two at once one counts', async () => {
  const link = makeLink();
  const answers = await Promise.all(Array.from({ length: 6 }, () => send({ link, verb: 'release' })));
  expect(answers.map(({ statusCode }) => statusCode).sort()).toEqual([200, 409, 409, 409, 409, 409]);
  await api.sql`UPDATE jobs SET state = 'WAITING', wait_reason = 'HELD', next_action_at = now(), woken_at = NULL WHERE id = ${jobId}`;
  const again = await send({ link, verb: 'release' });
  expect([again.statusCode, again.body]).toEqual([409, expect.stringContaining('used before')]);
  expect(await stateOf()).toBe('WAITING');
});

test('a forged, altered, expired or missing link does nothing', async () => {
  const link = makeLink();
  const [content = '', signature = ''] = link.split('.');
  const other = Buffer.from(JSON.stringify([jobId, 'acme/other', nowMs + LINK_MS])).toString('base64url');
  for (const wrong of [
    makeLink('another key'),
    `${other}.${signature}`,
    content,
    `${content}.`,
    `${link}.x`,
    '',
    'a.b',
    '💥',
  ]) {
    expect([wrong, (await send({ link: wrong, verb: 'release' })).statusCode]).toEqual([wrong, 404]);
    expect((await open(wrong)).statusCode).toBe(404);
  }
  nowMs += LINK_MS;
  expect((await send({ link, verb: 'release' })).statusCode).toBe(404);
  nowMs -= LINK_MS;
  expect(readReviewLink(link, [SECRET], nowMs)).toEqual({ jobId, channel: 'acme/desk' });
  expect(await stateOf()).toBe('WAITING');
});

test('a form without a name, a reason or a known verb is shown again, and uses up nothing', async () => {
  const link = makeLink();
  for (const form of [{ name: ' ' }, { reason: '' }, { verb: 'delete' }, { name: 'a\u202eb' }]) {
    const page = await send({ link, verb: 'release', ...form });
    expect([page.statusCode, page.body]).toEqual([400, expect.stringContaining('Give your name and a reason.')]);
  }
  expect((await send({ link, verb: 'release' })).statusCode).toBe(200);
});

test('open reviews are listed, the oldest first, with who looks at them; a comment changes no state', async () => {
  const call = (method: 'GET' | 'POST', url: string, key: string, payload?: object) =>
    api.app.inject({ method, url, headers: { 'x-api-key': key }, ...(payload && { payload }) });
  const list = async (key: string) => {
    const { reviews } = (await call('GET', '/api/v1/reviews?limit=200', key)).json();
    return reviews as { job_id: string; person: string | null; comment: string | null; age_seconds: number }[];
  };
  const find = async () => (await list(api.keys.operator)).find(({ job_id }) => job_id === jobId);
  expect(await find()).toMatchObject({ customer_id: 'acme', person: null, comment: null });
  const url = `/api/v1/jobs/${jobId}/comment`;
  for (const comment of ['taken by Maria', 'asked the sender'])
    expect((await call('POST', url, api.keys.operator, { comment })).statusCode).toBe(200);
  expect(await find()).toMatchObject({ person: 'operator:operator', comment: 'asked the sender' });
  expect(await stateOf()).toBe('WAITING');
  const ids = (await list(api.keys.acme)).map(({ job_id }) => job_id);
  expect(ids).toEqual(ids.toSorted());
  expect(ids).toContain(jobId);
  expect(await list(api.keys.globex)).toEqual([]);
  expect((await call('POST', url, api.keys.acme, { comment: 'x' })).statusCode).toBe(403);
  expect((await call('POST', url, api.keys.globex, { comment: 'x' })).statusCode).toBe(404);
  await send({ link: makeLink(), verb: 'reject' });
  expect(await find()).toBeUndefined();
  expect((await call('POST', url, api.keys.operator, { comment: 'x' })).json().code).toBe('JOB_NOT_HELD');
});

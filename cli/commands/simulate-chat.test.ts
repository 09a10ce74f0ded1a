import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough, Readable } from 'node:stream';
import { text as readText } from 'node:stream/consumers';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { runCli } from '#cli/run-cli.ts';
import type { StoredNotice } from '#shared/notices/describe-notice.ts';
import { writeSlackBody } from '#shared/notices/write-messages.ts';
import { writeReviewUrl } from '#shared/reviews/review-links.ts';
import { startTestApi, type TestApi } from '#testkit/beds/start-test-api.ts';
import { seedJobs, seedTenant } from '#testkit/seeds/seed-jobs.ts';

const SECRET = Buffer.from('the secret of both chats').toString('base64');

let api: TestApi;
let directory: string;

beforeAll(async () => {
  api = await startTestApi({
    secrets: { read: async () => ({ text: SECRET, version: '1' }) },
    chat: {
      slack: { signingSecret: 'chat/slack', workspaces: new Map([['TLOCAL', null]]) },
      teamsWebhooks: new Map([['local', null]]),
    },
    linkSecret: 'links',
  });
  const address = await api.app.listen({ host: '127.0.0.1', port: 0 });
  directory = await mkdtemp(join(tmpdir(), 'longshore-chat-'));
  const inDirectory = (name: string) => join(directory, name);
  await writeFile(inDirectory('operator.key'), api.keys.operator, { mode: 0o600 });
  await writeFile(inDirectory('chat.secret'), `${SECRET}\n`, { mode: 0o600 });
  await writeFile(inDirectory('wrong.secret'), 'wrong', { mode: 0o600 });
  const chatSecretFiles = { slack: inDirectory('chat.secret'), teams: inDirectory('chat.secret') };
  const chatNoticesFile = inDirectory('chat.ndjson');
  const endpoints = { api: address, operatorKeyFile: inDirectory('operator.key'), chatSecretFiles, chatNoticesFile };
  await writeFile(inDirectory('endpoints.json'), JSON.stringify(endpoints));
});
afterAll(async () => {
  await api?.stop();
  await rm(directory, { recursive: true, force: true });
});

async function simulate(...args: string[]) {
  const [stdout, stderr] = [new PassThrough(), new PassThrough()];
  const [out, err] = [readText(stdout), readText(stderr)];
  const streams = { stdin: Readable.from(['']), stdout, stderr };
  const code = await runCli(['simulate-chat', ...args], streams, { LONGSHORE_HOME: directory, INIT_CWD: directory });
  stdout.end();
  stderr.end();
  return { code, out: await out, err: await err };
}

test.each(['slack', 'teams'])('asks as %s would, signed', async (chat) => {
  const asked = await simulate(chat, 'no such <file>.csv');
  expect(asked).toMatchObject({ code: 0, err: '' });
  expect(asked.out).toMatch(/^⚠️ File ID \*+no such &lt;file&gt;\.csv\*+ not found\.\n$/);
  const refused = await simulate(chat, 'x', '--secret-file', 'wrong.secret');
  expect(refused.code).not.toBe(0);
  expect(refused.err).toContain('UNAUTHENTICATED');
});

test('presses a button of a notice, with a reason, as slack would', async () => {
  await seedTenant(api.sql);
  const [job] = await seedJobs(api.sql);
  const jobId = job?.id ?? '';
  await api.sql`UPDATE jobs SET state = 'WAITING', wait_reason = 'HELD', next_action_at = now() WHERE id = ${jobId}`;
  const options = { publicUrl: 'https://longshore.example', secret: SECRET, nowMs: Date.now() };
  const press = `reject ${writeReviewUrl({ jobId, channel: 'acme/desk' }, options)} INC-4711 not ours`;
  const rejected = await simulate('slack', press);
  expect(rejected).toMatchObject({ code: 0, err: '', out: expect.stringMatching(/^Rejected: /) });
  expect(await api.sql`SELECT state FROM jobs WHERE id = ${jobId}`).not.toEqual([{ state: 'WAITING' }]);
  expect((await simulate('slack', `${press}, again`)).out).toMatch(/^(?:Nothing was done|Not valid): /);
});

test('shows the notices of its channel with what presses each button, and presses one by its value', async () => {
  const [job] = await seedJobs(api.sql);
  const jobId = job?.id ?? '';
  await api.sql`UPDATE jobs SET state = 'WAITING', wait_reason = 'HELD', next_action_at = now() WHERE id = ${jobId}`;
  const options = { publicUrl: 'https://longshore.example', secret: SECRET, nowMs: Date.now() };
  const reviewUrl = writeReviewUrl({ jobId, channel: 'acme/desk' }, options);
  const noticed = (hasButtons: boolean) => {
    const event = {
      id: jobId,
      type: 'job.held',
      time: '2026-11-30T12:00:00Z',
      actor: 'partner-worker',
      jobId,
      data: {},
    };
    const file = { id: jobId, name: 'a <b> & c.txt', key: 'acme/a <b> & c.txt', sizeBytes: 1 };
    const notice: StoredNotice = { notice: 'held', event, file, jobs: [], reviewUrl };
    const body = writeSlackBody(
      { id: jobId, tenantId: 'acme', route: '', channel: 'desk', notices: [notice] },
      { hasButtons },
    );
    return JSON.stringify({ at: '2026-11-30T12:00:01.000Z', channel: 'acme-desk', ...JSON.parse(body) });
  };
  expect((await simulate('notices')).out).toBe('No notice came yet.\n');
  await writeFile(join(directory, 'chat.ndjson'), `${noticed(false)}\n${noticed(true)}\n{"at":"cut of`);
  const { out } = await simulate('notices');
  expect(out).toContain('2026-11-30T12:00:01.000Z acme-desk\n  acme: held\n');
  expect(out).toContain(`  [Release or reject a <b> & c.txt] ${reviewUrl}\n`);
  expect(out).toContain(`simulate-chat slack "reject ${reviewUrl} REASON"`);
  const value = new URL(reviewUrl).searchParams.get('link') ?? '';
  expect(out).toContain(`[Reject a <b> & c.txt]\n    longshore simulate-chat slack "reject ${value} REASON"`);
  expect((await simulate('slack', `reject ${value} not ours`)).out).toMatch(/^Rejected: /);
});

test('says which chats there are', async () => {
  expect((await simulate('irc', 'x')).err).toContain('Give slack or teams, or notices.');
  expect((await simulate('slack')).err).toContain('There is no text.');
});

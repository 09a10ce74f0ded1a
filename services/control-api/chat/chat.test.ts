import { afterAll, beforeAll, expect, test } from 'vitest';
import { signForSlack, signForTeams } from '#shared/chat/chat-signatures.ts';
import { registerFiles } from '#shared/jobs/register-files.ts';
import { startTestApi, type TestApi } from '#testkit/beds/start-test-api.ts';
import { arrivedObject } from '#testkit/seeds/seed-jobs.ts';

const SECRETS: Readonly<Record<string, string>> = {
  'chat/slack': 'slack-signing-secret-of-the-app',
  'chat/teams-desk': Buffer.from('security token of desk').toString('base64'),
  'chat/teams-acme': Buffer.from('security token of acme').toString('base64'),
};
const SECRET = SECRETS['chat/slack'] ?? '';
const MINUTE_MS = 60_000;

let api: TestApi;
let nowMs: number;
let fileId: string;

beforeAll(async () => {
  nowMs = Date.now();
  api = await startTestApi({
    secrets: { read: async (name) => ({ text: SECRETS[name] ?? '', version: '1' }) },
    chat: {
      slack: {
        signingSecret: 'chat/slack',
        workspaces: new Map([
          ['TDESK', null],
          ['TACME', 'acme'],
          ['TGLOBEX', 'globex'],
        ]),
      },
      teamsWebhooks: new Map([
        ['desk', null],
        ['acme', 'acme'],
      ]),
    },
    now: () => nowMs,
  });
  const { files } = await registerFiles(
    api.sql,
    [arrivedObject({ key: 'acme/in/orders.csv', name: 'orders.csv' })],
    'test',
  );
  fileId = files[0]?.id ?? '';
});
afterAll(() => api.stop());

let trigger = 0;
function slackBody(text: string, team = 'TDESK'): string {
  trigger += 1;
  return new URLSearchParams({ team_id: team, command: '/filestatus', text, trigger_id: String(trigger) }).toString();
}

async function post(url: string, payload: string, headers: Record<string, string>) {
  const response = await api.app.inject({ method: 'POST', url, payload, headers });
  return { code: response.statusCode, body: response.json() };
}

const FORM = { 'content-type': 'application/x-www-form-urlencoded' };
const slack = (payload: string, headers: Record<string, string> = signForSlack(payload, SECRET, nowMs)) =>
  post('/slack/filestatus', payload, { ...FORM, ...headers });

const NOT_FOUND = { response_type: 'ephemeral', text: '⚠️ File ID *orders.csv* not found.' };

test('a slash command is answered in the channel, in the words that are known', async () => {
  for (const asked of ['orders.csv', ' orders.csv ', fileId, '/in/orders.csv']) {
    expect(await slack(slackBody(asked))).toEqual({
      code: 200,
      body: { response_type: 'in_channel', text: `📁 File: *${asked.trim()}*\nStatus: *queued*\nProcessed By: -` },
    });
  }
  expect((await slack(slackBody('no-such.csv'))).body).toEqual({
    response_type: 'ephemeral',
    text: '⚠️ File ID *no-such.csv* not found.',
  });
  expect((await slack(slackBody(' '))).body).toEqual({
    response_type: 'ephemeral',
    text: 'Usage: /filestatus <file id, name or path>',
  });
});

test('a workspace sees the files of its tenant alone', async () => {
  expect((await slack(slackBody('orders.csv', 'TACME'))).body).toMatchObject({ response_type: 'in_channel' });
  expect((await slack(slackBody('orders.csv', 'TGLOBEX'))).body).toEqual(NOT_FOUND);
  expect((await slack(slackBody(fileId, 'TGLOBEX'))).body.text).toContain('not found');
  expect((await slack(slackBody('orders.csv', 'TSTRANGER'))).body).toEqual({
    response_type: 'ephemeral',
    text: 'This workspace is not connected to Longshore.',
  });
});

test('nothing in a name is mark-up, a mention or a link', async () => {
  const { body } = await slack(slackBody('<!channel> <http://evil.example|ok> & @here \u202e\u0007'));
  expect(body.text).toBe(
    '⚠️ File ID *&lt;!channel&gt; &lt;http:\u200b//evil.example|ok&gt; &amp; @\u200bhere \\u{202e}\\u{7}* not found.',
  );
  expect((await slack(slackBody('a\0b'))).body.text).toContain('not found');
  expect((await slack(slackBody('x'.repeat(5_000)))).body.text.length).toBeLessThan(400);
});

test('a forged, old, early, altered or repeated request of Slack is refused', async () => {
  const body = slackBody('orders.csv');
  const valid = signForSlack(body, SECRET, nowMs);
  const { 'x-slack-signature': signature = '', 'x-slack-request-timestamp': timestamp = '' } = valid;
  const refused: readonly [string, string, Record<string, string>][] = [
    ['no headers', body, {}],
    ['another secret', body, signForSlack(body, 'another', nowMs)],
    ['an altered body', `${body}&text=other.csv`, valid],
    ['over 5 minutes old', body, signForSlack(body, SECRET, nowMs - 5 * MINUTE_MS - 2_000)],
    ['over 5 minutes early', body, signForSlack(body, SECRET, nowMs + 5 * MINUTE_MS + 2_000)],
    ['another time', body, { ...valid, 'x-slack-request-timestamp': String(Number(timestamp) + 1) }],
    ['no time', body, { 'x-slack-signature': signature }],
    ['a time that is none', body, { ...valid, 'x-slack-request-timestamp': '1e9' }],
    ['a cut signature', body, { ...valid, 'x-slack-signature': signature.slice(0, -1) }],
    ['upper case', body, { ...valid, 'x-slack-signature': signature.toUpperCase() }],
    ['an API key in its place', body, { 'x-api-key': api.keys.operator }],
  ];
  for (const [what, payload, headers] of refused)
    expect([what, (await slack(payload, headers)).code]).toEqual([what, 401]);
  expect((await slack(body, valid)).code).toBe(200);
  expect((await slack(body, valid)).code).toBe(401);
  // As long as its time is not too old, it is remembered.
  nowMs += 4 * MINUTE_MS;
  expect((await slack(body, valid)).code).toBe(401);
  nowMs -= 4 * MINUTE_MS;
});

test('of the same request twice at once one is answered', async () => {
  const body = slackBody('orders.csv');
  const headers = signForSlack(body, SECRET, nowMs);
  const answers = await Promise.all(Array.from({ length: 8 }, () => slack(body, headers)));
  expect(answers.map(({ code }) => code).sort()).toEqual([200, ...Array.from({ length: 7 }, () => 401)]);
});

function teamsBody(text: string, timestamp = new Date(nowMs).toISOString()): string {
  trigger += 1;
  return JSON.stringify({ type: 'message', id: String(trigger), timestamp, text });
}
const JSON_TYPE = { 'content-type': 'application/json' };
const teams = (payload: string, webhook = 'desk', token = SECRETS[`chat/teams-${webhook}`] ?? '') =>
  post(`/teams/filestatus/${webhook}`, payload, { ...JSON_TYPE, ...signForTeams(payload, token) });

test('Teams gets the same words, escaped for Teams', async () => {
  for (const text of [
    '<at>Longshore</at> orders.csv',
    '<at>Longshore</at>&nbsp;filestatus orders.csv\n',
    '<p>/filestatus orders.csv</p>',
  ]) {
    expect(await teams(teamsBody(text))).toEqual({
      code: 200,
      body: {
        type: 'message',
        textFormat: 'markdown',
        text: '📁 File: **orders.csv**\n\nStatus: **queued**\n\nProcessed By: -',
      },
    });
  }
  const { body } = await teams(teamsBody('<at>L</at> a_b*[x](y)&lt;at&gt;'));
  expect(body.text).toBe('⚠️ File ID **a\\_b\\*\\[x\\]\\(y\\)&lt;at&gt;** not found.');
});

test('a forged, old or repeated request of Teams is refused, and so is one of another webhook', async () => {
  const body = teamsBody('orders.csv');
  expect((await teams(body, 'desk', SECRETS['chat/teams-acme'])).code).toBe(401);
  expect((await teams(body, 'stranger', SECRETS['chat/teams-desk'])).code).toBe(401);
  expect((await post('/teams/filestatus/desk', body, JSON_TYPE)).code).toBe(401);
  const old = new Date(nowMs - 5 * MINUTE_MS - 2_000).toISOString();
  for (const timestamp of [old, '', 'yesterday'])
    expect((await teams(teamsBody('orders.csv', timestamp))).code).toBe(401);
  expect((await teams(body)).code).toBe(200);
  expect((await teams(body)).code).toBe(401);
  expect((await teams(teamsBody('orders.csv'), 'acme')).body.text).toContain('queued');
});

test('what is too long, or of another type, is refused before it is read', async () => {
  const body = slackBody('x'.repeat(70_000));
  expect((await slack(body)).code).toBe(413);
  expect((await post('/slack/filestatus', 'a', { 'content-type': 'text/plain' })).code).toBe(415);
});

test('requests are counted by outcome, and no secret is logged', async () => {
  const metrics = await api.registry.metrics();
  expect(metrics).toMatch(/longshore_chat_requests_total\{chat="slack",outcome="found"\} [1-9]/);
  expect(metrics).toMatch(/longshore_chat_requests_total\{chat="teams",outcome="refused"\} [1-9]/);
  for (const secret of Object.values(SECRETS)) expect(api.logged.join('\n')).not.toContain(secret);
});

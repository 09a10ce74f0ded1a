/** What is done from a chat: upload links, Release and Reject with a reason, and answers that come later; Slack is a server on this machine. */
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text as readText } from 'node:stream/consumers';
import { afterAll, beforeAll, beforeEach, expect, test, vi } from 'vitest';
import { signForSlack, signForTeams } from '#shared/chat/chat-signatures.ts';
import { writeReviewUrl } from '#shared/reviews/review-links.ts';
import { startTestApi, type TestApi } from '#testkit/beds/start-test-api.ts';
import { seedJobs, seedTenant } from '#testkit/seeds/seed-jobs.ts';

const SECRETS: Readonly<Record<string, string>> = {
  'chat/slack': 'slack-signing-secret-of-the-app',
  'chat/bot': 'xoxb-token-of-the-bot',
  'chat/teams-desk': Buffer.from('security token of desk').toString('base64'),
  links: 'key of the review links',
};
const SECRET = SECRETS['chat/slack'] ?? '';
const PORTAL = 'https://portal.example';

interface Call {
  readonly path: string;
  readonly authorization: string | undefined;
  // biome-ignore lint/suspicious/noExplicitAny: JSON of whatever is sent to Slack
  readonly body: any;
}

const calls: Call[] = [];
let opened: object = { ok: true };
const slackItself = createServer(async (request, response) => {
  const body = JSON.parse(await readText(request));
  calls.push({ path: request.url ?? '', authorization: request.headers.authorization, body });
  response.setHeader('content-type', 'application/json').end(JSON.stringify(opened));
});
let origin: string;
let api: TestApi;
let nowMs: number;
let jobId: string;

beforeAll(async () => {
  slackItself.listen(0, '127.0.0.1');
  await once(slackItself, 'listening');
  origin = `http://127.0.0.1:${(slackItself.address() as AddressInfo).port}`;
  nowMs = Date.now();
  api = await startTestApi({
    secrets: { read: async (name) => ({ text: SECRETS[name] ?? '', version: '1' }) },
    chat: {
      slack: {
        signingSecret: 'chat/slack',
        botToken: 'chat/bot',
        apiUrl: origin,
        responseOrigins: [origin],
        workspaces: new Map([
          ['TDESK', null],
          ['TACME', 'acme'],
          ['TGLOBEX', 'globex'],
        ]),
      },
      teamsWebhooks: new Map([['desk', null]]),
      // More than answers take on a busy machine: only those that wait for a lock are late.
      answerMs: 3_000,
    },
    linkSecret: 'links',
    signIn: { hasLinks: false, consoleOrigin: undefined, portalOrigin: PORTAL },
    now: () => nowMs,
  });
  await seedTenant(api.sql);
});
afterAll(async () => {
  slackItself.close();
  await api.stop();
});
beforeEach(async () => {
  calls.length = 0;
  opened = { ok: true };
  const [job] = await seedJobs(api.sql);
  jobId = job!.id;
  await api.sql`UPDATE jobs SET state = 'WAITING', wait_reason = 'HELD', next_action_at = now() + interval '1 day' WHERE id = ${jobId}`;
});

let trigger = 0;
async function post(url: string, payload: string, headers: Record<string, string>) {
  const response = await api.app.inject({ method: 'POST', url, payload, headers });
  return { code: response.statusCode, body: response.body === '' ? undefined : response.json() };
}
const signed = (payload: string, at = nowMs) => ({
  'content-type': 'application/x-www-form-urlencoded',
  ...signForSlack(payload, SECRET, at),
});
function ask(text: string, team = 'TDESK', more: Record<string, string> = {}) {
  trigger += 1;
  const fields = {
    team_id: team,
    user_name: 'maria',
    command: '/filestatus',
    text,
    trigger_id: String(trigger),
    ...more,
  };
  const body = new URLSearchParams(fields).toString();
  return post('/slack/filestatus', body, signed(body));
}
function interact(payload: object, headers?: (body: string) => Record<string, string>) {
  trigger += 1;
  const body = new URLSearchParams({ payload: JSON.stringify({ nonce: trigger, ...payload }) }).toString();
  return post('/slack/interactions', body, (headers ?? signed)(body));
}
function makeLink(channel = 'acme/desk', secret = SECRETS.links ?? ''): string {
  const url = writeReviewUrl({ jobId, channel }, { publicUrl: 'https://longshore.example', secret, nowMs });
  return new URL(url).searchParams.get('link') ?? '';
}
const who = (team: string) => ({ team: { id: team }, user: { id: 'U1', username: 'maria' } });
const press = (verb: string, value = makeLink(), team = 'TACME') => ({
  type: 'block_actions',
  ...who(team),
  trigger_id: 'trigger',
  actions: [{ action_id: `longshore-${verb}`, value }],
});
const submit = (verb: string, link = makeLink(), reason: string | null = 'INC-4711 looked at it', team = 'TACME') => ({
  type: 'view_submission',
  ...who(team),
  view: {
    callback_id: 'longshore-review',
    private_metadata: JSON.stringify([verb, link]),
    state: { values: { reason: { text: { type: 'plain_text_input', value: reason } } } },
  },
});
const stateOf = async () => (await api.sql`SELECT state FROM jobs WHERE id = ${jobId}`)[0]?.state;

test('/filestatus upload makes a link for one file, with who and why in the audit', async () => {
  const { body } = await ask('upload acme/desk INC-1: the mailbox was full');
  expect(body).toEqual({
    response_type: 'ephemeral',
    text: expect.stringMatching(
      /^🔗 For one file to acme\/desk\/, until \d{4}-\d\d-\d\d \d\d:\d\d UTC: https:\/\/portal\.example\/upload#[\w-]{43}$/,
    ),
  });
  const [line] = await api.sql`SELECT actor, tenant_id, detail FROM audit_events WHERE type = 'upload-link.created'`;
  expect(line).toMatchObject({
    actor: 'slack:TDESK:maria',
    tenant_id: 'acme',
    detail: { directory: 'desk/', reason: 'INC-1: the mailbox was full' },
  });
  const token = (body.text as string).split('#')[1] ?? '';
  const [link] = await api.sql`SELECT tenant_id, directory FROM upload_links
    WHERE token_hash = encode(sha256(${token}::bytea), 'hex') AND expires_at BETWEEN now() + interval '23 h' AND now() + interval '25 h'`;
  expect(link).toEqual({ tenant_id: 'acme', directory: 'desk/' });
});

test('a workspace makes links for its own tenant alone, and nothing without a reason', async () => {
  expect((await ask('upload globex/in INC-2', 'TACME')).body.text).toContain('to acme/globex/in/,');
  expect((await ask('upload no-such-tenant/in INC-2')).body.text).toBe('⚠️ Tenant not found');
  expect((await ask('upload acme/../globex INC-2')).body.text).toMatch(/^⚠️ /);
  for (const text of ['upload', 'upload acme/desk', 'upload acme/desk  '])
    expect((await ask(text)).body.text).toBe(
      'Usage: /filestatus upload &lt;tenant&gt;/&lt;directory&gt; &lt;reason&gt;',
    );
  expect((await ask('upload desk', 'TACME')).body.text).toContain('upload &lt;directory&gt;');
  expect((await ask('upload acme/desk INC-2', 'TSTRANGER')).body.text).toContain('not connected');
  // A file of that name is found by its path.
  expect((await ask('upload.csv')).body.text).toContain('not found');
});

test('Teams makes the same links by the same words', async () => {
  const body = JSON.stringify({
    timestamp: new Date(nowMs).toISOString(),
    from: { name: 'Maria Diaz' },
    text: '<at>Longshore</at> filestatus upload acme/desk INC-3',
  });
  const token = SECRETS['chat/teams-desk'] ?? '';
  const headers = { 'content-type': 'application/json', ...signForTeams(body, token) };
  expect((await post('/teams/filestatus/desk', body, headers)).body.text).toContain(`${PORTAL}/upload#`);
  const [line] = await api.sql`SELECT actor FROM audit_events WHERE actor LIKE 'teams:%'`;
  expect(line?.actor).toBe('teams:desk:Maria Diaz');
});

test.each([
  ['release', 'Released', 'job.released'],
  ['reject', 'Rejected', 'job.failed'],
])('%s: the button opens a dialog, and its reason and person are in the audit', async (verb, title, type) => {
  const link = makeLink();
  expect(await interact(press(verb, link))).toEqual({ code: 200, body: undefined });
  const [call] = calls;
  expect(call).toMatchObject({
    path: '/views.open',
    authorization: `Bearer ${SECRETS['chat/bot']}`,
    body: { trigger_id: 'trigger', view: { type: 'modal', callback_id: 'longshore-review' } },
  });
  expect(JSON.parse(call?.body.view.private_metadata)).toEqual([verb, link]);
  expect(await stateOf()).toBe('WAITING');
  const done = await interact(submit(verb, link));
  expect(done.body).toMatchObject({ response_action: 'update', view: { title: { text: title } } });
  expect(await stateOf()).not.toBe('WAITING');
  const [line] = await api.sql`SELECT actor, detail FROM audit_events WHERE job_id = ${jobId} AND type = ${type}`;
  expect([line?.actor, JSON.stringify(line?.detail)]).toEqual([
    'slack:TACME:maria',
    expect.stringContaining('INC-4711 looked at it'),
  ]);
  const again = await interact(submit(verb, link));
  expect(again.body.view.title.text).toBe('Nothing was done');
});

test('a dialog without a reason, of a forged link, or of another tenant’s workspace does nothing', async () => {
  for (const reason of ['', ' ', null, 'a\u202eb', 'x'.repeat(501)])
    expect((await interact(submit('release', makeLink(), reason))).body.response_action).toBe('errors');
  for (const wrong of [
    submit('release', makeLink('acme/desk', 'another key')),
    submit('release', makeLink(), 'INC-1', 'TGLOBEX'),
    submit('release', makeLink(), 'INC-1', 'TSTRANGER'),
    submit('delete'),
  ]) {
    expect((await interact(wrong)).body.view.title.text).toBe('Not valid');
  }
  await interact(press('release', makeLink(), 'TGLOBEX'));
  expect(calls.at(-1)?.body.view.title.text).toBe('Not valid');
  expect(await stateOf()).toBe('WAITING');
});

test('a forged, old or repeated interaction is refused, and opens nothing', async () => {
  const FIVE_MINUTES_MS = 300_000;
  const forged = (secret: string, at: number) => (body: string) => ({
    'content-type': 'application/x-www-form-urlencoded',
    ...signForSlack(body, secret, at),
  });
  for (const headers of [
    forged('another', nowMs),
    forged(SECRET, nowMs - FIVE_MINUTES_MS - 2_000),
    () => ({ 'content-type': 'application/x-www-form-urlencoded' }),
  ])
    expect((await interact(press('release'), headers)).code).toBe(401);
  const body = new URLSearchParams({ payload: JSON.stringify(submit('release')) }).toString();
  const once = signed(body);
  const answers = await Promise.all(Array.from({ length: 4 }, () => post('/slack/interactions', body, once)));
  expect(answers.map(({ code }) => code).sort()).toEqual([200, 401, 401, 401]);
  expect(calls).toEqual([]);
});

test('what else Slack sends is answered; a dialog that does not open is a fault that shows no token', async () => {
  // A button that leads to a page is reported as well.
  expect((await interact({ ...press('x'), actions: [{ action_id: 'abc' }] })).code).toBe(200);
  expect((await interact({ type: 'shortcut' })).code).toBe(400);
  expect((await post('/slack/interactions', 'payload=%7B', signed('payload=%7B'))).code).toBe(400);
  expect(calls).toEqual([]);
  opened = { ok: false, error: 'expired_trigger_id' };
  const failed = await interact(press('release'));
  expect(failed.code).toBe(503);
  expect(JSON.stringify(failed.body)).not.toContain(SECRETS['chat/bot']);
});

test('an answer that takes too long is sent to the address that Slack gave, and to no other', async () => {
  await api.sql.begin(async (tx) => {
    await tx`LOCK TABLE files IN ACCESS EXCLUSIVE MODE`;
    const url = `${origin}/commands/1`;
    expect((await ask('no-such.csv', 'TDESK', { response_url: url })).body.text).toContain('comes in a moment');
    for (const elsewhere of ['https://evil.example/', 'nonsense'])
      expect((await ask('no-such.csv', 'TDESK', { response_url: elsewhere })).body.text).toContain('Ask again');
  });
  await vi.waitFor(() => expect(calls).toHaveLength(1), { timeout: 60_000 });
  expect(calls[0]).toMatchObject({
    path: '/commands/1',
    body: { response_type: 'ephemeral', text: '⚠️ File ID *no-such.csv* not found.' },
  });
});

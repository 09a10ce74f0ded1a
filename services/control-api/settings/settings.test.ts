import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { signForSlack } from '#shared/chat/chat-signatures.ts';
import { reasonRuleVariable } from '#shared/reviews/reason-rule.ts';
import { writeReviewUrl } from '#shared/reviews/review-links.ts';
import { longshoreAt } from '#testkit/beds/longshore-at.ts';
import { startTestApi, type TestApi } from '#testkit/beds/start-test-api.ts';
import { seedJobs, seedTenant } from '#testkit/seeds/seed-jobs.ts';
import { variables } from '../config.ts';
import { listSettings, SHOWN } from './list-settings.ts';

const SECRET = 'the secret of chat and links';
const ENV = {
  DATABASE_URL: 'postgres://longshore:do-not-show@db/longshore',
  LONGSHORE_REASON_PATTERN: 'INC-\\d+',
  LONGSHORE_SLACK_WORKSPACES: 'TLOCAL=*',
  LONGSHORE_OIDC_ISSUER: '',
};

let api: TestApi;
let longshore: ReturnType<typeof longshoreAt>;
let jobId: string;

beforeAll(async () => {
  api = await startTestApi({
    settings: listSettings(variables.shape, ENV),
    reasonRule: reasonRuleVariable.parse(ENV.LONGSHORE_REASON_PATTERN),
    secrets: { read: async () => ({ text: SECRET, version: '1' }) },
    chat: {
      slack: { signingSecret: 'chat/slack', workspaces: new Map([['TLOCAL', null]]) },
      teamsWebhooks: new Map(),
    },
    linkSecret: 'links',
    signIn: { hasLinks: false, consoleOrigin: undefined, portalOrigin: 'https://longshore.example' },
  });
  await seedTenant(api.sql);
  longshore = longshoreAt(await api.app.listen({ host: '127.0.0.1', port: 0 }), api.keys.operator);
});
afterAll(() => api.stop());
beforeEach(async () => {
  const [job] = await seedJobs(api.sql);
  jobId = job?.id ?? '';
  await api.sql`UPDATE jobs SET state = 'WAITING', wait_reason = 'HELD', next_action_at = now() WHERE id = ${jobId}`;
});

const stateOf = async () => (await api.sql`SELECT state FROM jobs WHERE id = ${jobId}`)[0]?.state;

test('each setting has its value and where it comes from; what is not named is not shown', async () => {
  const reply = await api.app.inject({ url: '/api/v1/settings', headers: { 'x-api-key': api.keys.operator } });
  const { settings } = reply.json() as { settings: { name: string; value: string | null; source: string }[] };
  const of = (name: string) => settings.find((setting) => setting.name === name);
  expect(of('LONGSHORE_REASON_PATTERN')).toMatchObject({ value: 'INC-\\d+', source: 'environment' });
  expect(of('LONGSHORE_API_RATE_PER_SECOND')).toMatchObject({ value: '100', source: 'default' });
  expect(of('LONGSHORE_API_OAUTH_ALGORITHMS')).toMatchObject({ value: 'RS256,ES256', source: 'default' });
  expect(of('LONGSHORE_OIDC_ISSUER')).toMatchObject({ value: null, source: 'none' });
  expect(of('LONGSHORE_SLACK_WORKSPACES')).toMatchObject({ value: 'TLOCAL=*', source: 'environment' });
  expect(reply.body).not.toContain('do-not-show');
});

test('every setting that is shown is a variable of the control API, once', () => {
  const names = Object.values(SHOWN).flat();
  expect(names.filter((name) => !(name in variables.shape))).toEqual([]);
  expect(new Set(names).size).toBe(names.length);
});

test('the command shows what is set, and with --all the rest', async () => {
  const { out } = await longshore('settings');
  expect(out).toMatch(/^approvals and reasons +LONGSHORE_REASON_PATTERN +INC-\\d\+ +environment$/m);
  expect(out).not.toContain('LONGSHORE_OIDC_ISSUER');
  expect((await longshore('settings', '--all')).out).toContain('LONGSHORE_OIDC_ISSUER');
});

test('a reason of an operator without a ticket is refused, and does nothing', async () => {
  const refused = await longshore('release', jobId, '--reason', 'read and signed');
  expect(refused.code).not.toBe(0);
  expect(refused.err).toContain('REASON_WITHOUT_TICKET');
  expect(refused.err).toContain('INC-\\d+');
  expect(await stateOf()).toBe('WAITING');
  expect(await longshore('release', jobId, '--reason', 'INC-4711: read\nand signed')).toMatchObject({ code: 0 });
  expect(await stateOf()).not.toBe('WAITING');
});

test('so is one in a query', async () => {
  const apply = (reason: string) =>
    api.app.inject({
      method: 'POST',
      url: '/api/v1/routes',
      query: { reason },
      headers: { 'x-api-key': api.keys.operator, 'content-type': 'application/yaml' },
      payload: 'kind: tenant\nid: acme\nname: Acme\n',
    });
  const refused = await apply('a new name');
  expect([refused.statusCode, refused.json().code]).toEqual([422, 'REASON_WITHOUT_TICKET']);
  expect((await apply('INC-1 a new name')).statusCode).toBe(200);
});

test('tenants give reasons in their own words', async () => {
  const cancelled = await api.app.inject({
    method: 'POST',
    url: `/api/v1/jobs/${jobId}/cancel`,
    headers: { 'x-api-key': api.keys.acme },
    payload: { reason: 'sent by mistake' },
  });
  expect(cancelled.statusCode).toBe(200);
});

test('the page of a review link asks for the ticket, and the link is not used up', async () => {
  const url = writeReviewUrl(
    { jobId, channel: 'acme/desk' },
    { publicUrl: 'https://longshore.example', secret: SECRET, nowMs: Date.now() },
  );
  const link = new URL(url).searchParams.get('link') ?? '';
  const send = (reason: string) =>
    api.app.inject({
      method: 'POST',
      url: '/review',
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
      payload: new URLSearchParams({ link, verb: 'release', name: 'Maria Diaz', reason }).toString(),
    });
  const refused = await send('looked at it');
  expect([refused.statusCode, refused.body]).toEqual([400, expect.stringContaining('The reason names no ticket')]);
  expect(await stateOf()).toBe('WAITING');
  expect((await send('INC-4711 looked at it')).statusCode).toBe(200);
});

test('the dialog and the upload command of a chat ask for the ticket, too', async () => {
  const inSlack = async (url: string, fields: Record<string, string>) => {
    const payload = new URLSearchParams(fields).toString();
    const headers = {
      'content-type': 'application/x-www-form-urlencoded',
      ...signForSlack(payload, SECRET, Date.now()),
    };
    return (await api.app.inject({ method: 'POST', url, payload, headers })).json();
  };
  const value = new URL(
    writeReviewUrl(
      { jobId, channel: 'acme/desk' },
      { publicUrl: 'https://x.example', secret: SECRET, nowMs: Date.now() },
    ),
  ).searchParams.get('link');
  const submit = (reason: string) =>
    inSlack('/slack/interactions', {
      payload: JSON.stringify({
        type: 'view_submission',
        team: { id: 'TLOCAL' },
        user: { id: 'U1' },
        view: {
          callback_id: 'longshore-review',
          private_metadata: JSON.stringify(['reject', value]),
          state: { values: { reason: { text: { value: reason } } } },
        },
      }),
    });
  expect(await submit('not ours')).toEqual({
    response_action: 'errors',
    errors: { reason: expect.stringContaining('INC-\\d+') },
  });
  expect(await submit('INC-1 not ours')).toMatchObject({
    response_action: 'update',
    view: { title: { text: 'Rejected' } },
  });
  const upload = (text: string, trigger: string) =>
    inSlack('/slack/filestatus', {
      team_id: 'TLOCAL',
      user_name: 'maria',
      command: '/filestatus',
      text,
      trigger_id: trigger,
    });
  expect((await upload('upload acme/desk the mailbox was full', '1')).text).toContain('The reason names no ticket');
  expect((await upload('upload acme/desk INC-2: the mailbox was full', '2')).text).toContain(
    'https://longshore.example/',
  );
});

test.each([
  ['(', 'unclosed'],
  ['(?=x)', 'a look-around'],
  ['x'.repeat(201), 'too long'],
])('%s is not a rule: %s', (pattern) => {
  expect(reasonRuleVariable.safeParse(pattern).success).toBe(false);
});

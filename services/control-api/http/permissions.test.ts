/** Who may do what: every endpoint against every role. A new endpoint has to be decided here. */
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createApiKey } from '#shared/access/api-keys.ts';
import { isTenantRole, may, PERMISSIONS_OF, type Permission, ROLES, type Role } from '#shared/access/permissions.ts';
import { startTestApi, type TestApi } from '#testkit/beds/start-test-api.ts';
import { createTestBrowser, signInByLink } from '#testkit/beds/test-browser.ts';
import { seedJobs, seedTenant } from '#testkit/seeds/seed-jobs.ts';

let api: TestApi;
/** Keys of each role, the tenants' ones of `acme`. */
let keys: Record<Role, string>;
/** What the browser of a person of each role sends. */
let people: Record<Role, Record<string, string>>;
let jobId: string;
let fileId: string;
beforeAll(async () => {
  api = await startTestApi();
  const keyOf = async (role: Role) =>
    [
      role,
      await createApiKey(api.sql, { tenantId: isTenantRole(role) ? 'acme' : null, label: role, role, actor: 'test' }),
    ] as const;
  const made = await Promise.all(ROLES.map(keyOf));
  keys = Object.fromEntries(made.map(([role, { key }]) => [role, key])) as typeof keys;
  const signedIn = await Promise.all(
    ROLES.map(async (role) => {
      const { cookies } = await signInByLink(createTestBrowser(api.app), api.app, keys[role]);
      const cookie = [...cookies].map(([name, value]) => `${name}=${value}`).join('; ');
      const headers = { 'sec-fetch-site': 'same-origin', 'x-longshore': '1', 'content-type': 'application/json' };
      return [role, { cookie, ...headers }] as [Role, Record<string, string>];
    }),
  );
  people = Object.fromEntries(signedIn) as Record<string, Record<string, string>> as typeof people;
  await seedTenant(api.sql);
  const [job] = await seedJobs(api.sql);
  [jobId, fileId] = [job!.id, job!.fileId];
  const definition = {
    records: { columns: [{ name: 'id' }] },
    steps: [{ parse: {} }, { call: { partner: 'p', operation: 'o' } }],
  };
  await api.sql`UPDATE route_versions SET definition = ${api.sql.json(definition)}`;
});
afterAll(() => api.stop());

const REASON = { reason: 'a test' };
const SSH_KEY = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDW9aDcZfrLrqQxCwhDwp0XvwLjUpzLVsUTQpPyP0Vx1';
const ROUTE = { kind: 'route', tenant: 'acme', name: 'x', match: { path: 'x' }, steps: [{ stage: {} }] };
type Credential = string | Readonly<Record<string, string>>;
type Endpoint = readonly [takes: Permission, payload?: object | undefined, query?: string];

const ENDPOINTS: Readonly<Record<string, Endpoint>> = {
  'GET /status': ['read', undefined, 'file_id=x'],
  'POST /graphql': ['read', { query: '{ getFileStatus(file_id: "x") { status } }' }],
  'GET /api/v1/files': ['read'],
  'GET /api/v1/files/count': ['read'],
  'GET /api/v1/files/{id}': ['read'],
  'GET /api/v1/files/{id}/receipt': ['read'],
  'GET /api/v1/files/{id}/timeline': ['read'],
  'GET /api/v1/overview': ['read'],
  'GET /api/v1/search': ['read', undefined, 'q=xyz'],
  'POST /api/v1/files/{id}/reroute': ['files:reroute', REASON],
  'GET /api/v1/jobs': ['read'],
  'POST /api/v1/jobs': ['effects:resend', { file_id: randomUUID(), route: 'x', ...REASON }],
  'POST /api/v1/actions': ['jobs:cancel', { verb: 'cancel', filter: { code: 'X' } }],
  'GET /api/v1/actions': ['read'],
  'GET /api/v1/actions/{id}': ['read'],
  'GET /api/v1/actions/{id}/items': ['read'],
  // What is not there is a 404; each verb takes its own permission.
  'POST /api/v1/actions/{id}/run': ['read', REASON],
  'POST /api/v1/actions/{id}/pause': ['read'],
  'POST /api/v1/actions/{id}/resume': ['read'],
  'POST /api/v1/actions/{id}/abort': ['read'],
  'POST /api/v1/actions/{id}/approve': ['read'],
  'POST /api/v1/proposals': [
    'proposals:make',
    { method: 'POST', path: '/api/v1/partners/acme/nobody/pause', body: {}, ...REASON },
  ],
  'GET /api/v1/proposals': ['proposals:read'],
  'GET /api/v1/proposals/{id}': ['proposals:read'],
  'POST /api/v1/proposals/{id}/approve': ['proposals:make'],
  'POST /api/v1/proposals/{id}/reject': ['proposals:make', REASON],
  'GET /api/v1/effects': ['read'],
  'GET /api/v1/effects/{id}': ['read'],
  'POST /api/v1/effects/{id}/resolve': ['read', { as: 'done', ...REASON }],
  'GET /api/v1/jobs/{id}': ['read'],
  'POST /api/v1/jobs/{id}/cancel': ['jobs:cancel', REASON],
  'POST /api/v1/jobs/{id}/retry': ['jobs:retry', REASON],
  'POST /api/v1/jobs/{id}/skip': ['jobs:retry', REASON],
  'POST /api/v1/jobs/{id}/release': ['jobs:review', REASON],
  'POST /api/v1/jobs/{id}/comment': ['jobs:review', { comment: 'a test' }],
  'GET /api/v1/reviews': ['read'],
  'POST /api/v1/jobs/{id}/reject': ['jobs:review', REASON],
  'GET /api/v1/jobs/{id}/records': ['read'],
  'GET /api/v1/jobs/{id}/records/{line}': ['read'],
  'POST /api/v1/jobs/{id}/records/retry': ['jobs:retry', REASON],
  'GET /api/v1/routes': ['read'],
  'POST /api/v1/routes/simulate': ['read', { file: { tenant: 'acme', path: 'x' } }],
  'POST /api/v1/routes': ['definitions:apply', ROUTE],
  'GET /api/v1/partners': ['read'],
  'GET /api/v1/partners/{tenant}/{name}/health': ['read'],
  'POST /api/v1/partners/{tenant}/{name}/pause': ['partners:change', REASON],
  'POST /api/v1/partners/{tenant}/{name}/resume': ['partners:change', REASON],
  'POST /api/v1/partners/{tenant}/{name}/breaker': ['partners:change', { state: 'open', ...REASON }],
  'POST /api/v1/partners/{tenant}/{name}/test': ['partners:test'],
  'GET /api/v1/stores': ['read'],
  'GET /api/v1/databases': ['read'],
  'GET /api/v1/calendars': ['read'],
  'GET /api/v1/expectations': ['read'],
  'GET /api/v1/senders': ['read'],
  'POST /api/v1/templates/presigned-url': ['templates:change', { name: 'spring', tenant: 'nobody' }],
  'GET /api/v1/templates/{name}': ['read'],
  'POST /api/v1/campaigns': ['campaigns:change', { template_id: 'x', file_id: randomUUID(), sender: 'x' }],
  'GET /api/v1/campaigns': ['read'],
  'GET /api/v1/mails': ['read'],
  'GET /api/v1/campaigns/{id}/status': ['read'],
  'GET /api/v1/campaigns/{id}/recipients': ['read'],
  'GET /api/v1/campaigns/{id}/preview': ['read'],
  'GET /api/v1/campaigns/{id}/preview/{line}': ['read'],
  'GET /api/v1/campaigns/{id}/analytics': ['read'],
  'POST /api/v1/campaigns/{id}/test': ['campaigns:change', { to: ['ada@example.com'] }],
  'GET /api/v1/suppressions': ['read'],
  'POST /api/v1/suppressions': ['suppressions:change', { addresses: ['ada@example.com'] }],
  'GET /api/v1/suppressions/{address}': ['read'],
  'PUT /api/v1/suppressions/{address}': ['suppressions:change'],
  'DELETE /api/v1/suppressions/{address}': ['suppressions:change'],
  'DELETE /api/v1/recipients/{address}': ['recipients:erase'],
  'POST /api/v1/campaigns/{id}/pause': ['campaigns:change'],
  'POST /api/v1/campaigns/{id}/resume': ['campaigns:change'],
  'POST /api/v1/campaigns/{id}/cancel': ['campaigns:change'],
  'GET /api/v1/occurrences': ['read'],
  // What is not there is a 404; a person's decision takes `jobs:review`.
  'GET /api/v1/occurrences/{id}': ['read'],
  'POST /api/v1/occurrences/{id}/excuse': ['read', REASON],
  'POST /api/v1/occurrences/{id}/link': ['read', { file_id: randomUUID(), ...REASON }],
  'GET /api/v1/batches': ['read'],
  'GET /api/v1/batches/{id}': ['read'],
  'POST /api/v1/batches/{id}/close': ['read', REASON],
  'GET /api/v1/remotes': ['read'],
  'GET /api/v1/sources': ['read'],
  'POST /api/v1/remotes/{tenant}/{name}/test': ['pulls:change'],
  'POST /api/v1/sources/{tenant}/{name}/list': ['pulls:change'],
  'GET /api/v1/pulls': ['read'],
  'GET /api/v1/pulls/{id}': ['read'],
  'POST /api/v1/pulls': ['pulls:change', { project: 'P', remote: 'nobody', remotePath: '/in/a' }],
  'POST /api/v1/pulls/{id}/retrigger': ['pulls:change', REASON],
  ...Object.fromEntries(
    ['partners', 'stores', 'databases', 'remotes', 'sources', 'calendars', 'expectations', 'senders', 'routes'].flatMap(
      (plural): [string, Endpoint][] => [
        [`GET /api/v1/${plural}/{tenant}/{name}`, ['read']],
        [`PUT /api/v1/${plural}/{tenant}/{name}`, ['definitions:apply', { ...ROUTE, name: 'nobody' }]],
        [`GET /api/v1/${plural}/{tenant}/{name}/versions`, ['read']],
        [`GET /api/v1/${plural}/{tenant}/{name}/versions/{version}`, ['read']],
        [`GET /api/v1/${plural}/{tenant}/{name}/diff`, ['read']],
        [`POST /api/v1/${plural}/{tenant}/{name}/versions/{version}/restore`, ['definitions:apply', REASON]],
      ],
    ),
  ),
  'GET /api/v1/tenants': ['read'],
  'GET /api/v1/tenants/{tenant}': ['read'],
  'GET /api/v1/sftp-users': ['read'],
  'GET /api/v1/sftp-users/{username}': ['read'],
  'GET /api/v1/sftp-sessions': ['read'],
  'GET /api/v1/sftp-sessions/{id}': ['read'],
  'GET /api/v1/usage': ['read'],
  'GET /api/v1/settings': ['settings:read'],
  'GET /api/v1/retention': ['read'],
  'GET /api/v1/deletion-certificates': ['read'],
  'GET /api/v1/legal-holds': ['read'],
  'POST /api/v1/legal-holds': ['holds:change', { tenant: 'nobody', ...REASON }],
  'POST /api/v1/legal-holds/{id}/release': ['holds:change', REASON],
  'GET /api/v1/files/{id}/restore': ['read'],
  'POST /api/v1/files/{id}/restore': ['files:restore', REASON],
  'POST /api/v1/sftp-users': ['access:change', { tenant: 'nobody', username: 'nobody', ...REASON }],
  'POST /api/v1/sftp-users/{username}/keys': ['access:change', { public_key: SSH_KEY, label: 'x', ...REASON }],
  'POST /api/v1/sftp-users/{username}/keys/revoke': ['access:change', { fingerprint: 'x', ...REASON }],
  'POST /api/v1/tenants/{tenant}/disable': ['access:change', REASON],
  'POST /api/v1/tenants/{tenant}/enable': ['access:change', REASON],
  'POST /api/v1/routes/{tenant}/{name}/disable': ['access:change', REASON],
  'POST /api/v1/routes/{tenant}/{name}/enable': ['access:change', REASON],
  'POST /api/v1/sftp-users/{username}/disable': ['access:change', REASON],
  'POST /api/v1/sftp-users/{username}/enable': ['access:change', REASON],
  'GET /api/v1/dead-letters': ['read'],
  'GET /api/v1/dead-letters/{id}': ['read'],
  'POST /api/v1/dead-letters/redrive': ['letters:redrive', REASON],
  'POST /api/v1/dead-letters/{id}/redrive': ['letters:redrive', { ...REASON, body: '{}' }],
  'POST /api/v1/dead-letters/discard': ['letters:redrive', { ...REASON, queue: 'work' }],
  'GET /api/v1/notices': ['read'],
  'POST /api/v1/notices/retry': ['notices:retry', REASON],
  'GET /api/v1/queues': ['queues:read'],
  'GET /api/v1/health': ['queues:read'],
  'GET /api/v1/me': ['read'],
  'GET /api/v1/audit': ['audit:read'],
  'GET /api/v1/audit/verify': ['audit:read', undefined, 'tenant=acme'],
  'GET /api/v1/audit/export': ['audit:read', undefined, 'type=none'],
  'GET /api/v1/people': ['people:manage'],
  'POST /api/v1/people': ['people:manage', { tenant: 'acme', email: 'new@acme.example', name: 'New', role: 'sender' }],
  'POST /api/v1/people/{id}/role': ['people:manage', { role: 'sender' }],
  'POST /api/v1/people/{id}/disable': ['people:manage', REASON],
  'POST /api/v1/people/{id}/enable': ['people:manage', REASON],
  'POST /api/v1/people/{id}/end-sessions': ['people:manage', REASON],
  // One's own; whoever has none is told so.
  'POST /api/v1/sessions/{id}/end': ['read', REASON],
  'GET /api/v1/keys': ['keys:manage'],
  'POST /api/v1/keys': ['keys:manage', { tenant: 'acme', label: 'new' }],
  'POST /api/v1/keys/{id}/rotate': ['keys:manage', {}],
  'POST /api/v1/keys/{id}/revoke': ['keys:manage'],
  'POST /api/v1/uploads': ['files:upload', { name: '..', size: 1 }],
  'GET /api/v1/uploads/{id}': ['files:upload'],
  'POST /api/v1/uploads/{id}/urls': ['files:upload', { parts: [{ part: 1 }] }],
  'POST /api/v1/uploads/{id}/complete': ['files:upload'],
  'DELETE /api/v1/uploads/{id}': ['files:upload'],
  'PUT /api/v1/files/{directory}/{name}': ['files:upload'],
  'POST /api/v1/files': ['files:upload', { name: '..', contentBase64: '' }],
  'POST /api/v1/files/presigned-url': ['files:upload', { name: '..', size: 1 }],
  'POST /api/v1/downloads': ['files:download', { file_id: randomUUID(), ...REASON }],
  'POST /api/v1/upload-links': ['uploads:invite', { tenant: 'nobody', ...REASON }],
};
/** For keys alone, for people alone, or for neither yet; `sign-in/` and `people.test.ts` have their own. */
const SIGN_IN = [
  'POST /api/v1/sign-in-links',
  'GET /auth/ways',
  'POST /auth/link',
  'POST /auth/oidc',
  'POST /auth/mail',
  'POST /auth/mail/confirm',
  'POST /auth/sign-out',
  // Of recipients, who have no key: the link is signed.
  'GET /u/{token}',
  'POST /u/{token}',
  'GET /api/v1/sessions',
];
/** They answer as long as somebody reads; `job-events.test.ts` and `live.test.ts` have their own. */
const STREAMS = ['GET /api/v1/jobs/{id}/events', 'GET /api/v1/live'];

async function ask(endpoint: string, credential: Credential): Promise<{ status: number; code: unknown }> {
  const [method = '', path = ''] = endpoint.split(' ');
  const [, payload, query = ''] = ENDPOINTS[endpoint] as Endpoint;
  const ids: Record<string, string> = {
    id: path.includes('/files/') ? fileId : path.includes('/jobs/') ? jobId : randomUUID(),
  };
  const url = path.replaceAll(
    /\{(\w+)\}/g,
    (_, name: string) => ids[name] ?? (['line', 'version'].includes(name) ? '1' : 'nobody'),
  );
  const response = await api.app.inject({
    method: method as 'GET',
    url: `${url}?${query}`,
    headers: typeof credential === 'string' ? { 'x-api-key': credential } : credential,
    ...(payload && { payload }),
  });
  return { status: response.statusCode, code: response.body === '' ? undefined : response.json().code };
}

test('every endpoint says who may call it', () => {
  const paths = (api.app.swagger() as { paths: Record<string, object> }).paths;
  const all = Object.entries(paths).flatMap(([path, methods]) =>
    Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`),
  );
  expect(all.sort()).toEqual([...Object.keys(ENDPOINTS), ...STREAMS, ...SIGN_IN].sort());
});

test.each(Object.keys(ENDPOINTS))('%s', async (endpoint) => {
  const [permission] = ENDPOINTS[endpoint] as Endpoint;
  expect(await ask(endpoint, {})).toEqual({ status: 401, code: 'UNAUTHENTICATED' });
  // What belongs to another tenant is not there, whatever the endpoint takes.
  if (/\/(?:jobs|files)\/\{id\}/.test(endpoint))
    expect(await ask(endpoint, api.keys.globex)).toEqual({ status: 404, code: 'NOT_FOUND' });
  for (const role of ROLES.toSorted(
    (a, b) => Number(may({ role: a }, permission)) - Number(may({ role: b }, permission)),
  )) {
    for (const [who, credential] of [
      ['key', keys[role]],
      ['person', people[role]],
    ] as const) {
      const answer = await ask(endpoint, credential);
      if (may({ role }, permission))
        expect([role, who, [401, 403].includes(answer.status)]).toEqual([role, who, false]);
      else expect([role, who, answer]).toEqual([role, who, { status: 403, code: 'FORBIDDEN' }]);
    }
  }
});

test('each verb of an action takes its permission, to preview it and for every word about it', async () => {
  const say = async (role: Role, path: string, payload?: object) => {
    const headers = { 'x-api-key': keys[role] };
    const reply = await api.app.inject({
      method: 'POST',
      url: `/api/v1/actions${path}`,
      headers,
      ...(payload && { payload }),
    });
    return { status: reply.statusCode, body: reply.json() };
  };
  const takes: Readonly<Record<string, Permission>> = {
    retry: 'jobs:retry',
    cancel: 'jobs:cancel',
    release: 'jobs:review',
    reject: 'jobs:review',
    skip: 'jobs:retry',
    resend: 'effects:resend',
    reroute: 'files:reroute',
    redrive: 'letters:redrive',
    discard: 'letters:redrive',
  };
  for (const [verb, permission] of Object.entries(takes)) {
    const { body } = await say('admin', '', { verb, filter: { ids: [randomUUID()] } });
    for (const role of ROLES) {
      const isAllowed = may({ role }, permission);
      expect([role, verb, (await say(role, '', { verb, filter: { ids: [randomUUID()] } })).status]).toEqual([
        role,
        verb,
        isAllowed ? 200 : 403,
      ]);
      for (const word of ['run', 'pause', 'resume', 'approve', 'abort']) {
        const { status } = await say(role, `/${body.action_id}/${word}`, word === 'run' ? REASON : undefined);
        if (isTenantRole(role)) expect([role, word, status]).toEqual([role, word, 404]);
        else expect([role, word, status === 403]).toEqual([role, word, !isAllowed]);
      }
    }
  }
});

test('a tenant acts on its own jobs only, and its name is no condition', async () => {
  const ask = async (key: string, filter: object) => {
    const headers = { 'x-api-key': key };
    const payload = { verb: 'cancel', filter };
    const reply = await api.app.inject({ method: 'POST', url: '/api/v1/actions', payload, headers });
    return [reply.statusCode, reply.json().takes ?? reply.json().code];
  };
  const [own] = await seedJobs(api.sql);
  expect(await ask(api.keys.acme, { ids: [own?.id] })).toEqual([200, 1]);
  expect(await ask(api.keys.globex, { ids: [own?.id] })).toEqual([200, 0]);
  expect(await ask(api.keys.globex, { tenant: 'acme' })).toEqual([404, 'NOT_FOUND']);
  expect(await ask(api.keys.acme, { tenant: 'acme' })).toEqual([422, 'ACTION_FILTER_EMPTY']);
});

test('the table of roles', () => {
  expect(PERMISSIONS_OF).toMatchSnapshot();
});

test('a tenant may count what a retry of its records would take, and neither name AMBIGUOUS ones nor a new key', async () => {
  const retry = async (payload: object) =>
    (
      await api.app.inject({
        method: 'POST',
        url: `/api/v1/jobs/${jobId}/records/retry`,
        payload,
        headers: { 'x-api-key': api.keys.acme },
      })
    ).json();
  for (const payload of [{ as_new: true }, { states: ['AMBIGUOUS'] }, { states: ['ambiguous'], as_new: true }, {}])
    expect(await retry({ ...payload, ...REASON })).toMatchObject({
      code: expect.stringMatching(/FORBIDDEN|JOB_HAS_NO_RECORDS/),
    });
});

/** What one tenant sees and changes of another: nothing, at any endpoint that the API describes. One that is new is tried without being named here. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createApiKey } from '#shared/access/api-keys.ts';
import { startTestApi, type TestApi } from '#testkit/beds/start-test-api.ts';
import { type Endpoint, listEndpoints } from '#testkit/checks/list-endpoints.ts';
import { type OneOfEach, seedOneOfEach } from '#testkit/seeds/seed-one-of-each.ts';

const MARK = 'zebra';
let api: TestApi;
let theirs: OneOfEach;
let key: { own: string; other: string };
beforeAll(async () => {
  api = await startTestApi();
  theirs = await seedOneOfEach(api, 'acme', MARK);
  const keyOf = async (tenantId: string) =>
    (await createApiKey(api.sql, { tenantId, label: 'walls', role: 'tenant-admin', actor: 'test' })).key;
  key = { own: await keyOf('acme'), other: await keyOf('globex') };
});
afterAll(() => api.stop());

/** Its answer is another each time, and of the key that asks. */
const SIGN_IN_LINKS = '/api/v1/sign-in-links';
const endpoints = () =>
  listEndpoints(api.app).filter(({ path }) => !/^\/(?:auth|u)\//.test(path) && path !== SIGN_IN_LINKS);

async function ask({ method }: Pick<Endpoint, 'method'>, url: string, credential: string, payload?: unknown) {
  const headers = { 'x-api-key': credential };
  const reply = await api.app.inject({
    ...{ method, url, headers },
    ...(payload !== undefined && { payload: payload as object }),
  });
  return { status: reply.statusCode, text: reply.body };
}

/** Ids and names that nothing has, in the form of those that something has. */
const nothing = (): OneOfEach =>
  Object.fromEntries(
    Object.entries(theirs).map(([name, id]) => [
      name,
      /^[0-9a-f-]{36}$/.test(id) ? '0198c0de-0000-7000-8000-000000000001' : id.replace(MARK, 'okapi'),
    ]),
  );

function urlOf(path: string, ids: OneOfEach): string {
  const collection = path.split('/')[3] ?? '';
  return path.replaceAll(/\{(\w+)\}/g, (_, name: string) => {
    if (name === 'tenant') return ids.tenants ?? '';
    if (['line', 'version'].includes(name)) return '1';
    const id = ids[collection];
    if (id === undefined) throw new Error(`seedOneOfEach makes nothing of ${collection}, which ${path} names`);
    return id;
  });
}

/** What a request needs to come as far as the look-up: by the names of its fields. */
function bodyOf({ path, body }: Endpoint, ids: OneOfEach): unknown {
  if (body === undefined) return undefined;
  if (body.properties === undefined) return body.anyOf === undefined ? documentOf(ids) : undefined;
  const values: Record<string, unknown> = {
    ...{ tenant: ids.tenants, file_id: ids.files, ids: [ids['dead-letters']], route: ids.routes, remote: ids.remotes },
    ...{
      template_id: ids.templates,
      sender: ids.senders,
      username: ids['sftp-users'],
      remotePath: '/in/x',
      project: 'P',
    },
    ...{
      query: `{ getFileStatus(file_id: "${ids.files}") { file_id status } }`,
      verb: 'cancel',
      filter: { ids: [ids.jobs] },
    },
    ...{
      reason: 'a test',
      comment: 'a test',
      state: 'open',
      role: 'sender',
      as: 'done',
      parts: [{ part: 1 }],
      to: ['ada@example.com'],
    },
    ...{
      public_key: SSH_KEY,
      label: 'x',
      fingerprint: 'SHA256:x',
      body: '{}',
      size: 10,
      addresses: ['ada@example.com'],
    },
    ...{
      name: 'x.csv',
      email: 'ada@example.com',
      contentBase64: 'eA==',
      file: { id: ids.files },
      file_ids: [ids.files],
    },
    ...{ sample: { tenant: ids.tenants, last: 1 } },
  };
  const names = Object.keys(body.properties).filter((name) => ALWAYS.includes(name) || body.required?.includes(name));
  const chosen = path === '/api/v1/routes/simulate' ? ['file_ids'] : names;
  return Object.fromEntries(chosen.map((name) => [name, values[name]]));
}
const documentOf = ({ tenants: tenant, routes: name }: OneOfEach) => ({ kind: 'route', tenant, name });
const ALWAYS = ['tenant', 'file_id', 'ids', 'reason', 'query', 'username'];
const SSH_KEY = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDW9aDcZfrLrqQxCwhDwp0XvwLjUpzLVsUTQpPyP0Vx1';

/** The answer as it would be for what nothing has: what was asked for is not told apart. */
function asIfNothing(text: string): string {
  let plain = text;
  for (const [name, id] of Object.entries(nothing())) plain = plain.replaceAll(theirs[name] ?? '', id);
  return plain.replaceAll(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, 'TIME').replaceAll(/"action_id":"[^"]+"/g, '');
}

/** Every row that names the tenant. */
async function rowsOf(tenant: string): Promise<Record<string, string>> {
  const tables = await api.sql<{ name: string; column: string }[]>`
    SELECT c.table_name AS name, c.column_name AS column FROM information_schema.columns c
    JOIN information_schema.tables t USING (table_schema, table_name)
    WHERE c.table_schema = 'public' AND c.column_name = 'tenant_id' AND t.table_type = 'BASE TABLE'`;
  const rows: Record<string, string> = {};
  for (const { name } of tables) {
    const [row] = await api.sql<{ digest: string }[]>`
      SELECT count(*) || ' ' || coalesce(md5(string_agg(t::text, '' ORDER BY t::text)), '') AS digest
      FROM ${api.sql(name)} t WHERE tenant_id = ${tenant}`;
    rows[name] = row?.digest ?? '';
  }
  return rows;
}

/** What names a thing in the caller's own tenant, so that another's of that name does not matter: the answers still are the same. */
const OWN_NAMES = ['suppressions', 'recipients', 'templates'];

test('every endpoint answers to an id of another tenant as to one that nothing has, and changes nothing', async () => {
  const before = await rowsOf('acme');
  let tried = 0;
  for (const endpoint of endpoints()) {
    const { path, name } = endpoint;
    const answers = [];
    for (const ids of [theirs, nothing()]) {
      const { status, text } = await ask(endpoint, urlOf(path, ids), key.other, bodyOf(endpoint, ids));
      answers.push({ name, status, text: asIfNothing(text) });
    }
    expect(answers[0]).toEqual(answers[1]);
    expect(answers[0]).not.toMatchObject({ status: 500 });
    if (!path.includes('{')) continue;
    tried += 1;
    const isOwnName = OWN_NAMES.includes(path.split('/')[3] ?? '') || path === '/api/v1/files/{directory}/{name}';
    if (!isOwnName)
      expect([name, answers[0]?.status, [403, 404].includes(answers[0]?.status ?? 0)]).toEqual([
        name,
        answers[0]?.status,
        true,
      ]);
  }
  expect(tried).toBeGreaterThan(100);
  expect(await rowsOf('acme')).toEqual(before);
});

test('what the other tenant asked for is there for its own people', async () => {
  for (const endpoint of endpoints()) {
    const { method, path, name } = endpoint;
    if (method !== 'GET' || !path.includes('{')) continue;
    const { status } = await ask(endpoint, urlOf(path, theirs), key.own);
    expect([name, status]).not.toEqual([name, 404]);
  }
});

/** By the names of parameters: what a query may ask for of another tenant. */
function queriesOf({ query }: Endpoint, ids: OneOfEach): string[] {
  const values: Record<string, string | undefined> = {
    ...{ tenant: ids.tenants, file: ids.files, file_id: ids.files, job_id: ids.jobs, person: ids.people, q: ids.files },
    ...{
      username: ids['sftp-users'],
      address: ids.suppressions,
      route: ids.routes,
      partner: ids.partners,
      name: `${ids.routes}*`,
    },
    ...{ expectation: ids.expectations, remote: ids.remotes, source: ids.sources, checksum: `${ids.routes}-hash` },
  };
  const text = (names: readonly string[]) =>
    names.map((name) => `${name}=${encodeURIComponent(values[name] ?? '')}`).join('&');
  const required = query.filter((name) => REQUIRED.includes(name));
  const alone = query.filter((name) => values[name] !== undefined && !required.includes(name));
  return [text(required), ...alone.map((name) => text([...required, name])), 'q=ZZZ'].map((each) =>
    query.includes('q') ? each.replace('ZZZ', ids.routes ?? '') : each.replace('q=ZZZ', ''),
  );
}
const REQUIRED = ['file_id', 'q', 'address'];

const lists = () => endpoints().filter(({ method, path }) => method === 'GET' && !path.includes('{'));

test('every list shows nothing of another tenant, whatever is asked for', async () => {
  for (const endpoint of lists()) {
    const [asked, unknown] = [queriesOf(endpoint, theirs), queriesOf(endpoint, nothing())];
    for (const [index, query] of asked.entries()) {
      const answers = [];
      for (const each of [query, unknown[index]]) {
        const { status, text } = await ask(endpoint, `${endpoint.path}?${each}`, key.other);
        answers.push({ query: `${endpoint.path}?${query}`, status, text: asIfNothing(text) });
      }
      expect(answers[0]).toEqual(answers[1]);
    }
    const { text } = await ask(endpoint, endpoint.path, key.other);
    expect([endpoint.path, text]).toEqual([endpoint.path, expect.not.stringContaining(MARK)]);
  }
});

test("a cursor of another tenant moves a page within one's own rows", async () => {
  const moved: string[] = [];
  for (const endpoint of lists()) {
    if (!endpoint.query.includes('cursor')) continue;
    const page = await ask(endpoint, `${endpoint.path}?limit=1`, key.own);
    const { next_cursor: cursor } = JSON.parse(page.text);
    if (typeof cursor !== 'string') continue;
    moved.push(endpoint.path);
    const { status, text } = await ask(endpoint, `${endpoint.path}?cursor=${cursor}`, key.other);
    expect([endpoint.path, status, text]).toEqual([endpoint.path, 200, expect.not.stringContaining(MARK)]);
  }
  expect(moved).toEqual(expect.arrayContaining(['/api/v1/files', '/api/v1/jobs', '/api/v1/audit']));
});

/** Numbers, what is the caller's own, what is for operators; a preview has no entry in `actions`, and nothing was mailed. */
const WITHOUT_NAMES = [
  ...[
    '/api/v1/files/count',
    '/api/v1/actions',
    '/api/v1/retention',
    '/api/v1/mails',
    '/api/v1/proposals',
    '/api/v1/health',
    '/api/v1/queues',
  ],
  ...['/api/v1/me', '/api/v1/audit/verify', '/api/v1/usage', '/api/v1/settings'],
];

test('its own people find it in the lists', async () => {
  const empty: string[] = [];
  for (const endpoint of lists()) {
    const [query] = queriesOf(endpoint, theirs);
    const { text } = await ask(endpoint, `${endpoint.path}?${query}`, key.own);
    if (!text.includes(MARK) && !text.includes(theirs.files ?? '') && !text.includes(theirs.jobs ?? ''))
      empty.push(endpoint.path);
  }
  expect(empty).toEqual(WITHOUT_NAMES);
});

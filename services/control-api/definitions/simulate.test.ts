/** The simulator: what would become of files, by the routes in force and by those that are proposed. */
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startTestApi, type TestApi } from '#testkit/beds/start-test-api.ts';

let api: TestApi;
beforeAll(async () => {
  api = await startTestApi();
  const files = [TENANT, PARTNER, ORDERS, LEDGER, SINGLE, SUMS].join('---\n');
  const { statusCode, body } = await post('/routes', files);
  if (statusCode !== 200) throw new Error(body);
  await post('/routes/acme/single/disable', { reason: 'x' });
});
afterAll(() => api.stop());

const TENANT = `kind: tenant
id: acme
name: Acme
timeZone: Asia/Tokyo
notify:
  - { name: desk, on: [failed], email: { to: [desk@acme.example] } }
`;
const PARTNER = `kind: partner
tenant: acme
name: desk
baseUrl: https://desk.example/api
operations: { check: { method: POST, path: /check, idempotent: true } }
`;
const ORDERS = `kind: route
tenant: acme
name: orders
match: { path: "orders/**", exclude: "orders/old/**", minSize: 10, maxSize: 1GiB }
acceptEmpty: false
hold: large
steps:
  - validate: { namePattern: "[a-z0-9.-]+", checksumSidecar: }
  - transform: { ops: [gunzip: , rename: "{{ stem }}-{{ date }}.{{ extension }}"] }
  - deliver: { key: "{{ tenant }}/{{ directory }}/{{ name }}" }
  - confirm:
`;
const LEDGER = `kind: route
tenant: acme
name: ledger
match: { path: "ledger/*" }
ordered: true
records: { format: csv, columns: [{ name: id }] }
steps:
  - parse:
  - call: { partner: desk, operation: check, code: CHECK_ERROR }
notify:
  - { name: finance, on: [completed], sns: }
`;
const SINGLE = 'kind: route\ntenant: acme\nname: single\nmatch: { path: "**" }\nsteps: [{ stage: {} }]\n';
const SUMS = 'kind: route\ntenant: acme\nname: sums\nmatch: { path: "sums/*" }\nsteps: [{ stage: {} }]\n';

const post = (url: string, payload: string | object, key = api.keys.operator) =>
  api.app.inject({
    method: 'POST',
    url: `/api/v1${url}`,
    payload,
    headers: { 'x-api-key': key, ...(typeof payload === 'string' && { 'content-type': 'application/yaml' }) },
  });
async function simulate(body: object, key?: string) {
  const reply = await post('/routes/simulate', body, key);
  return { status: reply.statusCode, ...reply.json() };
}
async function simulateOne(path: string, more: object = {}, documents?: string) {
  const body = {
    file: { tenant: 'acme', path, size_bytes: 100, received_at: '2026-03-04T20:00:00Z', ...more },
    documents,
  };
  return (await simulate(body)).decisions[0];
}
interface Decision {
  readonly file: { readonly path: string; readonly file_id: string };
  readonly changes: string;
  readonly present: readonly string[];
  readonly routes: readonly { readonly route: string }[];
}
const because = (decision: { routes: { route: string; because: string }[] }, name: string) =>
  decision.routes.find(({ route }) => route === name)?.because;

test('says which route takes a file, what each step would do, and why the others do not take it', async () => {
  const decision = await simulateOne('orders/eu/week-49.csv.gz');
  expect(decision).toMatchObject({
    outcome: 'routed',
    error: null,
    is_large: false,
    changes: 'same',
    present: ['orders'],
  });
  expect(decision.routes.map(({ route, takes }: { route: string; takes: boolean }) => [route, takes])).toEqual([
    ['ledger', false],
    ['orders', true],
    ['single', false],
    ['sums', false],
  ]);
  expect(because(decision, 'ledger')).toBe('no glob of match.path matches the path');
  expect(because(decision, 'single')).toBe('the route is disabled');
  const orders = decision.routes[1];
  // In the tenant's zone it is the next day.
  expect(orders.steps.map(({ kind, would, output }: Record<string, string>) => [kind, would, output])).toEqual([
    ['validate', 'accept its name and size, compare with week-49.csv.gz.sha256', null],
    ['transform', 'gunzip, rename: continue as week-49-2026-03-05.csv', 'week-49-2026-03-05.csv'],
    ['deliver', expect.any(String), 'test-delivered/acme/orders/eu/week-49-2026-03-05.csv'],
    ['confirm', 'verify the delivered object', null],
  ]);
  expect(orders).toMatchObject({
    version: 1,
    held: false,
    order_group: null,
    notifies: [{ channel: 'desk', kind: 'email' }],
  });
});

test.each([
  ['orders/old/a.csv', {}, 'match.exclude excludes the path'],
  ['orders/a.csv', { size_bytes: 0 }, 'the file is empty, and acceptEmpty is false'],
  ['orders/a.csv', { size_bytes: 9 }, 'the file is smaller than match.minSize'],
  ['orders/a.csv', { size_bytes: 2 ** 31 }, 'the file is larger than match.maxSize'],
  ['orders/a.csv.sha256', {}, 'it is the marker or the checksum of another file of this route'],
])('the route orders does not take %s, %j: %s', async (path, more, reason) => {
  expect(because(await simulateOne(path, more), 'orders')).toBe(reason);
});

const CONDITIONS = `kind: route
tenant: acme
name: conditions
match:
  path: "conditions/**"
  user: "acme-*"
  time: [{ days: [mon, tue, wed, thu, fri], from: "08:00", to: "18:00" }]
  metadata: { kind: invoice }
  tags: { desk: "*" }
  type: [csv]
  header: { columns: [id] }
steps: [{ stage: {} }]
`;
// Thursday 05:00 in Tokyo, and 10:00.
const [AT_NIGHT, BY_DAY] = ['2026-03-04T20:00:00Z', '2026-03-05T01:00:00Z'];

test.each([
  [{}, 'match.user does not name who sent it'],
  [{ user: 'acme-sftp', received_at: AT_NIGHT }, 'it came outside the hours of match.time'],
  [{ user: 'acme-sftp' }, 'its metadata is not as match.metadata says'],
  [{ user: 'acme-sftp', metadata: { kind: 'invoice' } }, 'it may: match.tags decides by its tags, which were not read'],
  [{ user: 'acme-sftp', metadata: { kind: 'invoice' }, tags: {} }, 'its tags are not as match.tags says'],
  [
    { user: 'acme-sftp', metadata: { kind: 'invoice' }, tags: { desk: '1' } },
    'it may: match.type or match.header decides by its content, which was not read',
  ],
  [
    { user: 'acme-sftp', metadata: { kind: 'invoice' }, tags: { desk: '1' }, first_line: 'name' },
    'its first line is not as match.header says',
  ],
  [{ user: 'acme-sftp', metadata: { kind: 'invoice' }, tags: { desk: '1' }, first_line: 'name,id' }, 'it matches'],
])('conditions beyond path and size: %j: %s', async (more, reason) => {
  const decision = await simulateOne('conditions/a.csv', { received_at: BY_DAY, ...more }, CONDITIONS);
  expect(because(decision, 'conditions')).toBe(reason);
});

test('tells what is quarantined, a companion, ignored, large, ordered, and of a name that a step refuses', async () => {
  expect(await simulateOne('nowhere.txt')).toMatchObject({
    outcome: 'quarantined',
    error: { code: 'NO_ROUTE', cause: 'PATH_MISMATCH' },
  });
  expect(await simulateOne('orders/a.csv.sha256')).toMatchObject({ outcome: 'companion' });
  expect(await simulateOne('orders/a.csv.part')).toMatchObject({ outcome: 'ignored', routes: [] });
  expect(await simulateOne('orders/../a.csv')).toMatchObject({
    outcome: 'quarantined',
    error: { code: 'NAME_REJECTED' },
  });
  const large = await simulateOne('orders/a.csv', { size_bytes: 600_000_000 });
  expect(large).toMatchObject({ is_large: true });
  expect(large.routes[1]).toMatchObject({ held: true });
  expect(large.routes[1].steps[2]).toMatchObject({ kind: 'deliver', class: 'long' });
  const [ledger] = (await simulateOne('ledger/a.csv')).routes;
  expect(ledger).toMatchObject({
    order_group: 'acme/ledger/',
    notifies: [{ channel: 'finance', kind: 'sns', on: ['completed'] }, { channel: 'desk' }],
  });
  expect(ledger.steps[1].would).toBe('for each record call desk check (POST https://desk.example/api/check)');
  const refused = (await simulateOne('orders/A.csv')).routes[1].steps;
  expect(refused).toMatchObject([{ kind: 'validate', fails: true, would: expect.stringContaining('NAME_MISMATCH') }]);
});

test('compares routes that are proposed with those in force, by the files that came last', async () => {
  const paths = ['orders/1.csv', 'orders/2.csv', 'ledger/1', 'sums/1', 'nowhere/1'];
  for (const path of paths)
    await api.sql`
      INSERT INTO files (id, tenant_id, bucket, key, version_id, name, size_bytes, etag, source, uploaded_at, status, order_key, order_seq)
      VALUES (uuid_v7(), 'acme', 'b', ${`acme/${path}`}, 'v', ${path.split('/')[1] ?? ''}, 100, 'e', 's3', now(), 'QUEUED', 'acme', 1)`;
  const documents = [
    ORDERS.replace('{{ directory }}', 'all'),
    LEDGER.replace('ledger/*', 'books/*'),
    SUMS.replace('name: sums', 'name: totals'),
    SINGLE.replace('single', 'rest').replace('"**"', '[nowhere/*, sums/*]'),
  ].join('---\n');
  const { decisions, summary } = await simulate({ documents, sample: { tenant: 'acme', last: 100 } });
  expect(summary).toEqual({ files: 5, quarantined: 1, same: 0, steps: 2, other: 1, new: 1, none: 1 });
  const byPath = Object.fromEntries(
    decisions.map(({ file, changes, routes, present }: Decision) => [
      file.path,
      [changes, present, routes.map(({ route }) => route)],
    ]),
  );
  expect(byPath).toEqual({
    'orders/1.csv': ['steps', ['orders'], ['orders']],
    'orders/2.csv': ['steps', ['orders'], ['orders']],
    'ledger/1': ['none', ['ledger'], []],
    'sums/1': ['other', ['sums'], ['rest', 'sums', 'totals']],
    'nowhere/1': ['new', [], ['rest']],
  });
  expect((await simulate({ sample: { tenant: 'acme' } })).summary).toMatchObject({ same: 5, quarantined: 1 });
  expect((await simulate({ sample: { tenant: 'acme', last: 2 } })).summary.files).toBe(2);
  const ids = decisions.map(({ file }: Decision) => file.file_id);
  expect((await simulate({ file_ids: ids.slice(0, 3) })).summary.files).toBe(3);
});

test('a tenant tries its own routes and files only, and faults are listed at their lines', async () => {
  const file = { tenant: 'acme', path: 'orders/a.csv', size_bytes: 100 };
  expect((await simulate({ file }, api.keys.acme)).decisions[0].outcome).toBe('routed');
  expect((await simulate({ file }, api.keys.globex)).status).toBe(404);
  const [own] = await api.sql<{ id: string }[]>`SELECT id FROM files LIMIT 1`;
  expect((await simulate({ file_ids: [own?.id] }, api.keys.globex)).status).toBe(404);
  expect((await simulate({ file_ids: [randomUUID()] })).status).toBe(404);
  expect((await simulate({ sample: { tenant: 'acme' } }, api.keys.globex)).decisions).toEqual([]);
  expect((await simulate({ file: { tenant: 'nobody', path: 'x' } })).status).toBe(404);
  const faulty = await simulate({ file, documents: [{ name: 'a.yaml', text: 'kind: route\ntenant: 1\n' }] });
  expect([faulty.status, faulty.details.faults[0]]).toMatchObject([422, { file: 'a.yaml', line: 1 }]);
  for (const body of [{}, { file, sample: { tenant: 'acme' } }, { file: { ...file, size_bytes: -1 } }])
    expect((await simulate(body)).status).toBe(400);
});

test('1,000 files on 50 routes cost the event loop no long stall', async () => {
  await api.sql`
    INSERT INTO files (id, tenant_id, bucket, key, version_id, name, size_bytes, etag, source, uploaded_at, status, order_key, order_seq)
    SELECT uuid_v7(), 'acme', 'b', 'acme/many/' || n % 50 || '/file-' || n || '.csv', 'v', 'file-' || n || '.csv', 100, 'e', 's3', now(), 'QUEUED', 'acme', 1
    FROM generate_series(1, 1000) n`;
  const documents = Array.from({ length: 50 }, (_, index) =>
    ORDERS.replace('name: orders', `name: many-${index}`).replace('orders/**', `many/${index}/*.csv`),
  ).join('---\n');
  const before = process.cpuUsage();
  const { summary } = await simulate({ documents, sample: { tenant: 'acme' } });
  const cpuMs = process.cpuUsage(before).user / 1_000;
  expect(summary).toMatchObject({ files: 1_000, new: 1_000 });
  console.log(`1,000 files on 54 routes: ${Math.round(cpuMs)} ms of CPU`);
  expect(cpuMs).toBeLessThan(10_000);
});

test('shows the lane, the quiet hours and what is left to the home of the tenant', async () => {
  const orders = ORDERS.replace('hold: large', 'priority: bronze\nquietHours: [{ from: "22:00", to: "04:00" }]');
  const decision = await simulateOne('orders/a.csv', {}, orders);
  // 05:00 in Tokyo.
  expect(decision.routes.find(({ route }: { route: string }) => route === 'orders')).toMatchObject({
    lane: 'bronze',
    starts_at: '2026-03-05T13:00:00.000Z',
  });
  const regional = ORDERS.replace('match: {', 'match: { region: [eu-west-1],');
  expect(because(await simulateOne('orders/a.csv', {}, regional), 'orders')).toContain('match.region');
  expect(await simulateOne('orders/a.csv', { region: 'eu-west-1' }, regional)).toMatchObject({ outcome: 'routed' });
});

/** Changes that an operator proposes and an admin makes. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createApiKey } from '#shared/access/api-keys.ts';
import type { Role } from '#shared/access/permissions.ts';
import { applyDefinition } from '#shared/definitions/apply-definitions.ts';
import { deleteExpiredProposals } from '#shared/proposals/proposal-transitions.ts';
import { longshoreAt } from '#testkit/beds/longshore-at.ts';
import { examplePartner } from '#testkit/beds/partner-bed.ts';
import { startTestApi, type TestApi } from '#testkit/beds/start-test-api.ts';
import { seedTenant } from '#testkit/seeds/seed-jobs.ts';
import type { ProposalDetail, ProposalPage } from './proposal-reply.ts';

let api: TestApi;
const keys: Partial<Record<Role, string>> = {};
beforeAll(async () => {
  api = await startTestApi();
  await seedTenant(api.sql);
  const partner = { tenantId: 'acme', name: 'desk', definition: examplePartner(), definitionHash: 'h' };
  await applyDefinition(api.sql, 'partner', partner, 'test');
  for (const role of ['viewer', 'operator', 'admin', 'tenant-admin'] as const) {
    const tenantId = role === 'tenant-admin' ? 'acme' : null;
    keys[role] = (await createApiKey(api.sql, { tenantId, label: role, role, actor: 'test' })).key;
  }
});
afterAll(() => api.stop());

const ROUTE = '/api/v1/routes/acme/orders';
const PAUSE = { method: 'POST', path: '/api/v1/partners/acme/desk/pause', reason: 'They answer nonsense' };
const routeText = (glob: string, path = 'orders') =>
  `# Kept as it was written.\nkind: route\ntenant: acme\nname: ${path}\nmatch:\n  path: ${glob}\nsteps:\n  - stage: {}\n`;

async function as(role: Role, method: 'GET' | 'POST' | 'PUT', url: string, payload?: object | string, headers = {}) {
  const type = typeof payload === 'string' ? 'application/yaml' : 'application/json';
  return await api.app.inject({
    ...{ method, url },
    headers: { 'x-api-key': keys[role], ...(payload !== undefined && { 'content-type': type }), ...headers },
    ...(payload !== undefined && { payload }),
  });
}

async function propose(change: object): Promise<ProposalDetail> {
  const made = await as('operator', 'POST', '/api/v1/proposals', change);
  expect(made.statusCode, made.body).toBe(200);
  return made.json();
}

const pausedBy = async () => {
  const { control } = (await as('admin', 'GET', '/api/v1/partners/acme/desk/health')).json();
  return control.paused as { by: string; reason: string } | null;
};

const approve = (role: Role, { proposal_id: id }: ProposalDetail) =>
  as(role, 'POST', `/api/v1/proposals/${id}/approve`);

test('an operator proposes a pause, and an admin makes it in his own name', async () => {
  const proposal = await propose(PAUSE);
  expect(proposal).toMatchObject({ state: 'OPEN', customer_id: 'acme', check: { error: null }, decided_by: null });
  expect(await pausedBy()).toBeNull();

  const own = await approve('operator', proposal);
  expect([own.statusCode, own.json().code]).toEqual([403, 'FORBIDDEN']);
  expect(own.json().hint).toContain('--propose');
  expect(await pausedBy()).toBeNull();

  const approved = await approve('admin', proposal);
  expect(approved.json()).toMatchObject({ state: 'APPLIED' });
  const admin = approved.json().decided_by;
  expect(admin).not.toBe(proposal.proposed_by);
  expect(await pausedBy()).toMatchObject({
    by: admin,
    reason: `They answer nonsense (proposed by ${proposal.proposed_by})`,
  });
  const again = await approve('admin', proposal);
  expect([again.statusCode, again.json().code]).toEqual([409, 'PROPOSAL_NOT_OPEN']);

  const events = await api.sql<{ type: string; actor: string }[]>`
    SELECT type, actor FROM audit_events WHERE detail ->> 'proposalId' = ${proposal.proposal_id} ORDER BY id`;
  expect([...events]).toEqual([
    { type: 'proposal.made', actor: proposal.proposed_by },
    { type: 'proposal.applied', actor: admin },
  ]);
});

test('a route is proposed with what it would change, and applied as it was written', async () => {
  const path = '/api/v1/routes/acme/first';
  const proposal = await propose({ method: 'PUT', path, body: routeText('first/**', 'first'), reason: 'A new feed' });
  expect(proposal.check?.would_apply).toMatchObject({ dry_run: true, routes: [{ name: 'first' }] });
  expect((await as('admin', 'GET', path)).statusCode).toBe(404);
  expect((await approve('admin', proposal)).json()).toMatchObject({ state: 'APPLIED' });
  expect((await as('admin', 'GET', path)).json().source).toBe(routeText('first/**', 'first'));
});

test('what was changed since it was proposed is not changed back', async () => {
  const applied = await as('admin', 'PUT', `${ROUTE}?reason=a`, routeText('orders/**'));
  const tag = String(applied.headers.etag);
  const change = { method: 'PUT', path: ROUTE, body: routeText('o/**'), if_match: tag, reason: 'They moved' };
  const proposal = await propose(change);
  await as('admin', 'PUT', `${ROUTE}?reason=b`, routeText('late/**'));

  const url = `/api/v1/proposals/${proposal.proposal_id}`;
  expect((await as('viewer', 'GET', url)).json().check).toMatchObject({
    status: 412,
    error: { code: 'DEFINITION_CHANGED' },
  });
  const refused = await approve('admin', proposal);
  expect([refused.statusCode, refused.json().code]).toEqual([412, 'DEFINITION_CHANGED']);
  expect((await as('admin', 'GET', ROUTE)).json().source).toBe(routeText('late/**'));

  const withdrawn = await as('operator', 'POST', `${url}/reject`, { reason: 'No longer needed' });
  expect(withdrawn.json()).toMatchObject({ state: 'REJECTED', note: 'No longer needed', check: null });
  const { proposals } = (await as('viewer', 'GET', '/api/v1/proposals?state=rejected')).json() as ProposalPage;
  expect(proposals.map(({ proposal_id: id }) => id)).toEqual([proposal.proposal_id]);
});

test('a fault is answered where it is proposed', async () => {
  const faulty = await as('operator', 'POST', '/api/v1/proposals', {
    ...{ method: 'PUT', path: ROUTE, reason: 'a test' },
    body: 'kind: route\ntenant: acme\nname: orders\nmatch: 7\n',
  });
  expect(faulty.statusCode).toBe(422);
  expect(faulty.json()).toMatchObject({ code: 'ROUTE_INVALID', details: { faults: [{ line: 1 }, {}] } });
  const absent = await as('operator', 'POST', '/api/v1/proposals', { ...PAUSE, path: PAUSE.path.replace('desk', 'x') });
  expect([absent.statusCode, absent.json().code]).toEqual([404, 'NOT_FOUND']);
});

test.each([
  ['POST', '/api/v1/keys'],
  ['POST', '/api/v1/partners/acme/../../keys'],
  ['POST', '/api/v1/partners/%2e%2e/keys/pause'],
  ['POST', '/api/v1/partners/acme\\..\\desk/pause'],
  ['PUT', '/api/v1/routes/acme/orders?prune=true'],
  ['PUT', '/api/v1/routes/acme/orders#'],
  ['POST', '//elsewhere.example/api/v1/routes'],
  ['PUT', '/api/v1/tenants/acme/x'],
  ['POST', '/api/v1/proposals'],
  ['PUT', '/api/v1/routes/acme/..'],
])('%s %s cannot be proposed', async (method, path) => {
  const refused = await as('operator', 'POST', '/api/v1/proposals', { method, path, body: {}, reason: 'a test' });
  expect([refused.statusCode, refused.json().code]).toEqual([400, 'REQUEST_INVALID']);
});

test.each<readonly [path: string, body: object]>([
  [PAUSE.path, { reason: 'one of its own' }],
  [PAUSE.path, { revision: 'x' }],
  ['/api/v1/partners/acme/desk/breaker', { state: 'ajar' }],
  ['/api/v1/partners/acme/desk/breaker', { state: 'closed', for: '30m' }],
])('%s with %j is invalid', async (path, body) => {
  const refused = await as('operator', 'POST', '/api/v1/proposals', { ...PAUSE, path, body });
  expect([refused.statusCode, refused.json().code]).toEqual([400, 'REQUEST_INVALID']);
});

test('of two who decide at once, one does', async () => {
  const proposal = await propose({ ...PAUSE, path: '/api/v1/partners/acme/desk/breaker', body: { state: 'closed' } });
  const reject = as('operator', 'POST', `/api/v1/proposals/${proposal.proposal_id}/reject`, { reason: 'a test' });
  const all = await Promise.all([...Array.from({ length: 4 }, () => approve('admin', proposal)), reject]);
  expect(all.map(({ statusCode }) => statusCode).toSorted()).toEqual([200, 409, 409, 409, 409]);
  const closed = await api.sql`SELECT FROM audit_events WHERE type = 'partner.breaker-closed'`;
  expect(closed.length).toBe(all[4]?.statusCode === 200 ? 0 : 1);
});

test('a proposal that nobody decided about expires', async () => {
  const proposal = await propose(PAUSE);
  await api.sql`UPDATE proposals SET expires_at = now() WHERE id = ${proposal.proposal_id}`;
  expect((await approve('admin', proposal)).json().code).toBe('PROPOSAL_NOT_OPEN');
  const url = `/api/v1/proposals/${proposal.proposal_id}`;
  expect((await as('viewer', 'GET', url)).json()).toMatchObject({ state: 'EXPIRED', check: null });
  await deleteExpiredProposals(api.sql, new Date(Date.now() - 60_000));
  expect((await as('viewer', 'GET', url)).statusCode).toBe(200);
  await deleteExpiredProposals(api.sql, new Date(Date.now() + 60_000));
  expect((await as('viewer', 'GET', url)).statusCode).toBe(404);
});

test('what tenants propose or see is nothing', async () => {
  expect((await as('tenant-admin', 'POST', '/api/v1/proposals', PAUSE)).statusCode).toBe(403);
  expect((await as('tenant-admin', 'GET', '/api/v1/proposals')).statusCode).toBe(403);
  expect((await as('viewer', 'POST', '/api/v1/proposals', PAUSE)).statusCode).toBe(403);
});

test('the commands do it', async () => {
  const url = await api.app.listen({ host: '127.0.0.1', port: 0 });
  const [operator, admin] = (['operator', 'admin'] as const).map((role) => longshoreAt(url, keys[role] ?? ''));
  const made = await operator?.(
    'partners',
    'breaker',
    'acme/desk',
    'open',
    '--for',
    '2h',
    '--reason',
    'x',
    '--propose',
  );
  expect([made?.code, made?.out]).toEqual([0, expect.stringMatching(/change +POST .*desk\/breaker/)]);
  const [, id = ''] = /longshore proposals approve (\S+)/.exec(made?.err ?? '') ?? [];

  const listed = await operator?.('proposals', '--state', 'open');
  expect(listed?.out).toContain(id);
  expect((await operator?.('proposals', 'approve', id))?.code).not.toBe(0);
  expect((await admin?.('proposals', 'approve', id))?.out).toMatch(/state +APPLIED/);
  expect((await admin?.('partners', 'health', 'acme/desk'))?.out).toMatch(/breaker by hand +open until/);

  const restored = await operator?.('routes', 'restore', 'acme/orders', '1', '--reason', 'x', '--propose');
  expect([restored?.code, restored?.out]).toEqual([0, expect.stringMatching(/orders\/versions\/1\/restore/)]);
  const silent = await operator?.('apply', '-f', '-', '--propose');
  expect([silent?.code, silent?.err]).toEqual([2, expect.stringContaining('A proposal takes a reason.')]);
});

/** Definitions as people change them: with the text that they wrote, versions, conditions, and what the files no longer have. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startTestApi, type TestApi } from '#testkit/beds/start-test-api.ts';
import { seedJobs } from '#testkit/seeds/seed-jobs.ts';
import { compareTexts } from './compare-texts.ts';

let api: TestApi;
beforeAll(async () => {
  api = await startTestApi();
});
afterAll(() => api.stop());

const YAML = { 'content-type': 'application/yaml' };
async function ask(method: 'GET' | 'PUT' | 'POST', url: string, payload?: string | object, headers: object = {}) {
  const typed = typeof payload === 'string' ? YAML : {};
  const reply = await api.app.inject({
    method,
    url: `/api/v1${url}`,
    headers: { 'x-api-key': api.keys.operator, ...typed, ...headers },
    ...(payload !== undefined && { payload }),
  });
  return { status: reply.statusCode, etag: String(reply.headers.etag), body: reply.body === '' ? null : reply.json() };
}

const routeText = (name: string, glob = '*.csv') => `# ${name}: whatever comes by night
kind: route
name: ${name} # as finance calls it
tenant: acme
steps:
  - stage:
match: { path: "${glob}" }
`;
const partnerText = (name: string, timeout = '2s') => `# calls the desk
kind: partner
tenant: acme
name: ${name}
baseUrl: https://desk.example
timeout: ${timeout}
operations:
  check: { method: POST, path: /check, idempotent: true }
`;
const storeText = (name: string, bucket = 'inbox') => `# an office
kind: store
tenant: acme
name: ${name}
credentials: acme/store
buckets: [${bucket}]
`;

describe.each([
  ['routes', 'route', routeText, '*.csv', '*.tsv'],
  ['partners', 'partner', partnerText, '2s', '3s'],
  ['stores', 'store', storeText, 'inbox', 'other'],
] as const)('one of %s', (plural, kind, textOf, first, second) => {
  const path = `/${plural}/acme/kept`;

  test('shows the text that was written, with comments and in its order, and its versions', async () => {
    expect((await ask('POST', '/routes', textOf('kept', first))).body[plural]).toMatchObject([{ change: 'created' }]);
    const { etag, body } = await ask('GET', path);
    expect(body).toMatchObject({ name: 'kept', version: 1, source: textOf('kept', first), source_kept: true });
    expect(etag).toBe('"r1.v1"');
    expect(await ask('GET', path, undefined, { 'if-none-match': etag })).toMatchObject({ status: 304, body: null });
    const changed = await ask('POST', '/routes?reason=INC-1', textOf('kept', second));
    expect(changed.body[plural][0].diff).toContain(`${first}`);
    const { versions } = (await ask('GET', `${path}/versions`)).body;
    expect(versions).toMatchObject([
      { version: 2, in_force: true, applied_by: 'operator:operator' },
      { version: 1, in_force: false },
    ]);
    const page = (await ask('GET', `${path}/versions?limit=1`)).body;
    expect((await ask('GET', `${path}/versions?limit=1&cursor=${page.next_cursor}`)).body).toMatchObject({
      versions: [{ version: 1 }],
      next_cursor: null,
    });
    expect((await ask('GET', `${path}/versions/1`)).body.source).toBe(textOf('kept', first));
    expect((await ask('GET', `${path}/versions/9`)).status).toBe(404);
    const { body: diff } = await ask('GET', `${path}/diff`);
    expect(diff).toMatchObject({ from: 1, to: 2 });
    expect(diff.diff.split('\n').filter((line: string) => /^[-+][^-+]/.test(line))).toHaveLength(2);
    expect((await ask('GET', `${path}/diff?from=2&to=2`)).body.diff).toBe('');
  });

  test('a change is in the audit with the version before, the difference and the reason', async () => {
    const [event] = await api.sql`
      SELECT detail, actor FROM audit_events WHERE type = ${`${kind}.applied`} AND detail ->> ${kind} = 'kept' ORDER BY at DESC, id DESC LIMIT 1`;
    expect(event).toMatchObject({
      actor: 'operator:operator',
      detail: { version: 2, before: 1, reason: 'INC-1', diff: expect.stringContaining('+++ acme/kept 2') },
    });
  });

  test('an earlier version comes back as the next one, word for word', async () => {
    const { status, body } = await ask('POST', `${path}/versions/1/restore`, { reason: 'INC-2' });
    expect([status, body[plural]]).toMatchObject([200, [{ version: 3, change: 'changed' }]]);
    expect((await ask('GET', path)).body).toMatchObject({ version: 3, source: textOf('kept', first) });
    const [event] = await api.sql`
      SELECT detail FROM audit_events WHERE type = ${`${kind}.applied`} AND detail ->> ${kind} = 'kept' ORDER BY at DESC, id DESC LIMIT 1`;
    expect(event?.detail).toMatchObject({ version: 3, before: 2, restored: 1, reason: 'INC-2' });
  });

  test('of two people who edit the same state, the second is shown what the first changed', async () => {
    const { etag } = await ask('GET', path);
    const mine = await ask('PUT', path, textOf('kept', second), { 'if-match': etag });
    expect(mine.status).toBe(200);
    expect(mine.etag).not.toBe(etag);
    const other = await ask('PUT', path, textOf('kept', first).replace('kind', '# late\nkind'), { 'if-match': etag });
    expect([other.status, other.body]).toMatchObject([
      412,
      {
        code: 'DEFINITION_CHANGED',
        details: {
          etag: mine.etag,
          version: 4,
          applied_by: 'operator:operator',
          diff: expect.stringContaining(second),
        },
      },
    ]);
    expect((await ask('PUT', path, textOf('kept', first), { 'if-none-match': '*' })).status).toBe(412);
    expect((await ask('POST', `${path}/versions/1/restore`, { reason: 'x' }, { 'if-match': etag })).status).toBe(412);
    for (const tag of ['W/"r1.v1"', '"r0.v0"', 'anything', '"r1.v1", "r2.v1"'])
      expect([tag, (await ask('PUT', path, textOf('kept', second), { 'if-match': tag })).status]).toEqual([tag, 412]);
    expect((await ask('PUT', path, textOf('kept', second), { 'if-match': `"x", ${mine.etag}` })).status).toBe(200);
    expect((await ask('GET', path)).body.version).toBe(4);
  });

  test('is made by PUT where it does not exist, under its own name only', async () => {
    const fresh = `/${plural}/acme/fresh`;
    expect((await ask('PUT', fresh, textOf('fresh', first), { 'if-match': '*' })).status).toBe(412);
    expect((await ask('PUT', `${fresh}?dry_run=true`, textOf('fresh', first))).body[plural]).toMatchObject([
      { change: 'created' },
    ]);
    expect((await ask('PUT', fresh, textOf('fresh', first), { 'if-none-match': '*' })).etag).toBe('"r1.v1"');
    const wrong = await ask('PUT', `/${plural}/acme/another`, textOf('fresh', first));
    expect([wrong.status, wrong.body.details.faults]).toMatchObject([
      422,
      [{ path: 'name', line: expect.any(Number) }],
    ]);
  });

  test('of another tenant does not exist', async () => {
    const as = { 'x-api-key': api.keys.globex };
    for (const url of [path, `${path}/versions`, `${path}/versions/1`, `${path}/diff`])
      expect([url, (await ask('GET', url, undefined, as)).status]).toEqual([url, 404]);
    const dry = await ask('PUT', `${path}?dry_run=true`, textOf('kept', first), as);
    expect([dry.status, dry.body.details.faults[0].path]).toEqual([422, 'tenant']);
    expect((await ask('PUT', `${path}?dry_run=true`, textOf('kept', first), { ...as, 'if-match': '*' })).status).toBe(
      412,
    );
    expect((await ask('GET', path, undefined, { 'x-api-key': api.keys.acme })).body.source).toContain('kept');
  });
});

test('a version whose text was not kept is shown, compared and brought back as it was meant', async () => {
  await ask('POST', '/routes', routeText('old'));
  await api.sql`UPDATE route_versions SET source = NULL WHERE definition ->> 'name' = 'old'`;
  const { body } = await ask('GET', '/routes/acme/old');
  expect(body).toMatchObject({
    source_kept: false,
    source: expect.stringMatching(/^kind: route\ntenant: acme\nname: old\n/),
  });
  const changed = (await ask('POST', '/routes', routeText('old', '*.tsv'))).body.routes[0];
  expect(changed.diff.match(/^[-+] .*$/gm)).toEqual(['-    - "*.csv"', '+    - "*.tsv"']);
  expect((await ask('POST', '/routes/acme/old/versions/1/restore', { reason: 'x' })).status).toBe(200);
  expect((await ask('GET', '/routes/acme/old')).body).toMatchObject({ version: 3, definition: body.definition });
});

test('what was brought back has to find what it calls', async () => {
  const calling = `${routeText('caller')}records: { format: csv, columns: [{ name: id }] }\n`.replace(
    '- stage:',
    '- parse:\n  - call: { partner: gone, operation: check, code: CHECK_ERROR }',
  );
  await ask('POST', '/routes', `${partnerText('gone')}---\n${calling}`);
  await ask('POST', '/routes', routeText('caller'));
  await ask('POST', '/routes?prune=true', partnerText('another'));
  const { status, body } = await ask('POST', '/routes/acme/caller/versions/1/restore', { reason: 'x' });
  expect([status, body.details?.faults]).toMatchObject([422, [{ path: 'steps.1.call.partner' }]]);
});

test('versions of a route say how its newest jobs ended', async () => {
  await seedJobs(api.sql, { tenantId: 'acme' });
  const [route] = await api.sql`SELECT r.name FROM routes r JOIN jobs j ON j.route_id = r.id LIMIT 1`;
  await api.sql`UPDATE jobs SET state = 'FAILED'`;
  const { versions } = (await ask('GET', `/routes/acme/${route?.name}/versions`)).body;
  expect(versions[0].recent_jobs).toEqual({ total: 1, failed: 1, open: 0 });
});

describe('what the files no longer have', () => {
  const FILES = [routeText('one'), routeText('two'), partnerText('desk'), storeText('office')];
  const names = (missing: { kind: string; name: string; change: string }[]) =>
    missing.map(({ kind, name, change }) => `${kind} ${name} ${change}`).sort();

  beforeAll(async () => {
    await ask('POST', '/routes?prune=true', FILES.join('---\n'));
  });

  test('is listed and kept, until it is pruned, of the kinds and the tenant in the files alone', async () => {
    await ask('POST', '/routes', routeText('theirs').replace('tenant: acme', 'tenant: globex'));
    const less = `${routeText('one')}---\n${partnerText('other')}`;
    const wouldBe = await ask('POST', '/routes?dry_run=true', less);
    expect(names(wouldBe.body.missing)).toEqual(['partner desk kept', 'route two kept']);
    expect(names((await ask('POST', '/routes', less)).body.missing)).toEqual(['partner desk kept', 'route two kept']);
    const rehearsed = await ask('POST', '/routes?dry_run=true&prune=true', less);
    expect(names(rehearsed.body.missing)).toEqual(['partner desk removed', 'route two removed']);
    expect((await ask('GET', '/routes/acme/two')).body.removed_at).toBeNull();
    await ask('POST', '/routes?prune=true&reason=tidy', less);
    expect((await ask('GET', '/routes/acme/two')).body).toMatchObject({ disabled_at: expect.any(String) });
    expect((await ask('GET', '/routes/acme/one')).body).toMatchObject({ disabled_at: null, removed_at: null });
    expect((await ask('GET', '/routes/globex/theirs')).body.removed_at).toBeNull();
    expect((await ask('GET', '/stores/acme/office')).body.removed_at).toBeNull();
    const listed = (await ask('GET', '/partners?tenant=acme')).body.partners;
    expect(listed.map(({ name }: { name: string }) => name)).not.toContain('desk');
    const [event] =
      await api.sql`SELECT actor, detail FROM audit_events WHERE type = 'route.removed' AND detail ->> 'route' = 'two'`;
    expect(event).toEqual({ actor: 'operator:operator', detail: { route: 'two', version: 1, reason: 'tidy' } });
    expect((await ask('POST', '/routes?prune=true', less)).body.missing).toEqual([]);
  });

  test('is back with the files that have it', async () => {
    const back = await ask('POST', '/routes', FILES.join('---\n'));
    expect(back.body.routes.map(({ change }: { change: string }) => change)).toEqual(['unchanged', 'restored']);
    expect((await ask('GET', '/routes/acme/two')).body).toMatchObject({ version: 1, disabled_at: null });
    expect((await ask('GET', '/partners/acme/desk')).body).toMatchObject({ version: 1, removed_at: null });
  });

  test('is kept while a route uses it', async () => {
    const using = `${routeText('one')}records: { format: csv, columns: [{ name: id }] }\n`.replace(
      '- stage:',
      '- parse:\n  - call: { partner: desk, operation: check, code: CHECK_ERROR }\n  - deliver: { store: office, externalBucket: inbox, key: a }\n  - confirm:',
    );
    const { body } = await ask(
      'POST',
      '/routes?prune=true',
      [using, partnerText('other'), storeText('other')].join('---\n'),
    );
    expect(body.missing).toMatchObject([
      { kind: 'partner', name: 'desk', change: 'kept', used_by: ['one'] },
      { kind: 'store', name: 'office', change: 'kept', used_by: ['one'] },
      { kind: 'route', name: 'two', change: 'removed', used_by: [] },
    ]);
    expect((await ask('POST', '/routes?prune=true', partnerText('other'))).body.missing).toMatchObject([
      { name: 'desk', change: 'kept', used_by: ['one'] },
    ]);
  });
});

test('texts without anything in common are compared in bounded time', async () => {
  const text = (letter: string) => Array.from({ length: 50_000 }, (_, line) => `${letter}${line}\n`).join('');
  const before = process.cpuUsage();
  const diff = await compareTexts({ name: 'a', text: text('a') }, { name: 'b', text: text('b') });
  expect(process.cpuUsage(before).user).toBeLessThan(5_000_000);
  expect(diff.split('\n')[2]).toBe('@@ -1,50000 +1,50000 @@');
});

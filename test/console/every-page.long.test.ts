/** Every page and dialog of the console, with names that are markup or turn text round: nothing runs, nothing hinders readers. */
import { randomUUIDv7 } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { applyDefinition } from '#shared/definitions/apply-definitions.ts';
import { findBarriers, noBrowser, type OpenConsole, openConsole } from '#testkit/beds/open-console.ts';
import { examplePartner } from '#testkit/beds/partner-bed.ts';
import { startTestApi, type TestApi } from '#testkit/beds/start-test-api.ts';
import { sealAudit } from '#testkit/seeds/seal-audit.ts';
import { seedJobs, seedTenant } from '#testkit/seeds/seed-jobs.ts';
import { seedRecords } from '#testkit/seeds/seed-records.ts';
import { askTestRun } from '#testkit/vitest/ask-test-run.ts';

const MARKUP = '<img src=x onerror=alert(1)>';
const HOSTILE = `${MARKUP}\u202Efdp.exe`;
const ROUTE = 'kind: route\ntenant: acme\nname: route-0\nmatch: { path: "**" }\nsteps:\n  - deliver:\n';
/** Of the console's list; its views are of another world of types. */
const PATHS = [
  ...readFileSync(new URL('../../console/src/console/views.ts', import.meta.url), 'utf8').matchAll(/ path: '([^']+)'/g),
].map(([, path = '']) => path);
/** Views that look different by what they are asked for. */
const STATES = [
  '/batches?state=failed',
  '/retention?tab=holds&all=true',
  '/retention?tab=certificates',
  '/retention?tenant=globex&tab=certificates',
  '/usage?tenant=globex',
  '/sessions?username=nobody',
  '/pulls?tab=sources',
  '/files?status=failed',
  '/files?name=nothing-like-it',
  '/jobs?held=true',
  '/nowhere',
];
/** Where each of them is. */
const places = new Map<string, string>();

describe.skipIf(noBrowser !== undefined)('every page of the console (skipped without Chromium)', () => {
  let api: TestApi;
  let console: OpenConsole;
  let page: Page;
  let address: string;

  beforeAll(async () => {
    await askTestRun('pages');
    api = await startTestApi({ signIn: { hasLinks: true, consoleOrigin: undefined, portalOrigin: undefined } });
    address = await api.app.listen({ host: '127.0.0.1', port: 0 });
    await seedTenant(api.sql);
    await fillWithHostileNames();
    const made = await ask('POST', '/api/v1/sign-in-links');
    console = await openConsole(made.url);
    page = console.page;
  }, 400_000);
  afterAll(async () => {
    await console?.close();
    await api?.stop();
  });

  async function ask(method: 'GET' | 'POST' | 'PUT', url: string, payload?: object | string) {
    const type = typeof payload === 'string' ? 'application/yaml' : 'application/json';
    const headers = {
      'x-api-key': api.keys.operator,
      host: new URL(address).host,
      ...(payload !== undefined && { 'content-type': type }),
    };
    const response = await api.app.inject({ method, url, headers, ...(payload !== undefined && { payload }) });
    expect(response.statusCode, `${url}: ${response.body}`).toBeLessThan(300);
    return response.json();
  }

  async function fillWithHostileNames(): Promise<void> {
    const { sql } = api;
    const [failed] = await seedJobs(sql, { objects: [{ name: HOSTILE, key: `acme/inbound/${HOSTILE}` }] });
    const { job } = await seedRecords(sql, { keyOf: (line) => JSON.stringify([`${HOSTILE}${line}`]) });
    const [fileId, jobId] = [failed?.fileId ?? '', failed?.id ?? ''];
    await sql`
      UPDATE jobs SET state = 'FAILED', error_code = 'DELIVERY_ERROR', error_cause = 'HTTP_503', error_message = ${HOSTILE},
        finished_at = now() WHERE id = ${jobId}`;
    await sql`
      UPDATE files SET status = 'FAILED', open_jobs = 0, failed_jobs = 1, archived_at = now(), finished_at = now(),
        lease_until = NULL, uploaded_by = ${HOSTILE}, error_code = 'DELIVERY_ERROR', error_message = ${HOSTILE} WHERE id = ${fileId}`;
    await ask('POST', '/api/v1/routes', ROUTE);
    const ofRecords = {
      records: { columns: [{ name: 'id' }], businessKey: ['id'] },
      steps: [{ parse: {} }, { call: {} }],
    };
    await sql`
      UPDATE route_versions SET definition = ${sql.json(ofRecords)} WHERE id = (SELECT route_version_id FROM jobs WHERE id = ${job.id})`;
    const definition = examplePartner();
    await applyDefinition(sql, 'partner', { tenantId: 'acme', name: 'rfi', definition, definitionHash: 'h' }, 'test');
    await sql`
      INSERT INTO dead_letters (id, queue, message_id, body, attributes, receive_count, reason, tenant_id, state)
      VALUES (${randomUUIDv7()}, 'work', 'm', ${HOSTILE}, '{}', 3, 'UNREADABLE', 'acme', 'PARKED')`;
    await sql`
      INSERT INTO pulls (id, tenant_id, project, remote, remote_path, status, transfer_stage, error_code, error_cause,
        error_message, started_at, completed_at)
      VALUES (${randomUUIDv7()}, 'acme', 'ORDERS', 'bank', ${`/out/${HOSTILE}`}, 'ERROR', 'CONNECTING', 'PULL_ERROR',
        'REMOTE_AUTH_FAILED', ${HOSTILE}, now(), now())`;
    await sql`
      INSERT INTO effects (job_id, step_seq, part, tenant_id, key, kind, stage, facts, epoch)
      VALUES (${jobId}, 0, 0, 'acme', 'k', 'push', 'UNKNOWN', ${sql.json({ path: HOSTILE })}, 1)`;
    await sql`
      INSERT INTO expectations (tenant_id, name, definition, definition_hash, version, created_by)
      VALUES ('acme', 'orders', '{"count": {"min": 3}}', 'x', 1, 'test')`;
    await sql`
      INSERT INTO expected_occurrences (tenant_id, expectation, opens_at, due_at, closes_at, state, oddities, file_ids)
      VALUES ('acme', 'orders', '2026-11-24T05:00Z', '2026-11-24T07:00Z', '2026-11-24T09:00Z', 'MISSED', '{}', ${[fileId]})`;
    const [person, campaign] = [randomUUIDv7(), randomUUIDv7()];
    await sql`
      INSERT INTO people (id, email, name, role) VALUES (${person}, 'mallory@example.com', ${HOSTILE}, 'viewer')`;
    await sql`UPDATE api_keys SET label = ${HOSTILE} WHERE tenant_id = 'acme'`;
    await sql`
      INSERT INTO campaigns (id, tenant_id, name, route_id, route_version_id, template_id, template_version, sender, topic,
        is_marketing, file_ref, request_hash, created_by, held_reason)
      SELECT ${campaign}, 'acme', ${HOSTILE}, route_id, route_version_id, 'spring', 1, 'news', 'news', true, ${fileId}, 'x', ${HOSTILE},
        ${HOSTILE} FROM jobs WHERE id = ${jobId}`;
    const batch = randomUUIDv7();
    await sql`
      INSERT INTO batches (id, tenant_id, route_id, key, state, files, look_at, closed_at, closed_by, missing)
      SELECT ${batch}, 'acme', route_id, ${HOSTILE}, 'RUNNING', 1, now(), now(), 'manifest', ${sql.json([HOSTILE])}
      FROM jobs WHERE id = ${jobId}`;
    await sql`UPDATE jobs SET batch_id = ${batch} WHERE id = ${jobId}`;
    await ask('POST', '/api/v1/legal-holds', { tenant: 'acme', reason: `${MARKUP} hold` });
    await sql`
      INSERT INTO deletion_certificates (id, tenant_id, what, rule, files, jobs, bytes, finished_from, finished_to, digest, objects,
        objects_left)
      VALUES (${randomUUIDv7()}, 'acme', 'files', ${MARKUP}, 2, 2, 100, now(), now(), 'ab', 4, 1)`;
    await sql`INSERT INTO usage_days (day, tenant_id, files, bytes) VALUES (current_date, 'acme', 3, 300)`;
    await sql`
      INSERT INTO sftp_sessions (id, tenant_id, username, client_ip, first_at, last_at, uploads, failures)
      VALUES (${MARKUP}, 'acme', ${HOSTILE}, '10.0.0.1', now(), now(), 1, 1)`;
    await sql`
      INSERT INTO sftp_actions (at, event_id, session_id, tenant_id, action, path, failure)
      VALUES (now(), 'e', ${MARKUP}, 'acme', 'upload', ${`/b/${HOSTILE}`}, ${HOSTILE})`;
    await ask('PUT', `/api/v1/suppressions/mallory@example.com?tenant=acme`);
    const { action_id: action } = await ask('POST', '/api/v1/actions', { verb: 'retry', filter: { ids: [jobId] } });
    await ask('POST', `/api/v1/actions/${action}/run`, { reason: `${MARKUP} retry` });
    const { proposal_id: proposal } = await ask('POST', '/api/v1/proposals', {
      method: 'PUT',
      path: '/api/v1/routes/acme/proposed',
      body: `# ${MARKUP}\nkind: route\ntenant: acme\nname: proposed\nmatch:\n  path: x\nsteps:\n  - stage: {}\n`,
      reason: `${MARKUP} proposal`,
    });
    await sealAudit(sql);
    const [held] = await seedJobs(sql, { objects: [{ name: HOSTILE, key: `acme/held/${HOSTILE}` }] });
    await sql`
      UPDATE jobs SET state = 'WAITING', wait_reason = 'HELD', next_action_at = 'infinity' WHERE id = ${held?.id ?? ''}`;
    await ask('POST', `/api/v1/jobs/${held?.id}/comment`, { comment: `${MARKUP} comment` });
    for (const path of PATHS) places.set(path, path);
    places.set('/files/$id', `/files/${fileId}`);
    places.set('/jobs/$id/records', `/jobs/${job.id}/records`);
    places.set('/actions/$id', `/actions/${action}`);
    places.set('/proposals/$id', `/proposals/${proposal}`);
    places.set('/routes/$tenant/$name', '/routes/acme/route-0');
    places.set('/partners/$tenant/$name', '/partners/acme/rfi');
    places.set('/campaigns/$id', `/campaigns/${campaign}`);
    places.set('/batches/$id', `/batches/${batch}`);
    places.set('/suppressions', '/suppressions?tenant=acme');
    places.set('/mails', '/mails?address=mallory@example.com');
    places.set('/expected', '/expected?week=2026-11-25');
  }

  async function open(path: string): Promise<void> {
    await page.goto(`${address}/console${path}`);
    await page.locator('h1').first().waitFor();
    await expect.poll(() => page.getByRole('status').filter({ hasText: /…$/ }).count()).toBe(0);
  }

  async function findFaults(rules: 'all' | 'colours' = 'all'): Promise<string[]> {
    const markup = await page.locator('img[src=x]').count();
    return [
      ...(await findBarriers(page, rules)),
      ...console.faults,
      ...(markup > 0 ? ['a name has become markup'] : []),
    ];
  }

  test('there is an address of each view', () => {
    expect(places.size).toBeGreaterThan(20);
    expect([...places.values()].filter((path) => path.includes('$'))).toEqual([]);
  });

  test.each([...PATHS, ...STATES])('%s runs nothing and hinders nobody', async (path) => {
    await open(places.get(path) ?? path);
    expect(await findFaults()).toEqual([]);
    const heading = await page.locator('h1').first().textContent();
    expect(await page.title()).toBe(`${heading} · Longshore`);
    await page.evaluate(`document.documentElement.dataset.theme = 'dark'`);
    expect(await findFaults('colours')).toEqual([]);
  });

  test('records are among the pages, with their hostile keys', async () => {
    await open(places.get('/jobs/$id/records') ?? '');
    await page.getByRole('grid', { name: 'Records' }).getByText(MARKUP).first().waitFor();
    expect(await findFaults()).toEqual([]);
  });

  test('the support view shows the portal of a tenant, read-only', async () => {
    await open(`/as/acme${places.get('/files/$id')}`);
    await page.getByRole('complementary', { name: 'Support view' }).filter({ hasText: 'people of acme' }).waitFor();
    await page.getByRole('heading', { name: 'What happened' }).waitFor();
    const pages = await page.getByRole('navigation').getByRole('link').allTextContents();
    expect(pages).toEqual(['Files', 'Expected', 'Campaigns']);
    expect(await findFaults()).toEqual([]);
  });

  test('on a narrow page the views are behind a button, which keys open and close', async () => {
    await page.setViewportSize({ width: 360, height: 740 });
    await open('/files');
    const menu = page.getByRole('button', { name: 'Menu: Files' });
    const jobs = page.getByRole('navigation', { name: 'Views' }).getByRole('link', { name: 'Jobs' });
    expect(await menu.getAttribute('aria-expanded')).toBe('false');
    expect(await jobs.isVisible()).toBe(false);
    expect(await page.evaluate('document.documentElement.scrollWidth - innerWidth')).toBeLessThanOrEqual(0);
    await menu.focus();
    await page.keyboard.press('Enter');
    await jobs.waitFor();
    expect(await menu.getAttribute('aria-expanded')).toBe('true');
    expect(await findFaults()).toEqual([]);
    await page.keyboard.press('Tab');
    await page.keyboard.press('Escape');
    await jobs.waitFor({ state: 'hidden' });
    expect(await menu.evaluate((button) => button.matches(':focus'))).toBe(true);
    await page.keyboard.press('Enter');
    await jobs.click();
    await page.getByRole('button', { name: 'Menu: Jobs' }).waitFor();
    expect(await jobs.isVisible()).toBe(false);
    await page.setViewportSize({ width: 1280, height: 800 });
    await jobs.waitFor();
    expect(await page.getByRole('button', { name: /^Menu/ }).isVisible()).toBe(false);
  });

  test.each(['/', '/expected', '/campaigns', '/campaigns/$id'])(
    'the page %s of the portal runs nothing and hinders nobody',
    async (path) => {
      await open(`/as/acme${path === '/' ? '' : (places.get(path) ?? path)}`);
      expect(await findFaults()).toEqual([]);
    },
  );

  test.each(['/files/$id', '/batches/$id', '/actions/$id', '/campaigns/$id', '/proposals/$id'])(
    '%s says that there is no such thing',
    async (path) => {
      await page.goto(`${address}/console${path.replace('$id', '0198c0de-0000-7000-8000-000000000001')}`);
      await page.getByRole('alert').getByText('NOT_FOUND').waitFor();
      expect(await findFaults()).toEqual([]);
    },
  );

  const press = (name: string | RegExp) => () => page.getByRole('button', { name }).first().click();
  const row = () => page.getByRole('row').nth(1).dblclick();
  const DIALOGS: readonly [name: string, path: string, show: () => Promise<void>][] = [
    ['keys', '/', () => page.keyboard.press('?')],
    ['search', '/', () => page.keyboard.press('Control+k')],
    ['upload link', '/files', press('Upload link…')],
    ['retry', '/files/$id', press('Retry…')],
    ['resend', '/files/$id', press('Resend as new…')],
    ['route', '/routes/$tenant/$name', press('Disable…')],
    ['campaign', '/campaigns/$id', press(/^(Pause|Cancel)…$/)],
    ['person', '/people', press('Invite…')],
    ['key', '/keys', press('Make a key…')],
    ['letter', '/queues', () => page.getByRole('row').filter({ hasText: 'UNREADABLE' }).dblclick()],
    ['pull', '/pulls', row],
    ['review', '/reviews', row],
    ['effect', '/effects', () => page.getByText('push', { exact: true }).dblclick()],
    ['line of the audit', '/audit', row],
    ['SFTP session', '/sessions', row],
    ['certificate', '/retention?tab=certificates', row],
    ['hold', '/retention?tab=holds', press('Place a hold…')],
    ['release', '/retention?tab=holds', press('Release…')],
    ['occurrence', '/expected', () => page.getByRole('table').first().getByRole('button').first().click()],
  ];
  test.each(DIALOGS)(
    'the dialog %s on %s runs nothing, hinders nobody and closes by a key',
    async (_name, path, show) => {
      await open(places.get(path) ?? path);
      await page.locator('#main').focus();
      await show();
      await page.getByRole('dialog').waitFor();
      await expect.poll(() => page.getByRole('dialog').getByRole('status').filter({ hasText: /…$/ }).count()).toBe(0);
      expect(await findFaults()).toEqual([]);
      await page.keyboard.press('Escape');
      await page.getByRole('dialog').waitFor({ state: 'detached' });
      // Where one was before, and not at the beginning of the page.
      expect(await page.evaluate('document.activeElement === document.body')).toBe(false);
    },
  );
});

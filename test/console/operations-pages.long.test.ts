/** The sign-in page of the portal, and the pages Now, Queues, Remotes, Pulls, Audit, Expected and Effects in doubt in a real browser: numbers lead to lists, a dead letter is looked at and discarded, a chain is verified. */
import { randomUUIDv7 } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { pino } from 'pino';
import type { Browser, Page } from 'playwright-core';
import { SMTPServer } from 'smtp-server';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { applyDefinition } from '#shared/definitions/apply-definitions.ts';
import { createCallReports } from '#shared/partners/report-calls.ts';
import { findBarriers, launchBrowser, noBrowser, noteFaults } from '#testkit/beds/open-console.ts';
import { examplePartner } from '#testkit/beds/partner-bed.ts';
import { startTestApi, type TestApi } from '#testkit/beds/start-test-api.ts';
import { sealAudit } from '#testkit/seeds/seal-audit.ts';
import { seedJobs, seedTenant } from '#testkit/seeds/seed-jobs.ts';
import { seedRecords } from '#testkit/seeds/seed-records.ts';
import { askTestRun } from '#testkit/vitest/ask-test-run.ts';

describe.skipIf(noBrowser !== undefined)('pages of operations (skipped without Chromium)', () => {
  let api: TestApi;
  let browser: Browser;
  let page: Page;
  let address: string;
  const faults: string[] = [];
  const mails: string[] = [];
  const smtp = new SMTPServer({
    disabledCommands: ['STARTTLS'],
    authOptional: true,
    onData: (stream, _session, callback) =>
      void text(stream).then((mail) => {
        mails.push(mail.replaceAll('=\r\n', '').replaceAll('=3D', '='));
        callback(null);
      }),
  });

  beforeAll(async () => {
    await askTestRun('pages');
    await new Promise<void>((resolve) => smtp.listen(0, '127.0.0.1', resolve));
    const { port } = smtp.server.address() as AddressInfo;
    api = await startTestApi({
      signIn: { hasLinks: true, consoleOrigin: undefined, portalOrigin: 'https://portal.example' },
      mailServer: { host: '127.0.0.1', port, tls: 'none', from: 'Longshore <longshore@example.com>' },
    });
    address = await api.app.listen({ host: '127.0.0.1', port: 0 });
    await seedTenant(api.sql);
    await seedJobs(api.sql, { count: 3 });
    await api.sql`UPDATE jobs SET id = uuid_v7(), state = 'FAILED', error_code = 'DELIVERY_ERROR', error_cause = 'HTTP_503'`;
    await api.sql`
      INSERT INTO dead_letters (id, queue, message_id, body, attributes, receive_count, reason, tenant_id, state)
      VALUES (${randomUUIDv7()}, 'work', 'm', '{"kind": "<img src=x onerror=alert(1)>"}', '{}', 3, 'UNREADABLE', 'acme', 'PARKED')`;
    await api.sql`
      INSERT INTO expectations (tenant_id, name, definition, definition_hash, version, created_by)
      VALUES ('acme', 'orders', '{"count": {"min": 3}}', 'x', 1, 'test')`;
    await api.sql`
      INSERT INTO expected_occurrences (tenant_id, expectation, opens_at, due_at, closes_at, state, oddities, file_ids)
      SELECT 'acme', 'orders', at - interval '2 hours', at, at + interval '2 hours', state, oddities, files
      FROM (VALUES
        ('2026-11-24T07:00Z'::timestamptz, 'MISSED', '{}'::text[], '{}'::uuid[]),
        ('2026-11-25T07:00Z', 'MET', '{TOO_SMALL}', (SELECT array_agg(id) FROM files)),
        ('2026-11-26T07:00Z', 'MET', '{}', '{}')) AS o (at, state, oddities, files)`;
    await sealAudit(api.sql);
    ({ browser, page } = await launchBrowser());
    noteFaults(page, faults);
    await page.goto(await makeLink());
    await page.getByRole('heading', { name: 'Needs a person' }).waitFor();
  }, 180_000);
  afterAll(async () => {
    await browser?.close();
    await api?.stop();
    await new Promise<void>((resolve) => smtp.close(() => resolve()));
  });

  async function makeLink(): Promise<string> {
    const headers = { 'x-api-key': api.keys.operator, host: new URL(address).host };
    return (await api.app.inject({ method: 'POST', url: '/api/v1/sign-in-links', headers })).json().url;
  }
  async function open(path: string): Promise<void> {
    await page.goto(`${address}/console${path}`);
    await page.locator('h1').waitFor();
  }

  const violations = (of = page) => findBarriers(of, 'wcag');

  test('Now shows what needs a person and what fails, and each number leads to its list', async () => {
    await open('/');
    await page.getByRole('link', { name: '1 dead letter parked' }).waitFor();
    const row = page.getByRole('row').filter({ hasText: 'DELIVERY_ERROR HTTP_503' });
    expect(await row.textContent()).toMatch(/acme\/route-0.*3.*new/s);
    await page.locator('canvas').waitFor();
    await row.getByRole('link').click();
    await page.waitForURL('**/console/jobs?*code=DELIVERY_ERROR*');
  });

  test('what is held leads from Now to its review, where it is commented, and to its jobs, which are released with a reason', async () => {
    const [job] = await seedJobs(api.sql);
    await api.sql`UPDATE jobs SET state = 'WAITING', wait_reason = 'HELD', next_action_at = now() WHERE id = ${job?.id ?? ''}`;
    await open('/');
    await page.getByRole('link', { name: '1 held for a person' }).click();
    await page.getByRole('grid', { name: 'Reviews' }).locator('[data-index="0"]').waitFor();
    await page.keyboard.press('j');
    await page.keyboard.press('o');
    const review = page.getByRole('dialog');
    await review.waitFor();
    await page.keyboard.type('<b>taken</b> by Maria');
    expect(await violations()).toEqual([]);
    await page.keyboard.press('Enter');
    await page.getByRole('row').filter({ hasText: '<b>taken</b> by Maria' }).waitFor();
    expect(await page.getByRole('row').nth(1).locator('[data-column=person]').textContent()).toContain('operator');
    await page.getByRole('link', { name: 'All held jobs' }).click();
    await page.getByRole('heading', { name: 'Jobs', level: 1 }).waitFor();
    const row = page.locator('[data-index="0"]').filter({ hasText: 'held' });
    await row.waitFor();
    expect(await page.locator('[data-index]').count()).toBe(1);
    const [exported] = await Promise.all([
      page.waitForEvent('download'),
      page.getByRole('button', { name: 'Export CSV' }).click(),
    ]);
    const lines = readFileSync(await exported.path(), 'utf8')
      .trim()
      .split('\r\n');
    expect(lines).toEqual([expect.stringMatching(/^job,file,name/), expect.stringContaining(job?.id ?? '')]);
    expect(await violations()).toEqual([]);
    await page.locator('button[data-verb=release]').click();
    await page.getByText(/^Takes/).waitFor();
    expect(await violations()).toEqual([]);
    await page.getByRole('dialog').getByLabel('Reason').fill('INC-4711 looked at');
    await page
      .getByRole('dialog')
      .getByRole('button', { name: /^Release/ })
      .last()
      .click();
    await expect
      .poll(async () => (await api.sql`SELECT verb, state FROM actions`).map(({ verb, state }) => `${verb} ${state}`))
      .toContain('release RUNNING');
    await api.sql`UPDATE jobs SET state = 'SUCCEEDED', wait_reason = NULL, next_action_at = NULL WHERE id = ${job?.id ?? ''}`;
  });

  test('an upload link is made for somebody without a key, with a reason, and shown once', async () => {
    await open('/files');
    await page.getByRole('button', { name: 'Upload link…' }).click();
    const dialog = page.getByRole('dialog');
    await dialog.getByLabel('Tenant', { exact: true }).fill('nobody');
    await dialog.getByLabel('Directory').fill('desk/<b>');
    await dialog.getByLabel('Reason').fill('INC-4711 the mailbox was full');
    expect(await violations()).toEqual([]);
    await dialog.getByRole('button', { name: 'Make the link' }).click();
    await dialog.getByRole('alert').waitFor();
    await dialog.getByLabel('Tenant', { exact: true }).fill('acme');
    await dialog.getByLabel('Directory').fill('desk');
    await dialog.getByRole('button', { name: 'Make the link' }).click();
    const url = await dialog.getByText(/\/upload#/).textContent();
    expect(url).toMatch(/^https:\/\/portal\.example\/upload#/);
    expect(await violations()).toEqual([]);
    await dialog.getByRole('button', { name: 'Close' }).last().click();
    expect(await api.sql`SELECT directory, reason FROM upload_links ORDER BY created_at DESC LIMIT 1`).toEqual([
      { directory: 'desk/', reason: 'INC-4711 the mailbox was full' },
    ]);
  });

  test('the palette finds a job by the beginning of its id, and a view by its name', async () => {
    const [job] = await api.sql<{ id: string; file: string }[]>`SELECT id, file_id AS file FROM jobs LIMIT 1`;
    await open('/queues');
    await page.getByRole('button', { name: /File, key, request id/ }).click();
    await page.getByRole('combobox').fill(job?.id.slice(0, 18) ?? '');
    await page.getByRole('option', { name: /^job: / }).waitFor();
    expect(await violations()).toEqual([]);
    await page.keyboard.press('ArrowDown');
    await page.keyboard.press('Enter');
    await page.waitForURL(`**/console/files/${job?.file}`);
    await page.keyboard.press('/');
    await page.keyboard.type('audit');
    await page.keyboard.press('Enter');
    await page.waitForURL('**/console/audit');
  });

  test('a session that is about to end says so, and is kept', async () => {
    await open('/audit');
    await page.getByRole('link', { name: 'Export' }).waitFor();
    // Whatever the page still asks keeps the session, so that its end is brought near again until the page has seen it.
    const isWarned = async () => {
      await api.sql`
        UPDATE sessions SET last_seen_at = now() - idle_seconds * interval '1 second' + interval '90 seconds'`;
      return await page.getByText('Your session ends at').isVisible();
    };
    await expect.poll(isWarned, { interval: 3_000 }).toBe(true);
    expect(await violations()).toEqual([]);
    await page.getByRole('button', { name: 'Stay signed in' }).click();
    await page.getByText('Your session ends at').waitFor({ state: 'detached' });
  });

  test('a dead letter is looked at, and discarded with a reason', async () => {
    await open('/queues');
    const row = page.getByRole('row').filter({ hasText: 'UNREADABLE' });
    await row.dblclick();
    const body = page.getByRole('dialog').getByLabel('Body');
    await expect.poll(() => body.inputValue()).toContain('onerror=alert(1)');
    expect(await violations()).toEqual([]);
    await body.fill('{"kind": "still unreadable"}');
    await page.getByRole('button', { name: 'Send corrected…' }).click();
    await page.getByLabel('Reason').fill('INC-4711 corrected');
    await page.getByRole('button', { name: 'Send', exact: true }).click();
    await page.getByRole('dialog').getByRole('alert').waitFor();
    expect(await violations()).toEqual([]);
    await page.getByRole('button', { name: 'Cancel' }).click();
    expect(await body.inputValue()).toContain('still unreadable');
    await page.keyboard.press('Escape');
    await row.focus();
    await page.keyboard.press('x');
    await page.locator('button[data-verb=discard]').click();
    const sheet = page.getByRole('dialog');
    await sheet.getByLabel('Reason').fill('INC-4711 of no use');
    await sheet.getByLabel('Type 1').fill('1');
    await sheet
      .getByRole('button', { name: /^Discard/ })
      .last()
      .click();
    await expect
      .poll(async () => (await api.sql`SELECT state FROM actions`).map(({ state }) => state))
      .toContain('RUNNING');
  });

  test('a partner is opened from the list, with its calls and its breakers', async () => {
    const definition = examplePartner();
    await applyDefinition(
      api.sql,
      'partner',
      { tenantId: 'acme', name: 'rfi', definition, definitionHash: 'h' },
      'test',
    );
    const reports = createCallReports({ sql: api.sql, worker: 'worker-1', logger: pino({ level: 'silent' }) });
    reports.count('acme', 'rfi', { outcome: 'retryable', httpStatus: 503, cause: 'HTTP_503', durationMs: 40 });
    await reports.report([{ tenantId: 'acme', name: 'rfi', breakerOpenForMs: 60_000 }]);
    await open('/partners');
    await page.getByRole('row').filter({ hasText: 'rfi' }).dblclick();
    await page.waitForURL('**/console/partners/acme/rfi*');
    await page.getByRole('row').filter({ hasText: 'HTTP_503' }).waitFor();
    await page.getByRole('row').filter({ hasText: 'worker-1' }).getByText('open').waitFor();
  });

  test('a partner is paused, tried and resumed with the keyboard, and the page says by whom and why', async () => {
    const named = { tenantId: 'acme', name: 'rfi' };
    await applyDefinition(
      api.sql,
      'partner',
      { ...named, definition: examplePartner(), definitionHash: 'without a test' },
      'test',
    );
    await open('/partners/acme/rfi');
    const pause = page.getByRole('button', { name: 'Pause…' });
    await pause.focus();
    await page.keyboard.press('Enter');
    await page.getByLabel('Reason').fill('INC-4712 wrong amounts');
    expect(await violations()).toEqual([]);
    await page.keyboard.press('Enter');
    await page.getByText('INC-4712 wrong amounts').waitFor();
    await page.getByText('What calls it waits, and counts no attempt.').waitFor();
    expect(await violations()).toEqual([]);
    expect(await page.getByRole('button', { name: 'Test call' }).getAttribute('title')).toContain('has a `test`');
    const { operations } = examplePartner();
    const validate = { ...operations.validate, test: { key: 'T', amount: '0', name: 'n' } };
    // Nothing listens there.
    const definition = examplePartner({ baseUrl: 'http://127.0.0.1:1', operations: { ...operations, validate } });
    await applyDefinition(api.sql, 'partner', { ...named, definition, definitionHash: 'with a test' }, 'test');
    await page.getByRole('button', { name: 'Test call', disabled: false }).click({ timeout: 60_000 });
    await page.getByText('PARTNER_ADDRESS_REFUSED').waitFor();
    await page.getByRole('button', { name: 'Open the breaker…' }).click();
    await page.getByLabel('For').selectOption('2h');
    await page.getByLabel('Reason').fill('INC-4712 they work on it');
    await page.getByRole('button', { name: 'Open the breaker', exact: true }).click();
    await page.getByText('The breaker is held open until').waitFor();
    await page.getByRole('button', { name: 'Close the breaker…' }).click();
    await page.getByLabel('Reason').fill('INC-4712 done');
    await page.keyboard.press('Enter');
    await page.getByText('The breaker is held open until').waitFor({ state: 'detached' });
    await page.getByRole('button', { name: 'Resume…' }).click();
    await page.getByLabel('Reason').fill('INC-4712 mended');
    await page.keyboard.press('Enter');
    await page.getByRole('button', { name: 'Pause…' }).waitFor();
    await page.locator('button[data-verb=retry]').click();
    const sheet = page.getByRole('dialog');
    await sheet.getByText('partner').first().waitFor();
    expect(await violations()).toEqual([]);
    await page.keyboard.press('Escape');
    const said =
      await api.sql`SELECT type, actor FROM audit_events WHERE type LIKE 'partner.%' AND type <> 'partner.applied' ORDER BY id`;
    expect(said.map(({ type }) => type)).toEqual([
      'partner.paused',
      'partner.tested',
      'partner.breaker-opened',
      'partner.breaker-closed',
      'partner.resumed',
    ]);
    expect(said.every(({ actor }) => String(actor).startsWith('person:'))).toBe(true);
  });

  test('a remote shows its keys and its slots, and a test says why it cannot be reached', async () => {
    const definition = {
      kind: 'remote',
      tenant: 'acme',
      name: 'bank',
      type: 'sftp',
      // Nothing listens there.
      host: '127.0.0.1',
      port: 1,
      user: 'acme',
      password: 'bank-password',
      hostKeys: [`SHA256:${'a'.repeat(43)}`],
      paths: ['/out/'],
    };
    const applied = await api.app.inject({
      method: 'POST',
      url: '/api/v1/routes',
      headers: { 'x-api-key': api.keys.operator, 'content-type': 'application/yaml' },
      payload: JSON.stringify(definition),
    });
    expect(applied.statusCode, applied.body).toBe(200);
    await open('/remotes');
    const row = page.getByRole('row').filter({ hasText: 'sftp://acme@127.0.0.1:1' });
    expect(await row.textContent()).toContain('0 of 4');
    await row.dblclick();
    const dialog = page.getByRole('dialog');
    await dialog
      .getByText(`SHA256:${'a'.repeat(43)}`)
      .first()
      .waitFor();
    await dialog.getByRole('button', { name: 'Test the connection' }).click();
    await dialog.getByRole('region', { name: 'Test' }).getByText('failing').waitFor();
    expect(await violations()).toEqual([]);
    await page.keyboard.press('Escape');
  });

  test('a pull that ended in an error is explained, and fetched again with a reason', async () => {
    const id = randomUUIDv7();
    await api.sql`
      INSERT INTO pulls (id, tenant_id, project, remote, remote_path, status, transfer_stage, error_code, error_cause,
        error_message, started_at, completed_at)
      VALUES (${id}, 'acme', 'ORDERS', 'bank', '/out/<b>orders.csv', 'ERROR', 'CONNECTING', 'PULL_ERROR',
        'REMOTE_AUTH_FAILED', 'The server does not accept user and password.', now(), now())`;
    await open('/pulls?status=ERROR');
    await page.getByRole('row').filter({ hasText: '<b>orders.csv' }).dblclick();
    const dialog = page.getByRole('dialog');
    await dialog.getByText('What to do:').waitFor();
    expect(await violations()).toEqual([]);
    await dialog.getByRole('button', { name: 'Fetch again…' }).click();
    await dialog.getByLabel('Reason').fill('INC-4711 the password is the new one');
    expect(await violations()).toEqual([]);
    await dialog.getByRole('button', { name: 'Fetch again', exact: true }).click();
    await page.getByText('No pull matches.').waitFor();
    expect(await api.sql`SELECT status FROM pulls WHERE id = ${id}`).toEqual([{ status: 'TRIGGERED' }]);
  });

  test('the audit is filtered, a line is opened, and the chain of a tenant is verified', async () => {
    await open('/audit?tenant=acme&type=file.routed');
    await page.getByRole('row').filter({ hasText: 'file.routed' }).first().dblclick();
    await page.getByRole('dialog').getByText('event_id').waitFor();
    await page.keyboard.press('Escape');
    await page.getByRole('button', { name: 'Verify the chain' }).click();
    await page.getByText(/verified to line \d+/).waitFor();
    const [exported] = await Promise.all([
      page.waitForEvent('download'),
      page.getByRole('link', { name: 'Export' }).click(),
    ]);
    expect(exported.suggestedFilename()).toBe('audit.ndjson');
  });

  test('what was missed and what is odd comes first, with its files, and is excused with a reason', async () => {
    await open('/expected?week=2026-11-25');
    const first = page.getByRole('table').first();
    await first.waitFor();
    expect(await first.getByRole('row').allTextContents()).toEqual([
      expect.stringContaining('State'),
      expect.stringMatching(/missed.*0 of 3/),
      expect.stringMatching(/met.*3 of 3.*too small/),
    ]);
    await first.getByRole('row').filter({ hasText: 'too small' }).getByRole('button').click();
    await expect.poll(() => page.getByRole('dialog').getByRole('link').count()).toBe(3);
    expect(await violations()).toEqual([]);
    await page.keyboard.press('Escape');
    await first.getByRole('row').filter({ hasText: 'missed' }).getByRole('button').click();
    await page.getByRole('button', { name: 'Excuse…' }).click();
    await page.getByLabel('Reason').fill('a holiday of the partner');
    await page.keyboard.press('Enter');
    await page.getByRole('dialog').getByText('a holiday of the partner').waitFor();
    await page.keyboard.press('Escape');
    await page.getByRole('button', { name: '07:00 excused' }).waitFor();
  });

  test('of an effect in doubt its place is shown, and a word with a reason settles it', async () => {
    const [job] = await seedJobs(api.sql);
    await api.app.inject({
      method: 'POST',
      url: `/api/v1/jobs/${job?.id}/cancel`,
      headers: { 'x-api-key': api.keys.operator },
      payload: { reason: 'x' },
    });
    await api.sql`UPDATE files SET status = 'FAILED', archived_at = now(), finished_at = now(), lease_until = NULL WHERE id = ${job?.fileId ?? ''}`;
    const definition = {
      kind: 'route',
      tenant: 'acme',
      name: 'route-0',
      match: { path: '**' },
      steps: [{ deliver: {} }],
    };
    await api.sql`UPDATE route_versions SET definition = ${api.sql.json(definition)}`;
    await api.sql`
      INSERT INTO effects (job_id, step_seq, part, tenant_id, key, kind, stage, facts, epoch)
      VALUES (${job?.id ?? ''}, 0, 0, 'acme', 'k', 'push', 'UNKNOWN', '{"path": "<img src=x onerror=alert(1)>"}', 1)`;
    await open('/effects');
    await page.getByText('push', { exact: true }).dblclick();
    const dialog = page.getByRole('dialog');
    await dialog.getByText('onerror=alert(1)').waitFor();
    expect(await violations()).toEqual([]);
    await dialog.getByRole('button', { name: 'Not done…' }).click();
    expect(await violations()).toEqual([]);
    await dialog.getByLabel('Reason').fill('asked the partner');
    await dialog.getByRole('button', { name: 'Not done', exact: true }).click();
    await page.getByText('No effect is in doubt.').waitFor();
    expect(await api.sql`SELECT stage FROM effects WHERE stage = 'UNKNOWN'`).toEqual([]);
  });

  test('a person of a tenant signs in to the portal by mail, in another browser with the code', async () => {
    const email = 'maria@acme.example';
    const invited = await api.app.inject({
      method: 'POST',
      url: '/api/v1/people',
      headers: { 'x-api-key': api.keys.operator },
      payload: { tenant: 'acme', email, name: 'Maria', role: 'sender' },
    });
    expect(invited.statusCode).toBe(201);
    const [asking, other] = [await browser.newContext(), await browser.newContext()];
    const first = await asking.newPage();
    await first.goto(`${address}/portal/send`);
    await first.getByLabel('Your e-mail address').fill(email);
    expect(await violations(first)).toEqual([]);
    await first.getByRole('button', { name: 'Send me a link' }).click();
    const code = (await first.getByText(/^\d{6}$/).textContent()) ?? '';
    expect(await violations(first)).toEqual([]);
    await expect.poll(() => mails.length).toBe(1);
    const [fragment] = /#mail=[\w-]{43}/.exec(mails[0] ?? '') ?? [];

    const second = await other.newPage();
    await second.goto(`${address}/portal/sign-in${fragment}`);
    await second.getByRole('button', { name: 'Sign in', exact: true }).click();
    await second.getByLabel(/^Six digits/).fill(code === '000000' ? '000001' : '000000');
    expect(await violations(second)).toEqual([]);
    await second.getByRole('button', { name: 'Sign in', exact: true }).click();
    await second.getByText('The code is not the right one.').waitFor();
    await second.getByLabel(/^Six digits/).fill(code);
    await second.getByRole('button', { name: 'Sign in', exact: true }).click();
    await second.getByRole('link', { name: 'Send', exact: true }).waitFor();
    await second.waitForURL(`${address}/portal/`);

    await first.goto(`${address}/portal/sign-in${fragment}`);
    await first.getByRole('button', { name: 'Sign in', exact: true }).click();
    await first.getByText('This link is not valid').waitFor();
    await first.getByRole('button', { name: 'Ask for a new link' }).click();
    await first.getByLabel('Your e-mail address').waitFor();
    await Promise.all([asking.close(), other.close()]);
  });

  test('a tenant makes a key of its own in the portal, and none of its pages hinders readers', async () => {
    const [file] = await api.sql<{ id: string }[]>`
      UPDATE files SET status = 'FAILED', archived_at = now(), finished_at = now(), lease_until = NULL,
        error_code = 'VALIDATION_ERROR', error_message = 'Line 3, column 2: "<b>x" is not a number.'
      WHERE id = (SELECT id FROM files WHERE tenant_id = 'acme' ORDER BY id DESC LIMIT 1) RETURNING id`;
    const made = await api.app.inject({
      method: 'POST',
      url: '/api/v1/sign-in-links',
      headers: { 'x-api-key': api.keys.acme, host: new URL(address).host },
    });
    const context = await browser.newContext();
    const portal = await context.newPage();
    await portal.goto(made.json().url);
    await portal.getByRole('link', { name: 'Keys', exact: true }).click();
    await portal.getByRole('button', { name: 'Make a key…' }).click();
    const dialog = portal.getByRole('dialog');
    await dialog.getByLabel('What it is for').fill('nightly batch');
    for (const scope of ['files:read', 'files:write', 'files:read']) await dialog.getByLabel(scope).click();
    expect(await violations(portal)).toEqual([]);
    await dialog.getByRole('button', { name: 'Make', exact: true }).click();
    await portal.getByText('It is shown this once.').waitFor();
    expect(await violations(portal)).toEqual([]);
    const [key] = await api.sql<
      { tenant: string; scopes: string[] }[]
    >`SELECT tenant_id AS tenant, scopes FROM api_keys WHERE label = 'nightly batch'`;
    expect(key).toEqual({ tenant: 'acme', scopes: ['files:write'] });
    await portal.getByRole('button', { name: 'I have stored it' }).click();
    await portal.getByRole('gridcell', { name: 'files:write' }).waitFor();
    for (const [path, heading] of [
      ['/', 'Files'],
      ['/send', 'Send files'],
      ['/expected', 'Expected files'],
      ['/notices', 'Notices'],
      ['/keys', 'Keys'],
      ['/people', 'People'],
      [`/files/${file?.id}`, 'What to correct'],
    ] as const) {
      await portal.emulateMedia({ colorScheme: 'light' });
      await portal.goto(`${address}/portal${path}`);
      await portal.getByRole('heading', { name: heading, exact: true }).waitFor();
      expect([path, await violations(portal)]).toEqual([path, []]);
      await portal.emulateMedia({ colorScheme: 'dark' });
      expect([path, await findBarriers(portal, 'colours')]).toEqual([path, []]);
    }
    await portal.getByText('Line 3, column 2: "<b>x" is not a number.').waitFor();
    await context.close();
  });

  test('a campaign is followed while it goes, its mails are shown as they look, and its recipients are found', async () => {
    const { job } = await seedRecords(api.sql, { records: 4 });
    await api.sql`
      UPDATE records SET "values" = jsonb_build_object('email', 'r' || line || '@example.com', 'name', '<b>Ada</b>') WHERE job_id = ${job.id}`;
    const sender = {
      ...{ kind: 'sender', tenant: 'acme', name: 'bills', from: 'Acme <bills@acme.example>', transport: 'ses' },
      topics: [{ name: 'billing', class: 'transactional' }],
    };
    await api.sql`
      INSERT INTO senders (tenant_id, name, definition, definition_hash, version, created_by)
      VALUES ('acme', 'bills', ${JSON.stringify(sender)}::text::jsonb, 'x', 1, 'test')`;
    const html =
      '<style>p { color: rgb(1, 2, 3) }</style><p>Dear {{ name }}</p><script>document.title = "ran"</script>';
    await api.sql`
      INSERT INTO templates (tenant_id, id, version, format, topic, status, key, subject, html, text, created_by, expires_at)
      VALUES ('acme', 'bill', 1, 'html', 'billing', 'READY', 'k', 'Bill of {{ name }}', ${html}, 'Bill', 'test', now())`;
    await api.sql`
      INSERT INTO campaigns (id, tenant_id, name, route_id, route_version_id, template_id, template_version, sender, topic, is_marketing,
        file_ref, request_hash, created_by, begun_at)
      VALUES (${job.id}, 'acme', 'June bills', ${randomUUIDv7()}, ${randomUUIDv7()}, 'bill', 1, 'bills', 'billing', false,
        ${randomUUIDv7()}, 'x', 'test', now())`;
    const send = (line: number) =>
      api.sql`UPDATE records SET state = 'SUCCESS' WHERE job_id = ${job.id} AND line = ${line}`;
    await send(1);
    await open('/campaigns');
    await page.getByRole('row').filter({ hasText: 'June bills' }).filter({ hasText: '1 of 4' }).dblclick();
    await page.waitForURL(`**/campaigns/${job.id}*`);
    await page.getByText('1 of 4').first().waitFor();
    await send(2);
    await page.getByText('2 of 4').first().waitFor();

    await page.getByText('The first mails').click();
    const mail = page.frameLocator('iframe[title="Mail of line 1"]');
    await mail.getByText('Dear <b>Ada</b>').waitFor();
    const colour = await mail.locator('p').evaluate((p) => p.ownerDocument.defaultView?.getComputedStyle(p).color);
    expect(colour).toBe('rgb(1, 2, 3)');
    expect(await mail.locator('html').evaluate((element) => element.ownerDocument.title)).toBe('');
    expect(await violations()).toEqual([]);

    await api.sql`
      UPDATE records SET state = 'FAILED', error_code = 'SEND_ERROR', error_cause = 'MESSAGE_REJECTED' WHERE job_id = ${job.id} AND line = 3`;
    await open(`/campaigns/${job.id}?state=FAILED`);
    await page.getByRole('row').filter({ hasText: 'MESSAGE_REJECTED' }).waitFor();

    await api.sql`
      INSERT INTO suppressions (tenant_id, topic, address_hash, address, reason, origin)
      VALUES ('acme', '*', ${'a'.repeat(64)}, 'gone@example.com', 'hard-bounce', ${job.id})`;
    await open('/suppressions?tenant=acme');
    await page.getByRole('row').filter({ hasText: 'gone@example.com' }).waitFor();
    expect(await violations()).toEqual([]);

    await api.sql`
      INSERT INTO record_keys (tenant_id, route_id, business_key, job_id, line, created_at)
      SELECT 'acme', c.route_id, '["r2@example.com"]', r.job_id, r.line, r.created_at
      FROM campaigns c JOIN records r ON r.job_id = c.id AND r.line = 2 WHERE c.id = ${job.id}`;
    await api.sql`
      INSERT INTO mail_events (campaign_id, line, kind, tenant_id, at) VALUES (${job.id}, 2, 'delivered', 'acme', now())`;
    await open('/mails');
    await page.getByText('Choose an address.').waitFor();
    await open('/mails?address=R2@example.com');
    await page.getByRole('row').filter({ hasText: 'June bills' }).filter({ hasText: 'delivered' }).dblclick();
    await page.waitForURL(`**/campaigns/${job.id}*`);
    await open('/mails?address=nobody@example.com');
    await page.getByText('No campaign has this recipient.').waitFor();
    expect(await violations()).toEqual([]);
  });

  test('a sign-in link that is opened in the tab of the console signs in there', async () => {
    await page.context().clearCookies();
    await page.goto(`${address}/console`);
    await page.getByRole('heading', { name: 'Sign in to Longshore' }).waitFor();
    await page.goto(await makeLink());
    await page.getByRole('heading', { name: 'Needs a person' }).waitFor();
    expect(page.url()).not.toContain('link=');
  });

  test('nothing was refused by the page’s own rules, and no word of a message ran', () => {
    expect(faults).toEqual([]);
  });
});

/** Batches, SFTP sessions, settings, usage, retention, and campaigns in the portal, in a real browser: what a person does with each of them. */
import { randomUUIDv7 } from 'node:crypto';
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { variables } from '#services/control-api/config.ts';
import { listSettings } from '#services/control-api/settings/list-settings.ts';
import { noBrowser, type OpenConsole, openConsole } from '#testkit/beds/open-console.ts';
import { startTestApi, type TestApi } from '#testkit/beds/start-test-api.ts';
import { seedJobs, seedTenant } from '#testkit/seeds/seed-jobs.ts';
import { askTestRun } from '#testkit/vitest/ask-test-run.ts';

const REASON = 'INC-4711 the partner asked for it';

describe.skipIf(noBrowser !== undefined)('what is kept and used (skipped without Chromium)', () => {
  const [batch, campaign] = [randomUUIDv7(), randomUUIDv7()];
  let api: TestApi;
  let console: OpenConsole;
  let page: Page;
  let address: string;

  beforeAll(async () => {
    await askTestRun('pages');
    api = await startTestApi({
      settings: listSettings(variables.shape, { LONGSHORE_REASON_PATTERN: 'INC-\\d+' }),
    });
    address = await api.app.listen({ host: '127.0.0.1', port: 0 });
    const { sql } = api;
    await seedTenant(sql);
    const [job] = await seedJobs(sql, { objects: [{ name: 'shift-1.csv', key: 'acme/inbound/shift-1.csv' }] });
    const jobId = job?.id ?? '';
    await sql`
      INSERT INTO batches (id, tenant_id, route_id, key, state, files, look_at, missing)
      SELECT ${batch}, 'acme', route_id, 'inbound/', 'OPEN', 1, now() + interval '1 day', ${sql.json(['shift-2.csv'])}
      FROM jobs WHERE id = ${jobId}`;
    await sql`UPDATE jobs SET batch_id = ${batch} WHERE id = ${jobId}`;
    await sql`
      INSERT INTO sftp_sessions (id, tenant_id, username, client_ip, first_at, last_at, uploads, failures)
      VALUES ('s-1', 'acme', 'acme-user', '10.0.0.1', now(), now(), 1, 1), ('s-2', 'globex', 'globex-user', '10.0.0.2', now(), now(), 2, 0)`;
    await sql`
      INSERT INTO sftp_actions (at, event_id, session_id, tenant_id, action, path, failure)
      VALUES (now(), 'e', 's-1', 'acme', 'download', '/b/acme/outbound/lost.csv', 'There is no such file.')`;
    await sql`
      INSERT INTO usage_days (day, tenant_id, files, bytes)
      VALUES (current_date - 1, 'acme', 3, 300), (current_date, 'acme', 4, 500), (current_date, 'globex', 5, 900)`;
    await sql`
      INSERT INTO campaigns (id, tenant_id, name, route_id, route_version_id, template_id, template_version, sender, topic,
        is_marketing, file_ref, request_hash, created_by)
      SELECT ${campaign}, 'acme', 'Spring', route_id, route_version_id, 'spring', 1, 'news', 'news', true, ${job?.fileId ?? ''}, 'x', 'ann'
      FROM jobs WHERE id = ${jobId}`;
    console = await openConsole(await linkOf(api.keys.operator));
    page = console.page;
  }, 400_000);
  afterAll(async () => {
    await console?.close();
    await api?.stop();
  });

  async function linkOf(key: string): Promise<string> {
    const headers = { 'x-api-key': key, host: new URL(address).host };
    return (await api.app.inject({ method: 'POST', url: '/api/v1/sign-in-links', headers })).json().url;
  }
  const at = (path: string) => `${address}/console${path}`;
  const row = (text: string) => page.getByRole('row').filter({ hasText: text });
  async function giveReason(verb: string): Promise<void> {
    const dialog = page.getByRole('dialog');
    expect(await dialog.getByRole('button', { name: verb, exact: true }).isDisabled()).toBe(true);
    await dialog.getByLabel('Reason').fill(REASON);
    await dialog.getByRole('button', { name: verb, exact: true }).click();
    await dialog.waitFor({ state: 'detached' });
  }

  test('an open batch says what did not come, and is closed with a reason', async () => {
    await page.goto(at('/batches'));
    await row('acme').click();
    await page.getByText('shift-2.csv').waitFor();
    await row('inbound/shift-1.csv').waitFor();
    await page.getByRole('button', { name: 'Close…' }).click();
    await giveReason('Close the batch');
    await page.getByRole('button', { name: 'Close…' }).waitFor({ state: 'detached' });
    const [closed] = await api.sql`SELECT closed_by AS "closedBy" FROM batches WHERE id = ${batch}`;
    expect(closed?.closedBy).not.toBeNull();
    const audited =
      await api.sql`SELECT 1 FROM audit_events WHERE detail ->> 'reason' = ${REASON} AND type LIKE 'batch%'`;
    expect(audited).toHaveLength(1);
  });

  test('SFTP sessions are narrowed to those with failures, and one says what failed', async () => {
    await page.goto(at('/sessions'));
    await row('globex-user').waitFor();
    await page.goto(at('/sessions?failed=true'));
    await row('acme-user').waitFor();
    expect(await row('globex-user').count()).toBe(0);
    await row('acme-user').click();
    await page.getByRole('dialog').getByText('There is no such file.').waitFor();
    await page.keyboard.press('Escape');
  });

  test('the settings say what is set, what is a default, and what is not set', async () => {
    await page.goto(at('/'));
    await page.getByRole('link', { name: 'Settings' }).click();
    await row('LONGSHORE_REASON_PATTERN').getByText('INC-\\d+', { exact: true }).waitFor();
    await row('LONGSHORE_REASON_PATTERN').getByText('environment', { exact: true }).waitFor();
    await row('LONGSHORE_API_RATE_PER_SECOND').getByText('default', { exact: true }).waitFor();
    await row('LONGSHORE_OIDC_ISSUER').getByText('not set', { exact: true }).waitFor();
    await page.getByRole('listitem').filter({ hasText: 'acme' }).waitFor();
  });

  test('usage is added up by tenant, and taken as CSV', async () => {
    await page.goto(at('/usage'));
    const totals = page.getByRole('grid', { name: 'Usage by tenant' }).getByRole('row');
    await totals.filter({ hasText: 'acme' }).getByText('7', { exact: true }).waitFor();
    await totals.filter({ hasText: 'globex' }).getByText('5', { exact: true }).waitFor();
    const downloading = page.waitForEvent('download');
    await page.getByRole('link', { name: 'Export CSV' }).click();
    expect((await downloading).suggestedFilename()).toMatch(/\.csv$/);
  });

  test('a legal hold is placed and released, each with a reason', async () => {
    await page.goto(at('/retention?tab=holds'));
    await page.getByRole('button', { name: 'Place a hold…' }).click();
    const dialog = page.getByRole('dialog');
    await dialog.getByLabel('Tenant').fill('acme');
    await dialog.getByLabel('Reason').fill('LEGAL-1');
    await dialog.getByRole('button', { name: /^Place/ }).click();
    await row('LEGAL-1')
      .getByRole('button', { name: /^Release…/ })
      .click();
    await giveReason('Release');
    await page.getByText('No legal hold is in force.').waitFor();
    const holds = await api.sql`SELECT release_reason AS "reason" FROM legal_holds`;
    expect(holds).toEqual([{ reason: REASON }]);
  });

  test('people of a tenant pause their campaign in the portal, and others do not see it', async () => {
    await page.goto(await linkOf(api.keys.acme));
    const pages = page.getByRole('navigation', { name: 'Portal' });
    await pages.getByRole('link', { name: 'Campaigns' }).click();
    await page.getByRole('link', { name: 'Spring' }).click();
    await page.getByRole('button', { name: 'Pause…' }).click();
    await giveReason('Pause');
    await page.getByRole('button', { name: 'Resume…' }).waitFor();

    await page.context().clearCookies();
    await page.goto(await linkOf(api.keys.globex));
    await pages.getByRole('link', { name: 'Campaigns' }).click();
    await page.getByRole('heading', { name: 'Campaigns' }).waitFor();
    expect(await page.getByRole('link', { name: 'Spring' }).count()).toBe(0);
    await page.goto(`${address}/portal/campaigns/${campaign}`);
    await page.getByRole('alert').getByText('NOT_FOUND').waitFor();
    expect(console.faults).toEqual([]);
  });
});

/** In a real browser: an operator proposes changes on the pages of a partner and of a route, and an admin makes them. */
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createApiKey } from '#shared/access/api-keys.ts';
import { applyDefinition } from '#shared/definitions/apply-definitions.ts';
import { findBarriers, launchBrowser, noBrowser, noteFaults, replaceText } from '#testkit/beds/open-console.ts';
import { examplePartner } from '#testkit/beds/partner-bed.ts';
import { startTestApi, type TestApi } from '#testkit/beds/start-test-api.ts';
import { seedTenant } from '#testkit/seeds/seed-jobs.ts';
import { askTestRun } from '#testkit/vitest/ask-test-run.ts';

const ROUTE = 'kind: route\ntenant: acme\nname: orders\nmatch:\n  path: orders/**\nsteps:\n  - stage: {}\n';

describe.skipIf(noBrowser !== undefined)('pages of proposals (skipped without Chromium)', () => {
  let api: TestApi;
  let browser: Browser;
  let page: Page;
  let address: string;
  const faults: string[] = [];

  beforeAll(async () => {
    await askTestRun('pages');
    api = await startTestApi({ signIn: { hasLinks: true, consoleOrigin: undefined, portalOrigin: undefined } });
    address = await api.app.listen({ host: '127.0.0.1', port: 0 });
    await seedTenant(api.sql);
    const partner = { tenantId: 'acme', name: 'desk', definition: examplePartner(), definitionHash: 'h' };
    await applyDefinition(api.sql, 'partner', partner, 'test');
    const headers = { 'x-api-key': api.keys.operator, 'content-type': 'application/yaml' };
    const applied = await api.app.inject({ method: 'POST', url: '/api/v1/routes', headers, payload: ROUTE });
    expect(applied.statusCode).toBe(200);
    ({ browser, page } = await launchBrowser());
    noteFaults(page, faults);
  }, 180_000);
  afterAll(async () => {
    await browser?.close();
    await api?.stop();
  });

  async function signIn(role: 'operator' | 'admin'): Promise<void> {
    await page.context().clearCookies();
    const { key } = await createApiKey(api.sql, { tenantId: null, label: `night-${role}`, role, actor: 'test' });
    const headers = { 'x-api-key': key, host: new URL(address).host };
    const { url } = (await api.app.inject({ method: 'POST', url: '/api/v1/sign-in-links', headers })).json();
    await page.goto(url);
    await page.getByRole('heading', { name: 'Needs a person' }).waitFor();
  }
  async function open(path: string): Promise<void> {
    await page.goto(`${address}/console${path}`);
    await page.locator('h1').waitFor();
  }
  async function proposeWith(reason: string): Promise<void> {
    await page.getByLabel('Reason').fill(reason);
    expect(await findBarriers(page, 'wcag')).toEqual([]);
    await page.getByRole('button', { name: 'Propose', exact: true }).click();
    await page.getByText('It is proposed.').waitFor();
  }

  test('an operator proposes a pause and a route, and an admin finds, judges and makes them', async () => {
    await signIn('operator');
    await open('/partners/acme/desk');
    await page.getByRole('button', { name: 'Propose: Pause…' }).click();
    await proposeWith('INC-1 they book twice');

    await open('/routes/acme/orders');
    await page.getByRole('button', { name: 'Propose: Disable…' }).click();
    await proposeWith('INC-1 until Monday');
    const editor = page.getByLabel('Text of acme/orders');
    await replaceText(page, editor, ROUTE.replace('orders/**', 'moved/**'));
    await page.getByRole('button', { name: 'Check and propose…' }).click();
    await page.getByRole('dialog').getByText('moved/**').first().waitFor();
    await proposeWith('They moved');

    await open('/proposals');
    await page.getByRole('link', { name: 'apply route acme/orders' }).click();
    await page.getByRole('button', { name: 'Approve' }).waitFor();
    expect(await page.getByRole('button', { name: 'Approve' }).isDisabled()).toBe(true);

    await signIn('admin');
    await page.getByRole('link', { name: '3 proposed changes to approve' }).click();
    expect(await findBarriers(page, 'wcag')).toEqual([]);
    await page.getByRole('link', { name: 'apply route acme/orders' }).click();
    await page.getByRole('region', { name: 'What it would change' }).getByText('moved/**').first().waitFor();
    expect(await findBarriers(page, 'wcag')).toEqual([]);
    await page.getByRole('button', { name: 'Approve' }).click();
    await page.getByText('Approved by').waitFor();

    await open('/proposals?state=open');
    await page.getByRole('link', { name: 'pause partner acme/desk' }).click();
    await page.getByRole('button', { name: 'Approve' }).click();
    await page.getByText('Approved by').waitFor();
    await open('/partners/acme/desk');
    await page.getByText('INC-1 they book twice (proposed by').waitFor();

    await open('/proposals?state=open');
    await page.getByRole('link', { name: 'disable route acme/orders' }).click();
    await page.getByRole('button', { name: 'Reject…' }).click();
    await page.getByLabel('Reason').fill('Not before Monday');
    await page.getByRole('button', { name: 'Reject', exact: true }).click();
    await page.getByText('Not before Monday').waitFor();

    const [route] = await api.sql<
      { text: string }[]
    >`SELECT source AS text FROM route_versions ORDER BY version DESC LIMIT 1`;
    expect(route?.text).toContain('moved/**');
    const made = await api.sql<{ type: string; actor: string }[]>`
      SELECT type, actor FROM audit_events
      WHERE type IN ('route.applied', 'route.disabled', 'partner.paused') AND actor LIKE 'person:%' ORDER BY id`;
    expect([...made]).toEqual([
      { type: 'route.applied', actor: 'person:night-admin' },
      { type: 'partner.paused', actor: 'person:night-admin' },
    ]);
    expect(faults).toEqual([]);
  });
});

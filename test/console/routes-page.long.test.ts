/** The page Routes in a real browser: edit, simulate, apply, two people at once, and back to an earlier version. */
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { findBarriers, launchBrowser, noBrowser, noteFaults, replaceText } from '#testkit/beds/open-console.ts';
import { startTestApi, type TestApi } from '#testkit/beds/start-test-api.ts';
import { askTestRun } from '#testkit/vitest/ask-test-run.ts';

const ROUTE = `# for finance
kind: route
tenant: acme
name: orders
match: { path: "orders/*.csv" }
steps:
  - validate: { maxSize: 10MB }
  - deliver: { key: "{{ tenant }}/{{ name }}" }
`;

describe.skipIf(noBrowser !== undefined)('the page Routes (skipped without Chromium)', () => {
  let api: TestApi;
  let browser: Browser;
  let page: Page;
  let address: string;
  const faults: string[] = [];

  beforeAll(async () => {
    await askTestRun('pages');
    api = await startTestApi();
    address = await api.app.listen({ host: '127.0.0.1', port: 0 });
    await put(ROUTE);
    ({ browser, page } = await launchBrowser());
    noteFaults(page, faults);
    const made = await api.app.inject({
      method: 'POST',
      url: '/api/v1/sign-in-links',
      headers: { 'x-api-key': api.keys.operator, host: new URL(address).host },
    });
    await page.goto(made.json().url);
    await page.getByRole('link', { name: 'Routes' }).first().waitFor();
  }, 180_000);
  afterAll(async () => {
    await browser?.close();
    await api?.stop();
  });

  const put = (text: string) =>
    api.app.inject({
      method: 'PUT',
      url: '/api/v1/routes/acme/orders',
      payload: text,
      headers: { 'x-api-key': api.keys.operator, 'content-type': 'application/yaml' },
    });
  const stored = async () =>
    (
      await api.app.inject({ url: '/api/v1/routes/acme/orders', headers: { 'x-api-key': api.keys.operator } })
    ).json() as { version: number; source: string; disabled_at: string | null };
  const editor = () => page.getByRole('textbox', { name: 'Text of acme/orders' });
  const write = (text: string) => replaceText(page, editor(), text);
  async function giveReason(verb: string): Promise<void> {
    const dialog = page.getByRole('dialog');
    await dialog.getByLabel('Reason').fill('INC-4711');
    await dialog.getByRole('button', { name: verb, exact: true }).click();
  }

  test('lists routes and opens one with its text, its steps and its comment', async () => {
    await page.goto(`${address}/console/routes`);
    const row = page.getByRole('row').filter({ hasText: 'orders/*.csv' });
    await row.click();
    await page.waitForURL('**/routes/acme/orders*');
    await editor().waitFor();
    expect(await editor().textContent()).toContain('# for finance');
    const flow = page.getByRole('list', { name: 'Steps' });
    expect(await flow.textContent()).toMatch(/arrives[\s\S]*validate[\s\S]*deliver/);
  });

  test('the text is left by keys alone, and says how', async () => {
    await editor().focus();
    await page.getByText('Escape, then Tab, leaves the text.').waitFor();
    await page.keyboard.press('Escape');
    await page.keyboard.press('Tab');
    expect(await page.evaluate("document.activeElement.closest('.cm-editor') === null")).toBe(true);
    expect(await editor().textContent()).toContain('# for finance');
  });

  test('says what a file would do by the text that is being edited', async () => {
    await write(ROUTE.replace('{{ name }}', 'all/{{ name }}'));
    await page.getByLabel('Path').fill('orders/a.csv');
    await page.getByRole('button', { name: 'Simulate' }).click();
    await page.getByText('copy it to test-delivered/acme/all/a.csv').waitFor();
    await page.getByText('now: orders').waitFor();
  });

  test('shows faults at their lines, and applies what is right with the difference and a reason', async () => {
    await write(ROUTE.replace('maxSize', 'maxSise'));
    await page.getByRole('button', { name: 'Check and apply…' }).click();
    await page.getByText(/^Line 7, column \d+:/).waitFor();
    const changed = ROUTE.replace('10MB', '20MB');
    await write(changed);
    await page.getByRole('button', { name: 'Check and apply…' }).click();
    await page.getByRole('dialog').getByText('maxSize: 20MB').waitFor();
    await giveReason('Apply');
    await page.getByText('The route is applied.').waitFor();
    expect(await stored()).toMatchObject({ version: 2, source: changed });
  });

  test('the second of two people is shown what the first changed, and loses nothing typed', async () => {
    const mine = ROUTE.replace('10MB', '30MB');
    await write(mine);
    await put(ROUTE.replace('10MB', '99MB'));
    await page.getByRole('button', { name: 'Check and apply…' }).click();
    await giveReason('Apply');
    const dialog = page.getByRole('dialog');
    await dialog.getByText('What was changed meanwhile').waitFor();
    await dialog.getByText('maxSize: 99MB').last().waitFor();
    await dialog.getByRole('button', { name: 'Cancel' }).click();
    expect(await editor().textContent()).toContain('30MB');
    expect((await stored()).version).toBe(3);
  });

  test('brings an earlier version back, and takes the route out of use and back', async () => {
    await page.reload();
    await page.getByRole('tab', { name: 'Versions' }).click();
    await page.getByRole('button', { name: 'Restore version 1' }).click();
    await giveReason('Restore');
    await page.getByText('The text of version 1 is in force again.').waitFor();
    expect(await stored()).toMatchObject({ version: 4, source: ROUTE });
    await page.getByRole('button', { name: 'Disable…' }).click();
    await giveReason('Disable');
    await page.getByRole('button', { name: 'Enable…' }).waitFor();
    expect((await stored()).disabled_at).not.toBeNull();
  });

  test.each(['light', 'dark'])('has nothing that hinders readers, in %s', async (theme) => {
    const look = async (path: string) => {
      await page.goto(`${address}/console${path}`);
      await page.locator('h1').waitFor();
      await page.evaluate(`document.documentElement.dataset.theme = '${theme}'`);
    };
    await look('/routes');
    await page.getByRole('row').filter({ hasText: 'orders/*.csv' }).waitFor();
    expect(await violations()).toEqual([]);
    await look('/routes/acme/orders');
    await editor().waitFor();
    await page.getByLabel('Path').fill('orders/a.csv');
    await page.getByRole('button', { name: 'Simulate' }).click();
    await page.getByText('Not by').or(page.getByText('because')).or(page.getByText('quarantined')).first().waitFor();
    expect(await violations()).toEqual([]);
    await look('/routes/acme/orders?tab=versions');
    await page.getByRole('button', { name: 'Restore version 1' }).click();
    expect(await violations()).toEqual([]);
    await page.getByRole('dialog').getByRole('button', { name: 'Cancel' }).click();
    expect(await violations()).toEqual([]);
  });

  const violations = () => findBarriers(page, 'wcag');

  test('runs under its policy without a fault', () => {
    expect(faults).toEqual([]);
  });
});

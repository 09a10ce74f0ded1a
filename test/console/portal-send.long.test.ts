/** Sending files from the portal in a real browser, small ones: what a person does between two files, and browsers that keep nothing. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Browser, BrowserContext, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { findBarriers, launchBrowser, noBrowser, noteFaults } from '#testkit/beds/open-console.ts';
import { type PortalBed, startPortalBed } from '#testkit/beds/portal-bed.ts';

const ROUTE = 'kind: route\ntenant: acme\nname: orders\nmatch: { path: "inbound/orders-*" }\nsteps:\n  - deliver:\n';

describe.skipIf(noBrowser !== undefined)('sending from the portal (skipped without Chromium)', () => {
  const directory = mkdtempSync(join(tmpdir(), 'longshore-send-'));
  const faults: string[] = [];
  let bed: PortalBed;
  let browser: Browser;
  let context: BrowserContext;
  let page: Page;

  beforeAll(async () => {
    bed = await startPortalBed();
    const { api } = bed;
    const headers = { 'x-api-key': api.keys.operator, 'content-type': 'application/yaml' };
    await api.app.inject({ method: 'POST', url: '/api/v1/routes', headers, payload: ROUTE });
    const opened = await launchBrowser();
    browser = opened.browser;
    await opened.page.close();
  }, 180_000);
  afterAll(async () => {
    await browser?.close();
    await bed?.stop();
    rmSync(directory, { recursive: true, force: true });
  });

  beforeEach(async () => {
    context = await browser.newContext();
    context.setDefaultTimeout(60_000);
    page = await context.newPage();
    noteFaults(page, faults);
  });
  afterEach(async () => {
    await context.close();
    expect(faults.splice(0)).toEqual([]);
  });

  async function openSend(): Promise<void> {
    await page.goto(await bed.makeLink());
    await goTo('Send');
  }
  /** What is sent to the store waits until the answer is called. */
  async function holdStore(): Promise<() => void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    await page.route(`${bed.s3.server.url}/**`, async (route) => {
      await promise;
      await route.continue();
    });
    return resolve;
  }
  const goTo = (name: string) =>
    page.getByRole('navigation', { name: 'Portal' }).getByRole('link', { name, exact: true }).click();
  const choose = (...paths: string[]) => page.getByLabel('Drop files here').setInputFiles(paths);
  const line = (name: string) =>
    page.getByRole('list', { name: 'Progress' }).getByRole('listitem').filter({ hasText: name });
  const untilSent = (name: string) => line(name).getByRole('link', { name: 'sent' }).first().waitFor();

  function fileOf(name: string, text: string): string {
    const path = join(directory, name);
    writeFileSync(path, text);
    return path;
  }

  test('offers the folders that routes take files from', async () => {
    const payload = ROUTE.replace('name: orders', 'name: invoices').replace('inbound/orders-*', 'bills/*/**');
    const headers = { 'x-api-key': bed.api.keys.operator, 'content-type': 'application/yaml' };
    const applied = await bed.api.app.inject({ method: 'POST', url: '/api/v1/routes', headers, payload });
    expect(applied.statusCode, applied.body).toBe(200);
    await openSend();
    await page.getByRole('combobox', { name: 'To the folder' }).focus();
    await page.getByRole('option', { name: 'inbound', exact: true }).waitFor();
    await page.keyboard.press('ArrowDown');
    await page.keyboard.press('Enter');
    expect(await page.getByRole('combobox', { name: 'To the folder' }).inputValue()).toBe('bills');
    expect(await findBarriers(page)).toEqual([]);
    await page.setViewportSize({ width: 320, height: 700 });
    expect(await page.evaluate('document.documentElement.scrollWidth - innerWidth')).toBeLessThanOrEqual(0);
  });

  test('says which route takes a file, and that none does', async () => {
    await openSend();
    const release = await holdStore();
    await choose(fileOf('orders-1.csv', 'id\n1\n'), fileOf('elsewhere.csv', 'id\n'));
    await line('orders-1.csv').getByText('It will go to orders.').waitFor();
    await line('elsewhere.csv').getByText('No route takes').waitFor();
    expect(await findBarriers(page)).toEqual([]);
    release();
    await untilSent('orders-1.csv');
    await untilSent('elsewhere.csv');
    await line('orders-1.csv').getByText('It goes to orders.').waitFor();
    await line('elsewhere.csv').getByText('it is set aside').waitFor();
  });

  test('a file is still being sent while another page is shown, and one more can be sent afterwards', async () => {
    await openSend();
    const release = await holdStore();
    await choose(fileOf('orders-2.csv', 'id\n2\n'));
    await line('orders-2.csv').getByText('is being sent').waitFor();
    await goTo('Files');
    await page.getByRole('heading', { name: 'Files' }).waitFor();
    release();
    await page.getByRole('link', { name: 'orders-2.csv' }).waitFor();
    await goTo('Send');
    await untilSent('orders-2.csv');
    await choose(fileOf('orders-3.csv', 'id\n3\n'));
    await untilSent('orders-3.csv');
  });

  test('the same file chosen twice is one file', async () => {
    await openSend();
    const path = fileOf('orders-4.csv', 'id\n4\n');
    await choose(path);
    await choose(path);
    await expect
      .poll(() => line('orders-4.csv').getByRole('link', { name: 'sent' }).count(), { timeout: 60_000 })
      .toBe(2);
    expect(await bed.api.sql`SELECT 1 FROM files WHERE name = 'orders-4.csv'`).toHaveLength(1);
  });

  test('a file that is registered a moment after its upload has its link then', async () => {
    await openSend();
    await page.route('**/api/v1/uploads/*/complete', async (route) => {
      const response = await route.fetch();
      await route.fulfill({ response, json: { ...(await response.json()), file_id: null } });
    });
    await choose(fileOf('orders-7.csv', 'id\n7\n'));
    await untilSent('orders-7.csv');
  });

  test('one that was stopped continues on request', async () => {
    await openSend();
    await page.route(`${bed.s3.server.url}/**`, () => {});
    await choose(fileOf('orders-5.csv', 'id\n5\n'));
    await line('orders-5.csv').getByRole('button', { name: 'Stop' }).click();
    await line('orders-5.csv').getByRole('alert').getByText('Stopped.').waitFor();
    await page.unroute(`${bed.s3.server.url}/**`);
    await line('orders-5.csv').getByRole('button', { name: 'Try again' }).click();
    await untilSent('orders-5.csv');
  });

  test('a browser that keeps nothing sends all the same', async () => {
    await page.addInitScript("IDBFactory.prototype.open = () => { throw new DOMException('no', 'SecurityError'); };");
    await openSend();
    await choose(fileOf('orders-6.csv', 'id\n6\n'));
    await untilSent('orders-6.csv');
  });
});

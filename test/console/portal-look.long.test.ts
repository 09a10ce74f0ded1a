/** A portal with a tenant's name, colour and logo, in a real browser: what its people see, in both themes, and what others see. */
import type { BrowserContext, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { findBarriers, launchBrowser, noBrowser, noteFaults } from '#testkit/beds/open-console.ts';
import { type PortalBed, startPortalBed } from '#testkit/beds/portal-bed.ts';
import { dataUrl, smallPng } from '#testkit/seeds/small-png.ts';

const NAME = 'Acme & Söhne <b>desk</b>';
const COLOUR = '#7a1f5c';
const LOGO = dataUrl(smallPng({ width: 60, height: 30 }));

describe.skipIf(noBrowser !== undefined)('the look of a portal (skipped without Chromium)', () => {
  const faults: string[] = [];
  let bed: PortalBed;
  let browser: Awaited<ReturnType<typeof launchBrowser>>['browser'];
  let context: BrowserContext;
  let page: Page;

  beforeAll(async () => {
    bed = await startPortalBed();
    const opened = await launchBrowser();
    browser = opened.browser;
    await opened.page.close();
  }, 180_000);
  afterAll(async () => {
    await browser?.close();
    await bed?.stop();
  });
  beforeEach(async () => {
    context = await browser.newContext({ colorScheme: 'light' });
    context.setDefaultTimeout(60_000);
    page = await context.newPage();
    noteFaults(page, faults);
  });
  afterEach(async () => {
    await context.close();
    expect(faults.splice(0)).toEqual([]);
  });

  async function apply(portal: unknown) {
    const { app, keys } = bed.api;
    const payload = JSON.stringify({
      kind: 'tenant',
      id: 'acme',
      name: 'Acme',
      ...(portal !== undefined && { portal }),
    });
    const headers = { 'x-api-key': keys.operator, 'content-type': 'application/yaml' };
    return await app.inject({ method: 'POST', url: '/api/v1/routes', headers, payload });
  }
  const propertyOf = async (name: string) =>
    String(await page.evaluate(`getComputedStyle(document.documentElement).getPropertyValue('${name}').trim()`));
  async function open(): Promise<void> {
    await page.goto(await bed.makeLink());
    await page.getByRole('navigation', { name: 'Portal' }).waitFor();
  }

  test('people of the tenant see its name, its colour and its logo, and can read every page', async () => {
    expect((await apply({ name: NAME, colour: COLOUR, logo: LOGO })).statusCode).toBe(200);
    await open();
    await page.getByRole('banner').getByText(NAME).waitFor();
    await expect.poll(() => page.title(), { timeout: 60_000 }).toBe(`Files · ${NAME}`);
    const width = () => page.evaluate("document.querySelector('header img').naturalWidth");
    await expect.poll(width, { timeout: 60_000 }).toBe(60);
    expect(await propertyOf('--accent')).toBe(COLOUR);
    for (const view of ['Send', 'Keys', 'People']) {
      await page.getByRole('navigation', { name: 'Portal' }).getByRole('link', { name: view, exact: true }).click();
      await page.getByRole('heading', { level: 1 }).waitFor();
      expect(await findBarriers(page)).toEqual([]);
    }
    await page.emulateMedia({ colorScheme: 'dark' });
    await expect.poll(() => propertyOf('--accent'), { timeout: 60_000 }).not.toBe(COLOUR);
    expect(await findBarriers(page, 'colours')).toEqual([]);
    await page.setViewportSize({ width: 320, height: 640 });
    const overflow = await page.evaluate('document.documentElement.scrollWidth - innerWidth');
    expect(overflow).toBeLessThanOrEqual(0);
  });

  test('signing out takes it away, and a document without it as well; a new link works in the same tab', async () => {
    expect((await apply({ name: NAME, colour: COLOUR })).statusCode).toBe(200);
    await open();
    await page.getByRole('banner').getByText(NAME).waitFor();
    await page.getByRole('button', { name: 'Sign out' }).click();
    await page.getByRole('heading', { name: 'Sign in' }).waitFor();
    await page.getByText('npx longshore console --key-file').waitFor();
    await expect.poll(() => page.title(), { timeout: 60_000 }).toBe('Sign in · Longshore');
    expect(await propertyOf('--accent')).not.toBe(COLOUR);
    expect((await apply(undefined)).statusCode).toBe(200);
    await open();
    await page.getByRole('banner').getByText('Longshore').waitFor();
  });
});

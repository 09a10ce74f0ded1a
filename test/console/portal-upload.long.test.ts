/** The portal in a real browser: a file is cut at half, the browser is closed, and another one continues. */
import { createHash, randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type BrowserContext, chromium, type Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createObjectStore } from '#shared/files/create-object-store.ts';
import { BROWSER_OPTIONS, noBrowser, noteFaults } from '#testkit/beds/open-console.ts';
import { type PortalBed, startPortalBed } from '#testkit/beds/portal-bed.ts';
import { waitUntil } from '#testkit/checks/wait-until.ts';

const BYTES = 200_000_000;
const PART_BYTES = 16 * 1024 ** 2;
const PARTS = Math.ceil(BYTES / PART_BYTES);
const HALF = Math.floor(PARTS / 2);
const NAME = 'ledger <img src=x onerror=alert(1)>.bin';

describe.skipIf(noBrowser !== undefined)('the portal (skipped without Chromium)', () => {
  const directory = mkdtempSync(join(tmpdir(), 'longshore-portal-'));
  const file = join(directory, NAME);
  const faults: string[] = [];
  let bed: PortalBed;
  let sha256: string;

  beforeAll(async () => {
    bed = await startPortalBed();
    const piece = randomBytes(1_000_000);
    const content = Buffer.concat(Array.from({ length: BYTES / piece.length }, () => piece));
    content.writeUInt32BE(1, BYTES - 4);
    writeFileSync(file, content);
    sha256 = createHash('sha256').update(content).digest('hex');
  }, 180_000);
  afterAll(async () => {
    await bed?.stop();
    rmSync(directory, { recursive: true, force: true });
  });

  /** As a person has it: what is kept in it is there again when it is opened again. */
  async function openBrowser(): Promise<{ browser: BrowserContext; page: Page }> {
    const browser = await chromium.launchPersistentContext(join(directory, 'profile'), BROWSER_OPTIONS);
    const page = await browser.newPage();
    noteFaults(page, faults);
    return { browser, page };
  }

  async function signIn(page: Page): Promise<void> {
    await page.goto(await bed.makeLink());
    await page.getByRole('link', { name: 'Send', exact: true }).waitFor();
    await page.goto(`${bed.address}/portal/send`);
  }

  const uploads = () =>
    bed.api.sql<{ id: string; state: string; source: string }[]>`SELECT id, state, source FROM uploads`;
  async function missing(): Promise<number> {
    const [upload] = await uploads();
    if (upload === undefined) return PARTS;
    const reply = await bed.api.app.inject({
      url: `/api/v1/uploads/${upload.id}`,
      headers: { 'x-api-key': bed.api.keys.acme },
    });
    // A refusal has no parts either; it is not an answer to the question.
    expect(reply.statusCode).toBe(200);
    return reply.json().missing.length;
  }

  test('goes on with 200 MB that were cut at half when the browser was closed', async () => {
    const first = await openBrowser();
    await signIn(first.page);
    let put = 0;
    await first.page.route(`${bed.s3.server.url}/**`, async (route) => {
      if (route.request().method() !== 'PUT') return await route.continue();
      put += 1;
      // The line is dead from here on.
      if (put <= HALF) await route.continue();
    });
    await first.page.getByRole('combobox', { name: 'To the folder' }).fill('inbound/ledgers');
    await first.page.getByLabel('Drop files here').setInputFiles(file);
    await waitUntil('half is there', async () => (await missing()) <= PARTS - HALF, { timeoutMs: 90_000 });
    await first.browser.close();
    expect(await uploads()).toMatchObject([{ state: 'OPEN', source: 'portal' }]);

    const second = await openBrowser();
    try {
      await signIn(second.page);
      await second.page.getByRole('region', { name: 'Not finished' }).getByText(NAME).waitFor();
      let sent = 0;
      second.page.on('request', (request) => {
        if (request.method() === 'PUT') sent += 1;
      });
      await second.page.getByLabel('Drop files here').setInputFiles(file);
      await second.page
        .getByRole('list', { name: 'Progress' })
        .getByRole('link', { name: 'sent' })
        .waitFor({ timeout: 120_000 });
      expect(sent).toBe(PARTS - HALF);
      const [stored, ...others] = await bed.api.sql<{ key: string; source: string }[]>`SELECT key, source FROM files`;
      expect([stored?.source, others]).toEqual(['portal', []]);
      // Not in the folder that the page that was opened again begins with.
      expect(stored?.key).toBe(`acme/inbound/ledgers/${NAME}`);
      const hash = createHash('sha256');
      const store = createObjectStore({ client: bed.s3.client });
      for await (const piece of store.readStream({ bucket: 'test-landing', key: stored?.key ?? '' }))
        hash.update(piece);
      expect(hash.digest('hex')).toBe(sha256);

      await second.page.getByRole('link', { name: 'Files', exact: true }).click();
      await second.page.getByRole('link', { name: NAME }).click();
      await second.page.getByRole('heading', { name: NAME }).waitFor();
      await second.page.getByText('received', { exact: true }).waitFor();
    } finally {
      await second.browser.close();
    }
    expect(faults).toEqual([]);
  }, 300_000);
});

/** The portal in a real browser: a file is cut at half, the browser is closed, and another one goes on. */
import { createHash, randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type BrowserContext, chromium, type Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { claimPorts, type PortClaim } from '#local/ports.ts';
import { createObjectStore } from '#shared/files/create-object-store.ts';
import { BROWSER_OPTIONS, noBrowser } from '#testkit/beds/open-console.ts';
import { startTestApi, type TestApi } from '#testkit/beds/start-test-api.ts';
import { waitUntil } from '#testkit/checks/wait-until.ts';
import { type S3TestServer, startTestServer, TEST_CREDENTIAL } from '#testkit/servers/s3-server.ts';
import { askTestRun } from '#testkit/vitest/ask-test-run.ts';

const BYTES = 200_000_000;
const PART_BYTES = 16 * 1024 ** 2;
const PARTS = Math.ceil(BYTES / PART_BYTES);
const HALF = Math.floor(PARTS / 2);
const NAME = 'ledger <img src=x onerror=alert(1)>.bin';

describe.skipIf(noBrowser !== undefined)('the portal (skipped without Chromium)', () => {
  const directory = mkdtempSync(join(tmpdir(), 'longshore-portal-'));
  const file = join(directory, NAME);
  const faults: string[] = [];
  let ports: PortClaim;
  let s3: S3TestServer;
  let api: TestApi;
  let address: string;
  let sha256: string;

  beforeAll(async () => {
    await askTestRun('pages');
    ports = await claimPorts();
    address = `http://127.0.0.1:${ports.base}`;
    s3 = await startTestServer({ origins: [address] });
    s3.server.createBucket('test-landing');
    api = await startTestApi({
      s3: { endpoint: s3.server.url, region: 'us-east-1', credentials: TEST_CREDENTIAL },
      uploadOrigins: [s3.server.url],
    });
    await api.app.listen({ host: '127.0.0.1', port: ports.base });
    const piece = randomBytes(1_000_000);
    const content = Buffer.concat(Array.from({ length: BYTES / piece.length }, () => piece));
    content.writeUInt32BE(1, BYTES - 4);
    writeFileSync(file, content);
    sha256 = createHash('sha256').update(content).digest('hex');
  }, 180_000);
  afterAll(async () => {
    await api?.stop();
    await s3?.stop();
    await ports?.release();
    rmSync(directory, { recursive: true, force: true });
  });

  /** As a person has it: what is kept in it is there again when it is opened again. */
  async function openBrowser(): Promise<{ browser: BrowserContext; page: Page }> {
    const browser = await chromium.launchPersistentContext(join(directory, 'profile'), BROWSER_OPTIONS);
    const page = await browser.newPage();
    page.on('pageerror', (error) => faults.push(String(error)));
    page.on('console', (message) => {
      if (/Content Security Policy|TrustedHTML|TrustedScriptURL/.test(message.text())) faults.push(message.text());
    });
    return { browser, page };
  }

  async function signIn(page: Page): Promise<void> {
    const made = await api.app.inject({
      method: 'POST',
      url: '/api/v1/sign-in-links',
      headers: { 'x-api-key': api.keys.acme, host: new URL(address).host },
    });
    await page.goto(made.json().url);
    await page.getByRole('link', { name: 'Send', exact: true }).waitFor();
    await page.goto(`${address}/portal/send`);
  }

  const uploads = () => api.sql<{ id: string; state: string; source: string }[]>`SELECT id, state, source FROM uploads`;
  async function missing(): Promise<number> {
    const [upload] = await uploads();
    if (upload === undefined) return PARTS;
    const reply = await api.app.inject({
      url: `/api/v1/uploads/${upload.id}`,
      headers: { 'x-api-key': api.keys.acme },
    });
    // A refusal has no parts either; it is no answer to the question.
    expect(reply.statusCode).toBe(200);
    return reply.json().missing.length;
  }

  test('goes on with 200 MB that were cut at half when the browser was closed', async () => {
    const first = await openBrowser();
    await signIn(first.page);
    let put = 0;
    await first.page.route(`${s3.server.url}/**`, async (route) => {
      if (route.request().method() !== 'PUT') return await route.continue();
      put += 1;
      // The line is dead from here on.
      if (put <= HALF) await route.continue();
    });
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
      const [stored, ...others] = await api.sql<{ key: string; source: string }[]>`SELECT key, source FROM files`;
      expect([stored?.source, others]).toEqual(['portal', []]);
      const hash = createHash('sha256');
      const store = createObjectStore({ client: s3.client });
      for await (const piece of store.readStream({ bucket: 'test-landing', key: stored?.key ?? '' }))
        hash.update(piece);
      expect(hash.digest('hex')).toBe(sha256);

      await second.page.getByRole('link', { name: 'Files', exact: true }).click();
      await second.page.getByRole('link', { name: NAME }).click();
      await second.page.getByText('received', { exact: true }).waitFor();
    } finally {
      await second.browser.close();
    }
    expect(faults).toEqual([]);
  }, 300_000);
});

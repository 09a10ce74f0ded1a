/** A tenant's files in the portal, in a real browser: they are found, and each says in its sender's words where it is and what can be taken. */
import { randomUUID } from 'node:crypto';
import type { BrowserContext, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { findBarriers, launchBrowser, noBrowser, noteFaults } from '#testkit/beds/open-console.ts';
import { type PortalBed, startPortalBed } from '#testkit/beds/portal-bed.ts';
import { seedJobs, seedTenant } from '#testkit/seeds/seed-jobs.ts';

const NAMES = ['orders-1.csv', 'orders-2.csv', 'invoices-1.csv', '<img src=x onerror=alert(1)>.csv'];

/** Words of states, sizes and times that are on two lines. */
const BROKEN_WORDS = `[...document.querySelectorAll('td[data-whole]')].flatMap((cell) => {
  const texts = document.createTreeWalker(cell, NodeFilter.SHOW_TEXT);
  const broken = [];
  while (texts.nextNode()) {
    for (const { 0: word, index } of texts.currentNode.data.matchAll(/[^ ]+/g)) {
      const range = document.createRange();
      range.setStart(texts.currentNode, index);
      range.setEnd(texts.currentNode, index + word.length);
      if (range.getClientRects().length > 1) broken.push(word);
    }
  }
  return broken;
})`;

describe.skipIf(noBrowser !== undefined)("a tenant's files (skipped without Chromium)", () => {
  const faults: string[] = [];
  let bed: PortalBed;
  let browser: Awaited<ReturnType<typeof launchBrowser>>['browser'];
  let context: BrowserContext;
  let page: Page;

  beforeAll(async () => {
    bed = await startPortalBed();
    const { sql } = bed.api;
    await seedTenant(sql);
    const objects = NAMES.map((name) => ({ id: randomUUID(), name, key: `acme/inbound/${name}` }));
    await seedJobs(sql, { objects });
    const jobs = await sql<{ id: string; fileId: string; name: string }[]>`
      SELECT j.id, f.id AS "fileId", f.name FROM jobs j JOIN files f ON f.id = j.file_id`;
    const [first, second, third] = NAMES.map((name) => jobs.find((job) => job.name === name));
    const rejects = { bucket: 'test-outbound', key: 'acme/rejects/inbound/orders-1.csv' };
    await sql`
      INSERT INTO job_steps (job_id, seq, kind, state, attempts, output, started_at, finished_at)
      VALUES (${first?.id ?? ''}, 0, 'parse', 'SUCCEEDED', 1, ${sql.json({ rejects })}, now(), now())`;
    const summary = { byState: { SUCCESS: 9, FAILED: 2, REJECTED: 1 }, byCode: {}, durationMs: 1_000 };
    await sql`
      UPDATE jobs SET state = 'SUCCEEDED', record_summary = ${sql.json(summary)}, finished_at = now() WHERE id = ${first?.id ?? ''}`;
    await sql`
      UPDATE files SET status = 'COMPLETED', open_jobs = 0, finished_at = now() WHERE id = ${first?.fileId ?? ''}`;
    await sql`UPDATE jobs SET state = 'WAITING', wait_reason = 'HELD' WHERE id = ${second?.id ?? ''}`;
    await sql`
      UPDATE jobs SET state = 'FAILED', error_code = 'VALIDATION_ERROR', error_message = 'Line 1 has no total.', finished_at = now()
      WHERE id = ${third?.id ?? ''}`;
    await sql`
      UPDATE files SET status = 'FAILED', open_jobs = 0, failed_jobs = 1, finished_at = now(), error_code = 'VALIDATION_ERROR',
        error_message = 'Line 1 has no total.' WHERE id = ${third?.fileId ?? ''}`;
    const opened = await launchBrowser();
    ({ browser, context, page } = opened);
    context.setDefaultTimeout(60_000);
    noteFaults(page, faults);
    await page.goto(await bed.makeLink());
    await page.getByRole('heading', { name: 'Files' }).waitFor();
  }, 240_000);
  afterAll(async () => {
    await browser?.close();
    await bed?.stop();
  });

  const list = () => page.getByRole('table').getByRole('link').allTextContents();
  const open = async (name: string) => {
    await page.goto(`${bed.address}/portal`);
    await page.getByRole('link', { name, exact: true }).click();
    await page.getByRole('heading', { level: 1, name, exact: true }).waitFor();
  };

  test('are found by the beginning of their names and by their state, and the address keeps it', async () => {
    await page.getByLabel('The name begins with').fill('orders');
    await page.keyboard.press('Enter');
    await expect.poll(async () => (await list()).sort(), { timeout: 60_000 }).toEqual(NAMES.slice(0, 2));
    await page.getByLabel('State').selectOption('being checked');
    await page.getByRole('button', { name: 'Find' }).click();
    await expect.poll(list, { timeout: 60_000 }).toEqual(['orders-2.csv']);
    await page.reload();
    await expect.poll(list, { timeout: 60_000 }).toEqual(['orders-2.csv']);
    expect(await page.getByLabel('The name begins with').inputValue()).toBe('orders');
    await page.goBack();
    await expect.poll(async () => (await list()).length, { timeout: 60_000 }).toBe(2);
    await page.getByLabel('The name begins with').fill('*onerror*');
    await page.keyboard.press('Enter');
    await expect.poll(list, { timeout: 60_000 }).toEqual(NAMES.slice(3));
    await page.getByLabel('The name begins with').fill('nothing like it');
    await page.keyboard.press('Enter');
    await page.getByText('No file matches.').waitFor();
    expect(await findBarriers(page)).toEqual([]);
    await page.getByRole('button', { name: 'Show all' }).click();
    await expect.poll(async () => (await list()).length, { timeout: 60_000 }).toBe(NAMES.length);
  });

  test('are read on a telephone: nothing is cut off, and no state is broken within a word', async () => {
    await page.setViewportSize({ width: 320, height: 640 });
    expect(await page.evaluate('document.documentElement.scrollWidth - innerWidth')).toBeLessThanOrEqual(0);
    const broken = await page.evaluate(BROKEN_WORDS);
    expect(broken).toEqual([]);
    await page.setViewportSize({ width: 1280, height: 800 });
  });

  test('offer what there is to take, and count their records', async () => {
    await open('orders-1.csv');
    await page.getByText('12 records, 9 done, 2 failed, 1 rejected').waitFor();
    await page.getByRole('button', { name: 'Rejected rows' }).waitFor();
    expect(await page.getByRole('button', { name: 'Results' }).count()).toBe(0);
    expect(await findBarriers(page)).toEqual([]);
    await open('invoices-1.csv');
    await page.getByRole('button', { name: 'The file as you sent it' }).waitFor();
    expect(await page.getByRole('button', { name: 'Rejected rows' }).count()).toBe(0);
  });

  test('say what they wait for, and what is to correct', async () => {
    await open('orders-2.csv');
    await page.getByText('route-0: waits until a person has looked at it').waitFor();
    await open('invoices-1.csv');
    await page
      .getByRole('region', { name: 'What to correct' })
      .getByText('Line 1 has no total. Correct the file and send it again.', { exact: true })
      .waitFor();
    await page.getByText('route-0: failed').waitFor();
    expect(faults).toEqual([]);
  });

  test('ask for no corrected file where the fault is not in it, and name no server', async () => {
    const { sql } = bed.api;
    const failure = {
      error_code: 'DELIVERY_ERROR',
      error_cause: 'REMOTE_AUTH_FAILED',
      error_message: 'sftp.bank says no.',
    };
    await sql`UPDATE files SET ${sql(failure)} WHERE name = 'invoices-1.csv'`;
    await sql`UPDATE jobs SET ${sql(failure)} FROM files f WHERE f.id = file_id AND f.name = 'invoices-1.csv'`;
    await open('invoices-1.csv');
    await page.getByRole('region', { name: 'What happened' }).getByText('Nothing for you to do').waitFor();
    expect(await page.getByText('sftp.bank').count()).toBe(0);
    expect(await page.getByRole('link', { name: 'Send a corrected file' }).count()).toBe(0);
    expect(faults).toEqual([]);
  });
});

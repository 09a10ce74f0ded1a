/** Budgets of long lists, in a real browser: whatever their length, few rows are in the document, and the page's memory has a bound. */
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { noBrowser, type OpenConsole, openConsole } from '#testkit/beds/open-console.ts';
import { startTestApi, type TestApi } from '#testkit/beds/start-test-api.ts';
import { waitUntil } from '#testkit/checks/wait-until.ts';
import { seedTenant } from '#testkit/seeds/seed-jobs.ts';
import { seedRecords } from '#testkit/seeds/seed-records.ts';
import { askTestRun } from '#testkit/vitest/ask-test-run.ts';

const RECORDS = 5_000;
const LINES = 3_000;
const MOST_ROWS = 60;
const MOST_HEAP_BYTES = 60_000_000;

const IS_ROW_IN_SIGHT = `(() => {
  const row = document.activeElement;
  if (row.dataset.index === undefined) return false;
  const [list, { top, bottom }] = [row.closest('[role=grid]'), row.getBoundingClientRect()];
  const head = list.querySelector('[role=rowgroup]').getBoundingClientRect();
  return top >= head.bottom - 1 && bottom <= list.getBoundingClientRect().bottom + 1;
})()`;

describe.skipIf(noBrowser !== undefined)('long lists (skipped without Chromium)', () => {
  let api: TestApi;
  let console: OpenConsole;
  let page: Page;
  let address: string;
  let job: { readonly id: string; readonly fileId: string };

  beforeAll(async () => {
    await askTestRun('pages');
    api = await startTestApi();
    address = await api.app.listen({ host: '127.0.0.1', port: 0 });
    await seedTenant(api.sql);
    const definition = {
      records: { columns: [{ name: 'id' }], businessKey: ['id'] },
      steps: [{ parse: {} }, { call: {} }],
    };
    await api.sql`UPDATE route_versions SET definition = ${api.sql.json(definition)}`;
    ({ job } = await seedRecords(api.sql, { records: RECORDS, keyOf: (line) => JSON.stringify([`key-${line}`]) }));
    // No two neighbours are alike, so that none are folded.
    await api.sql`
      INSERT INTO audit_events (type, tenant_id, file_id, job_id, actor, detail, at)
      SELECT CASE n % 2 WHEN 0 THEN 'job.held' ELSE 'job.released' END, 'acme', ${job.fileId}, ${job.id}, 'person ' || n,
        jsonb_build_object('reason', 'reason ' || n), now() + n * interval '1 ms'
      FROM generate_series(1, ${LINES}::int) AS n`;
    const headers = { 'x-api-key': api.keys.operator, host: new URL(address).host };
    const made = await api.app.inject({ method: 'POST', url: '/api/v1/sign-in-links', headers });
    console = await openConsole(made.json().url);
    page = console.page;
  }, 400_000);
  afterAll(async () => {
    await console?.close();
    await api?.stop();
  });

  async function heapBytes(): Promise<number> {
    const session = await page.context().newCDPSession(page);
    await session.send('HeapProfiler.collectGarbage');
    const { metrics } = await session.send('Performance.enable').then(() => session.send('Performance.getMetrics'));
    await session.detach();
    return metrics.find(({ name }) => name === 'JSHeapUsedSize')?.value ?? Number.POSITIVE_INFINITY;
  }

  /** To the end, page after page; the most rows that were in the document at once. */
  async function scrollToEnd(list: string, row: string, isEnd: () => Promise<boolean>): Promise<number> {
    let most = 0;
    await expect
      .poll(
        async () => {
          await page.evaluate(
            `{ const list = document.querySelector('${list}'); list.scrollTop = list.scrollHeight; }`,
          );
          most = Math.max(most, await page.locator(row).count());
          return await isEnd();
        },
        { timeout: 240_000, interval: 50 },
      )
      .toBe(true);
    return most;
  }

  test(`${RECORDS} records are read to the last one, and at most ${MOST_ROWS} rows are in the document`, async () => {
    await page.goto(`${address}/console/jobs/${job.id}/records`);
    await page.locator('[data-index="0"]').waitFor();
    const isEnd = async () => (await page.locator(`[data-index="${RECORDS - 1}"]`).count()) > 0;
    const most = await scrollToEnd('[role=grid]', '[role=grid] [data-index]', isEnd);
    expect(most).toBeGreaterThan(5);
    expect(most).toBeLessThanOrEqual(MOST_ROWS);
    expect(await heapBytes()).toBeLessThan(MOST_HEAP_BYTES);
  }, 300_000);

  test('a row that keys go to is whole in sight, below the head of the list', async () => {
    await page.goto(`${address}/console/jobs/${job.id}/records`);
    await page.locator('[data-index="0"]').waitFor();
    const keys = ['j', ...Array(25).fill('j'), 'PageDown', 'PageUp', 'k', 'End', 'k', 'PageUp', 'Home', 'ArrowDown'];
    for (const key of keys) {
      await page.keyboard.press(key);
      await expect.poll(() => page.evaluate(IS_ROW_IN_SIGHT), { timeout: 60_000, message: key }).toBe(true);
    }
    await expect.poll(() => page.evaluate('document.activeElement.dataset.index')).toBe('1');
  }, 300_000);

  test(`a timeline of ${LINES} lines is read to its end, and at most ${MOST_ROWS} lines are in the document`, async () => {
    await page.goto(`${address}/console/files/${job.fileId}`);
    const lines = page.getByRole('region', { name: 'Timeline' });
    await lines.locator('[data-index="0"]').waitFor();
    const isEnd = async () => (await lines.getByText(`person ${LINES}`, { exact: true }).count()) > 0;
    const most = await scrollToEnd('[aria-label=Timeline]', '[aria-label=Timeline] [data-index]', isEnd);
    expect(most).toBeGreaterThan(5);
    expect(most).toBeLessThanOrEqual(MOST_ROWS);
    expect(await heapBytes()).toBeLessThan(MOST_HEAP_BYTES);
    expect(console.faults).toEqual([]);
  }, 300_000);

  test('of a long timeline only the end is asked for again while its file is open', async () => {
    const asked: string[] = [];
    page.on('request', (request) => {
      if (request.url().includes('/timeline')) asked.push(request.url());
    });
    await waitUntil('the end is asked for again', () => asked.length > 12, { timeoutMs: 120_000 });
    // The three last pages, and the first, which has the step that is under way: all of them were fifteen, one after the other.
    const pages = [...new Set(asked)];
    expect(pages.filter((url) => !url.includes('cursor='))).toHaveLength(1);
    expect(pages.length).toBeLessThanOrEqual(4);
    page.removeAllListeners('request');
  }, 300_000);
});

/**
 * The console over a whole fleet, in a real browser: files are found, explained and retried, whatever their names are. No other suite of
 * its fleet may come before it: it reads whole lists.
 */
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type OpenConsole, openConsole } from '#testkit/beds/open-console.ts';
import type { TestFleet } from '#testkit/beds/start-test-fleet.ts';
import { askTestRun } from '#testkit/vitest/ask-test-run.ts';

const TENANT = 'watched';
export const CONSOLE_ROUTES = `
kind: route
tenant: ${TENANT}
name: checked
match: { path: "checked/**" }
steps:
  - validate: { checksumSidecar: { waitUpTo: 1s } }
  - deliver: {}
---
kind: route
tenant: ${TENANT}
name: plain
match: { path: "plain/**" }
steps:
  - deliver: {}
`;
const CONTENT = 'id\n1\n';
const HOSTILE = [
  '<img src=x onerror=alert(1)>.csv',
  '"><svg onload=alert(2)>.csv',
  'gpj.\u202Eexe.csv',
  "{{constructor.constructor('alert(3)')()}}.csv",
];
const LONG_MS = 60_000;

export function consoleFiles(running: () => TestFleet): void {
  let fleet: TestFleet;
  let console: OpenConsole;
  const at = (path: string) => new URL(`/console${path}`, fleet.stack.endpoints.api).href;

  beforeAll(async () => {
    await askTestRun('pages');
    fleet = running();
    const key = readFileSync(fleet.stack.endpoints.operatorKeyFile, 'utf8').trim();
    const made = await fetch(new URL('/api/v1/sign-in-links', fleet.stack.endpoints.api), {
      method: 'POST',
      headers: { 'x-api-key': key },
    });
    console = await openConsole(((await made.json()) as { url: string }).url);
  }, 180_000);
  afterAll(() => console?.close());

  test('a failed file is found, explained and retried by keys alone, and becomes completed while one looks', async () => {
    const { page } = console;
    await fleet.put(`${TENANT}/checked/order.csv`, CONTENT);
    await fleet.untilAllEnded(1, LONG_MS, TENANT);
    await page.goto(at('/files?status=failed'));
    const row = page.getByRole('row').filter({ hasText: 'order.csv' });
    await row.waitFor();
    await page.keyboard.press('j');
    await page.keyboard.press('o');
    await page.getByText('What to do:').waitFor();
    expect(await page.getByRole('region', { name: 'What happened' }).textContent()).toContain(
      'CHECKSUM_SIDECAR_MISSING',
    );
    await fleet.put(`${TENANT}/checked/order.csv.sha256`, `${await sha256(CONTENT)}  order.csv\n`);
    await page.keyboard.press('r');
    await page.getByText(/^Takes/).waitFor();
    await page.keyboard.type('INC-4711 the checksum is there');
    await page.keyboard.press('Enter');
    await page.locator('article header').getByText('completed').first().waitFor();
    await page.getByText('INC-4711').first().waitFor();
    expect(await page.getByText('What to do:').count()).toBe(0);
    expect(console.faults).toEqual([]);
  });

  test('names that are markup, or that turn text round, are shown as they are and run nothing', async () => {
    const { page } = console;
    for (const name of HOSTILE) await fleet.put(`${TENANT}/elsewhere/${name}`, CONTENT);
    // And of the test before, a file and its checksum.
    await fleet.untilAllEnded(HOSTILE.length + 2, LONG_MS, TENANT);
    await page.goto(at('/files?status=quarantined'));
    await page.getByRole('row').nth(HOSTILE.length).waitFor();
    const shown = await page.locator('[data-column="name"]').allInnerTexts();
    expect(shown.sort()).toEqual(HOSTILE.map((name) => name.replace('\u202E', '⟨U+202E⟩')).sort());
    await page.getByRole('row').filter({ hasText: 'onerror' }).getByRole('link').click();
    await page.getByText('What happened:').waitFor();
    expect(await page.getByRole('heading', { level: 1 }).textContent()).toBe(HOSTILE[0]);
    expect(await page.locator('img, main script').count()).toBe(0);
    expect(console.faults).toEqual([]);
  });

  test('the filter is in the address: it survives a reload, back and forward, and empty lists show the way out', async () => {
    const { page } = console;
    await page.goto(at('/files?status=quarantined'));
    await page.getByRole('row').nth(2).waitFor();
    for (const key of ['j', 'j', 'o']) await page.keyboard.press(key);
    await page.getByText('What happened:').waitFor();
    await page.goBack();
    await page.getByRole('row').nth(2).waitFor();
    await page.keyboard.press('j');
    expect(await page.evaluate('document.activeElement.dataset.index')).toBe('1');
    await page.getByRole('button', { name: 'Remove the filter status' }).click();
    await page.getByRole('row').filter({ hasText: 'order.csv' }).first().waitFor();
    await page.goBack();
    await page.getByRole('button', { name: /^status: quarantined/ }).waitFor();
    await page.goForward();
    await page.getByRole('row').filter({ hasText: 'order.csv' }).first().waitFor();
    await page.goto(at('/files?name=nothing-like-it'));
    await page.reload();
    await page.getByRole('button', { name: 'Remove name' }).click();
    await page.getByRole('row').nth(1).waitFor();
  });

  test('a file that arrives is counted above the list, and never moves it', async () => {
    const { page } = console;
    await page.goto(at('/files'));
    await page.getByRole('button', { name: /live/ }).waitFor();
    const first = await page.locator('[data-index="0"]').getAttribute('data-id');
    await fleet.put(`${TENANT}/plain/late.csv`, CONTENT);
    const pill = page.locator('[data-new]');
    await pill.waitFor();
    expect(await page.locator('[data-index="0"]').getAttribute('data-id')).toBe(first);
    await page.keyboard.press('j');
    await page.keyboard.press('.');
    await page.locator('[data-index="0"]').filter({ hasText: 'late.csv' }).waitFor();
    // The row that has the focus has moved down, and is still the one that keys mean.
    await page.keyboard.press('x');
    await page.locator('[data-index="1"][aria-selected="true"]').waitFor();
    expect(await page.locator('[aria-selected="true"]').getAttribute('data-id')).toBe(first);
    await page.keyboard.press('x');
    await page.locator('[data-index="0"]').getByText('completed').waitFor();
  });

  test('an API that is away is said, and what is shown and typed stays until it is back', async () => {
    const { page } = console;
    await page.goto(at('/files?status=quarantined'));
    await page.getByRole('row').nth(1).waitFor();
    await page.getByRole('button', { name: '+ filter' }).click();
    await page.getByRole('menuitem', { name: 'route' }).click();
    await page.getByRole('combobox').fill('half a wo');
    await console.context.route('**/api/**', (route) => route.abort());
    await page.getByRole('button', { name: 'Cancel' }).waitFor();
    await page.evaluate("document.dispatchEvent(new Event('visibilitychange'))");
    await page.getByText('The API has not answered since').waitFor();
    expect(await page.getByRole('row').count()).toBeGreaterThan(1);
    await console.context.unroute('**/api/**');
    await page.getByText('The API has not answered since').waitFor({ state: 'detached' });
    expect(await page.getByRole('combobox').inputValue()).toBe('half a wo');
  });

  test('a session that ends asks to sign in again over what is shown', async () => {
    const { page } = console;
    await page.goto(at('/files?status=quarantined'));
    await page.getByRole('row').nth(1).waitFor();
    await console.context.clearCookies();
    await page.evaluate("document.dispatchEvent(new Event('visibilitychange'))");
    await page.getByRole('dialog', { name: 'Your session has ended' }).waitFor();
    expect(await page.getByRole('row', { includeHidden: true }).count()).toBeGreaterThan(1);
    expect(console.faults).toEqual([]);
  });
}

async function sha256(text: string): Promise<string> {
  const digest = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(text));
  return Buffer.from(digest).toString('hex');
}

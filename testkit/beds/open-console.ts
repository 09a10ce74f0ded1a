/** The console of a fleet in a real browser, signed in by a one-time link, with every fault of the page and its policy written down. */
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { type Browser, type BrowserContext, chromium, type Locator, type Page } from 'playwright-core';

const { LONGSHORE_TEST_CHROMIUM = '/usr/bin/chromium' } = process.env;
/** A machine under load starts a browser in a minute, and shows a page in as long. */
const LOADED_MACHINE_MS = 100_000;
export const BROWSER_OPTIONS = {
  executablePath: LONGSHORE_TEST_CHROMIUM,
  args: ['--no-sandbox', '--disable-dev-shm-usage'],
  timeout: LOADED_MACHINE_MS,
};
const AXE = readFileSync(fileURLToPath(import.meta.resolve('axe-core/axe.min.js')), 'utf8');

/** Why there can be no browser; undefined when there can. */
export const noBrowser = existsSync(LONGSHORE_TEST_CHROMIUM) ? undefined : `there is no ${LONGSHORE_TEST_CHROMIUM}`;

export interface OpenConsole {
  readonly page: Page;
  readonly context: BrowserContext;
  /** Faults of scripts, and what the policy refused. */
  readonly faults: readonly string[];
  close(): Promise<void>;
}

export async function launchBrowser(): Promise<{ browser: Browser; context: BrowserContext; page: Page }> {
  const browser = await chromium.launch(BROWSER_OPTIONS);
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 } });
  context.setDefaultTimeout(LOADED_MACHINE_MS);
  return { browser, context, page: await context.newPage() };
}

/** Faults of scripts, and what the policy refused, from now on. */
export function noteFaults(page: Page, faults: string[]): void {
  page.on('pageerror', (error) => faults.push(String(error)));
  page.on('dialog', (dialog) => {
    faults.push(`dialog: ${dialog.message()}`);
    void dialog.dismiss();
  });
  page.on('console', (message) => {
    if (/Content Security Policy|Trusted(HTML|Script)/.test(message.text())) faults.push(message.text());
  });
}

/**
 * Writes over the text of an editor, as a person does who empties it first. Text over several selected lines is merged by Chromium, which
 * gives the line a style that the policy refuses.
 */
export async function replaceText(page: Page, editor: Locator, text: string): Promise<void> {
  await editor.click();
  await page.keyboard.press('Control+a');
  await page.keyboard.press('Backspace');
  await page.keyboard.insertText(text);
}

/** @param link a one-time sign-in link */
export async function openConsole(link: string): Promise<OpenConsole> {
  const { browser, context, page } = await launchBrowser();
  const faults: string[] = [];
  noteFaults(page, faults);
  await page.goto(link);
  await page.getByRole('navigation', { name: 'Views' }).waitFor();
  return {
    page,
    context,
    faults,
    close: () => browser.close(),
  };
}

const RULES = {
  all: {},
  wcag: { runOnly: ['wcag2a', 'wcag2aa', 'wcag21aa', 'wcag22aa'] },
  /** What another theme changes. */
  colours: { runOnly: ['color-contrast'] },
} as const;

/** Rules of accessibility that what is shown breaks, each with where. */
export async function findBarriers(page: Page, rules: keyof typeof RULES = 'all'): Promise<string[]> {
  // In the page's own world its policy would refuse the text of a script.
  const session = await page.context().newCDPSession(page);
  const run = async (expression: string) => {
    const { result, exceptionDetails } = await session.send('Runtime.evaluate', {
      expression,
      awaitPromise: true,
      returnByValue: true,
    });
    if (exceptionDetails !== undefined) throw new Error(exceptionDetails.exception?.description);
    return result.value as unknown;
  };
  await run(`if (typeof axe === 'undefined') { ${AXE} }; undefined`);
  const found = await run(
    `axe.run(document, ${JSON.stringify(RULES[rules])}).then(({ violations }) => violations.flatMap(({ id, nodes }) => nodes.map(({ target, failureSummary }) => id + ' ' + target.join(' ') + ' ' + failureSummary)))`,
  );
  await session.detach();
  return found as string[];
}

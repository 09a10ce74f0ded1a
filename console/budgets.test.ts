/** What a browser has to load, from the files as they are served: compressed. */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { askTestRun } from '#testkit/vitest/ask-test-run.ts';

const DIST = join(import.meta.dirname, 'dist');
const KB = 1_000;
const EDITOR = /^yaml-editor-/;

beforeAll(async () => {
  await askTestRun('pages');
});

function compressedBytes(name: string): number {
  const path = join(DIST, 'assets', name);
  try {
    return statSync(`${path}.gz`).size;
  } catch {
    return statSync(path).size;
  }
}

/** What the document names, and what that imports at once. */
function firstLoad(page: string): string[] {
  const seen = new Set<string>();
  const follow = (name: string) => {
    if (seen.has(name)) return;
    seen.add(name);
    if (!name.endsWith('.js')) return;
    const text = readFileSync(join(DIST, 'assets', name), 'utf8');
    for (const [, imported] of text.matchAll(/(?:from|import)\s*["'`]\.\/([\w.-]+\.js)["'`]/g)) follow(imported ?? '');
  };
  const document = readFileSync(join(DIST, `${page}.html`), 'utf8');
  for (const [, name] of document.matchAll(/\/assets\/([\w.-]+)/g)) follow(name ?? '');
  return [...seen];
}

const sum = (names: readonly string[]) => names.reduce((total, name) => total + compressedBytes(name), 0);

test.each([
  ['console', 130],
  ['portal', 105],
])('the first load of the %s is at most %i KB of scripts', (page, most) => {
  const scripts = firstLoad(page).filter((name) => name.endsWith('.js'));
  expect(scripts.length).toBeGreaterThan(0);
  expect(sum(scripts)).toBeLessThanOrEqual(most * KB);
});

test('each view is at most 25 KB, the editor 120 KB, and all styles 12 KB', () => {
  const assets = readdirSync(join(DIST, 'assets')).filter((name) => /\.(js|css)$/.test(name));
  const first = new Set([...firstLoad('console'), ...firstLoad('portal')]);
  const large = assets
    .filter((name) => name.endsWith('.js') && !first.has(name))
    .filter((name) => compressedBytes(name) > (EDITOR.test(name) ? 120 : 25) * KB);
  expect(large).toEqual([]);
  expect(sum(assets.filter((name) => name.endsWith('.css')))).toBeLessThanOrEqual(12 * KB);
});

test('whichever styles come first, those of parts and views go over those of elements', () => {
  const styles = readdirSync(join(DIST, 'assets')).filter((name) => name.endsWith('.css'));
  const starts = styles.map((name) => readFileSync(join(DIST, 'assets', name), 'utf8').slice(0, 11));
  expect(starts).toEqual(styles.map(() => '@layer base'));
});

test('nothing of the console is in the first load of the portal', () => {
  const portal = firstLoad('portal').filter((name) => name.endsWith('.js'));
  expect(portal.filter((name) => name.startsWith('console-'))).toEqual([]);
});

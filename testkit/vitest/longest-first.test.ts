import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import LONG_FILES from './long-files.json' with { type: 'json' };
import { orderOf, weightOf } from './longest-first.ts';

const root = mkdtempSync(join(tmpdir(), 'longshore-weights-'));
afterAll(() => rmSync(root, { recursive: true }));
for (const folder of ['shared', 'testkit', 'test']) mkdirSync(join(root, folder));

function write(path: string, lines: readonly string[], length = 0): string {
  writeFileSync(join(root, path), [...lines, `// ${'x'.repeat(length)}`].join('\n'));
  return join(root, path);
}

test('a test of few lines weighs as much as the checks it runs, each once, and nothing of the product', () => {
  write('shared/product.ts', [], 50_000);
  write('testkit/seed.ts', ["import { product } from '#shared/product.ts';"], 1_000);
  write(
    'testkit/check.ts',
    ["import { seed } from './seed.ts';", "import type { Other } from '#test/type.ts';"],
    9_000,
  );
  write('test/type.ts', [], 70_000);
  const short = write('shared/short.long.test.ts', [
    "import { check } from '#testkit/check.ts';",
    "import { seed } from '#testkit/seed.ts';",
    "import postgres from 'postgres';",
  ]);
  const middling = write('shared/middling.long.test.ts', ["import { product } from './product.ts';"], 5_000);
  expect(weightOf(root, middling)).toBeGreaterThan(5_000);
  expect(weightOf(root, middling)).toBeLessThan(6_000);
  expect(weightOf(root, short)).toBeGreaterThan(10_000);
  expect(weightOf(root, short)).toBeLessThan(11_000);
});

test('modules that import each other are weighed once', () => {
  write('testkit/one.ts', ["import { two } from './two.ts';"], 1_000);
  write('testkit/two.ts', ["import { one } from './one.ts';"], 1_000);
  const circular = write('shared/circular.long.test.ts', ["import { one } from '#testkit/one.ts';"]);
  expect(weightOf(root, circular)).toBeLessThan(2_500);
});

test('files whose time is known begin, by their time, and the others follow by their weight', () => {
  const [long, longer] = ['long', 'longer'].map((name) => write(`shared/${name}.long.test.ts`, []));
  const [light, heavy] = [0, 9_000].map((length) => write(`shared/of-${length}.long.test.ts`, [], length));
  const tests = [light, heavy, long, longer].map(String);
  const seconds = { 'shared/long.long.test.ts': 20, 'shared/longer.long.test.ts': 300 };
  expect(orderOf(root, tests, seconds)).toEqual([longer, long, heavy, light]);
});

test('every file whose time is written down exists', () => {
  const repository = join(import.meta.dirname, '../..');
  expect(Object.keys(LONG_FILES).filter((file) => !existsSync(join(repository, file)))).toEqual([]);
});

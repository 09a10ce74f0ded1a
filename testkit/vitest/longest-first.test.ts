import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { weightOf } from './longest-first.ts';

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

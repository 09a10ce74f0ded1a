import { existsSync, readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { openLogFile } from '#local/launcher/log-file.ts';

let directory: string;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'longshore-logs-'));
});

afterEach(() => rm(directory, { recursive: true, force: true }));

function linesOf(path: string): unknown[] {
  return readFileSync(path, 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));
}

test('every line is JSON, also what a crash prints', () => {
  const path = join(directory, 'router.log');
  const log = openLogFile({ path, service: 'router' });
  log.writeLine('{"level":"info","msg":"handled"}');
  log.writeLine('TypeError: x is not a function');
  log.writeLine('    at handle "y" (router.ts:1:1)');
  log.close();
  expect(linesOf(path)).toMatchObject([
    { msg: 'handled' },
    { service: 'router', msg: 'TypeError: x is not a function' },
    { service: 'router', msg: '    at handle "y" (router.ts:1:1)' },
  ]);
});

test('the log is bounded: one older file, the newest lines in the named one', () => {
  const path = join(directory, 'router.log');
  const log = openLogFile({ path, service: 'router', maxBytes: 1_000 });
  for (let number = 0; number < 500; number += 1) log.writeLine(JSON.stringify({ number, msg: 'handled' }));
  log.close();
  const kept = [...linesOf(`${path}.1`), ...linesOf(path)].map((line) => (line as { number: number }).number);
  expect(kept.at(-1)).toBe(499);
  expect(kept).toEqual(Array.from(kept, (_, index) => 500 - kept.length + index));
  expect(readFileSync(path).length + readFileSync(`${path}.1`).length).toBeLessThanOrEqual(2_000);
  expect(existsSync(`${path}.2`)).toBe(false);
});

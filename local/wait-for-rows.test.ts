import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { waitForRows } from './wait-for-rows.ts';

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'rows-'));
});
afterEach(() => rm(directory, { recursive: true }));

const untilAborted = (signal: AbortSignal) =>
  new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));

/** Only a write, or an end, wakes it once it is quiet. */
function start(signal: AbortSignal) {
  const seen = { looks: 0, isThere: false, isWatching: false };
  const waiting = waitForRows({
    directory,
    signal,
    hasRows() {
      seen.looks += 1;
      return seen.isThere;
    },
    pause(ms, ended) {
      if (ms < 100) return delay(0);
      seen.isWatching = true;
      return untilAborted(ended);
    },
  });
  return { seen, waiting };
}

test('once it is quiet, nothing is looked at until something is written', async () => {
  const { seen, waiting } = start(AbortSignal.timeout(120_000));
  await vi.waitUntil(() => seen.isWatching, { timeout: 60_000 });
  const { looks } = seen;
  await delay(0);
  expect(seen.looks).toBe(looks);
  seen.isThere = true;
  await writeFile(join(directory, 'rows.sqlite-wal'), 'a row');
  expect(await waiting).toBe(true);
});

test('a write that brings no row is followed by looks again, until it is quiet', async () => {
  const { seen, waiting } = start(AbortSignal.timeout(120_000));
  for (let time = 0; time < 2; time += 1) {
    await vi.waitUntil(() => seen.isWatching, { timeout: 60_000 });
    seen.isWatching = false;
    await writeFile(join(directory, 'other'), `${time}`);
  }
  await vi.waitUntil(() => seen.isWatching, { timeout: 60_000 });
  seen.isThere = true;
  await writeFile(join(directory, 'rows.sqlite-wal'), 'a row');
  expect(await waiting).toBe(true);
});

test('a directory that cannot be watched is looked at all the same', async () => {
  await rm(directory, { recursive: true });
  let looks = 0;
  const hasRows = () => ++looks > 60;
  expect(await waitForRows({ directory, hasRows, signal: AbortSignal.timeout(60_000), pause: () => delay(0) })).toBe(
    true,
  );
  directory = await mkdtemp(join(tmpdir(), 'rows-'));
});

test('the wait ends when it is told to, also while it is quiet', async () => {
  const end = new AbortController();
  const { seen, waiting } = start(end.signal);
  await vi.waitUntil(() => seen.isWatching, { timeout: 60_000 });
  end.abort();
  expect(await waiting).toBe(false);
});

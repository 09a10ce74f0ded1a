import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { requestStallMs, StallWatch, unwatchedStallMs, watchedStallMs } from './stall-watch.ts';

let watch: StallWatch;
let stalls: string[];
let parts: PromiseWithResolvers<void>[];

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval', 'performance'] });
  stalls = [];
  parts = [];
  watch = new StallWatch({ afterMs: 8_000, doing: 'copy to a/b', onStall: ({ message }) => stalls.push(message) });
});

afterEach(() => {
  watch.stop();
  vi.useRealTimers();
});

function begin(number: number): Promise<void> {
  const part = Promise.withResolvers<void>();
  parts[number] = part;
  return watch.during(number, () => part.promise);
}

test('a copy of which nothing moves is given up once', async () => {
  void begin(1);
  await vi.advanceTimersByTimeAsync(7_000);
  expect(stalls).toEqual([]);
  await vi.advanceTimersByTimeAsync(30_000);
  expect(stalls).toEqual(['copy to a/b: nothing moved for 8000 ms']);
});

test('one byte now and then is enough, of whichever part; bytes that are moved once more are none', async () => {
  void begin(1);
  void begin(2);
  for (let bytes = 1; bytes <= 10; bytes += 1) {
    watch.moved(1 + (bytes % 2), bytes);
    await vi.advanceTimersByTimeAsync(7_000);
  }
  expect(stalls).toEqual([]);
  for (const bytes of [1, 5, 9]) {
    watch.moved(1, bytes);
    await vi.advanceTimersByTimeAsync(3_000);
  }
  expect(stalls).toHaveLength(1);
});

test('a copy that waits for its turn, with no part in flight, does not stand still', async () => {
  await vi.advanceTimersByTimeAsync(60_000);
  const ended = begin(1);
  await vi.advanceTimersByTimeAsync(7_000);
  parts[1]?.resolve();
  await ended;
  await vi.advanceTimersByTimeAsync(60_000);
  void begin(2);
  await vi.advanceTimersByTimeAsync(7_000);
  expect(stalls).toEqual([]);
  await vi.advanceTimersByTimeAsync(2_000);
  expect(stalls).toHaveLength(1);
});

test('a process that stood still has its copies go on, and one of which nothing moves afterwards is given up', async () => {
  let pausedMs = 0;
  watch.stop();
  watch = new StallWatch({
    afterMs: 8_000,
    doing: 'copy to a/b',
    onStall: ({ message }) => stalls.push(message),
    now: () => performance.now() + pausedMs,
  });
  void begin(1);
  for (let pause = 1; pause <= 5; pause += 1) {
    pausedMs += 60_000;
    await vi.advanceTimersByTimeAsync(400);
  }
  expect(stalls).toEqual([]);
  await vi.advanceTimersByTimeAsync(8_000);
  expect(stalls).toHaveLength(1);
});

test('a request that stood still has a second try before the copy is given up', () => {
  expect([60_000, 600].map(requestStallMs)).toEqual([40_000, 400]);
  expect([60_000, 600].map((ofCopy) => watchedStallMs(requestStallMs(ofCopy)))).toEqual([60_000, 600]);
  expect(unwatchedStallMs(requestStallMs(60_000))).toBe(120_000);
});

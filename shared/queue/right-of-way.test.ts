import { expect, test } from 'vitest';
import { createRightOfWay } from './right-of-way.ts';

/** A clock that only work and rests move on; rests are written down. */
function createBed() {
  const rests: number[] = [];
  let nowMs = 0;
  const way = createRightOfWay({
    now: () => nowMs,
    busyMs: () => nowMs,
    rest: async (ms) => {
      rests.push(ms);
      nowMs += ms;
    },
  });
  const work = (ms: number) => async () => {
    nowMs += ms;
    return ms;
  };
  return { way, rests, work, pass: (ms: number) => (nowMs += ms) };
}

const { signal } = new AbortController();

test('a flood that is alone never rests', async () => {
  const { way, rests, work } = createBed();
  expect(await way.after(work(200), signal)).toBe(200);
  expect(rests).toEqual([]);
});

test('after something urgent it rests three times as long as the loop was busy, at most a second', async () => {
  const { way, rests, work } = createBed();
  expect(await way.first(work(10))).toBe(10);
  await way.after(work(50), signal);
  await way.after(work(800), signal);
  expect(rests).toEqual([150, 1_000]);
});

test('it is at full speed again when nothing urgent came for five seconds', async () => {
  const { way, rests, work, pass } = createBed();
  await way.first(work(10));
  pass(5_000);
  await way.after(work(50), signal);
  expect(rests).toEqual([]);
});

test('a piece begins once what is urgent has ended', async () => {
  const way = createRightOfWay({ rest: () => new Promise(() => undefined) });
  const { promise, resolve } = Promise.withResolvers<void>();
  const order: string[] = [];
  const urgent = way.first(async () => {
    await promise;
    order.push('urgent');
  });
  // It never rests to its end here: what is awaited is its work.
  const begun = new Promise<void>((begin) => {
    void way.after(async () => {
      order.push('flood');
      begin();
    }, signal);
  });
  resolve();
  await Promise.all([urgent, begun]);
  expect(order).toEqual(['urgent', 'flood']);
});

test('it begins after a quarter of a second, however long the urgent takes', async () => {
  const { way, rests, work } = createBed();
  void way.first(() => new Promise<never>(() => undefined));
  expect(await way.after(work(20), signal)).toBe(20);
  expect(rests).toEqual([250, 60]);
});

test('what fails fails, and the way is free afterwards', async () => {
  const { way, rests, work, pass } = createBed();
  await expect(way.first(() => Promise.reject(new Error('urgent')))).rejects.toThrow('urgent');
  await expect(way.after(() => Promise.reject(new Error('flood')), signal)).rejects.toThrow('flood');
  pass(10_000);
  await way.after(work(20), signal);
  expect(rests.filter((ms) => ms > 0)).toEqual([]);
});

test('stopping ends a rest', async () => {
  const way = createRightOfWay({
    rest: (_ms, signal) => new Promise((resolve) => signal.addEventListener('abort', () => resolve())),
  });
  const stop = new AbortController();
  await way.first(async () => undefined);
  const piece = way.after(async () => 'done', stop.signal);
  setImmediate(() => stop.abort());
  expect(await piece).toBe('done');
});

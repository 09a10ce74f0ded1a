import { expect, test } from 'vitest';
import { FARGATE_SCALING } from '#shared/scaling/fargate-scaling.ts';
import { createAutoScaling } from './application-auto-scaling.ts';

const policy = {
  minTasks: 2,
  maxTasks: 100,
  backlogPerTask: 100,
  arrivalsPerTask: 10,
  oldestAgeSeconds: 20,
  largestShrink: 0.1,
};
const quiet = { visibleMessages: 0, waitingRows: 0, arrivalsPerSecond: 0, oldestAgeSeconds: 0, runningTasks: 2 };

/** One reading a minute; the tasks that are wanted after each. */
function readAll(
  scaling: ReturnType<typeof createAutoScaling>,
  readings: readonly object[],
  startSecond = 0,
): number[] {
  return readings.map((reading, index) => scaling.read({ ...quiet, ...reading }, startSecond + index * 60));
}
const times = <Value>(count: number, value: Value): Value[] => Array.from({ length: count }, () => value);

test('tracking grows at the third reading over its target, by as much as it is over it', () => {
  const scaling = createAutoScaling(policy, FARGATE_SCALING);
  expect(readAll(scaling, times(3, { visibleMessages: 600 }))).toEqual([2, 2, 6]);
});

test('a reading below the target begins the count anew', () => {
  const scaling = createAutoScaling(policy, FARGATE_SCALING);
  const busy = { visibleMessages: 600 };
  expect(readAll(scaling, [busy, busy, {}, busy, busy, busy])).toEqual([2, 2, 2, 2, 2, 6]);
});

test('what is still starting is not asked for again, and more is when more waits', () => {
  const scaling = createAutoScaling(policy, FARGATE_SCALING);
  readAll(scaling, times(3, { visibleMessages: 600 }));
  expect(readAll(scaling, [{ visibleMessages: 600 }, { visibleMessages: 800 }], 180)).toEqual([6, 8]);
});

test('arrivals beyond what the tasks do are seen before a backlog is', () => {
  const scaling = createAutoScaling(policy, FARGATE_SCALING);
  expect(readAll(scaling, times(3, { arrivalsPerSecond: 35 }))).toEqual([2, 2, 4]);
});

test('something late adds half of the tasks after one reading, and again a minute later', () => {
  const scaling = createAutoScaling(policy, FARGATE_SCALING);
  expect(readAll(scaling, times(4, { oldestAgeSeconds: 21 }))).toEqual([3, 4, 6, 9]);
});

test('a tenth goes after fifteen quiet readings, and the next one after a rest', () => {
  const scaling = createAutoScaling(policy, FARGATE_SCALING);
  scaling.schedule(30);
  scaling.schedule(0);
  const wanted = readAll(scaling, times(19, { runningTasks: 30 }));
  expect(wanted.slice(13)).toEqual([30, 27, 27, 27, 25, 25]);
});

test('tasks that what arrives needs stay, although nothing waits', () => {
  const scaling = createAutoScaling(policy, FARGATE_SCALING);
  scaling.schedule(30);
  scaling.schedule(0);
  expect(readAll(scaling, times(30, { runningTasks: 30, arrivalsPerSecond: 280 })).at(-1)).toBe(30);
  expect(readAll(scaling, times(16, { runningTasks: 30, arrivalsPerSecond: 270 }), 1_800).at(-1)).toBe(27);
});

test('nothing goes below the schedule, nor grows beyond the ceiling', () => {
  const scaling = createAutoScaling(policy, FARGATE_SCALING);
  expect(scaling.schedule(5)).toBe(5);
  expect(readAll(scaling, times(40, { runningTasks: 5 })).at(-1)).toBe(5);
  expect(readAll(scaling, times(3, { runningTasks: 5, visibleMessages: 1e6 }), 2_400).at(-1)).toBe(100);
});

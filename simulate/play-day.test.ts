import { expect, test } from 'vitest';
import { describeDay } from './describe-day.ts';
import { drawDay } from './draw-day.ts';
import { FARGATE_TIMES, type PlayDayOptions, playDay } from './play-day.ts';
import { productionFleet } from './production-fleet.ts';

const million: PlayDayOptions = {
  day: 'bursty',
  files: 1_000_000,
  fleet: productionFleet(),
  platform: FARGATE_TIMES,
  largeShare: 0.001,
  databaseFilesPerSecond: 5_000,
  warmFactor: 1,
  seed: 1,
};

const sum = (values: Float64Array) => values.reduce((total, value) => total + value, 0);

test.each([1, 2, 3])(
  'a bursty day: age under 30 s for 95 % of it, under 5 min for 95 % of a burst (seed %i)',
  (seed) => {
    const { oldestAgeP95Seconds, burstAges } = playDay({ ...million, seed });
    expect(oldestAgeP95Seconds).toBeLessThan(30);
    expect(burstAges?.p95Seconds).toBeLessThan(300);
    expect(burstAges?.openFiles).toBe(0);
  },
);

test('where tasks stand ready for the known bursts, 95 % of all files take under 30 s', () => {
  const { ages, burstAges } = playDay({ ...million, warmFactor: 3 });
  expect(ages.p95Seconds).toBeLessThan(30);
  expect(burstAges?.maxSeconds).toBeLessThan(30);
});

test('ten times the files: a burst still ends within 5 min where tasks stand ready', () => {
  const { oldestAgeP95Seconds, burstAges } = playDay({ ...million, files: 10_000_000, warmFactor: 10 });
  expect(oldestAgeP95Seconds).toBeLessThan(30);
  expect(burstAges?.p95Seconds).toBeLessThan(300);
});

test('a steady day needs the least tasks and no more', () => {
  const { services, ages, burstAges } = playDay({ ...million, day: 'steady' });
  for (const { queue, policy } of services) expect(Math.max(...new Set(queue.runningTasks))).toBe(policy.minTasks);
  expect(ages.p95Seconds).toBeLessThan(30);
  expect(burstAges).toBeUndefined();
});

test('no file is lost between the queues, and no task too many runs', () => {
  const { services, ages } = playDay({ ...million, warmFactor: 3 });
  for (const { arrivals, queue, policy } of services) {
    expect(sum(arrivals) - sum(queue.departures)).toBeCloseTo(queue.depth.at(-1) ?? Number.NaN, 3);
    expect(queue.runningTasks.every((tasks) => tasks >= policy.minTasks && tasks <= policy.maxTasks)).toBe(true);
    expect(queue.paidTasks.every((tasks, second) => tasks >= (queue.runningTasks[second] ?? 0))).toBe(true);
  }
  expect(ages.openFiles).toBeLessThan(10);
});

test('a task that starts later lets files wait longer', () => {
  const slow = playDay({ ...million, platform: { ...FARGATE_TIMES, taskStartSeconds: 180 } });
  expect(slow.burstAges?.maxSeconds).toBeGreaterThan(playDay(million).burstAges?.maxSeconds ?? 0);
});

test('the same seed gives the same table and the same picture', () => {
  const [one, other] = [playDay(million), playDay(million)];
  expect(describeDay(one)).toEqual(describeDay(other));
  expect(drawDay(one)).toBe(drawDay(other));
  expect(drawDay(playDay({ ...million, seed: 2 }))).not.toBe(drawDay(one));
});

test('the picture is five panels of whole lines', () => {
  const svg = drawDay(playDay(million));
  expect(svg.match(/<polyline /g)).toHaveLength(1 + 4 + 1 + 4 + 4);
  expect(svg).not.toMatch(/NaN|Infinity|undefined/);
});

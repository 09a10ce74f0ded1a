import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { databaseFilesPerSecond } from '#shared/scaling/database-capacity.ts';
import { FARGATE_SCALING } from '#shared/scaling/fargate-scaling.ts';
import { PLANNED_UTILISATION } from '#shared/scaling/scaling-policy.ts';
import { readSettings } from '../deploy/settings.ts';
import { FLEET_SIZES } from '../deploy/sizes.ts';
import { describeDay } from './describe-day.ts';
import { drawDay } from './draw-day.ts';
import { type PlayDayOptions, playDay } from './play-day.ts';
import { productionFleet } from './production-fleet.ts';

const production = readSettings(fileURLToPath(new URL('../deploy/settings/prod.yaml', import.meta.url)));

/** As production's settings have it. */
const million: PlayDayOptions = {
  day: 'bursty',
  files: 1_000_000,
  fleet: productionFleet(),
  platform: FARGATE_SCALING,
  largeShare: 0.001,
  databaseFilesPerSecond: databaseFilesPerSecond(FLEET_SIZES.prod.databaseCapacity.max),
  orderedShare: 0,
  orderedDirectories: 1,
  scheduledMinimums: production.homes[0]!.scheduledMinimums,
  scheduleFactor: 1,
  seed: 1,
};

const days = new Map<string, ReturnType<typeof playDay>>();

/** A day as production's settings have it, with what is different; each is played once, because playing it takes a second. */
function dayWith(change: Partial<PlayDayOptions> = {}): ReturnType<typeof playDay> {
  const options = { ...million, ...change };
  const name = JSON.stringify(options);
  const day = days.get(name) ?? playDay(options);
  days.set(name, day);
  return day;
}

const sum = (values: Float64Array) => values.reduce((total, value) => total + value, 0);

test.each([1, 2, 3])(
  'a bursty day of a million: of all files 95 % take under 30 s, of those in bursts 95 % under 5 min (seed %i)',
  (seed) => {
    const { ages, burstAges } = dayWith({ seed });
    expect(ages.p95Seconds).toBeLessThan(30);
    expect(burstAges?.p95Seconds).toBeLessThan(300);
    expect(burstAges?.openFiles).toBe(0);
  },
);

test('a burst that nobody knew of ends within 5 min as well', () => {
  const { burstAges, oldestAgeP95Seconds } = dayWith({ scheduleFactor: 0 });
  expect(burstAges?.p95Seconds).toBeLessThan(300);
  expect(oldestAgeP95Seconds).toBeLessThan(30);
});

test('ten times the files: a burst still ends within 5 min with ten times the scheduled minimums and twice the database', () => {
  const databaseUnits = 2 * FLEET_SIZES.prod.databaseCapacity.max;
  const { oldestAgeP95Seconds, burstAges } = dayWith({
    files: 10_000_000,
    scheduleFactor: 10,
    fleet: productionFleet({ databaseUnits }),
    databaseFilesPerSecond: databaseFilesPerSecond(databaseUnits),
  });
  expect(oldestAgeP95Seconds).toBeLessThan(30);
  expect(burstAges?.p95Seconds).toBeLessThan(300);
});

test('what comes to one directory in order waits for its turn, and starts no task', () => {
  const { orderedAges, services, burstAges } = dayWith({ orderedShare: 0.03 });
  expect(orderedAges?.maxSeconds).toBeGreaterThan(60);
  const most = (day: ReturnType<typeof playDay>) =>
    Math.max(...(day.services.find(({ name }) => name === 'partner-worker')?.queue.runningTasks ?? []));
  expect(most({ ...dayWith(), services })).toBeLessThanOrEqual(most(dayWith()));
  // Over several directories they go side by side.
  const spread = dayWith({ orderedShare: 0.03, orderedDirectories: 10 });
  expect(spread.orderedAges?.maxSeconds).toBeLessThan(orderedAges?.maxSeconds ?? 0);
  expect(burstAges?.openFiles).toBe(0);
});

test('no more tasks than the database has work for', () => {
  const { fleet, databaseFilesPerSecond: bears } = million;
  for (const name of ['ingestor', 'router'] as const) {
    const { policy, filesPerSecondPerTask } = fleet[name];
    expect((policy.maxTasks - 1) * filesPerSecondPerTask * PLANNED_UTILISATION).toBeLessThan(bears);
  }
  expect(fleet['partner-worker'].policy.maxTasks).toBeLessThan(150);
});

test('scheduled minimums stand when their window begins, and go when it has ended', () => {
  const { services } = dayWith({ seed: 1 });
  const tasksAt = (name: string, hour: number, minute: number) =>
    services.find((service) => service.name === name)?.queue.runningTasks[(hour * 60 + minute) * 60];
  expect(tasksAt('partner-worker', 5, 49)).toBe(2);
  expect(tasksAt('partner-worker', 5, 52)).toBe(7);
  expect(tasksAt('partner-worker', 6, 9)).toBe(7);
  expect(tasksAt('partner-worker', 7, 15)).toBe(2);
});

test('a steady day needs the least tasks and no more', () => {
  const { services, ages, burstAges } = dayWith({ day: 'steady', scheduleFactor: 0 });
  for (const { queue, policy } of services) expect(Math.max(...new Set(queue.runningTasks))).toBe(policy.minTasks);
  expect(ages.p95Seconds).toBeLessThan(30);
  expect(burstAges).toBeUndefined();
});

test('no file is lost between the queues, and no task too many runs', () => {
  const { services, ages } = dayWith({ seed: 1 });
  for (const { arrivals, queue, policy } of services) {
    expect(sum(arrivals) - sum(queue.departures)).toBeCloseTo(queue.depth.at(-1) ?? Number.NaN, 3);
    expect(queue.runningTasks.every((tasks) => tasks >= policy.minTasks && tasks <= policy.maxTasks)).toBe(true);
    expect(queue.paidTasks.every((tasks, second) => tasks >= (queue.runningTasks[second] ?? 0))).toBe(true);
  }
  expect(ages.openFiles).toBeLessThan(10);
});

test('a task that starts later lets files wait longer', () => {
  const unscheduled = { scheduleFactor: 0 };
  const slow = dayWith({ ...unscheduled, platform: { ...FARGATE_SCALING, taskStartSeconds: 180 } });
  expect(slow.burstAges?.maxSeconds).toBeGreaterThan(dayWith(unscheduled).burstAges?.maxSeconds ?? 0);
});

test('the same seed gives the same table and the same picture', () => {
  const [one, other] = [dayWith({ seed: 1 }), playDay(million)];
  expect(describeDay(one)).toEqual(describeDay(other));
  expect(drawDay(one)).toBe(drawDay(other));
  expect(drawDay(dayWith({ seed: 2 }))).not.toBe(drawDay(one));
});

test('the picture is five panels of whole lines', () => {
  const svg = drawDay(dayWith({ seed: 1 }));
  expect(svg.match(/<polyline /g)).toHaveLength(1 + 4 + 1 + 4 + 4);
  expect(svg).not.toMatch(/NaN|Infinity|undefined/);
});

/**
 * A day of the whole fleet: files go from queue to queue as they do in the architecture, the small ones to the partner-workers, the large
 * ones to the large-file-workers, and what it all costs is counted.
 */
import type { ScaledService } from '#shared/scaling/service-capacities.ts';
import { PRICES } from '../deploy/cost/prices.ts';
import { clockOf, type ScheduledMinimum, windowsBetween } from '../deploy/scheduled-minimums.ts';
import type { PlatformTimes } from './application-auto-scaling.ts';
import { arrivalsOf, DAY_PLACE, DAY_SECONDS, DAYS, type DayName } from './days.ts';
import { type Ages, measureAges } from './measure-ages.ts';
import { playQueue, type QueueDay } from './play-queue.ts';
import type { SimulatedService } from './production-fleet.ts';
import { createSeededRandom } from './seeded-random.ts';
import { createWaitingLine } from './wait-queue.ts';

export interface PlayDayOptions {
  readonly day: DayName;
  readonly files: number;
  readonly fleet: Readonly<Record<ScaledService, SimulatedService>>;
  readonly platform: PlatformTimes;
  /** Of all files, those over the large-file threshold. */
  readonly largeShare: number;
  /** What the database bears of each service's files, however many tasks there are. */
  readonly databaseFilesPerSecond: number;
  /** Of the small files, those that a route carries in order, and the directories that they come to: one file of each at a time. */
  readonly orderedShare: number;
  readonly orderedDirectories: number;
  /** As the settings have them. */
  readonly scheduledMinimums: readonly ScheduledMinimum[];
  /** So many times those, up to the ceilings; 0 is none. */
  readonly scheduleFactor: number;
  readonly seed: number;
}

export interface PlayedService extends SimulatedService {
  readonly arrivals: Float64Array;
  readonly queue: QueueDay;
  readonly taskHours: number;
  readonly costUsd: number;
}

/** `npm run load -- front-door`: p50 from put to delivered of a file that nothing waits before. */
const SECONDS_IN_ORDER = 0.102;

export interface PlayedDay {
  /** From arrival to end of those that are processed in order; absent without. */
  readonly orderedAges?: Ages;
  readonly options: PlayDayOptions;
  readonly services: readonly PlayedService[];
  /** Of all files, small and large, from their arrival to their end. */
  readonly ages: Ages;
  /** Of the oldest small file that is in the fleet, per second. */
  readonly oldestAgeSeconds: Float64Array;
  /** In 95 % of the day's seconds no small file is older. */
  readonly oldestAgeP95Seconds: number;
  /** Of those that came in a burst; absent on a day without. */
  readonly burstAges?: Ages;
  readonly costUsd: number;
}

export function playDay(options: PlayDayOptions): PlayedDay {
  const { fleet, platform, largeShare, databaseFilesPerSecond } = options;
  const day = DAYS[options.day];
  const random = createSeededRandom(options.seed);
  const arrivals = arrivalsOf(day, options.files, random);

  const play = (name: ScaledService, arriving: Float64Array): PlayedService => {
    const service = fleet[name];
    const scheduledTasks = readSchedule(options, name);
    const queue = playQueue(arriving, { ...service, platform, random, databaseFilesPerSecond, scheduledTasks });
    const taskHours = queue.paidTasks.reduce((sum, tasks) => sum + tasks, 0) / 3_600;
    const usdPerHour = service.vcpu * PRICES.fargate.vcpuHour + service.memoryGib * PRICES.fargate.gibHour;
    return { ...service, arrivals: arriving, queue, taskHours, costUsd: taskHours * usdPerHour };
  };
  const ingestor = play('ingestor', arrivals);
  const router = play('router', oneSecondLater(ingestor.queue.departures));
  const routed = oneSecondLater(router.queue.departures);
  const smallRouted = shareOf(routed, 1 - largeShare);
  // They wait as rows for their turn, which no count shows to the policy: no task would make them faster.
  const orderedRouted = shareOf(smallRouted, options.orderedShare);
  const inOrder = playLines(orderedRouted, options.orderedDirectories / SECONDS_IN_ORDER);
  const short = play('partner-worker', shareOf(smallRouted, 1 - options.orderedShare));
  const long = play('large-file-worker', shareOf(routed, largeShare));
  const services = [ingestor, router, short, long];

  const small = { arrivals: shareOf(arrivals, 1 - largeShare), departures: addUp(short.queue.departures, inOrder) };
  const flows = [small, { arrivals: shareOf(arrivals, largeShare), departures: long.queue.departures }];
  const oldestAgeSeconds = oldestAges(small.arrivals, small.departures);
  const wholeDay = { fromSecond: 0, toSecond: DAY_SECONDS };
  const bursts = day.bursts.map(({ startSeconds, lengthSeconds }) => ({
    fromSecond: startSeconds,
    toSecond: startSeconds + lengthSeconds,
  }));
  return {
    options,
    services,
    ages: measureAges(flows, [wholeDay]),
    oldestAgeSeconds,
    oldestAgeP95Seconds: oldestAgeSeconds.toSorted()[Math.floor(DAY_SECONDS * 0.95)] ?? 0,
    ...(options.orderedShare > 0 && {
      orderedAges: measureAges([{ arrivals: orderedRouted, departures: inOrder }], [wholeDay]),
    }),
    ...(bursts.length > 0 && { burstAges: measureAges(flows, bursts) }),
    costUsd: services.reduce((sum, { costUsd }) => sum + costUsd, 0),
  };
}

/** Least tasks of a service at each second of the day, by the windows that are open then. */
function readSchedule(
  { fleet, scheduledMinimums, scheduleFactor }: PlayDayOptions,
  service: ScaledService,
): (second: number) => number {
  const start = clockOf(DAY_PLACE.timeZone)(DAY_PLACE.day, '00:00');
  const end = start + DAY_SECONDS * 1_000;
  const windows = scheduledMinimums.flatMap((minimum) => {
    const tasks = Math.min(fleet[service].policy.maxTasks, (minimum.tasks[service] ?? 0) * scheduleFactor);
    return windowsBetween(minimum, start - DAY_SECONDS * 1_000, end).map(([from, until]) => ({ from, until, tasks }));
  });
  return (second) => {
    const now = start + second * 1_000;
    return windows.reduce(
      (most, { from, until, tasks }) => (now >= from && now < until ? Math.max(most, tasks) : most),
      0,
    );
  };
}

/** First come, first served, at a rate that tasks do not change. */
function playLines(arrivals: Float64Array, filesPerSecond: number): Float64Array {
  let waiting = 0;
  return arrivals.map((arrived) => {
    const served = Math.min(waiting + arrived, filesPerSecond);
    waiting += arrived - served;
    return served;
  });
}

const addUp = (one: Float64Array, other: Float64Array) => one.map((value, second) => value + (other[second] ?? 0));

function oldestAges(arrivals: Float64Array, departures: Float64Array): Float64Array {
  const line = createWaitingLine(arrivals.length);
  return arrivals.map((arrived, second) => line.pass(arrived, departures[second] ?? 0));
}

/** What a service ended is in the next queue in the next second. */
function oneSecondLater(departures: Float64Array): Float64Array {
  const later = new Float64Array(departures.length);
  later.set(departures.subarray(0, -1), 1);
  return later;
}

function shareOf(files: Float64Array, share: number): Float64Array {
  return files.map((count) => count * share);
}

/**
 * A day of the whole fleet: files go from queue to queue as they do in the architecture, the small ones to the partner-workers, the large
 * ones to the large-file-workers, and what it all costs is counted.
 */
import type { ScaledService } from '#shared/scaling/service-capacities.ts';
import { PRICES } from '../deploy/cost/prices.ts';
import { arrivalsOf, DAY_SECONDS, DAYS, type Day, type DayName } from './days.ts';
import { type Ages, measureAges } from './measure-ages.ts';
import { type PlatformTimes, playQueue, type QueueDay } from './play-queue.ts';
import type { SimulatedService } from './production-fleet.ts';
import { createSeededRandom } from './seeded-random.ts';
import { createWaitingLine } from './waiting-line.ts';

export interface PlayDayOptions {
  readonly day: DayName;
  readonly files: number;
  readonly fleet: Readonly<Record<ScaledService, SimulatedService>>;
  readonly platform: PlatformTimes;
  /** Of all files, those over the large-file threshold. */
  readonly largeShare: number;
  /** What the database bears of each service's files, however many tasks there are. */
  readonly databaseFilesPerSecond: number;
  /** So many times the least tasks stand ready, from ten minutes before each known burst to its end; 1 is none. */
  readonly warmFactor: number;
  readonly seed: number;
}

export interface PlayedService extends SimulatedService {
  readonly arrivals: Float64Array;
  readonly queue: QueueDay;
  readonly taskHours: number;
  readonly costUsd: number;
}

export interface PlayedDay {
  readonly options: PlayDayOptions;
  readonly services: readonly PlayedService[];
  /** Of small files, from their arrival to their end. */
  readonly ages: Ages;
  /** Of the oldest small file that is in the fleet, per second. */
  readonly oldestAgeSeconds: Float64Array;
  /** In 95 % of the day's seconds no small file is older. */
  readonly oldestAgeP95Seconds: number;
  /** Of those that came in a burst; absent on a day without. */
  readonly burstAges?: Ages;
  readonly costUsd: number;
}

/**
 * Target tracking acts on three readings of a minute each, and lets go after fifteen (Application Auto Scaling, "How target tracking
 * works"); a task of the fleet's image is pulled and ready within a minute.
 */
export const FARGATE_TIMES: PlatformTimes = {
  readEverySeconds: 60,
  readingLagSeconds: 180,
  shrinkEverySeconds: 900,
  taskStartSeconds: 60,
  taskDrainSeconds: 25,
};

const WARM_BEFORE_SECONDS = 600;

export function playDay(options: PlayDayOptions): PlayedDay {
  const { fleet, platform, largeShare, databaseFilesPerSecond } = options;
  const day = DAYS[options.day];
  const random = createSeededRandom(options.seed);
  const arrivals = arrivalsOf(day, options.files, random);

  const play = (name: ScaledService, arriving: Float64Array): PlayedService => {
    const service = fleet[name];
    const scheduledTasks = (second: number) => (isWarm(day, second) ? service.policy.minTasks * options.warmFactor : 0);
    const queue = playQueue(arriving, { ...service, platform, random, databaseFilesPerSecond, scheduledTasks });
    const taskHours = queue.paidTasks.reduce((sum, tasks) => sum + tasks, 0) / 3_600;
    const usdPerHour = service.vcpu * PRICES.fargate.vcpuHour + service.memoryGib * PRICES.fargate.gibHour;
    return { ...service, arrivals: arriving, queue, taskHours, costUsd: taskHours * usdPerHour };
  };
  const ingestor = play('ingestor', arrivals);
  const router = play('router', oneSecondLater(ingestor.queue.departures));
  const routed = oneSecondLater(router.queue.departures);
  const short = play('partner-worker', shareOf(routed, 1 - largeShare));
  const long = play('large-file-worker', shareOf(routed, largeShare));
  const services = [ingestor, router, short, long];

  const small = shareOf(arrivals, 1 - largeShare);
  const oldestAgeSeconds = oldestAges(small, short.queue.departures);
  const wholeDay = { fromSecond: 0, toSecond: DAY_SECONDS };
  const bursts = day.bursts.map(({ startSeconds, lengthSeconds }) => ({
    fromSecond: startSeconds,
    toSecond: startSeconds + lengthSeconds,
  }));
  return {
    options,
    services,
    ages: measureAges(small, short.queue.departures, [wholeDay]),
    oldestAgeSeconds,
    oldestAgeP95Seconds: oldestAgeSeconds.toSorted()[Math.floor(DAY_SECONDS * 0.95)] ?? 0,
    ...(bursts.length > 0 && { burstAges: measureAges(small, short.queue.departures, bursts) }),
    costUsd: services.reduce((sum, { costUsd }) => sum + costUsd, 0),
  };
}

function isWarm({ bursts }: Day, second: number): boolean {
  return bursts.some(
    ({ isKnown, startSeconds, lengthSeconds }) =>
      isKnown && second >= startSeconds - WARM_BEFORE_SECONDS && second < startSeconds + lengthSeconds,
  );
}

function oldestAges(arrivals: Float64Array, departures: Float64Array): Float64Array {
  const line = createWaitingLine(arrivals.length);
  return arrivals.map((arrived, second) => line.pass(arrived, departures[second] ?? 0));
}

/** What a service ended stands in the next queue in the next second. */
function oneSecondLater(departures: Float64Array): Float64Array {
  const later = new Float64Array(departures.length);
  later.set(departures.subarray(0, -1), 1);
  return later;
}

function shareOf(files: Float64Array, share: number): Float64Array {
  return files.map((count) => count * share);
}

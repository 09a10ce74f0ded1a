/**
 * One service and its queue, second by second: what arrives, what its tasks take, how old what waits is, and how many tasks the scaling
 * policy asks for.
 *
 * 1. The policy sees what a platform would show it: readings at intervals, late, of running tasks only.
 * 2. A task that is asked for costs from then on and works after its start; one that is let go works no more, and costs its drain.
 * 3. However many tasks there are, together they do no more than the database behind them.
 */
import type { ScalingObservation, ScalingPolicy } from '#shared/scaling/scaling-policy.ts';
import { createAutoScaling, type PlatformTimes } from './application-auto-scaling.ts';
import type { SeededRandom } from './seeded-random.ts';
import { createWaitingLine } from './wait-queue.ts';

export interface QueueOptions {
  readonly policy: ScalingPolicy;
  /** What one task does when it is always busy: the benchmark's figure, not what is planned for. */
  readonly filesPerSecondPerTask: number;
  /** What all of them do together at most. */
  readonly databaseFilesPerSecond: number;
  /** Least tasks that the schedule asks for at a second of the day; 0 for those of the policy. */
  readonly scheduledTasks: (second: number) => number;
  readonly platform: PlatformTimes;
  /** A task that is let go is paid for so long. */
  readonly taskDrainSeconds: number;
  readonly random: SeededRandom;
}

export interface QueueDay {
  /** Per second, as are all of these. */
  readonly departures: Float64Array;
  readonly depth: Float64Array;
  readonly oldestAgeSeconds: Float64Array;
  readonly runningTasks: Float64Array;
  /** Running, starting or draining. */
  readonly paidTasks: Float64Array;
}

/** From one second to the next a task is this much faster or slower than on average. */
const SPEED_SPREAD = 0.2;

export function playQueue(arrivals: Float64Array, options: QueueOptions): QueueDay {
  const { policy, platform, random } = options;
  const seconds = arrivals.length;
  const day: QueueDay = {
    departures: new Float64Array(seconds),
    depth: new Float64Array(seconds),
    oldestAgeSeconds: new Float64Array(seconds),
    runningTasks: new Float64Array(seconds),
    paidTasks: new Float64Array(seconds),
  };
  const scaling = createAutoScaling(policy, platform);
  const fleet = createFleet(policy.minTasks, platform.taskStartSeconds, options.taskDrainSeconds);
  const line = createWaitingLine(seconds);
  let depth = 0;

  for (let second = 0; second < seconds; second += 1) {
    const arrived = arrivals[second] ?? 0;
    const running = fleet.runningAt(second);
    const speed = 1 + SPEED_SPREAD * (2 * random.uniform() - 1);
    const together = Math.min(running * options.filesPerSecondPerTask * speed, options.databaseFilesPerSecond);
    const taken = Math.min(depth + arrived, together);
    depth += arrived - taken;
    day.departures[second] = taken;
    day.depth[second] = depth;
    day.oldestAgeSeconds[second] = line.pass(arrived, taken);
    day.runningTasks[second] = running;
    day.paidTasks[second] = fleet.paidAt(second);
    if (second % platform.readingSeconds !== 0) continue;
    fleet.want(scaling.schedule(options.scheduledTasks(second)), second);
    const seen = second - platform.readingDelaySeconds;
    if (seen < platform.readingSeconds) continue;
    fleet.want(scaling.read(readingOf(day, arrivals, seen, platform.readingSeconds), second), second);
  }
  return day;
}

/** Of the minute that ended with a second: what stood at its end, what came in it. */
function readingOf(day: QueueDay, arrivals: Float64Array, end: number, seconds: number): ScalingObservation {
  const arrived = arrivals.subarray(end - seconds + 1, end + 1).reduce((sum, count) => sum + count, 0);
  return {
    visibleMessages: Math.round(day.depth[end] ?? 0),
    // Admission bounds what one tenant puts into the queue, not what the fleet has to do: all of it is in `depth`.
    waitingRows: 0,
    arrivalsPerSecond: arrived / seconds,
    oldestAgeSeconds: day.oldestAgeSeconds[end] ?? 0,
    runningTasks: day.runningTasks[end] ?? 0,
  };
}

interface Fleet {
  want(tasks: number, second: number): void;
  runningAt(second: number): number;
  paidAt(second: number): number;
}

function createFleet(startTasks: number, taskStartSeconds: number, taskDrainSeconds: number): Fleet {
  let running = startTasks;
  let starting: { readonly readyAt: number; tasks: number }[] = [];
  let draining: { readonly goneAt: number; readonly tasks: number }[] = [];
  const count = (groups: readonly { readonly tasks: number }[]) => groups.reduce((sum, { tasks }) => sum + tasks, 0);

  return {
    want: (tasks, second) => {
      const more = tasks - running - count(starting);
      if (more > 0) starting.push({ readyAt: second + taskStartSeconds, tasks: more });
      if (more >= 0) return;
      let surplus = -more;
      for (const group of starting.toReversed()) {
        const given = Math.min(group.tasks, surplus);
        group.tasks -= given;
        surplus -= given;
      }
      running -= surplus;
      draining.push({ goneAt: second + taskDrainSeconds, tasks: surplus });
    },
    runningAt: (second) => {
      running += count(starting.filter(({ readyAt }) => readyAt <= second));
      starting = starting.filter(({ readyAt }) => readyAt > second);
      return running;
    },
    paidAt: (second) => {
      draining = draining.filter(({ goneAt }) => goneAt > second);
      return running + count(starting) + count(draining);
    },
  };
}

/**
 * What CloudWatch and Application Auto Scaling make of the policy (`deploy/services/scaling.ts`): the same signals, seen in readings of a
 * minute that are late, acted on by alarms that want several of them, with cool-downs.
 *
 * 1. Backlog and arrivals are target tracking: after three readings over the target the tasks become as many times more. Within the
 *    cool-down, what was just added counts as not there yet.
 * 2. Lateness is its own step, after one reading.
 * 3. Letting go is a step as well, after readings in which a step fewer would have done.
 * 4. A scheduled action lifts the least number at its minute. At its end nothing stops on its own: it may go as any other.
 */
import type { FARGATE_SCALING } from '#shared/scaling/fargate-scaling.ts';
import {
  askedBy,
  isLate,
  LATE_GROWTH,
  type ScalingObservation,
  type ScalingPolicy,
  shrinkStep,
} from '#shared/scaling/scaling-policy.ts';

/** As `FARGATE_SCALING`, or a slower platform. */
export type PlatformTimes = Readonly<Record<keyof typeof FARGATE_SCALING, number>>;

export interface AutoScaling {
  /** The reading of a minute that has ended, as it arrives; returns the tasks that are wanted from now on. */
  read(observation: ScalingObservation, second: number): number;
  /** The least number as the schedule has it now. */
  schedule(minTasks: number): number;
}

/** Of one scaling policy of AWS: what it last did. */
interface LastGrowth {
  readonly second: number;
  /** Tasks before it. */
  readonly from: number;
}

export function createAutoScaling(policy: ScalingPolicy, times: PlatformTimes): AutoScaling {
  const readings: ScalingObservation[] = [];
  const growths: Record<'backlog' | 'arrivals' | 'late', LastGrowth | undefined> = {
    backlog: undefined,
    arrivals: undefined,
    late: undefined,
  };
  let minTasks = policy.minTasks;
  let wanted = policy.minTasks;
  let shrankAt = Number.NEGATIVE_INFINITY;

  const last = (count: number) => (readings.length < count ? [] : readings.slice(-count));
  const all = (count: number, holds: (reading: ScalingObservation) => boolean) =>
    readings.length >= count && last(count).every(holds);

  /** By one policy: `factor` of what it counts as there. */
  function growBy(
    name: keyof typeof growths,
    cooldownSeconds: number,
    second: number,
    sizeOf: (from: number) => number,
  ) {
    const before = growths[name];
    const isCooling = before !== undefined && second - before.second < cooldownSeconds;
    const from = isCooling ? before.from : wanted;
    const tasks = Math.min(policy.maxTasks, sizeOf(from));
    if (tasks <= wanted) return;
    if (!isCooling) growths[name] = { second, from };
    wanted = tasks;
  }

  function track(name: 'backlog' | 'arrivals', second: number): void {
    const ratioOf = (reading: ScalingObservation) => askedBy(policy, reading)[name] / Math.max(1, reading.runningTasks);
    if (!all(times.growReadings, (reading) => ratioOf(reading) > 1)) return;
    const [latest] = last(1);
    if (latest === undefined) return;
    growBy(name, times.growCooldownSeconds, second, (from) => Math.ceil(from * ratioOf(latest)));
  }

  /** As the alarm has it: even a step fewer is enough for what waits and what arrives. */
  function couldDoWithout(reading: ScalingObservation): boolean {
    const { backlog, arrivals } = askedBy(policy, reading);
    const { runningTasks } = reading;
    const step = Math.max(1, runningTasks * policy.largestShrink);
    return !isLate(policy, reading) && Math.max(backlog, arrivals) <= runningTasks - step;
  }

  return {
    read: (observation, second) => {
      readings.push(observation);
      track('backlog', second);
      track('arrivals', second);
      if (all(times.lateReadings, (reading) => isLate(policy, reading))) {
        growBy('late', times.lateCooldownSeconds, second, (from) => from + Math.max(1, Math.floor(from * LATE_GROWTH)));
      }
      if (all(times.quietReadings, couldDoWithout) && second - shrankAt >= times.shrinkCooldownSeconds) {
        const tasks = Math.max(minTasks, wanted - shrinkStep(policy, wanted));
        if (tasks < wanted) {
          wanted = tasks;
          shrankAt = second;
        }
      }
      return wanted;
    },
    schedule: (tasks) => {
      minTasks = Math.max(policy.minTasks, tasks);
      wanted = Math.max(wanted, minTasks);
      return wanted;
    },
  };
}

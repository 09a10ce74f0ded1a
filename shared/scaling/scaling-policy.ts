/**
 * How many tasks a service should have. Pure: AWS (as metric math and steps), the launcher of one machine and the simulation of a day
 * all decide by this file.
 *
 * 1. First signal: the backlog of one task (what is in the queue, and the rows that wait for admission to it, over the running
 *    tasks) against what one task clears within the wanted latency.
 * 2. Second signal: what arrives for one task against what it does in the same time. Without it a fleet that keeps up has no backlog, lets
 *    tasks go for that, and falls behind.
 * 3. Third signal: the age of the oldest thing that is due. Counts can lie (one slow tenant, approximate queues), an age cannot: over
 *    the bound the tasks grow by half, whatever the counts say.
 * 4. Growing is at once, shrinking in small steps and only while nothing is old: a task too many costs cents, one too few minutes.
 * 5. Without tasks the backlog itself is the signal: one message starts a task.
 */

/** What a service was measured to do. */
export interface ServiceCapacity {
  /** Processor time of one message on one core. */
  readonly cpuMsPerMessage: number;
  /** What one task reached, whatever its cores: waiting for the database, S3 and partners bounds it too. */
  readonly mostPerSecond: number;
  /** The measurement that the numbers come from. */
  readonly source: string;
}

export interface ScalingPolicy {
  readonly minTasks: number;
  /** What the database's connections allow, see `task-ceiling.ts`. */
  readonly maxTasks: number;
  /** Messages that one task may have before it. */
  readonly backlogPerTask: number;
  /** Messages that may arrive for one task each second. */
  readonly arrivalsPerTask: number;
  /** Older than this counts as late. */
  readonly oldestAgeSeconds: number;
  /** Share of the tasks that may go in one decision. */
  readonly largestShrink: number;
}

export interface ScalingObservation {
  readonly visibleMessages: number;
  /** Rows that wait for the admission window: they are not in the queue yet. */
  readonly waitingRows: number;
  /** 0 where the platform does not count them. */
  readonly arrivalsPerSecond: number;
  readonly oldestAgeSeconds: number;
  readonly runningTasks: number;
}

/** Processors are never planned full: above this share of them queues grow without bound on any burst. */
export const PLANNED_UTILISATION = 0.75;

/** Tasks grow by this share when something is late. */
export const LATE_GROWTH = 0.5;

export function messagesPerSecondPerTask(capacity: ServiceCapacity, vcpu: number): number {
  return Math.min(capacity.mostPerSecond, (vcpu * 1_000) / capacity.cpuMsPerMessage) * PLANNED_UTILISATION;
}

/** At least 1: a target of 0 would ask for tasks without end. */
export function backlogPerTask(capacity: ServiceCapacity, vcpu: number, wantedLatencySeconds: number): number {
  return Math.max(1, Math.floor(messagesPerSecondPerTask(capacity, vcpu) * wantedLatencySeconds));
}

/** Tasks, in fractions, that what waits and what arrives each ask for. */
export function askedBy(policy: ScalingPolicy, observation: ScalingObservation): { backlog: number; arrivals: number } {
  return {
    backlog: (observation.visibleMessages + observation.waitingRows) / policy.backlogPerTask,
    arrivals: observation.arrivalsPerSecond / policy.arrivalsPerTask,
  };
}

export function isLate(policy: ScalingPolicy, { oldestAgeSeconds }: ScalingObservation): boolean {
  return oldestAgeSeconds > policy.oldestAgeSeconds;
}

/** Tasks that may go at once, of so many. */
export function shrinkStep({ largestShrink }: ScalingPolicy, tasks: number): number {
  return Math.max(1, Math.floor(tasks * largestShrink));
}

export function desiredTasks(policy: ScalingPolicy, observation: ScalingObservation): number {
  const { minTasks, maxTasks } = policy;
  const { runningTasks } = observation;
  const { backlog, arrivals } = askedBy(policy, observation);
  const late = isLate(policy, observation);
  const grown = late ? Math.ceil(runningTasks * (1 + LATE_GROWTH)) : 0;
  const floor = late ? runningTasks : runningTasks - shrinkStep(policy, runningTasks);
  return Math.min(maxTasks, Math.max(minTasks, Math.ceil(backlog), Math.ceil(arrivals), grown, floor));
}

/**
 * The scaling policy over time: what it asks for now, held against what was asked for before. The launcher of one machine runs this
 * loop; on AWS, Application Auto Scaling does (`fargate-scaling.ts`).
 *
 * 1. Growing is at once, and while tasks are still starting the same backlog asks for no more of them.
 * 2. Shrinking waits `shrinkEverySeconds` after every change, longer than a task takes to start: a burst's tail does not stop tasks that
 *    its next wave needs, and what could not be started by then is not waited for.
 * 3. Nothing but the readings moves it: the same readings give the same tasks.
 */
import { desiredTasks, type ScalingObservation, type ScalingPolicy } from './scaling-policy.ts';

export interface ScalingLoopOptions {
  readonly policy: ScalingPolicy;
  readonly shrinkEverySeconds: number;
}

export interface ScalingLoop {
  /** Tasks that are wanted, running or still starting. */
  readonly wantedTasks: number;
  /** One reading, at a time that only grows; returns the tasks that are wanted from now on. */
  read(observation: ScalingObservation, nowSeconds: number): number;
}

export function createScalingLoop({ policy, shrinkEverySeconds }: ScalingLoopOptions): ScalingLoop {
  let wantedTasks = policy.minTasks;
  let changedAtSeconds = Number.NEGATIVE_INFINITY;

  function change(tasks: number, nowSeconds: number): void {
    wantedTasks = tasks;
    changedAtSeconds = nowSeconds;
  }

  return {
    get wantedTasks() {
      return wantedTasks;
    },
    read: (observation, nowSeconds) => {
      const tasks = desiredTasks(policy, observation);
      const hasRested = nowSeconds - changedAtSeconds >= shrinkEverySeconds;
      if (tasks > wantedTasks || (tasks < wantedTasks && hasRested)) change(tasks, nowSeconds);
      return wantedTasks;
    },
  };
}

/**
 * What one task of each queue service does, and how long what it serves may wait: the ground of every scaling target.
 *
 * Each number says which measurement it comes from. They were taken on two cores that the whole stack shared with the load generator: the
 * processor time is the higher of two runs, and the rate is one that was seen, while a service that has its cores to itself may do more.
 */
import {
  backlogPerTask,
  messagesPerSecondPerTask,
  type ScalingPolicy,
  type ServiceCapacity,
} from './scaling-policy.ts';

export type ScaledService = 'ingestor' | 'router' | 'partner-worker' | 'large-file-worker';

export interface ServiceObjective {
  readonly capacity: ServiceCapacity;
  /** A backlog that is cleared within this time is none. */
  readonly wantedLatencySeconds: number;
  /** The third signal. */
  readonly oldestAgeSeconds: number;
}

const PIPELINE = '`npm run bench -- pipeline`, 5,000 files of 4 KB';

export const SERVICE_OBJECTIVES: Readonly<Record<ScaledService, ServiceObjective>> = {
  ingestor: {
    // The sender put no more.
    capacity: { cpuMsPerMessage: 0.76, mostPerSecond: 265, source: `${PIPELINE}: files registered per second` },
    wantedLatencySeconds: 5,
    oldestAgeSeconds: 15,
  },
  router: {
    capacity: { cpuMsPerMessage: 0.63, mostPerSecond: 265, source: `${PIPELINE}: files routed per second` },
    wantedLatencySeconds: 5,
    oldestAgeSeconds: 15,
  },
  'partner-worker': {
    capacity: { cpuMsPerMessage: 4.8, mostPerSecond: 138, source: `${PIPELINE}: files ended per second` },
    wantedLatencySeconds: 10,
    oldestAgeSeconds: 20,
  },
  'large-file-worker': {
    // 81 MB/s together, of files of 1 GB, and a whole core counted for them. A copy that the store makes itself takes less.
    capacity: {
      cpuMsPerMessage: 12_000,
      mostPerSecond: 0.081,
      source: '`npm run bench -- large --size 1GB`: four streamed copies side by side',
    },
    wantedLatencySeconds: 60,
    oldestAgeSeconds: 120,
  },
};

export interface TaskBounds {
  readonly vcpu: number;
  readonly minTasks: number;
  readonly maxTasks: number;
  readonly largestShrink: number;
}

export function policyOf(
  service: ScaledService,
  { vcpu, ...bounds }: TaskBounds,
  capacity?: ServiceCapacity,
): ScalingPolicy {
  const { wantedLatencySeconds, oldestAgeSeconds, ...objective } = SERVICE_OBJECTIVES[service];
  const measured = capacity ?? objective.capacity;
  return {
    ...bounds,
    backlogPerTask: backlogPerTask(measured, vcpu, wantedLatencySeconds),
    arrivalsPerTask: messagesPerSecondPerTask(measured, vcpu),
    oldestAgeSeconds,
  };
}

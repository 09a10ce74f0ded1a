/** The queue services as they stand in production: what `deploy/` gives them, so that a played day is a day of that fleet. */
import { backlogPerTask, type ScalingPolicy, type ServiceCapacity } from '#shared/scaling/scaling-policy.ts';
import { type ScaledService, SERVICE_OBJECTIVES } from '#shared/scaling/service-capacities.ts';
import { taskCeilings } from '#shared/scaling/task-ceiling.ts';
import { SERVICES } from '../deploy/services/service-catalogue.ts';
import { databaseConnections, FLEET_SIZES } from '../deploy/sizes.ts';

export interface SimulatedService {
  readonly name: ScaledService;
  readonly policy: ScalingPolicy;
  /** What one task does when it is always busy. */
  readonly filesPerSecondPerTask: number;
  /** False: an estimate, until a benchmark replaces it. */
  readonly isMeasured: boolean;
  readonly vcpu: number;
  readonly memoryGib: number;
}

/** A tenth at a time: a task that was let go too early is missing for a minute. */
const LARGEST_SHRINK = 0.1;
/** What a service's schema requires and a simulation does not use. */
const REQUIRED_VARIABLES = { DATABASE_URL: 'postgres://none/none', AWS_REGION: 'us-east-1' };

/** @param workerRate files a second of one partner-worker task, instead of the benchmark's */
export function productionFleet(workerRate?: number): Readonly<Record<ScaledService, SimulatedService>> {
  const size = FLEET_SIZES.prod;
  const ceilings = taskCeilings(
    SERVICES.map(({ name, loadConfig, variables, pools, connectionWeight }) => ({
      name,
      connections: pools * loadConfig({ ...REQUIRED_VARIABLES, ...variables }).DATABASE_POOL_MAX,
      minTasks: size.tasks[name].minTasks,
      weight: connectionWeight,
    })),
    databaseConnections(size),
  );
  const service = (name: ScaledService): SimulatedService => {
    const { wantedLatencySeconds, oldestAgeSeconds, ...objective } = SERVICE_OBJECTIVES[name];
    const capacity =
      name === 'partner-worker' && workerRate !== undefined ? measuredAs(workerRate) : objective.capacity;
    const { cpu, memoryMiB, minTasks } = size.tasks[name];
    const vcpu = cpu / 1_024;
    return {
      name,
      isMeasured: capacity.isMeasured,
      vcpu,
      memoryGib: memoryMiB / 1_024,
      filesPerSecondPerTask: Math.min(capacity.mostPerSecond, (vcpu * 1_000) / capacity.cpuMsPerMessage),
      policy: {
        minTasks,
        maxTasks: ceilings[name] ?? minTasks,
        backlogPerTask: backlogPerTask(capacity, vcpu, wantedLatencySeconds),
        oldestAgeSeconds,
        largestShrink: LARGEST_SHRINK,
      },
    };
  };
  return {
    ingestor: service('ingestor'),
    router: service('router'),
    'partner-worker': service('partner-worker'),
    'large-file-worker': service('large-file-worker'),
  };
}

function measuredAs(filesPerSecond: number): ServiceCapacity {
  return { cpuMsPerMessage: 1_000 / filesPerSecond, mostPerSecond: filesPerSecond, isMeasured: true };
}

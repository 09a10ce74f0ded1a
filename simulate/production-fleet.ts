/** The queue services as they stand in production: what `deploy/` gives them, so that a played day is a day of that fleet. */
import { FARGATE_SCALING } from '#shared/scaling/fargate-scaling.ts';
import type { ScalingPolicy, ServiceCapacity } from '#shared/scaling/scaling-policy.ts';
import { policyOf, type ScaledService, SERVICE_OBJECTIVES } from '#shared/scaling/service-capacities.ts';
import { taskCeilings } from '#shared/scaling/task-ceiling.ts';
import { SERVICES } from '../deploy/services/service-catalogue.ts';
import { databaseConnections, FLEET_SIZES } from '../deploy/sizes.ts';

export interface SimulatedService {
  readonly name: ScaledService;
  readonly policy: ScalingPolicy;
  /** What one task does when it is always busy. */
  readonly filesPerSecondPerTask: number;
  /** The measurement that this comes from. */
  readonly source: string;
  readonly taskDrainSeconds: number;
  readonly vcpu: number;
  readonly memoryGib: number;
}

/** What a service's schema requires and a simulation does not use. */
const REQUIRED_VARIABLES = { DATABASE_URL: 'postgres://none/none', AWS_REGION: 'us-east-1' };

/** @param workerRate files a second of one partner-worker task, instead of the benchmark's */
export function productionFleet(workerRate?: number): Readonly<Record<ScaledService, SimulatedService>> {
  const size = FLEET_SIZES.prod;
  const entries = SERVICES.map((entry) => ({
    ...entry,
    config: entry.loadConfig({ ...REQUIRED_VARIABLES, ...entry.variables }),
  }));
  const ceilings = taskCeilings(
    entries.map(({ name, config, pools, connectionWeight }) => ({
      name,
      connections: pools * config.DATABASE_POOL_MAX,
      minTasks: size.tasks[name].minTasks,
      weight: connectionWeight,
    })),
    databaseConnections(size),
  );
  const service = (name: ScaledService): SimulatedService => {
    const isGiven = name === 'partner-worker' && workerRate !== undefined;
    const capacity = isGiven ? givenAs(workerRate) : SERVICE_OBJECTIVES[name].capacity;
    const { cpu, memoryMiB, minTasks } = size.tasks[name];
    const vcpu = cpu / 1_024;
    const { largestShrink } = FARGATE_SCALING;
    const drainMs = entries.find((entry) => entry.name === name)?.config.LONGSHORE_DRAIN_MS ?? 0;
    return {
      name,
      source: capacity.source,
      vcpu,
      memoryGib: memoryMiB / 1_024,
      taskDrainSeconds: drainMs / 1_000,
      filesPerSecondPerTask: Math.min(capacity.mostPerSecond, (vcpu * 1_000) / capacity.cpuMsPerMessage),
      policy: policyOf(name, { vcpu, minTasks, maxTasks: ceilings[name] ?? minTasks, largestShrink }, capacity),
    };
  };
  return {
    ingestor: service('ingestor'),
    router: service('router'),
    'partner-worker': service('partner-worker'),
    'large-file-worker': service('large-file-worker'),
  };
}

function givenAs(filesPerSecond: number): ServiceCapacity {
  return { cpuMsPerMessage: 1_000 / filesPerSecond, mostPerSecond: filesPerSecond, source: 'given' };
}

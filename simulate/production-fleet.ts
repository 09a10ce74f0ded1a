/** The queue services as they are in production: what `deploy/` gives them, so that a played day is a day of that fleet. */
import { FARGATE_SCALING } from '#shared/scaling/fargate-scaling.ts';
import type { ScalingPolicy, ServiceCapacity } from '#shared/scaling/scaling-policy.ts';
import { policyOf, type ScaledService, SERVICE_OBJECTIVES } from '#shared/scaling/service-capacities.ts';
import { SERVICES } from '../deploy/services/service-catalogue.ts';
import { FLEET_SIZES } from '../deploy/sizes.ts';
import { taskLimits } from '../deploy/task-limits.ts';

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

export interface FleetChange {
  /** Files a second of one partner-worker task, instead of the benchmark's. */
  readonly workerRate?: number | undefined;
  /** Capacity units that the database grows to, instead of production's. */
  readonly databaseUnits?: number | undefined;
}

export function productionFleet(change: FleetChange = {}): Readonly<Record<ScaledService, SimulatedService>> {
  const { workerRate, databaseUnits = FLEET_SIZES.prod.databaseCapacity.max } = change;
  const size = { ...FLEET_SIZES.prod, databaseCapacity: { ...FLEET_SIZES.prod.databaseCapacity, max: databaseUnits } };
  const entries = SERVICES.map((entry) => ({
    ...entry,
    config: entry.loadConfig({ ...REQUIRED_VARIABLES, ...entry.variables }),
  }));
  const limits = taskLimits(size);
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
      policy: policyOf(name, { vcpu, minTasks, maxTasks: limits[name] ?? minTasks, largestShrink }, capacity),
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

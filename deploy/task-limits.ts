/**
 * How many tasks of each service may run: what the database's connections allow, and no more than it has work for.
 *
 * Beyond the tasks that take all that the database bears, further ones only wait for it.
 */

import type { Lane } from '#shared/definitions/lanes.ts';
import { databaseFilesPerSecond } from '#shared/scaling/database-capacity.ts';
import { messagesPerSecondPerTask } from '#shared/scaling/scaling-policy.ts';
import { type ScaledService, SERVICE_OBJECTIVES } from '#shared/scaling/service-capacities.ts';
import { taskCeilings } from '#shared/scaling/task-ceiling.ts';
import { deployedName, deployedServices } from './services/service-catalogue.ts';
import { databaseConnections, type FleetSize } from './sizes.ts';

/** What a service's schema requires and says nothing of its connections. */
const REQUIRED_VARIABLES = { DATABASE_URL: 'postgres://none/none', AWS_REGION: 'us-east-1' };

/** By the name that each is deployed under. */
export function taskLimits(size: FleetSize, ownLanes: readonly Lane[] = []): Readonly<Record<string, number>> {
  const services = deployedServices(ownLanes);
  const users = services.map(({ name, lane, loadConfig, variables, pools, connectionWeight }) => ({
    name: deployedName({ name, lane }),
    connections: loadConfig({ ...REQUIRED_VARIABLES, ...variables }).DATABASE_POOL_MAX * pools,
    minTasks: size.tasks[name].minTasks,
    weight: connectionWeight,
  }));
  const ceilings = taskCeilings(users, databaseConnections(size));
  return Object.fromEntries(
    services.map(({ name, lane, ofDatabase }) => {
      const { minTasks } = size.tasks[name];
      const deployed = deployedName({ name, lane });
      const ceiling = ceilings[deployed] ?? minTasks;
      if (ofDatabase === undefined) return [deployed, ceiling];
      const busy = databaseFilesPerSecond(size.databaseCapacity.max) / ratePerTask(name as ScaledService, size);
      return [deployed, Math.min(ceiling, Math.max(minTasks, Math.ceil(busy * ofDatabase)))];
    }),
  );
}

function ratePerTask(name: ScaledService, size: FleetSize): number {
  return messagesPerSecondPerTask(SERVICE_OBJECTIVES[name].capacity, size.tasks[name].cpu / 1_024);
}

/** What all tasks of a service clear together: no more than the database bears. */
export function clearedPerSecond(name: ScaledService, size: FleetSize): number {
  const tasks = taskLimits(size)[name] ?? 1;
  return Math.min(tasks * ratePerTask(name, size), databaseFilesPerSecond(size.databaseCapacity.max));
}

/**
 * How many tasks of each service may run: what the database's connections allow, and no more than it has work for.
 *
 * Beyond the tasks that take all that the database bears, further ones only wait for it.
 */
import { databaseFilesPerSecond } from '#shared/scaling/database-capacity.ts';
import { messagesPerSecondPerTask } from '#shared/scaling/scaling-policy.ts';
import { type ScaledService, SERVICE_OBJECTIVES } from '#shared/scaling/service-capacities.ts';
import { taskCeilings } from '#shared/scaling/task-ceiling.ts';
import { SERVICES } from './services/service-catalogue.ts';
import { databaseConnections, type FleetSize } from './sizes.ts';

/** What a service's schema requires and says nothing of its connections. */
const REQUIRED_VARIABLES = { DATABASE_URL: 'postgres://none/none', AWS_REGION: 'us-east-1' };

export function taskLimits(size: FleetSize): Readonly<Record<string, number>> {
  const users = SERVICES.map(({ name, loadConfig, variables, pools, connectionWeight }) => ({
    name,
    connections: loadConfig({ ...REQUIRED_VARIABLES, ...variables }).DATABASE_POOL_MAX * pools,
    minTasks: size.tasks[name].minTasks,
    weight: connectionWeight,
  }));
  const ceilings = taskCeilings(users, databaseConnections(size));
  return Object.fromEntries(
    SERVICES.map(({ name, ofDatabase }) => {
      const { minTasks } = size.tasks[name];
      const ceiling = ceilings[name] ?? minTasks;
      if (ofDatabase === undefined) return [name, ceiling];
      const busy = databaseFilesPerSecond(size.databaseCapacity.max) / ratePerTask(name as ScaledService, size);
      return [name, Math.min(ceiling, Math.max(minTasks, Math.ceil(busy * ofDatabase)))];
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

/**
 * How many tasks the database's connections allow.
 *
 * 1. Services that do not scale, and the least of those that do, come first; what is left is shared by weight.
 * 2. A fifth stays free: for a deployment, in which old and new tasks run side by side, for migrations and for people.
 */

export interface ConnectionUser {
  readonly name: string;
  /** Of one task. */
  readonly connections: number;
  readonly minTasks: number;
  /** Share of what is left; 0 for a service with a fixed number of tasks. */
  readonly weight: number;
}

const USABLE_SHARE = 0.8;

/**
 * PostgreSQL on Aurora: `LEAST(memory / 9,531,392, 5,000)`, with 2 GiB for each capacity unit of the largest size
 * (Amazon Aurora user guide, "Maximum connections for Aurora Serverless v2").
 */
export function maxConnections(largestCapacityUnits: number): number {
  return Math.min(5_000, Math.floor((largestCapacityUnits * 2 * 1024 ** 3) / 9_531_392));
}

/** By name. @throws RangeError when not even the least of all has room. */
export function taskCeilings(users: readonly ConnectionUser[], connections: number): Record<string, number> {
  const usable = Math.floor(connections * USABLE_SHARE);
  const reserved = users.reduce((sum, user) => sum + user.minTasks * user.connections, 0);
  if (reserved > usable) {
    throw new RangeError(`The services need ${reserved} connections at least, and ${usable} can be used.`);
  }
  const weights = users.reduce((sum, user) => sum + user.weight, 0);
  return Object.fromEntries(
    users.map(({ name, connections: each, minTasks, weight }) => {
      const share = weights === 0 ? 0 : ((usable - reserved) * weight) / weights;
      return [name, minTasks + Math.floor(share / each)];
    }),
  );
}

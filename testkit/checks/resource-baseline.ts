/**
 * What a fleet holds when it has nothing to do: database connections of each program, open files and sockets of each process.
 *
 * Pools and keep-alive sockets stay open for a while after work, so a growth counts as a leak only when it does not go back.
 */
import { readdir } from 'node:fs/promises';
import { serviceNames, type TestFleet } from '#testkit/beds/start-test-fleet.ts';
import { waitUntil } from './wait-until.ts';

export interface ResourceBaseline {
  /** Connections over the baseline and the pools' bounds, open files beyond what pools may hold; empty when all went back. */
  findLeaks(timeoutMs: number): Promise<string[]>;
}

/** Per service: a pool of database connections (two for the API), keep-alive sockets to S3 (50) and to the queues (50). */
const MOST_CONNECTIONS = 8;
const MOST_KEPT_SOCKETS = 110;

export async function takeResourceBaseline(fleet: TestFleet): Promise<ResourceBaseline> {
  const before = await readOpenFiles(fleet);

  async function look(): Promise<string[]> {
    const files = await readOpenFiles(fleet);
    const grown = Object.entries(files)
      .filter(([name, count]) => count > (before[name] ?? 0) + MOST_KEPT_SOCKETS)
      .map(([name, count]) => `${name} has ${count} open files and sockets, before ${before[name]}`);
    const connections = await fleet.sql<{ name: string; count: number }[]>`
      SELECT application_name AS name, count(*)::int FROM pg_stat_activity
      WHERE application_name LIKE 'longshore-%' OR application_name LIKE 'control-api%' GROUP BY 1`;
    const crowded = connections
      .filter(({ count }) => count > MOST_CONNECTIONS)
      .map(({ name, count }) => `${name} has ${count} database connections`);
    return [...grown, ...crowded];
  }

  return {
    async findLeaks(timeoutMs) {
      let leaks: string[] = [];
      await waitUntil(
        'resources are back at their baseline',
        async () => {
          leaks = await look();
          return leaks.length === 0;
        },
        { timeoutMs, intervalMs: 500 },
      ).catch(() => undefined);
      return leaks;
    },
  };
}

async function readOpenFiles({ stack }: TestFleet): Promise<Record<string, number>> {
  if (process.platform !== 'linux') return {};
  const counts = serviceNames(stack).map(async (name) => {
    const pid = stack.processes[name]?.pid;
    const open = pid === undefined ? [] : await readdir(`/proc/${pid}/fd`).catch(() => []);
    return [name, open.length] as const;
  });
  return Object.fromEntries(await Promise.all(counts));
}

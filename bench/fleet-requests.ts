/** What the fleet asked of SQS, S3 and PostgreSQL since it was started. */
import { setTimeout as sleep } from 'node:timers/promises';
import { SERVICE_NAMES } from '#local/launcher/processes.ts';
import type { Stack } from '#local/stack.ts';
import type { Sql } from '#shared/db/connect-database.ts';
import { sumCounter } from './read-metrics.ts';

export interface Requests {
  readonly sqs: number;
  readonly s3: number;
  readonly sql: number;
}

export async function countRequests(stack: Stack, sql: Sql): Promise<Requests> {
  const pages = SERVICE_NAMES.map((service) => stack.endpoints.metrics[service]).filter((url) => url !== undefined);
  // Each transition is one statement in its own transaction. Backends report theirs at most a second late.
  await sleep(2_000);
  const [row] = await sql<{ sql: number }[]>`
    SELECT (xact_commit + xact_rollback)::float8 AS sql FROM pg_stat_database WHERE datname = current_database()`;
  return {
    sqs: await sumCounter(pages, 'longshore_sqs_requests_total'),
    s3: await sumCounter(pages, 'longshore_s3_requests_total'),
    sql: row?.sql ?? 0,
  };
}

/** A figure of each process that the stack runs, by its name. */
export async function eachProcess(
  stack: Stack,
  read: (pid: number) => Promise<number>,
): Promise<Record<string, number>> {
  const values: Record<string, number> = {};
  for (const [name, { pid }] of Object.entries(stack.processes)) {
    if (pid !== undefined) values[name] = await read(pid);
  }
  return values;
}

export function round(value: number): number {
  return Math.round(value * 100) / 100;
}

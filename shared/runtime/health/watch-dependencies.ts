/**
 * Shows how a service's dependencies treat it: requests to the object store and SQS that were throttled or ran into a deadline, and how long
 * the database lets a statement wait.
 */
import { Counter, Gauge, type Registry } from 'prom-client';
import type { Sql } from '#shared/db/connect-database.ts';
import { endsWithin } from '#shared/runtime/within.ts';

export interface Dependencies {
  readonly sql: Sql;
  readonly sqs: SdkClient;
  readonly s3?: readonly SdkClient[];
}

/** Of any client of the AWS SDK, whose types for this differ by service. */
interface SdkClient {
  readonly middlewareStack: {
    // biome-ignore lint/suspicious/noExplicitAny: each client has its own overloads, with its own inputs and outputs
    add(middleware: any, options: any): void;
  };
}

type Next = (args: unknown) => Promise<unknown>;

type Fault = 'throttled' | 'timeout';

/** A database that answers later than this does not answer. */
const DATABASE_DEADLINE_MS = 3_000;
const THROTTLED = /throttl|slow ?down|too ?many ?requests|RequestLimitExceeded/i;

export function watchDependencies(registry: Registry, { sql, sqs, s3 = [] }: Dependencies): void {
  const faults = new Counter({
    name: 'longshore_dependency_faults_total',
    help: 'Requests to the object store and SQS, repeats included, that were throttled or met a deadline.',
    labelNames: ['dependency', 'fault'] as const,
    registers: [registry],
  });
  const clients = [{ dependency: 'sqs', client: sqs }, ...s3.map((client) => ({ dependency: 's3', client }))];
  for (const { dependency, client } of clients) {
    // A counter that begins at 1 has no increase.
    for (const fault of ['throttled', 'timeout'] satisfies Fault[]) faults.inc({ dependency, fault }, 0);
    onFault(client, (fault) => faults.inc({ dependency, fault }));
  }
  new Gauge({
    name: 'longshore_database_answer_seconds',
    help: 'How long a statement that does nothing took, with its wait for a connection of this process: 3 when it was given up.',
    registers: [registry],
    async collect() {
      this.set(await measureAnswer(sql));
    },
  });
}

function onFault({ middlewareStack }: SdkClient, tell: (fault: Fault) => void): void {
  middlewareStack.add(
    (next: Next): Next =>
      async (args) => {
        try {
          return await next(args);
        } catch (error) {
          const fault = faultOf(error);
          if (fault !== undefined) tell(fault);
          throw error;
        }
      },
    // Behind the SDK's own repetition: each try is seen.
    { step: 'finalizeRequest', priority: 'low', name: 'countFaults' },
  );
}

/** By the names that the SDK and its services give, and by the status: a HEAD has no body that would name it. */
function faultOf(error: unknown): Fault | undefined {
  if (!(error instanceof Error)) return undefined;
  const { $metadata, code } = error as {
    readonly $metadata?: { readonly httpStatusCode?: number };
    readonly code?: unknown;
  };
  const status = $metadata?.httpStatusCode;
  if (THROTTLED.test(error.name) || status === 429 || status === 503) return 'throttled';
  return error.name === 'TimeoutError' || code === 'ETIMEDOUT' ? 'timeout' : undefined;
}

async function measureAnswer(sql: Sql): Promise<number> {
  const startedMs = performance.now();
  try {
    await endsWithin(sql`SELECT 1`, DATABASE_DEADLINE_MS);
    return (performance.now() - startedMs) / 1_000;
  } catch {
    return DATABASE_DEADLINE_MS / 1_000;
  }
}

/** For tests of the engine: a database, a route, and a runner whose steps and archive the test provides. */
import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { pino } from 'pino';
import { Registry } from 'prom-client';
import { BUCKET_IDS, type BucketId, bucketName } from '#shared/config/resource-names.ts';
import { connectDatabase, type Sql } from '#shared/db/connect-database.ts';
import type { ObjectStore } from '#shared/files/object-store.ts';
import { compileRoute } from '#shared/routes/compile-route.ts';
import type { StepContext, StepKind } from '#shared/steps/step-context.ts';
import type { StepOutcome } from '#shared/steps/step-outcome.ts';
import { arrivedObject } from '#shared/testing/seed-jobs.ts';
import { applyRoute, applyTenants } from './apply-definitions.ts';
import type { ArchiveFile } from './archive-held-file.ts';
import { createJobMetrics } from './job-metrics.ts';
import { loadRoutingInput } from './load-routing-input.ts';
import { queueOfClass } from './next-move.ts';
import { registerFiles } from './register-files.ts';
import { routeFiles, type WokenJob, type WorkQueue } from './route-files.ts';
import { createJobRunner, type JobRunner } from './run-jobs.ts';
import { fileArchiveDueEntry, jobDueEntry, type WorkWakeUp } from './wake-up-groups.ts';
import type { DueRow } from './wake-up-senders.ts';

export type FakeStep = (context: StepContext<unknown>) => Promise<StepOutcome>;

export interface TestRunner extends JobRunner {
  /** Messages sent, by queue. */
  readonly sent: Record<WorkQueue, WorkWakeUp[]>;
  readonly registry: Registry;
}

export interface TestRunnerOptions {
  readonly sql: Sql;
  readonly steps: Readonly<Record<string, FakeStep>>;
  readonly queue?: WorkQueue;
  readonly leaseMs?: number;
  readonly stepDeadlineMs?: number;
  readonly archive?: ArchiveFile;
  readonly worker?: string;
  readonly isSendingBroken?: boolean;
}

export function connectTestDatabase(url: string): Sql {
  return connectDatabase(
    { DATABASE_URL: url, DATABASE_POOL_MAX: 4, DATABASE_PREPARE: true, DATABASE_STATEMENT_TIMEOUT_MS: 10_000 },
    'engine-test',
  );
}

export const archiveInto: ArchiveFile = async ({ key }) => ({ bucket: 'test-archive', key, versionId: 'archived' });

export function createTestRunner(options: TestRunnerOptions): TestRunner {
  const { sql, steps, queue = 'partner-steps', leaseMs = 30_000, isSendingBroken = false } = options;
  const sent: TestRunner['sent'] = { 'partner-steps': [], work: [] };
  const registry = new Registry();
  const send = (toEntry: typeof jobDueEntry | typeof fileArchiveDueEntry) => async (rows: readonly DueRow[]) => {
    if (isSendingBroken) return 0;
    for (const row of rows) sent[row.queue].push(toEntry(row, row.queue).message);
    return rows.length;
  };
  const runner = createJobRunner({
    sql,
    kinds: new Map(
      Object.entries(steps).map(([kind, run]): [string, StepKind<unknown>] => [
        kind,
        { kind, classOf: () => 'short', run },
      ]),
    ),
    queue,
    worker: options.worker ?? 'test/1',
    service: queue === 'work' ? 'large-file-worker' : 'partner-worker',
    leaseMs,
    stepDeadlineMs: options.stepDeadlineMs ?? 20_000,
    store: {} as ObjectStore,
    bucketNames: Object.fromEntries(BUCKET_IDS.map((id) => [id, bucketName('test', id)])) as Record<BucketId, string>,
    archive: options.archive ?? archiveInto,
    wakeUps: { sendJobs: send(jobDueEntry), sendArchives: send(fileArchiveDueEntry) },
    metrics: createJobMetrics(registry),
    logger: pino({ level: 'silent' }),
  });
  return { ...runner, sent, registry };
}

export interface SeedRouteOptions {
  /** Step kinds of each route; default one route of validate, deliver, confirm. */
  readonly routes?: readonly (readonly string[])[];
  readonly retry?: Readonly<Record<string, unknown>>;
  readonly isOrdered?: boolean;
}

const STEP_OPTIONS: Readonly<Record<string, unknown>> = {
  deliver: { bucket: 'delivered' },
  transform: { ops: [{ gunzip: {} }] },
};

/** Tenant `acme` with routes that take everything. */
export async function seedRoutes(sql: Sql, options: SeedRouteOptions = {}): Promise<void> {
  const { routes = [['validate', 'deliver', 'confirm']], retry = {}, isOrdered = false } = options;
  const acme = { id: 'acme', name: 'Acme', timeZone: 'UTC', homeRegion: null, ignoreGlobs: [] };
  await applyTenants(sql, [acme], 'test');
  for (const [index, kinds] of routes.entries()) {
    const name = `route-${index}`;
    const steps = kinds.map((kind) => ({ [kind]: STEP_OPTIONS[kind] ?? {} }));
    const definition = {
      kind: 'route',
      tenant: 'acme',
      name,
      match: { path: ['**'] },
      ordered: isOrdered,
      retry,
      steps,
    };
    await applyRoute(sql, { tenantId: 'acme', name, definition, definitionHash: randomUUID() }, 'test');
  }
}

/** Files of tenant `acme` on all of its routes. Resolves to their jobs. */
export async function seedFiles(sql: Sql, options: { count?: number; isLarge?: boolean } = {}): Promise<WokenJob[]> {
  const { count = 1, isLarge = false } = options;
  const files = await registerFiles(
    sql,
    Array.from({ length: count }, () => arrivedObject()),
    'test',
  );
  const inputs = await loadRoutingInput(
    sql,
    files.map(({ id }) => id),
  );
  const versions = await sql<{ id: string; definition: unknown }[]>`SELECT id, definition FROM route_versions`;
  const compiled = new Map(versions.map(({ id, definition }) => [id, compileRoute(definition)]));
  const decisions = inputs.map(({ fileId, routes }) => ({
    fileId,
    isLarge,
    jobs: routes.map(({ routeId, routeVersionId }) => {
      const route = compiled.get(routeVersionId);
      const first = route?.steps[0];
      if (route === undefined || first === undefined) throw new Error('the route was not seeded');
      return {
        id: randomUUID(),
        routeId,
        routeVersionId,
        queue: queueOfClass(first.classOf(isLarge)),
        stepKind: first.kind,
        stepCount: route.steps.length,
        maxAttempts: route.retry.maxAttempts,
        isOrdered: route.ordered,
        headFailure: route.onHeadFailure,
      };
    }),
  }));
  return await routeFiles(sql, decisions, 'test');
}

export function jobDue({ id, tenantId, wake }: WokenJob): WorkWakeUp {
  return { type: 'job.due', jobId: id, tenantId, wake };
}

export const neverStops = new AbortController().signal;

/** Bounded; the condition may ask the database. */
export async function until(condition: () => boolean | Promise<boolean>, timeoutMs = 10_000): Promise<void> {
  const endMs = performance.now() + timeoutMs;
  while (!(await condition())) {
    if (performance.now() > endMs) throw new Error(`not so after ${timeoutMs} ms: ${condition}`);
    await delay(10);
  }
}

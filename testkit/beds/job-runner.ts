/** For tests of the engine: a runner whose steps and archive the test provides. */
import { setTimeout as delay } from 'node:timers/promises';
import { pino } from 'pino';
import { Registry } from 'prom-client';
import { connectDatabase, type Sql } from '#shared/db/connect-database.ts';
import type { ObjectStore } from '#shared/files/object-store.ts';
import type { WokenJob } from '#shared/jobs/route-files.ts';
import { type DueRow, fileArchiveDueEntry, jobDueEntry, type WorkWakeUp } from '#shared/jobs/wake-up-senders.ts';
import {
  BUCKET_IDS,
  type BucketId,
  bucketName,
  isLong,
  WORK_QUEUE_IDS,
  type WorkQueue,
} from '#shared/runtime/config/resource-names.ts';
import type { StepContext, StepKind } from '#shared/steps/step-context.ts';
import type { StepOutcome } from '#shared/steps/step-outcome.ts';
import type { ArchiveFile } from '#shared/worker/archive-held-file.ts';
import { createJobMetrics } from '#shared/worker/job-metrics.ts';
import { createJobRunner, type JobRunner, type JobRunnerOptions } from '#shared/worker/run-jobs.ts';

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
  readonly recordStoreFor?: JobRunnerOptions['recordStoreFor'];
  readonly worker?: string;
  readonly isSendingBroken?: boolean;
  readonly lateReplicas?: JobRunnerOptions['lateReplicas'];
}

export function connectTestDatabase(url: string, { poolMax = 4 } = {}): Sql {
  return connectDatabase(
    { DATABASE_URL: url, DATABASE_POOL_MAX: poolMax, DATABASE_PREPARE: true, DATABASE_STATEMENT_TIMEOUT_MS: 60_000 },
    'engine-test',
    { keepsPlans: true },
  );
}

const archiveInto: ArchiveFile = async ({ key }) => ({ bucket: 'test-archive', key, versionId: 'archived' });

const noRecords = (): never => {
  throw new Error('this test has no store of records');
};

export function createTestRunner(options: TestRunnerOptions): TestRunner {
  const { sql, steps, queue = 'partner-steps', leaseMs = 30_000, isSendingBroken = false } = options;
  const sent = Object.fromEntries(WORK_QUEUE_IDS.map((id) => [id, []])) as unknown as TestRunner['sent'];
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
    workerClass: isLong(queue) ? 'long' : 'short',
    worker: options.worker ?? 'test/1',
    service: isLong(queue) ? 'large-file-worker' : 'partner-worker',
    leaseMs,
    stepDeadlineMs: options.stepDeadlineMs ?? 20_000,
    store: {} as ObjectStore,
    bucketNames: Object.fromEntries(BUCKET_IDS.map((id) => [id, bucketName('test', id)])) as Record<BucketId, string>,
    recordStoreFor: options.recordStoreFor ?? noRecords,
    lateReplicas: options.lateReplicas,
    archive: options.archive ?? archiveInto,
    wakeUps: { sendJobs: send(jobDueEntry), sendArchives: send(fileArchiveDueEntry) },
    metrics: createJobMetrics(registry),
    logger: pino({ level: 'silent' }),
  });
  return { ...runner, sent, registry };
}

export function jobDue({ id, tenantId, wake }: WokenJob): WorkWakeUp {
  return { type: 'job.due', jobId: id, tenantId, wake };
}

export const neverStops = new AbortController().signal;

/** Bounded; the condition may ask the database. */
export async function until(condition: () => boolean | Promise<boolean>, timeoutMs = 60_000): Promise<void> {
  const endMs = performance.now() + timeoutMs;
  while (!(await condition())) {
    if (performance.now() > endMs) throw new Error(`not so after ${timeoutMs} ms: ${condition}`);
    await delay(10);
  }
}

/** Rows for tests of record transitions: a job at its record steps, with records that may be processed. */
import { randomUUID } from 'node:crypto';
import type { Sql } from '#shared/db/connect-database.ts';
import { applyDefinition } from '#shared/definitions/apply-definitions.ts';
import { type ClaimedJob, claimJobs } from '#shared/jobs/claim-jobs.ts';
import { storeOutcomes } from '#shared/jobs/store-outcomes.ts';
import { controlPartner } from '#shared/partners/control-partner.ts';
import { insertRecords } from '#shared/records/insert-records.ts';
import { openRecords, type WokenChunk } from '#shared/records/open-records.ts';
import type { NewRecord } from '#shared/steps/record-store.ts';
import { examplePartner } from '#testkit/beds/partner-bed.ts';
import { type SeedJobsOptions, seedJobs } from './seed-jobs.ts';

export interface SeedRecordsOptions extends SeedJobsOptions {
  readonly records?: number;
  readonly window?: number;
  readonly keyOf?: (line: number) => string | null;
}

export interface SeededRecords {
  readonly job: ClaimedJob;
  readonly chunks: WokenChunk[];
}

export function newRecord(line: number, businessKey: string | null = null): NewRecord {
  return { line, businessKey, values: { id: String(line) } };
}

/** A job whose step is `parse`, claimed. */
export async function seedParsingJob(sql: Sql, options: SeedJobsOptions = {}): Promise<ClaimedJob> {
  const [woken] = await seedJobs(sql, { ...options, stepCount: 3 });
  if (woken === undefined) throw new Error('a job was expected');
  await sql`UPDATE jobs SET step_kind = 'parse' WHERE id = ${woken.id}`;
  return await claimForRecords(sql, woken.id);
}

/** A parsed file whose records were opened; the job waits for them. */
export async function seedRecords(sql: Sql, options: SeedRecordsOptions = {}): Promise<SeededRecords> {
  const parsing = await seedParsingJob(sql, options);
  const keyOf = options.keyOf ?? (() => null);
  const records = Array.from({ length: options.records ?? 3 }, (_, index) => newRecord(index + 1, keyOf(index + 1)));
  await insertRecords(sql, { jobId: parsing.id, epoch: parsing.epoch, records });
  await storeStep(sql, parsing, { type: 'next-step', stepSeq: 1, stepKind: 'call' });
  const job = { ...parsing, stepSeq: 1, stepKind: 'call' };
  const opened = await openRecords(sql, { jobId: job.id, epoch: job.epoch, window: options.window ?? 8 });
  if (opened === undefined) throw new Error('the job was expected to be held');
  await storeStep(sql, job, { type: 'later', delayMs: 300_000, countsAttempt: false, reason: 'RECORDS' });
  return { job, chunks: opened.woken };
}

export async function claimForRecords(sql: Sql, jobId: string): Promise<ClaimedJob> {
  const [job] = await claimJobs(sql, {
    jobIds: [jobId],
    token: randomUUID(),
    worker: 'test/1',
    service: 'partner-worker',
    queue: 'partner-steps',
    kinds: ['parse', 'call', 'deliver'],
    leaseMs: 60_000,
  });
  if (job === undefined) throw new Error('the job was expected to be free');
  return job;
}

export async function storeStep(
  sql: Sql,
  job: ClaimedJob,
  next: Parameters<typeof storeOutcomes>[1][number]['next'],
): Promise<void> {
  const { jobs } = await storeOutcomes(
    sql,
    [
      {
        jobId: job.id,
        epoch: job.epoch,
        stepSeq: job.stepSeq,
        stepKind: job.stepKind,
        attempt: job.stepAttempts,
        generation: job.generation,
        outcome: next.type === 'later' ? 'wait' : 'succeeded',
        startedAt: new Date(),
        durationMs: 1,
        next,
      },
    ],
    { worker: 'test/1', service: 'partner-worker', leaseMs: 60_000, token: randomUUID(), archivesLarge: false },
  );
  if (jobs.length !== 1) throw new Error('the outcome was expected to count');
}

/** `acme/rfi`, which every route calls. */
export async function seedPausedPartner(sql: Sql): Promise<void> {
  const definition = examplePartner();
  const name = 'rfi';
  await applyDefinition(sql, 'partner', { tenantId: 'acme', name, definition, definitionHash: 'h' }, 'test');
  await controlPartner(sql, { tenantId: 'acme', name, verb: 'pause', reason: 'a test', actor: 'operator:test' });
  const steps = [{ parse: {} }, { call: { partner: name, operation: 'validate' } }];
  await sql`UPDATE route_versions SET definition = jsonb_set(definition, '{steps}', ${sql.json(steps)})`;
}

/**
 * What walks of records ask of the database, gathered into few statements, as `job-commits.ts` does for jobs.
 *
 * 1. Two wake-ups of one chunk in one group: the first gets the claim, the other nothing.
 * 2. What is absent from an answer is stale. After a lost reply it may be our own that was committed: outcomes are looked for then; of what was
 *    settled, whoever claims the chunk next goes by the rows.
 * 3. Wake-ups are sent after the commit, next to the next group, and never fail it.
 */
import { randomUUID } from 'node:crypto';
import type { Sql } from '#shared/db/connect-database.ts';
import { repeatOnLostDatabase } from '#shared/db/run-statements.ts';
import type { WakeUpSenders } from '#shared/jobs/wake-up-senders.ts';
import { Coalescer } from '#shared/queue/coalescer.ts';
import type { Logger } from '#shared/runtime/logger.ts';
import { type Claim, MOST_WAITING, REPEAT_FOR_MS } from '#shared/worker/job-commits.ts';
import type { JobMetrics } from '#shared/worker/job-metrics.ts';
import { type BeginRecord, beginRecords, type RecordId, recordKey } from './begin-records.ts';
import { type ClaimedChunk, claimChunks } from './claim-chunks.ts';
import { notePaused, type PausedRecords } from './note-paused.ts';
import { type SettleChunk, type SettledChunks, settleChunks } from './settle-chunks.ts';
import { findStoredRecords, type RecordOutcome, storeRecordOutcomes } from './store-record-outcomes.ts';

export interface RecordCommitsOptions {
  readonly sql: Sql;
  readonly worker: string;
  readonly service: string;
  readonly leaseMs: number;
  /** Wake-ups of one tenant that may be in one queue. */
  readonly admissionWindow?: number;
  readonly wakeUps: Pick<WakeUpSenders, 'sendJobs' | 'sendChunks'>;
  readonly metrics: Pick<JobMetrics, 'groupSize' | 'wakeUpsUnsent'>;
  readonly logger: Logger;
  readonly now: () => number;
  readonly random: () => number;
}

export type RecordStored =
  | { readonly type: 'stored' }
  | { readonly type: 'stale' }
  | { readonly type: 'refused'; readonly error: unknown };

export interface SettleTraced extends SettleChunk {
  readonly jobId: string;
  /** As the chunk's own wake-up carried it: those of the job's further chunks, and of the job, carry it on, so that they are side by side. */
  readonly traceparent: string | undefined;
}

/** `stale`: somebody else's, or settled before. */
export type ChunkSettled = 'done' | 'given back' | 'stale';

/** Rows in one statement: an answer of claims holds all their records' values, an outcome is small. */
const MOST_CLAIMS = 20;
const MOST_RECORDS = 250;
/**
 * The more records share a statement, the less it costs each of them, and meanwhile others are with the partner. Where few are under way
 * nothing is gained by waiting.
 */
const lingerMs = (pending: number): number => (pending < MANY_RECORDS ? 5 : 10);
const MANY_RECORDS = 32;
/** A record waits for the statement that has it, and not for the one before it as well; more would make groups small. */
const STATEMENTS = 2;

export class RecordCommits {
  readonly #options: RecordCommitsOptions;
  readonly #claims: Coalescer<string, Claim<ClaimedChunk>>;
  readonly #begins: Coalescer<BeginRecord, boolean>;
  readonly #outcomes: Coalescer<RecordOutcome, RecordStored>;
  readonly #settlements: Coalescer<SettleTraced, ChunkSettled>;
  readonly #sending = new Set<Promise<void>>();

  constructor(options: RecordCommitsOptions) {
    this.#options = options;
    const grouped = <Item, Result>(
      name: string,
      maxItems: number,
      run: (items: readonly Item[]) => Promise<readonly Result[]>,
    ) =>
      new Coalescer<Item, Result>({
        ...{ name, maxEntries: maxItems, maxWaiting: MOST_WAITING, concurrency: STATEMENTS, lingerMs },
        run: async (items) => {
          const results = await run(items);
          options.metrics.groupSize.observe({ statement: name }, items.length);
          return results;
        },
      });
    this.#claims = grouped('claim-chunks', MOST_CLAIMS, (ids) => this.#claimChunks(ids));
    this.#begins = grouped('begin-records', MOST_RECORDS, (begins) => this.#beginRecords(begins));
    this.#outcomes = grouped('store-record-outcomes', MOST_RECORDS, (outcomes) => this.#storeOutcomes(outcomes));
    this.#settlements = grouped('settle-chunks', MOST_CLAIMS, (chunks) => this.#settleChunks(chunks));
  }

  /** Undefined: a live lease, done, not due, or its job does not be at its record steps. */
  claimChunk(chunkId: string): Promise<Claim<ClaimedChunk>> {
    return this.#claims.add(chunkId);
  }

  /** False: stale. */
  beginRecord(begin: BeginRecord): Promise<boolean> {
    return this.#begins.add(begin);
  }

  storeOutcome(outcome: RecordOutcome): Promise<RecordStored> {
    return this.#outcomes.add(outcome);
  }

  settleChunk(chunk: SettleTraced): Promise<ChunkSettled> {
    return this.#settlements.add(chunk);
  }

  notePaused(paused: PausedRecords): Promise<void> {
    const { sql, service: actor } = this.#options;
    return this.#ask(REPEAT_FOR_MS, () => notePaused(sql, paused, { actor }));
  }

  /** Resolves when everything added so far is written or refused, and its wake-ups are sent. */
  async flush(): Promise<void> {
    const groups = [this.#claims, this.#begins, this.#outcomes, this.#settlements];
    await Promise.all(groups.map((group) => group.flush()));
    await Promise.all(this.#sending);
  }

  async #claimChunks(ids: readonly string[]): Promise<Claim<ClaimedChunk>[]> {
    const { sql, worker, leaseMs, now } = this.#options;
    const claim = { chunkIds: [...new Set(ids)], token: randomUUID(), worker, leaseMs };
    let askedAtMs = now();
    const answer = await this.#ask(REPEAT_FOR_MS, () => {
      askedAtMs = now();
      return claimChunks(sql, claim);
    });
    const chunks = new Map(answer.map((chunk) => [chunk.id, chunk]));
    return ids.map((id) => {
      const row = chunks.get(id);
      chunks.delete(id);
      return row && { row, askedAtMs };
    });
  }

  async #beginRecords(begins: readonly BeginRecord[]): Promise<boolean[]> {
    const { sql } = this.#options;
    const begun = keysOf(await this.#ask(REPEAT_FOR_MS, () => beginRecords(sql, begins)));
    return begins.map((begin) => begun.has(recordKey(begin)));
  }

  async #storeOutcomes(outcomes: readonly RecordOutcome[]): Promise<RecordStored[]> {
    const { sql, worker } = this.#options;
    const answer = await this.#ask(REPEAT_FOR_MS, () => storeRecordOutcomes(sql, outcomes, { worker }));
    const stored = keysOf(answer.stored);
    const refused = new Map(answer.refused.map(({ row, error }) => [recordKey(row), error]));
    const absent = outcomes.filter((outcome) => !stored.has(recordKey(outcome)) && !refused.has(recordKey(outcome)));
    if (absent.length > 0) {
      const found = await this.#ask(REPEAT_FOR_MS, () => findStoredRecords(sql, absent));
      for (const key of keysOf(found)) stored.add(key);
    }
    return outcomes.map((outcome) => {
      const key = recordKey(outcome);
      if (stored.has(key)) return STORED;
      return refused.has(key) ? { type: 'refused', error: refused.get(key) } : STALE;
    });
  }

  async #settleChunks(chunks: readonly SettleTraced[]): Promise<ChunkSettled[]> {
    const { sql, service: actor, admissionWindow } = this.#options;
    const window = admissionWindow === undefined ? {} : { window: admissionWindow };
    const answer = await this.#ask(REPEAT_FOR_MS, () => settleChunks(sql, chunks, { actor, ...window }));
    this.#sendWakeUps(answer, chunks);
    const settled = new Map(answer.settled.map(({ chunkId, isDone }) => [chunkId, isDone]));
    return chunks.map(({ chunkId }) => {
      const isDone = settled.get(chunkId);
      if (isDone === undefined) return 'stale';
      return isDone ? 'done' : 'given back';
    });
  }

  #ask<Answer>(forMs: number, statement: () => Promise<Answer>): Promise<Answer> {
    const { now, random, leaseMs } = this.#options;
    return repeatOnLostDatabase(statement, { deadlineMs: leaseMs, forMs, now, random });
  }

  #sendWakeUps({ chunks, jobs }: SettledChunks, settled: readonly SettleTraced[]): void {
    const { wakeUps, metrics, logger } = this.#options;
    const count = chunks.length + jobs.length;
    if (count === 0) return;
    const byJob = new Map(settled.map(({ jobId, traceparent }) => [jobId, traceparent]));
    const sending = Promise.all([
      wakeUps.sendChunks(chunks.map((chunk) => ({ ...chunk, traceparent: byJob.get(chunk.jobId) }))),
      wakeUps.sendJobs(jobs.map((job) => ({ ...job, traceparent: byJob.get(job.id) }))),
    ])
      .then(([chunksSent, jobsSent]) => metrics.wakeUpsUnsent.inc(count - chunksSent - jobsSent))
      .catch((error: unknown) => logger.error({ err: error }, 'wake-ups not sent'))
      .finally(() => this.#sending.delete(sending));
    this.#sending.add(sending);
  }
}

const STORED: RecordStored = { type: 'stored' };
const STALE: RecordStored = { type: 'stale' };

function keysOf(records: readonly RecordId[]): Set<string> {
  return new Set(records.map(recordKey));
}

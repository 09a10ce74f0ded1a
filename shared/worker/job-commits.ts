/**
 * Claims and outcomes of the jobs that run side by side, each kind gathered into few statements.
 *
 * 1. Two messages about one job in one group: the first gets the claim, the other nothing.
 * 2. `askedAtMs` is the monotonic time before the statement was sent: a lease that it gave ends no earlier than that plus its length.
 * 3. An outcome absent from the answer is stale. One that was committed and whose reply was lost is answered to its repeat.
 * 4. Wake-ups are sent after the commit, next to the next group, and never fail an outcome.
 */
import { randomUUID } from 'node:crypto';
import type { Sql } from '#shared/db/connect-database.ts';
import { repeatOnLostDatabase } from '#shared/db/run-statements.ts';
import { type ArchiveOutcome, claimArchives, type FinishedFile, storeArchives } from '#shared/jobs/archive-files.ts';
import { type ClaimedJob, claimJobs } from '#shared/jobs/claim-jobs.ts';
import { type StartBranches, type StartedBranches, startBranches } from '#shared/jobs/start-branches.ts';
import {
  type ClosedFile,
  type MovedJob,
  type StoredOutcome,
  type StoreResult,
  storeOutcomes,
} from '#shared/jobs/store-outcomes.ts';
import { wakeParents } from '#shared/jobs/wake-parents.ts';
import type { WakeUpSenders } from '#shared/jobs/wake-up-senders.ts';
import { Coalescer } from '#shared/queue/coalescer.ts';
import type { WorkQueue } from '#shared/runtime/config/resource-names.ts';
import { SMALL_FILE_SECONDS } from '#shared/runtime/config/small-file-seconds.ts';
import type { Logger } from '#shared/runtime/logger.ts';
import type { JobMetrics } from './job-metrics.ts';

export interface JobCommitsOptions {
  readonly sql: Sql;
  readonly queues: readonly WorkQueue[];
  readonly kinds: readonly string[];
  readonly worker: string;
  readonly service: string;
  readonly leaseMs: number;
  /** Wake-ups of one tenant that may be in one queue. */
  readonly admissionWindow: number;
  readonly wakeUps: Pick<WakeUpSenders, 'sendJobs' | 'sendArchives'>;
  readonly metrics: JobMetrics;
  readonly logger: Logger;
  readonly now: () => number;
  readonly random: () => number;
}

export type Claim<Row> = { readonly row: Row; readonly askedAtMs: number } | undefined;

export interface AskedBranches extends StartedBranches {
  readonly askedAtMs: number;
}

export type OutcomeStored =
  | {
      readonly type: 'stored';
      readonly job: MovedJob;
      /** The file, when this outcome ended its last job. */
      readonly closed: ClosedFile | undefined;
      readonly askedAtMs: number;
    }
  | { readonly type: 'stale' }
  | { readonly type: 'refused'; readonly error: unknown };

/**
 * How long claims and outcomes are repeated over a database that is down.
 *
 * A claim that was given up can still be committed when the server continues, and costs the job an attempt that nobody made; its repeat has the
 * same token and gets it. What was done is worth keeping longer than its lease: as long as the database is down nobody else can claim the job,
 * and once somebody has, the epoch says so.
 */
export const REPEAT_FOR_MS = 600_000;

const MOST_ROWS = 100;
/** Rows that wait for one kind of statement: past it, a wake-up is better left in its queue. */
export const MOST_WAITING = 10_000;

const FEW_ROWS = 2;

/** A statement costs as much as five of its rows: in a flood it waits for more of them, where there are few it barely waits. */
function gatherMs(pending: number): number {
  return pending > FEW_ROWS ? 20 : 5;
}

export class JobCommits {
  readonly #options: JobCommitsOptions;
  readonly #jobClaims: Coalescer<string, Claim<ClaimedJob>>;
  readonly #fileClaims: Coalescer<string, Claim<ClosedFile>>;
  readonly #outcomes: Coalescer<StoredOutcome, OutcomeStored>;
  readonly #archives: Coalescer<ArchiveOutcome, { readonly refusal: unknown }>;
  readonly #branches: Coalescer<StartBranches, { readonly started?: AskedBranches; readonly refusal: unknown }>;
  readonly #sending = new Set<Promise<void>>();

  constructor(options: JobCommitsOptions) {
    this.#options = options;
    const grouped = <Item, Result>(name: string, run: (items: readonly Item[]) => Promise<readonly Result[]>) =>
      new Coalescer<Item, Result>({
        ...{ name, lingerMs: gatherMs, maxEntries: MOST_ROWS, maxWaiting: MOST_WAITING },
        run: async (items) => {
          const results = await run(items);
          options.metrics.groupSize.observe({ statement: name }, items.length);
          return results;
        },
      });
    this.#jobClaims = grouped('claim-jobs', (ids) => this.#claimJobs(ids));
    this.#fileClaims = grouped('claim-archives', (ids) => this.#claimArchives(ids));
    this.#outcomes = grouped('store-outcomes', (outcomes) => this.#storeOutcomes(outcomes));
    this.#archives = grouped('store-archives', (outcomes) => this.#storeArchives(outcomes));
    this.#branches = grouped('start-branches', (starts) => this.#startBranches(starts));
  }

  /** Undefined: a live lease, a terminal job, not due, not its turn, or a kind unknown here. */
  claimJob(jobId: string): Promise<Claim<ClaimedJob>> {
    return this.#jobClaims.add(jobId);
  }

  claimArchive(fileId: string): Promise<Claim<ClosedFile>> {
    return this.#fileClaims.add(fileId);
  }

  storeOutcome(outcome: StoredOutcome): Promise<OutcomeStored> {
    return this.#outcomes.add(outcome);
  }

  /** A stale outcome changes nothing. @throws what the database said when it refuses the row; its lease then runs out. */
  async storeArchive(outcome: ArchiveOutcome): Promise<void> {
    const { refusal } = await this.#archives.add(outcome);
    if (refusal !== undefined) throw refusal;
  }

  /** Undefined: the parent is no longer the worker's. @throws what the database said when it refuses the row. */
  async startBranches(start: StartBranches): Promise<AskedBranches | undefined> {
    const { started, refusal } = await this.#branches.add(start);
    if (refusal !== undefined) throw refusal;
    return started;
  }

  /** Wakes a parent that waits and whose branches have ended. What fails is found when its wait ends. */
  async wakeParent(jobId: string): Promise<void> {
    const { sql, service: actor, admissionWindow: window, logger } = this.#options;
    try {
      this.#send(await wakeParents(sql, [jobId], { actor, window }), []);
    } catch (error) {
      logger.warn({ err: error, jobId }, 'parent not woken');
    }
  }

  /** Resolves when everything added so far is written or refused, and its wake-ups are sent. */
  async flush(): Promise<void> {
    await Promise.all(
      [this.#jobClaims, this.#fileClaims, this.#outcomes, this.#archives, this.#branches].map((group) => group.flush()),
    );
    await Promise.all(this.#sending);
  }

  async #claimJobs(ids: readonly string[]): Promise<Claim<ClaimedJob>[]> {
    const { sql, queues, kinds, worker, service, leaseMs } = this.#options;
    const token = randomUUID();
    return givenOnce(
      ids,
      await this.#ask(REPEAT_FOR_MS, () =>
        claimJobs(sql, { jobIds: [...new Set(ids)], token, worker, service, queue: queues, kinds, leaseMs }),
      ),
    );
  }

  async #claimArchives(ids: readonly string[]): Promise<Claim<ClosedFile>[]> {
    const { sql, service, leaseMs } = this.#options;
    const token = randomUUID();
    return givenOnce(
      ids,
      await this.#ask(REPEAT_FOR_MS, () => claimArchives(sql, { fileIds: [...new Set(ids)], token, service, leaseMs })),
    );
  }

  async #storeOutcomes(outcomes: readonly StoredOutcome[]): Promise<OutcomeStored[]> {
    const { sql, queues, worker, service, leaseMs, admissionWindow: window } = this.#options;
    const store = { worker, service, leaseMs, window, token: randomUUID(), archivesLarge: queues.includes('work') };
    const { answer, askedAtMs } = await this.#ask(REPEAT_FOR_MS, () => storeOutcomes(sql, outcomes, store));
    this.#sendWakeUps(answer, outcomes);
    const moved = new Map(answer.jobs.map((job) => [job.id, job]));
    const closed = new Map(answer.files.map((file) => [file.id, file]));
    const refused = new Map(answer.refused.map(({ row, error }) => [row.jobId, error]));
    return outcomes.map(({ jobId }) => {
      const job = moved.get(jobId);
      if (job === undefined)
        return refused.has(jobId) ? { type: 'refused', error: refused.get(jobId) } : { type: 'stale' };
      const file = closed.get(job.fileId);
      // Two jobs of one file can end in one statement: one of them archives it.
      closed.delete(job.fileId);
      return { type: 'stored', job, closed: file, askedAtMs };
    });
  }

  async #storeArchives(outcomes: readonly ArchiveOutcome[]): Promise<{ readonly refusal: unknown }[]> {
    const { sql, service, metrics } = this.#options;
    const { answer } = await this.#ask(REPEAT_FOR_MS, () => storeArchives(sql, outcomes, service));
    for (const file of answer.finished) countFinished(metrics, file);
    const refusals = new Map(answer.refused.map(({ row, error }) => [row.fileId, error]));
    return outcomes.map(({ fileId }) => ({ refusal: refusals.get(fileId) }));
  }

  async #startBranches(starts: readonly StartBranches[]) {
    const { sql, service: actor, admissionWindow: window, worker, leaseMs } = this.#options;
    const claim = { token: randomUUID(), worker, leaseMs };
    const { answer, askedAtMs } = await this.#ask(REPEAT_FOR_MS, () =>
      startBranches(sql, starts, { actor, window, claim }),
    );
    this.#send(
      answer.started.flatMap(({ woken }) => woken),
      [],
    );
    const keyOf = ({ jobId, epoch }: Pick<StartBranches, 'jobId' | 'epoch'>) => `${jobId} ${epoch}`;
    const started = new Map(answer.started.map((each) => [keyOf(each), each]));
    const refusals = new Map(answer.refused.map(({ row, error }) => [keyOf(row), error]));
    return starts.map((start) => {
      const each = started.get(keyOf(start));
      return { ...(each !== undefined && { started: { ...each, askedAtMs } }), refusal: refusals.get(keyOf(start)) };
    });
  }

  async #ask<Answer>(forMs: number, statement: () => Promise<Answer>): Promise<{ answer: Answer; askedAtMs: number }> {
    const { now, random, leaseMs } = this.#options;
    let askedAtMs = now();
    const answer = await repeatOnLostDatabase(
      () => {
        askedAtMs = now();
        return statement();
      },
      { deadlineMs: leaseMs, forMs, now, random },
    );
    return { answer, askedAtMs };
  }

  #sendWakeUps({ jobs, files, successors }: StoreResult, outcomes: readonly StoredOutcome[]): void {
    const byJob = new Map(outcomes.map(({ jobId, traceparent }) => [jobId, traceparent]));
    const byFile = new Map(jobs.map(({ id, fileId }) => [fileId, byJob.get(id)]));
    const own = jobs.flatMap(({ id, wake }) => (wake === null ? [] : [{ ...wake, traceparent: byJob.get(id) }]));
    // A successor is another file's, with its own trace.
    const due = [...own, ...successors];
    const copies = files
      .filter((file) => file.archive === 'woken')
      .map((file) => ({ ...file, traceparent: byFile.get(file.id) }));
    this.#send(due, copies);
  }

  #send(due: Parameters<WakeUpSenders['sendJobs']>[0], copies: Parameters<WakeUpSenders['sendArchives']>[0]): void {
    const { wakeUps, metrics, logger } = this.#options;
    if (due.length + copies.length === 0) return;
    const sending = Promise.all([wakeUps.sendJobs(due), wakeUps.sendArchives(copies)])
      .then(([jobsSent, copiesSent]) => metrics.wakeUpsUnsent.inc(due.length + copies.length - jobsSent - copiesSent))
      .catch((error: unknown) => logger.error({ err: error }, 'wake-ups not sent'))
      .finally(() => this.#sending.delete(sending));
    this.#sending.add(sending);
  }
}

/** Of those that this statement ended: a repeat ends none, and a file that was reopened and ends again is archived already. */
function countFinished({ fileSeconds, smallFiles }: JobMetrics, { status, seconds, class: of }: FinishedFile): void {
  fileSeconds.observe({ class: of, outcome: status.toLowerCase() }, seconds);
  if (of === 'small') smallFiles.inc({ pace: seconds > SMALL_FILE_SECONDS ? 'late' : 'in time' });
}

function givenOnce<Row extends { readonly id: string }>(
  ids: readonly string[],
  { answer, askedAtMs }: { readonly answer: readonly Row[]; readonly askedAtMs: number },
): Claim<Row>[] {
  const rows = new Map(answer.map((row) => [row.id, row]));
  return ids.map((id) => {
    const row = rows.get(id);
    rows.delete(id);
    return row && { row, askedAtMs };
  });
}

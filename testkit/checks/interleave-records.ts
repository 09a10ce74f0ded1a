/**
 * Every pair of record transitions, in both orders, with the first one held uncommitted while the second one starts on another
 * connection; then the first is committed, rolled back, or its connection is cut. Whatever happened, the tables hold the guarantees,
 * whoever lost its chunk changed nothing, and the work can still come to its end.
 *
 * A scene is made once for each test, and copied back for each pair.
 */
import { randomUUID } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import type { Sql } from '#shared/db/connect-database.ts';
import { type ClaimedJob, claimJobs } from '#shared/jobs/claim-jobs.ts';
import { cancelJobs } from '#shared/jobs/end-jobs.ts';
import { reopenJobs } from '#shared/jobs/reopen-jobs.ts';
import { type NextMove, storeOutcomes } from '#shared/jobs/store-outcomes.ts';
import { controlPartner } from '#shared/partners/control-partner.ts';
import { beginRecords } from '#shared/records/begin-records.ts';
import { type ClaimedChunk, claimChunks } from '#shared/records/claim-chunks.ts';
import { insertRecords } from '#shared/records/insert-records.ts';
import { notePaused } from '#shared/records/note-paused.ts';
import { openRecords } from '#shared/records/open-records.ts';
import { reopenRecords } from '#shared/records/reopen-records.ts';
import { settleChunks } from '#shared/records/settle-chunks.ts';
import { type RecordMove, storeRecordOutcomes } from '#shared/records/store-record-outcomes.ts';
import { sweepRecords } from '#shared/records/sweep-records.ts';
import { wakeChunks } from '#shared/records/wake-chunks.ts';
import { claimOne, nextTry, outcomeOf } from '#testkit/beds/process-records.ts';
import { findRowViolations } from '#testkit/checks/find-row-violations.ts';
import { type Ending, useTwoTransactions } from '#testkit/checks/two-transactions.ts';
import { createKeptScene, type KeptScene } from '#testkit/seeds/kept-scene.ts';
import { seedTenant } from '#testkit/seeds/seed-jobs.ts';
import {
  claimForRecords,
  newRecord,
  seedParsingJob,
  seedPausedPartner,
  storeStep,
} from '#testkit/seeds/seed-records.ts';

/** Registers the tests of those schedules whose first transaction ends so. */
export function interleaveRecords(endings: readonly Ending[]): void {
  const worker = 'test/1';
  const by = { actor: 'operator:test', reason: 'test' };
  const RECORDS_WAIT: NextMove = { type: 'later', delayMs: 300_000, countsAttempt: false, reason: 'RECORDS' };
  const SUCCESS: RecordMove = { type: 'success' };

  let observer: Sql;
  let kept: KeptScene;
  const two = useTwoTransactions(async (given) => {
    observer = given;
    await seedTenant(observer);
    await seedPausedPartner(observer);
    kept = await createKeptScene(observer, TABLES);
  });

  /** In the order in which rows may be inserted. */
  const TABLES = [
    'files',
    'jobs',
    'job_steps',
    'attempts',
    'audit_events',
    'outbox',
    'records',
    'record_chunks',
    'record_attempts',
    'record_keys',
  ] as const;

  /** A job whose records are processed by several chunks, and another one of its route that is being parsed. */
  interface Scene {
    readonly job: ClaimedJob;
    /** Held; its first record runs, one failed permanently, one is due to be swept. */
    readonly live: ClaimedChunk;
    /** Held; all its records have ended. */
    readonly done: ClaimedChunk;
    /** As the worker knows it that lost it to the one that holds it now. */
    readonly lost: ClaimedChunk;
    /** Its worker is gone. */
    readonly orphaned: ClaimedChunk;
    readonly parsing: ClaimedJob;
  }

  const LINES = { live: [1, 2, 3], done: [4], lost: [5], orphaned: [6], next: [7] };
  const keyed = (line: number) => newRecord(line, JSON.stringify([`key-${line}`]));

  async function carried(): Promise<Scene> {
    const parsing = await seedParsingJob(observer);
    const at = { jobId: parsing.id, epoch: parsing.epoch };
    const chunkIds: string[] = [];
    for (const lines of Object.values(LINES)) {
      await insertRecords(observer, { ...at, records: lines.map(keyed) });
      const [chunk] = await observer<{ id: string }[]>`
      SELECT chunk_id AS id FROM records WHERE job_id = ${parsing.id} AND line = ${lines[0] ?? 0}`;
      chunkIds.push(chunk?.id ?? '');
    }
    await storeStep(observer, parsing, { type: 'next-step', stepSeq: 1, stepKind: 'call' });
    const job = { ...parsing, stepSeq: 1, stepKind: 'call' };
    await openRecords(observer, { jobId: job.id, epoch: job.epoch, window: 4 });
    await storeStep(observer, job, RECORDS_WAIT);
    const [liveId = '', doneId = '', lostId = '', orphanedId = ''] = chunkIds;
    const live = await claimOne(observer, liveId);
    await tryAll(observer, live, ({ line }) =>
      line === 1 ? undefined : line === 2 ? { type: 'failed' } : { type: 'later', delayMs: 0 },
    );
    const done = await claimOne(observer, doneId);
    await tryAll(observer, done, () => SUCCESS);
    const lost = await claimOne(observer, lostId, 0);
    await tryAll(observer, lost, () => undefined);
    await claimOne(observer, lostId);
    const orphaned = await claimOne(observer, orphanedId, 0);
    await tryAll(observer, orphaned, () => undefined);
    return { job, live, done, lost, orphaned, parsing: await seedParsingJob(observer) };
  }

  /** The job was woken by its net and looks whether its records have ended; all have but those that are about to. */
  async function lookedAt(): Promise<Scene> {
    const scene = await carried();
    const { job } = scene;
    await observer`UPDATE jobs SET next_action_at = now() WHERE id = ${job.id}`;
    return { ...scene, job: await claimForRecords(observer, job.id) };
  }

  /** Nothing but one settling is left. */
  async function almostDone(): Promise<Scene> {
    const scene = await lookedAt();
    const { job, done } = scene;
    await observer`DELETE FROM record_chunks WHERE job_id = ${job.id} AND id <> ${done.id}`;
    await observer`
    UPDATE records SET state = 'FAILED', error_code = 'C', error_cause = 'c', error_message = 'm', next_attempt_at = NULL,
      chunk_id = NULL
    WHERE job_id = ${job.id} AND state <> 'SUCCESS'`;
    await observer`UPDATE jobs SET open_records = 1 WHERE id = ${job.id}`;
    return scene;
  }

  async function failed(): Promise<Scene> {
    const scene = await almostDone();
    const { job, done } = scene;
    await settle(observer, done);
    const error = { code: 'RECORDS_ERROR', cause: 'RECORDS_FAILED', message: 'They failed.' };
    await storeJob(observer, job, { type: 'failed' }, error);
    return scene;
  }

  async function cancelled(): Promise<Scene> {
    const scene = await carried();
    await cancelJobs(observer, { jobIds: [scene.job.id], ...by });
    return scene;
  }

  /** Begins each record and ends it; without a move it runs on. */
  async function tryAll(
    sql: Sql,
    chunk: ClaimedChunk,
    moveOf: (at: { line: number }) => RecordMove | undefined,
  ): Promise<void> {
    for (const record of chunk.records) {
      const at = nextTry(chunk, record);
      await beginRecords(sql, [{ ...at, intent: false }]);
      const move = moveOf(at);
      if (move !== undefined) await storeRecordOutcomes(sql, [outcomeOf(chunk, at, move)], { worker });
    }
  }

  const settle = (sql: Sql, chunk: ClaimedChunk) =>
    settleChunks(sql, [{ chunkId: chunk.id, epoch: chunk.epoch, delayMs: 0 }], { actor: worker });

  function storeJob(
    sql: Sql,
    job: ClaimedJob,
    next: NextMove,
    error?: { code: string; cause: string; message: string },
  ) {
    const outcome = {
      jobId: job.id,
      epoch: job.epoch,
      stepSeq: job.stepSeq,
      stepKind: job.stepKind,
      attempt: job.stepAttempts,
      generation: job.generation,
      outcome:
        error !== undefined ? ('failed' as const) : next.type === 'later' ? ('wait' as const) : ('succeeded' as const),
      ...(error && { error }),
      startedAt: new Date(),
      durationMs: 1,
      next,
    };
    return storeOutcomes(sql, [outcome], {
      worker,
      service: 'partner-worker',
      leaseMs: 60_000,
      token: randomUUID(),
      archivesLarge: false,
    });
  }

  /** As the step does: it ends when its records have, and waits otherwise. */
  async function runCallStep(sql: Sql, job: ClaimedJob): Promise<void> {
    const opened = await openRecords(sql, { jobId: job.id, epoch: job.epoch, window: 8 });
    if (opened !== undefined) await storeJob(sql, job, opened.openRecords > 0 ? RECORDS_WAIT : { type: 'succeeded' });
  }

  function claimJob(sql: Sql, id: string): Promise<ClaimedJob[]> {
    return claimJobs(sql, {
      jobIds: [id],
      token: randomUUID(),
      worker,
      service: 'partner-worker',
      queue: 'partner-steps',
      kinds: ['call'],
      leaseMs: 60_000,
    });
  }

  const chunksOf = ({ live, done, lost, orphaned }: Scene) => [live.id, done.id, lost.id, orphaned.id];

  async function endFirst(sql: Sql, { live }: Scene, move: RecordMove): Promise<void> {
    const [record] = live.records;
    if (record === undefined) throw new Error('a record was expected');
    await storeRecordOutcomes(sql, [outcomeOf(live, nextTry(live, record), move)], { worker });
  }

  type Transition = (sql: Sql, scene: Scene) => Promise<unknown>;

  const OF_RECORDS: Record<string, Transition> = {
    'a record begins': async (sql, { lost }) => {
      const [held] = await claimChunks(sql, { chunkIds: [lost.id], token: randomUUID(), worker, leaseMs: 60_000 });
      if (held !== undefined) await tryAll(sql, held, () => undefined);
    },
    'a record walks on': (sql, scene) => endFirst(sql, scene, { type: 'next-step' }),
    'a record fails for now': (sql, scene) => endFirst(sql, scene, { type: 'later', delayMs: 0 }),
    'a record fails for good': (sql, scene) => endFirst(sql, scene, { type: 'failed' }),
    'a record is ambiguous': (sql, scene) => endFirst(sql, scene, { type: 'ambiguous' }),
    'a record waits': (sql, scene) => endFirst(sql, scene, { type: 'wait' }),
    'a chunk with records left is settled': (sql, { live }) => settle(sql, live),
  };

  const OF_JOBS: Record<string, Transition> = {
    'rows of another file are inserted': (sql, { parsing }) =>
      insertRecords(sql, {
        jobId: parsing.id,
        epoch: parsing.epoch,
        records: [keyed(1), keyed(7), keyed(8), newRecord(9)],
      }),
    'the job looks at its records': (sql, { job }) => runCallStep(sql, job),
    'a worker takes the job and looks': async (sql, { job }) => {
      for (const claimed of await claimJob(sql, job.id)) await runCallStep(sql, claimed);
    },
    'workers take chunks': (sql, scene) =>
      claimChunks(sql, { chunkIds: chunksOf(scene), token: randomUUID(), worker, leaseMs: 60_000 }),
    'a record succeeds': (sql, scene) => endFirst(sql, scene, SUCCESS),
    'a chunk that is done is settled': (sql, { done }) => settle(sql, done),
    'a worker that lost its chunk goes on': async (sql, { lost }) => {
      const [record] = lost.records;
      if (record === undefined) throw new Error('a record was expected');
      const at = nextTry(lost, record);
      const begun = await beginRecords(sql, [{ ...at, intent: true }]);
      const { stored } = await storeRecordOutcomes(sql, [outcomeOf(lost, at, SUCCESS)], { worker });
      const { settled } = await settle(sql, lost);
      expect([begun, stored, settled]).toEqual([[], [], []]);
    },
    'records are swept': (sql) => sweepRecords(sql, { limit: 100, actor: 'retry-sweeper' }),
    'chunks are woken': (sql) => wakeChunks(sql, { limit: 100, missing: 100, window: 8, graceMs: 0, boundMs: 0 }),
    'a chunk finds its partner paused': (sql, { job }) =>
      notePaused(sql, { tenantId: 'acme', jobId: job.id, partner: 'rfi' }, { actor: worker }),
    'an operator closes the breaker of the partner': (sql) =>
      controlPartner(sql, { tenantId: 'acme', name: 'rfi', verb: 'close-breaker', ...by }),
    'an operator retries records': (sql, { job }) => reopenRecords(sql, { jobId: job.id, ...by }),
    'an operator cancels the job': (sql, { job }) => cancelJobs(sql, { jobIds: [job.id], ...by }),
    'an operator retries the job': (sql, { job }) => reopenJobs(sql, { jobIds: [job.id], ...by }),
  };

  const ALL = { ...OF_RECORDS, ...OF_JOBS };

  /** By clocks, claims, successes and settling alone, bounded. Resolves to the state of the job, if it did not end. */
  async function finishEverything({ job }: Scene): Promise<string[]> {
    for (let round = 0; round < 4; round += 1) {
      if ((await openStates(job)).length === 0) return [];
      await letTimePass();
      await sweepRecords(observer, { limit: 100, actor: 'retry-sweeper' });
      const due = await observer<{ id: string }[]>`SELECT id FROM record_chunks WHERE job_id = ${job.id}`;
      const chunkIds = due.map(({ id }) => id);
      const chunks = await claimChunks(observer, { chunkIds, token: randomUUID(), worker, leaseMs: 60_000 });
      const tries = chunks.flatMap((chunk) => chunk.records.map((record) => ({ chunk, at: nextTry(chunk, record) })));
      await beginRecords(
        observer,
        tries.map(({ at }) => ({ ...at, intent: false })),
      );
      await storeRecordOutcomes(
        observer,
        tries.map(({ chunk, at }) => outcomeOf(chunk, at, SUCCESS)),
        { worker },
      );
      const settled = chunks.map(({ id, epoch }) => ({ chunkId: id, epoch, delayMs: 0 }));
      await settleChunks(observer, settled, { actor: worker });
      for (const claimed of await claimJob(observer, job.id)) await runCallStep(observer, claimed);
    }
    return await openStates(job);
  }

  /** Every lease has ended, and everything is due. */
  function letTimePass() {
    return observer.unsafe(`
    UPDATE record_chunks SET lease_until = NULL, next_action_at = NULL, claim_token = NULL;
    UPDATE records SET next_attempt_at = now() WHERE next_attempt_at IS NOT NULL;
    UPDATE jobs SET next_action_at = now() WHERE state = 'WAITING';
    UPDATE jobs SET lease_until = now() - interval '1 s' WHERE state = 'RUNNING'`);
  }

  async function openStates({ id }: Pick<ClaimedJob, 'id'>): Promise<string[]> {
    const rows = await observer<{ state: string }[]>`
    SELECT state FROM jobs WHERE id = ${id} AND state IN ('PENDING', 'RUNNING', 'WAITING')`;
    return rows.map(({ state }) => state);
  }

  const SCHEDULES = [
    { scene: carried, ending: 'commit', isFinished: true, transitions: ALL },
    { scene: carried, ending: 'rollback', isFinished: false, transitions: OF_JOBS },
    { scene: carried, ending: 'cut', isFinished: false, transitions: OF_JOBS },
    { scene: lookedAt, ending: 'commit', isFinished: false, transitions: OF_JOBS },
    { scene: almostDone, ending: 'commit', isFinished: false, transitions: OF_JOBS },
    { scene: failed, ending: 'commit', isFinished: true, transitions: OF_JOBS },
    { scene: cancelled, ending: 'commit', isFinished: true, transitions: OF_JOBS },
  ] as const;

  describe.each(SCHEDULES.filter(({ ending }) => endings.includes(ending)))(
    'with a job $scene.name, when the first one ends with a $ending',
    ({ scene: makeScene, ending, isFinished, transitions }) => {
      for (const [a, transition] of Object.entries(transitions)) {
        test(`${a}, beside each other transition`, { timeout: 120_000 }, async () => {
          await kept.clear();
          const scene = await makeScene();
          await kept.keep();
          for (const [b, other] of Object.entries(transitions)) {
            await kept.restore();
            await two.interleave(
              (sql) => transition(sql, scene),
              (sql) => other(sql, scene),
              ending,
            );
            expect(await findRowViolations(observer, { isAtRest: false }), `${a} | ${b}`).toEqual([]);
            if (!isFinished) continue;
            expect(await finishEverything(scene), `${a} | ${b}, then everything ends`).toEqual([]);
            expect(await findRowViolations(observer, { isAtRest: false }), `${a} | ${b}, then everything ends`).toEqual(
              [],
            );
          }
        });
      }
    },
  );
}

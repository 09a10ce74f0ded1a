/**
 * Every pair of transitions, in both orders, with the first one held uncommitted while the second one starts on another
 * connection; then the first is committed, rolled back, or its connection is cut. Whatever happened, the tables hold the guarantees.
 */
import { randomUUID } from 'node:crypto';
import { beforeEach, describe, expect, test } from 'vitest';
import type { Sql } from '#shared/db/connect-database.ts';
import { loadRoutingInput } from '#shared/definitions/load-routing-input.ts';
import { claimArchives, storeArchives } from '#shared/jobs/archive-files.ts';
import { type ClaimedJob, claimJobs } from '#shared/jobs/claim-jobs.ts';
import { cancelJobs, failSpentJobs } from '#shared/jobs/end-jobs.ts';
import { giveDueTurns } from '#shared/jobs/give-turns.ts';
import { noteProgress } from '#shared/jobs/note-progress.ts';
import { registerFiles } from '#shared/jobs/register-files.ts';
import { renewLeases } from '#shared/jobs/renew-leases.ts';
import { reopenJobs } from '#shared/jobs/reopen-jobs.ts';
import { requeueFiles } from '#shared/jobs/requeue-files.ts';
import { resendJobs } from '#shared/jobs/resend-jobs.ts';
import { routeFiles } from '#shared/jobs/route-files.ts';
import { skipJobs } from '#shared/jobs/skip-jobs.ts';
import { type NewBranch, startBranches } from '#shared/jobs/start-branches.ts';
import { type NextMove, type StoredOutcome, storeOutcomes } from '#shared/jobs/store-outcomes.ts';
import { wakeFiles } from '#shared/jobs/wake-files.ts';
import { wakeJobs } from '#shared/jobs/wake-jobs.ts';
import { wakeParents } from '#shared/jobs/wake-parents.ts';
import { BRANCHES } from '#shared/steps/step-outcome.ts';
import { findRowViolations } from '#testkit/checks/find-row-violations.ts';
import { type Ending, useTwoTransactions } from '#testkit/checks/two-transactions.ts';
import { createKeptScene, type KeptScene } from '#testkit/seeds/kept-scene.ts';
import { arrivedObject, seedJobs, seedTenant } from '#testkit/seeds/seed-jobs.ts';

/** Registers the tests of those schedules whose first transaction ends so. */
export function interleaveJobs(endings: readonly Ending[]): void {
  let observer: Sql;
  let kept: KeptScene;
  const two = useTwoTransactions(async (given) => {
    observer = given;
    await seedTenant(observer, { routes: 2 });
    kept = await createKeptScene(observer, TABLES);
  });

  beforeEach(() => kept.clear());

  /** In the order in which rows may be inserted. */
  const TABLES = ['files', 'jobs', 'job_lines', 'job_steps', 'attempts', 'audit_events', 'outbox'] as const;

  /** Two jobs of one file, and who holds them. */
  interface Scene {
    readonly live: ClaimedJob;
    readonly orphaned: ClaimedJob;
    readonly fileId: string;
  }

  const claimOptions = {
    worker: 'test/1',
    service: 'partner-worker',
    lane: 'standard' as const,
    queue: 'partner-steps' as const,
    kinds: ['deliver'],
  };
  const storeOptions = { worker: 'test/1', service: 'partner-worker', leaseMs: 60_000, archivesLarge: false };

  const NEW_JOB = {
    lane: 'standard' as const,
    queue: 'partner-steps' as const,
    stepKind: 'deliver',
    stepCount: 1,
    maxAttempts: 3,
    isOrdered: false,
    headFailure: 'block' as const,
  };

  /** One job is held by a live worker, the other by one whose lease ran out. */
  async function running(): Promise<Scene> {
    const [a, b] = await seedJobs(observer);
    if (a === undefined || b === undefined) throw new Error('two jobs were expected');
    const [live] = await claimJobs(observer, {
      ...claimOptions,
      jobIds: [a.id],
      token: randomUUID(),
      leaseMs: 600_000,
    });
    const [orphaned] = await claimJobs(observer, { ...claimOptions, jobIds: [b.id], token: randomUUID(), leaseMs: 0 });
    if (live === undefined || orphaned === undefined) throw new Error('both jobs were to be claimed');
    return { live, orphaned, fileId: a.fileId };
  }

  /** One job failed and one succeeded; the file waits for its archive copy, which nobody holds. */
  async function ended(): Promise<Scene> {
    const scene = await running();
    await storeOne(observer, scene.live, 'failed', { type: 'failed' });
    await storeOne(observer, scene.orphaned, 'succeeded', { type: 'succeeded' });
    await observer`UPDATE files SET lease_until = NULL, claim_token = NULL`;
    return scene;
  }

  function storeOne(
    sql: Sql,
    job: ClaimedJob,
    outcome: StoredOutcome['outcome'],
    next: NextMove,
    branch?: StoredOutcome['branch'],
  ) {
    const error = { code: 'DELIVERY_ERROR', cause: 'OBJECT_STORE_UNAVAILABLE', message: 'The store did not answer.' };
    const row: StoredOutcome = {
      jobId: job.id,
      epoch: job.epoch,
      stepSeq: job.stepSeq,
      stepKind: job.stepKind,
      attempt: job.stepAttempts,
      generation: job.generation,
      outcome,
      startedAt: new Date(),
      durationMs: 1,
      next,
      branch,
      ...(outcome === 'succeeded' || outcome === 'wait' ? {} : { error }),
    };
    return storeOutcomes(sql, [row], { ...storeOptions, token: randomUUID() });
  }

  /** Two of these act on one job or on two of one file: last-of, takeover, stale outcome, cancel against claim, and so on. */
  const TRANSITIONS: Record<string, (sql: Sql, scene: Scene) => Promise<unknown>> = {
    'the holder stores success': (sql, { live }) => storeOne(sql, live, 'succeeded', { type: 'succeeded' }),
    'the holder stores a failure': (sql, { live }) => storeOne(sql, live, 'failed', { type: 'failed' }),
    'the holder stores a retry': (sql, { live }) =>
      storeOne(sql, live, 'retry', { type: 'later', delayMs: 0, countsAttempt: true, reason: 'retry' }),
    'a late worker stores success': (sql, { orphaned }) => storeOne(sql, orphaned, 'succeeded', { type: 'succeeded' }),
    'another worker takes over and succeeds': async (sql, { orphaned }) => {
      const [job] = await claimJobs(sql, {
        ...claimOptions,
        jobIds: [orphaned.id],
        token: randomUUID(),
        leaseMs: 60_000,
      });
      if (job !== undefined) await storeOne(sql, job, 'succeeded', { type: 'succeeded' });
    },
    'another worker takes over': (sql, { orphaned, live }) =>
      claimJobs(sql, { ...claimOptions, jobIds: [orphaned.id, live.id], token: randomUUID(), leaseMs: 60_000 }),
    'a late worker notes progress': (sql, { orphaned }) => noteProgress(sql, orphaned),
    'an operator cancels both': (sql, { live, orphaned }) =>
      cancelJobs(sql, { jobIds: [live.id, orphaned.id], actor: 'operator:test', reason: 'test' }),
    'an operator retries both': (sql, { live, orphaned }) =>
      reopenJobs(sql, { jobIds: [live.id, orphaned.id], actor: 'operator:test', reason: 'test' }),
    'an operator sends both again as new': async (sql, { live, orphaned }) => {
      const olds = await sql<{ id: string; fileId: string; routeId: string; routeVersionId: string }[]>`
        SELECT id, file_id AS "fileId", route_id AS "routeId", route_version_id AS "routeVersionId" FROM jobs
        WHERE id IN (${live.id}, ${orphaned.id})`;
      const runs = olds.map(({ id, ...old }) => ({ ...NEW_JOB, ...old, id: randomUUID(), after: id }));
      await resendJobs(sql, { runs, actor: 'operator:test', reason: 'test' });
    },
    'a dead letter fails a spent job': (sql, { live, orphaned }) =>
      failSpentJobs(sql, { jobIds: [live.id, orphaned.id], actor: 'retry-sweeper' }),
    'leases are renewed': (sql, { live, orphaned, fileId }) =>
      renewLeases(sql, { jobs: [live, orphaned], files: [{ id: fileId, epoch: 1 }], chunks: [], leaseMs: 60_000 }),
    'the sweeper wakes jobs': (sql) =>
      wakeJobs(sql, {
        queue: 'partner-steps',
        window: 10,
        limit: 10,
        missing: 10,
        graceMs: 0,
        boundMs: 0,
        actor: 'retry-sweeper',
      }),
    'the sweeper wakes files': (sql) =>
      wakeFiles(sql, { limit: 10, missing: 10, graceMs: 0, boundMs: 0, actor: 'retry-sweeper' }),
    'a worker archives the file': async (sql, { fileId }) => {
      const [held] = await claimArchives(sql, {
        fileIds: [fileId],
        token: randomUUID(),
        service: 'w',
        leaseMs: 60_000,
      });
      if (held === undefined) return;
      const place = { bucket: 'archive', key: held.key, versionId: 'v' };
      await storeArchives(sql, [{ type: 'archived', fileId, epoch: held.epoch, ...place }], 'w');
    },
  };

  const interleave = <S>(
    transitions: Record<string, (sql: Sql, scene: S) => Promise<unknown>>,
    scene: S,
    { a, b, ending }: { readonly a: string; readonly b: string; readonly ending: Ending },
  ): Promise<void> =>
    two.interleave(
      (sql) => transitions[a]?.(sql, scene),
      (sql) => transitions[b]?.(sql, scene),
      ending,
    );

  /** After any interleaving the work must still be able to end: by sweeps, claims, successes and the archive, bounded. */
  async function finishEverything(): Promise<void> {
    for (let round = 0; round < 5; round += 1) {
      await observer`UPDATE jobs SET lease_until = now() - interval '1 s' WHERE state = 'RUNNING'`;
      await observer`UPDATE files SET lease_until = NULL WHERE lease_until IS NOT NULL`;
      const jobs = await observer<
        { id: string }[]
      >`SELECT id FROM jobs WHERE state IN ('PENDING', 'RUNNING', 'WAITING')`;
      const claimed = await claimJobs(observer, {
        ...claimOptions,
        jobIds: jobs.map((job) => job.id),
        token: randomUUID(),
        leaseMs: 60_000,
      });
      for (const job of claimed) await storeOne(observer, job, 'succeeded', { type: 'succeeded' });
      const files = await observer<
        { id: string }[]
      >`SELECT id FROM files WHERE status = 'PROCESSING' AND open_jobs = 0`;
      if (jobs.length === 0 && files.length === 0) break;
      await observer`UPDATE files SET lease_until = NULL`;
      for (const { id } of files) {
        const [held] = await claimArchives(observer, {
          fileIds: [id],
          token: randomUUID(),
          service: 'w',
          leaseMs: 60_000,
        });
        if (held === undefined) continue;
        const place = { bucket: 'archive', key: held.key, versionId: 'v' };
        await storeArchives(observer, [{ type: 'archived', fileId: id, epoch: held.epoch, ...place }], 'w');
      }
    }
    await observer`DELETE FROM outbox`;
  }

  const SCHEDULES = [
    { scene: running, ending: 'commit' },
    { scene: running, ending: 'rollback' },
    { scene: running, ending: 'cut' },
    { scene: ended, ending: 'commit' },
    { scene: ended, ending: 'cut' },
  ] as const;

  describe.each(SCHEDULES.filter(({ ending }) => endings.includes(ending)))(
    'with jobs $scene.name, when the first one ends with a $ending',
    ({ scene: setScene, ending }) => {
      for (const a of Object.keys(TRANSITIONS)) {
        test(`${a}, beside each other transition`, { timeout: 120_000 }, async () => {
          const scene = await setScene();
          await kept.keep();
          for (const b of Object.keys(TRANSITIONS)) {
            await kept.restore();
            await interleave(TRANSITIONS, scene, { a, b, ending });
            expect(await findRowViolations(observer, { isAtRest: false }), `${a} | ${b}`).toEqual([]);
            await finishEverything();
            expect(await findRowViolations(observer, { isAtRest: true }), `${a} | ${b}, then everything ends`).toEqual(
              [],
            );
          }
        });
      }
    },
  );

  /** A job whose step has two branches, all three held by live workers. */
  interface BranchScene {
    readonly parent: ClaimedJob;
    readonly one: ClaimedJob;
    readonly other: ClaimedJob;
    readonly branches: readonly NewBranch[];
    /** Of the claim with which the branches began. */
    readonly token: string;
  }

  const OBJECT = { bucket: 'landing', key: 'acme/x', versionId: 'v', sizeBytes: 1 };
  const WAITS = { type: 'later', delayMs: 300_000, countsAttempt: false, reason: BRANCHES } as const;

  const startAll = (sql: Sql, { parent, branches, token }: Pick<BranchScene, 'parent' | 'branches' | 'token'>) =>
    startBranches(
      sql,
      [{ jobId: parent.id, epoch: parent.epoch, stepSeq: parent.stepSeq, branches, object: OBJECT, inputs: {} }],
      { actor: 'w', claim: { token, worker: 'w/1', leaseMs: 600_000 } },
    );

  async function claimOne(id: string, by: string = randomUUID()): Promise<ClaimedJob> {
    const [job] = await claimJobs(observer, { ...claimOptions, jobIds: [id], token: by, leaseMs: 600_000 });
    if (job === undefined) throw new Error('the job was to be claimed');
    return job;
  }

  async function branching(): Promise<BranchScene> {
    const [first, second] = await seedJobs(observer);
    await observer`DELETE FROM jobs WHERE id = ${second?.id ?? ''}`;
    await observer`UPDATE files SET job_count = 1, open_jobs = 1`;
    const parent = await claimOne(first?.id ?? '');
    const { routeId, routeVersionId } = parent;
    const { isOrdered: _isOrdered, headFailure: _headFailure, ...job } = NEW_JOB;
    const token = randomUUID();
    const common = { ...job, routeId, routeVersionId, isClaimed: true };
    const branches = ['one', 'other'].map((branch) => ({ ...common, id: randomUUID(), branch }));
    await startAll(observer, { parent, branches, token });
    // They began claimed: the same claim again gives the same rows.
    const [one, other] = await Promise.all(branches.map(({ id }) => claimOne(id, token)));
    if (one === undefined || other === undefined) throw new Error('both branches were expected');
    return { parent, one, other, branches, token };
  }

  async function branchingAndWaiting(): Promise<BranchScene> {
    const scene = await branching();
    await storeOne(observer, scene.parent, 'wait', WAITS);
    return scene;
  }

  /** Of a third branch, which is in the hands of the parent's worker and has no row. */
  function storeUnwritten(sql: Sql, { parent, one }: BranchScene, outcome: StoredOutcome['outcome'], next: NextMove) {
    const { id, epoch, stepSeq } = parent;
    const row = { queue: 'partner-steps' as const, stepCount: 1, maxAttempts: 3 };
    const of = { ...row, branch: 'third', parent: { id, epoch, stepSeq, object: OBJECT, inputs: {} } };
    const third = { ...one, id: '0190a000-0000-8000-8000-000000000003', epoch: 1 };
    return storeOne(sql, third, outcome, next, of);
  }

  const BRANCH_TRANSITIONS: Record<string, (sql: Sql, scene: BranchScene) => Promise<unknown>> = {
    'the step starts its branches again': startAll,
    'the parent waits for its branches': (sql, { parent }) => storeOne(sql, parent, 'wait', WAITS),
    'one branch succeeds': (sql, { one }) => storeOne(sql, one, 'succeeded', { type: 'succeeded' }),
    'the other branch fails': (sql, { other }) => storeOne(sql, other, 'failed', { type: 'failed' }),
    'a branch without a row succeeds': (sql, scene) => storeUnwritten(sql, scene, 'succeeded', { type: 'succeeded' }),
    'a branch without a row is to be tried again': (sql, scene) =>
      storeUnwritten(sql, scene, 'retry', { type: 'later', delayMs: 0, countsAttempt: true, reason: 'retry' }),
    'a join is decided': (sql, { parent }) => wakeParents(sql, [parent.id], { actor: 'w' }),
    'an operator cancels the parent': (sql, { parent }) =>
      cancelJobs(sql, { jobIds: [parent.id], actor: 'operator:test', reason: 'test' }),
    'an operator retries all three': (sql, { parent, one, other }) =>
      reopenJobs(sql, { jobIds: [parent.id, one.id, other.id], actor: 'operator:test', reason: 'test' }),
  };

  /** Once both branches have ended, a join that is asked for lets the parent continue. */
  async function finishBranches(scene: BranchScene): Promise<void> {
    await observer`UPDATE jobs SET next_action_at = now() WHERE state = 'WAITING' AND id <> ${scene.parent.id}`;
    for (let round = 0; round < 3; round += 1) {
      await finishEverything();
      await wakeParents(observer, [scene.parent.id], { actor: 'w' });
    }
    await finishEverything();
  }

  describe.each([branching, branchingAndWaiting].flatMap((scene) => endings.map((ending) => ({ scene, ending }))))(
    'with a job $scene.name, when the first one ends with a $ending',
    ({ scene: setScene, ending }) => {
      for (const a of Object.keys(BRANCH_TRANSITIONS)) {
        test(`${a}, beside each other transition of branches`, { timeout: 120_000 }, async () => {
          const scene = await setScene();
          await kept.keep();
          for (const b of Object.keys(BRANCH_TRANSITIONS)) {
            await kept.restore();
            await interleave(BRANCH_TRANSITIONS, scene, { a, b, ending });
            expect(await findRowViolations(observer, { isAtRest: false }), `${a} | ${b}`).toEqual([]);
            await finishBranches(scene);
            const rest = await findRowViolations(observer, { isAtRest: true });
            expect(rest, `${a} | ${b}, then everything ends`).toEqual([]);
            const made = await observer<{ branch: string }[]>`
              SELECT branch FROM jobs WHERE parent_job_id = ${scene.parent.id} ORDER BY branch`;
            const third = made.length === 3 ? ['third'] : [];
            expect(
              made.map(({ branch }) => branch),
              `${a} | ${b}`,
            ).toEqual(['one', 'other', ...third]);
          }
        });
      }
    },
  );

  /** A line of three: the first has the turn and runs, or has failed; a fourth file is registered and not routed. */
  interface LineScene {
    readonly head: ClaimedJob;
    readonly next: string;
    readonly newFileId: string;
  }

  const ORDERED_AT = (second: number) => ({ uploadedAt: new Date(Date.UTC(2026, 0, 2, 3, 4, second)).toISOString() });

  async function lineWithHead(): Promise<LineScene> {
    await seedJobs(observer, { objects: [1, 2, 3].map(ORDERED_AT), isOrdered: true });
    await observer`DELETE FROM jobs WHERE route_id <> (SELECT id FROM routes ORDER BY name LIMIT 1)`;
    await observer`UPDATE files SET job_count = 1, open_jobs = 1`;
    await observer`DELETE FROM job_lines WHERE route_id <> (SELECT id FROM routes ORDER BY name LIMIT 1)`;
    const [turn] = await giveDueTurns(observer, TURNS);
    const [head] = await claimJobs(observer, {
      ...claimOptions,
      jobIds: [turn?.id ?? ''],
      token: randomUUID(),
      leaseMs: 600_000,
    });
    const [next] = await observer<{ id: string }[]>`SELECT id FROM jobs WHERE awaits_turn ORDER BY order_at LIMIT 1`;
    const {
      files: [file],
    } = await registerFiles(observer, [arrivedObject(ORDERED_AT(4))], 'ingestor');
    if (head === undefined || next === undefined || file === undefined) throw new Error('the line was not made');
    return { head, next: next.id, newFileId: file.id };
  }

  async function lineWithFailedHead(): Promise<LineScene> {
    const scene = await lineWithHead();
    await storeOne(observer, scene.head, 'failed', { type: 'failed' });
    return scene;
  }

  /** Its last job has the turn: whoever ends it empties the line. */
  async function lineWithOneJob(): Promise<LineScene> {
    const scene = await lineWithHead();
    await cancelJobs(observer, {
      jobIds: (await observer<{ id: string }[]>`SELECT id FROM jobs WHERE awaits_turn`).map(({ id }) => id),
      actor: 'operator:test',
      reason: 'test',
    });
    return scene;
  }

  const TURNS = { limit: 10, window: 10, actor: 'retry-sweeper' };
  const WORD = { actor: 'operator:test', reason: 'test' };

  const LINE_TRANSITIONS: Record<string, (sql: Sql, scene: LineScene) => Promise<unknown>> = {
    'the head succeeds': (sql, { head }) => storeOne(sql, head, 'succeeded', { type: 'succeeded' }),
    'the head fails': (sql, { head }) => storeOne(sql, head, 'failed', { type: 'failed' }),
    'the clock gives turns': (sql) => giveDueTurns(sql, TURNS),
    'a file joins the line': async (sql, { newFileId }) => {
      const [route] = await observer<{ routeId: string; routeVersionId: string }[]>`
      SELECT r.id AS "routeId", v.id AS "routeVersionId" FROM routes r JOIN route_versions v ON v.route_id = r.id
      ORDER BY r.name LIMIT 1`;
      if (route === undefined) throw new Error('there is no route');
      const job = {
        ...route,
        id: randomUUID(),
        lane: 'standard',
        queue: 'partner-steps',
        stepKind: 'deliver',
        stepCount: 1,
      } as const;
      const jobs = [{ ...job, maxAttempts: 3, isOrdered: true, headFailure: 'block' as const }];
      return await routeFiles(sql, [{ fileId: newFileId, isLarge: false, jobs }], 'router', { settleMs: 0 });
    },
    'an operator skips the head': (sql, { head }) => skipJobs(sql, { jobIds: [head.id], ...WORD }),
    'an operator cancels the head': (sql, { head }) => cancelJobs(sql, { jobIds: [head.id], ...WORD }),
    'an operator cancels the next': (sql, { next }) => cancelJobs(sql, { jobIds: [next], ...WORD }),
    'an operator retries the head and the next': (sql, { head, next }) =>
      reopenJobs(sql, { jobIds: [head.id, next], ...WORD }),
    'a worker claims the next': (sql, { next }) =>
      claimJobs(sql, { ...claimOptions, jobIds: [next], token: randomUUID(), leaseMs: 60_000 }),
  };

  /** By the clock, claims and successes alone: whatever waits for its turn gets it. A failed head is skipped. */
  async function finishLine(): Promise<void> {
    const failed = await observer<{ id: string }[]>`SELECT id FROM jobs WHERE state = 'FAILED'`;
    await skipJobs(observer, { jobIds: failed.map(({ id }) => id), ...WORD });
    const files = await observer<{ id: string }[]>`SELECT id FROM files WHERE status = 'QUEUED'`;
    const error = { code: 'NO_ROUTE', cause: 'PATH_MISMATCH', message: 'No route takes it.' };
    await routeFiles(
      observer,
      files.map(({ id }) => ({ fileId: id, isLarge: false, jobs: [], error })),
      'router',
    );
    for (let round = 0; round < 6; round += 1) {
      await giveDueTurns(observer, TURNS);
      await finishEverything();
    }
  }

  describe.each(
    [lineWithHead, lineWithFailedHead, lineWithOneJob].flatMap((scene) => endings.map((ending) => ({ scene, ending }))),
  )('with a $scene.name, when the first one ends with a $ending', ({ scene: setScene, ending }) => {
    for (const a of Object.keys(LINE_TRANSITIONS)) {
      test(`${a}, beside each other transition of the line`, { timeout: 120_000 }, async () => {
        const scene = await setScene();
        await kept.keep();
        for (const b of Object.keys(LINE_TRANSITIONS)) {
          await kept.restore();
          await interleave(LINE_TRANSITIONS, scene, { a, b, ending });
          expect(await findRowViolations(observer, { isAtRest: false }), `${a} | ${b}`).toEqual([]);
          await finishLine();
          const rest = await findRowViolations(observer, { isAtRest: true });
          expect(rest, `${a} | ${b}, then everything ends`).toEqual([]);
          expect(await observer`SELECT 1 FROM jobs WHERE awaits_turn`, `${a} | ${b}`).toEqual([]);
        }
      });
    }
  });

  test('a late outcome that waited for the takeover to commit changes nothing', async () => {
    const { orphaned } = await running();
    const held = await two.first.reserve();
    await held`BEGIN`;
    const [taken] = await claimJobs(held, {
      ...claimOptions,
      jobIds: [orphaned.id],
      token: randomUUID(),
      leaseMs: 60_000,
    });
    const late = storeOne(two.second, orphaned, 'succeeded', { type: 'succeeded' });
    await held`COMMIT`;
    held.release();
    expect([taken?.epoch, (await late).jobs]).toEqual([2, []]);
    expect((await observer`SELECT state FROM jobs WHERE id = ${orphaned.id}`)[0]?.state).toBe('RUNNING');
  });

  test('two archivers of one file: the one that lost its lease changes nothing', async () => {
    const { fileId } = await ended();
    const claimArchive = () =>
      claimArchives(observer, { fileIds: [fileId], token: randomUUID(), service: 'w', leaseMs: 0 });
    const [early] = await claimArchive();
    const [late] = await claimArchive();
    const store = (epoch: number, key: string) =>
      storeArchives(observer, [{ type: 'archived', fileId, epoch, bucket: 'archive', key, versionId: 'v' }], 'w');
    expect((await store(early?.epoch ?? 0, 'early')).finished).toEqual([]);
    expect((await store(late?.epoch ?? 0, 'late')).finished).toHaveLength(1);
    expect((await store(late?.epoch ?? 0, 'again')).finished).toEqual([]);
    expect((await observer`SELECT archive_key FROM files`)[0]?.archive_key).toBe('late');
  });

  test('an object registered twice side by side is one file', async () => {
    const object = arrivedObject();
    const held = await two.first.reserve();
    await held`BEGIN`;
    const { files: one } = await registerFiles(held, [object], 'ingestor');
    const other = registerFiles(two.second, [{ ...object, id: randomUUID() }], 'ingestor');
    await held`COMMIT`;
    held.release();
    expect([one.length, (await other).files.length]).toEqual([1, 0]);
    expect(await observer`SELECT 1 FROM files`).toHaveLength(1);
  });

  test('a file routed twice side by side is routed once', async () => {
    const {
      files: [file],
    } = await registerFiles(observer, [arrivedObject()], 'ingestor');
    const fileId = file?.id ?? '';
    const [input] = await loadRoutingInput(observer, [fileId]);
    const decide = () => ({
      fileId,
      isLarge: false,
      jobs: (input?.routes ?? []).map(({ routeId, routeVersionId }) => ({
        id: randomUUID(),
        routeId,
        routeVersionId,
        lane: 'standard' as const,
        queue: 'partner-steps' as const,
        stepKind: 'deliver',
        stepCount: 1,
        maxAttempts: 3,
        isOrdered: false,
        headFailure: 'block' as const,
      })),
    });
    const held = await two.first.reserve();
    await held`BEGIN`;
    const one = await routeFiles(held, [decide()], 'router');
    const other = routeFiles(two.second, [decide()], 'router');
    await held`COMMIT`;
    held.release();
    expect([one.length, (await other).length]).toEqual([2, 0]);
    expect(await findRowViolations(observer, { isAtRest: false })).toEqual([]);
  });

  test.each(['COMMIT', 'ROLLBACK'])(
    'a quarantined file rerouted twice side by side is queued once, after a %s',
    async (ending) => {
      const {
        files: [file],
      } = await registerFiles(observer, [arrivedObject()], 'ingestor');
      const fileId = file?.id ?? '';
      const error = { code: 'NO_ROUTE', cause: 'PATH_MISMATCH', message: 'No route takes it.' };
      await routeFiles(observer, [{ fileId, isLarge: false, jobs: [], error }], 'router');
      const requeue = { fileIds: [fileId], actor: 'operator:test', reason: 'test' };
      const held = await two.first.reserve();
      await held`BEGIN`;
      const one = await requeueFiles(held, requeue);
      const other = requeueFiles(two.second, requeue);
      await held.unsafe(ending);
      held.release();
      expect([one.length, (await other).length]).toEqual([1, ending === 'COMMIT' ? 0 : 1]);
      expect((await observer`SELECT wakes FROM files`)[0]?.wakes).toBe(2);
      expect(await findRowViolations(observer, { isAtRest: false })).toEqual([]);
    },
  );
}

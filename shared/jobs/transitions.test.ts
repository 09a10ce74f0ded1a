import { randomUUID } from 'node:crypto';
import { beforeEach, describe, expect, test } from 'vitest';
import type { Sql } from '#shared/db/connect-database.ts';
import { jobConditions } from '#shared/dead-letters/dead-letters.ts';
import { loadRoutingInput } from '#shared/definitions/load-routing-input.ts';
import { HELD, RECORDS } from '#shared/steps/step-outcome.ts';
import { findRowViolations } from '#testkit/checks/find-row-violations.ts';
import { emptyTables } from '#testkit/seeds/empty-tables.ts';
import { arrivedObject, seedJobs, seedTenant } from '#testkit/seeds/seed-jobs.ts';
import { useTestDatabase } from '#testkit/servers/use-test-database.ts';
import { claimArchives, storeArchives } from './archive-files.ts';
import { type ClaimedJob, claimJobs } from './claim-jobs.ts';
import { cancelJobs, failSpentJobs } from './end-jobs.ts';
import { dropProgress, noteProgress } from './note-progress.ts';
import { deleteFromOutbox, leaseOutbox } from './outbox.ts';
import { registerFiles } from './register-files.ts';
import { releaseJobs } from './release-jobs.ts';
import { renewLeases } from './renew-leases.ts';
import { reopenJobs } from './reopen-jobs.ts';
import { requeueFiles } from './requeue-files.ts';
import { routeFiles } from './route-files.ts';
import { startBranches } from './start-branches.ts';
import { type NextMove, type StoredOutcome, storeOutcomes } from './store-outcomes.ts';
import { wakeFiles } from './wake-files.ts';
import { wakeJobs } from './wake-jobs.ts';

let sql: Sql;

useTestDatabase(
  (opened) => {
    sql = opened;
  },
  { poolMax: 1 },
);

beforeEach(async () => {
  await emptyTables(sql, 'tenants', 'job_steps', 'attempts', 'audit_events', 'outbox', 'dead_letters');
  await sql`INSERT INTO tenants (id, name, ignore_globs) VALUES ('unassigned', 'unassigned', '{}')`;
  await seedTenant(sql);
});

const store = { worker: 'test/1', service: 'partner-worker', leaseMs: 60_000, archivesLarge: false };

function claim(ids: readonly string[], token = randomUUID(), leaseMs = 60_000): Promise<ClaimedJob[]> {
  return claimJobs(sql, {
    jobIds: ids,
    token,
    worker: 'test/1',
    service: 'partner-worker',
    queue: 'partner-steps',
    kinds: ['deliver', 'confirm'],
    leaseMs,
  });
}

function outcomeOf(job: ClaimedJob, outcome: StoredOutcome['outcome'], next: NextMove): StoredOutcome {
  const error = { code: 'DELIVERY_ERROR', cause: 'OBJECT_STORE_UNAVAILABLE', message: 'The store did not answer.' };
  return {
    jobId: job.id,
    epoch: job.epoch,
    stepSeq: job.stepSeq,
    stepKind: job.stepKind,
    attempt: job.stepAttempts,
    generation: job.generation,
    outcome,
    startedAt: new Date(),
    durationMs: 5,
    next,
    ...(outcome === 'succeeded' ? {} : { error }),
  };
}

function storeOne(job: ClaimedJob, outcome: StoredOutcome['outcome'], next: NextMove) {
  return storeOutcomes(sql, [outcomeOf(job, outcome, next)], { ...store, token: randomUUID() });
}

const succeeded: NextMove = { type: 'succeeded' };
const failed: NextMove = { type: 'failed' };

async function claimOne(leaseMs?: number): Promise<ClaimedJob> {
  const [woken] = await seedJobs(sql);
  const [job] = await claim([woken?.id ?? ''], undefined, leaseMs);
  if (job === undefined) throw new Error('nothing was claimed');
  return job;
}

async function archiveAll(): Promise<void> {
  const rows = await sql<{ id: string }[]>`SELECT id FROM files WHERE status = 'PROCESSING' AND open_jobs = 0`;
  await sql`UPDATE files SET lease_until = NULL WHERE status = 'PROCESSING' AND open_jobs = 0`;
  const held = await claimArchives(sql, {
    fileIds: rows.map((row) => row.id),
    token: randomUUID(),
    service: 'partner-worker',
    leaseMs: 60_000,
  });
  await storeArchives(
    sql,
    held.map((file) => ({
      type: 'archived',
      fileId: file.id,
      epoch: file.epoch,
      bucket: 'archive',
      key: file.key,
      versionId: 'v',
    })),
    'partner-worker',
  );
}

async function expectSound(isAtRest = false): Promise<void> {
  expect(await findRowViolations(sql, { isAtRest })).toEqual([]);
}

function wakeOptions(overrides: Partial<Parameters<typeof wakeJobs>[1]> = {}): Parameters<typeof wakeJobs>[1] {
  return {
    queue: 'partner-steps',
    window: 1_000,
    limit: 100,
    missing: 0,
    graceMs: 5_000,
    boundMs: 90_000,
    actor: 'retry-sweeper',
    ...overrides,
  };
}

describe('routing', () => {
  test('is decided once: a second decision changes nothing', async () => {
    const {
      files: [object],
    } = await registerFiles(sql, [arrivedObject()], 'ingestor');
    const [input] = await loadRoutingInput(sql, [object?.id ?? '']);
    const job = {
      routeId: input?.routes[0]?.routeId ?? '',
      routeVersionId: input?.routes[0]?.routeVersionId ?? '',
      lane: 'standard' as const,
      queue: 'partner-steps' as const,
      stepKind: 'deliver',
      stepCount: 1,
      maxAttempts: 3,
      isOrdered: false,
      headFailure: 'block' as const,
    };
    const fileId = object?.id ?? '';
    const first = await routeFiles(sql, [{ fileId, isLarge: false, jobs: [{ ...job, id: randomUUID() }] }], 'router');
    const second = await routeFiles(sql, [{ fileId, isLarge: true, jobs: [{ ...job, id: randomUUID() }] }], 'router');
    expect([first.length, second.length]).toEqual([1, 0]);
    expect(await loadRoutingInput(sql, [fileId])).toEqual([]);
    await expectSound();
  });

  test('a file that no route takes is quarantined with the reason', async () => {
    const {
      files: [file],
    } = await registerFiles(sql, [arrivedObject()], 'ingestor');
    const error = { code: 'NO_ROUTE', cause: 'NO_MATCH', message: 'No route of acme takes it.' };
    await routeFiles(sql, [{ fileId: file?.id ?? '', isLarge: false, jobs: [], error }], 'router');
    await expectSound();
    expect((await sql`SELECT status, error_code FROM files`)[0]).toEqual({
      status: 'QUARANTINED',
      error_code: 'NO_ROUTE',
    });
    expect((await sql`SELECT topic FROM outbox WHERE topic = 'failure'`).length).toBe(1);
  });

  test('a checksum that came for another file is set aside without a failure notice', async () => {
    const {
      files: [file],
    } = await registerFiles(sql, [arrivedObject()], 'ingestor');
    await routeFiles(sql, [{ fileId: file?.id ?? '', isLarge: false, jobs: [], companionOf: 'orders' }], 'router');
    expect((await sql`SELECT status, error_code FROM files`)[0]).toEqual({ status: 'COMPANION', error_code: null });
    expect(
      await sql`SELECT body ->> 'type' AS type, body -> 'data' ->> 'route' AS route FROM outbox WHERE topic = 'events' AND body ->> 'type' LIKE 'file.%' AND body ->> 'type' <> 'file.queued'`,
    ).toEqual([{ type: 'file.companion', route: 'orders' }]);
    await expectSound();
    expect(await sql`SELECT 1 FROM outbox WHERE topic = 'failure'`).toHaveLength(0);
  });

  test('a quarantined file is routed again by an operator’s word, and a cut-off upload never', async () => {
    const error = { code: 'NO_ROUTE', cause: 'NO_MATCH', message: 'No route of acme takes it.' };
    const {
      files: [file],
    } = await registerFiles(sql, [arrivedObject()], 'ingestor');
    const {
      files: [partial],
    } = await registerFiles(sql, [arrivedObject({ status: 'QUARANTINED', error })], 'ingestor');
    const fileIds = [file?.id ?? '', partial?.id ?? ''];
    await routeFiles(sql, [{ fileId: fileIds[0] ?? '', isLarge: false, jobs: [], error }], 'router');
    const word = { fileIds, actor: 'operator:test', reason: 'the route is there now' };
    expect((await requeueFiles(sql, word)).map(({ id, wake }) => [id, wake])).toEqual([[file?.id, 2]]);
    expect(await requeueFiles(sql, word)).toEqual([]);
    expect((await loadRoutingInput(sql, fileIds)).map((input) => input.fileId)).toEqual([file?.id]);
    await expectSound();
  });

  test('lets at most a window of one tenant into a queue, and others in as those finish', async () => {
    const woken = await seedJobs(sql, { count: 5, window: 2 });
    expect(woken).toHaveLength(2);
    expect(await wakeJobs(sql, wakeOptions({ window: 2 }))).toEqual([]);
    const claimed = await claim(woken.map((job) => job.id));
    expect(claimed).toHaveLength(2);
    expect(await wakeJobs(sql, wakeOptions({ window: 2 }))).toHaveLength(2);
    await seedTenant(sql, { tenantId: 'globex' });
    expect(await seedJobs(sql, { tenantId: 'globex', window: 2 })).toHaveLength(1);
  });
});

describe('claim and outcome', () => {
  test('a claim counts an attempt; the same token again returns the same job and counts nothing', async () => {
    const [woken] = await seedJobs(sql);
    const token = randomUUID();
    const [first] = await claim([woken?.id ?? ''], token);
    const [repeat] = await claim([woken?.id ?? ''], token);
    const [other] = await claim([woken?.id ?? '']);
    expect([first?.epoch, first?.stepAttempts]).toEqual([1, 1]);
    expect(repeat).toEqual({ ...first, claimedAt: repeat?.claimedAt });
    expect(other).toBeUndefined();
    await expectSound();
  });

  test('a takeover after progress goes on with the same attempt, one without progress counts the next', async () => {
    let held = await claimOne(0);
    const takeOver = async (hasProgress: boolean) => {
      if (hasProgress) await noteProgress(sql, held);
      const [next] = await claim([held.id], undefined, 0);
      if (next === undefined) throw new Error('the job was not taken over');
      held = next;
      return [held.epoch, held.stepAttempts, held.stepTries];
    };
    expect(await takeOver(true)).toEqual([2, 1, 2]);
    expect(await takeOver(true)).toEqual([3, 1, 3]);
    expect(await takeOver(false)).toEqual([4, 2, 4]);
    const stale = { ...held, epoch: held.epoch - 1 };
    await noteProgress(sql, stale);
    expect(await takeOver(false)).toEqual([5, 3, 5]);
    await noteProgress(sql, held);
    await dropProgress(sql, held);
    expect(await takeOver(false)).toEqual([6, 4, 6]);
    await expectSound();
  });

  test('progress is that of one step: neither the next one nor another try of it is given anything for it', async () => {
    const job = await claimOne(0);
    await noteProgress(sql, job);
    await storeOutcomes(sql, [outcomeOf(job, 'succeeded', { type: 'next-step', stepSeq: 1, stepKind: 'deliver' })], {
      ...store,
      leaseMs: 0,
      token: randomUUID(),
    });
    const [next] = await claim([job.id], undefined, 0);
    expect([next?.stepSeq, next?.stepAttempts]).toEqual([1, 2]);
    await noteProgress(sql, next as ClaimedJob);
    await storeOne(next as ClaimedJob, 'retry', { type: 'later', delayMs: 0, countsAttempt: true, reason: 'retry' });
    expect((await claim([job.id]))[0]?.stepAttempts).toBe(3);
  });

  test('branches that begin claimed are found again by the same claim alone, and count one attempt', async () => {
    const { id: jobId, epoch, stepSeq, routeId, routeVersionId, object } = await claimOne(0);
    const branch = { routeId, routeVersionId, queue: 'partner-steps', lane: 'standard', stepKind: 'deliver' } as const;
    const start = {
      ...{ jobId, epoch, stepSeq, object: object as never, inputs: {} },
      branches: [
        { ...branch, id: randomUUID(), branch: 'here', isClaimed: true, stepCount: 1, maxAttempts: 3 },
        { ...branch, id: randomUUID(), branch: 'there', stepCount: 1, maxAttempts: 3 },
      ],
    };
    const [here, there] = start.branches.map(({ id }) => id);
    const claimed = { token: randomUUID(), worker: 'w/1', leaseMs: 60_000 };
    const ask = async (token: string) => {
      const { started } = await startBranches(sql, [start], { actor: 'w', claim: { ...claimed, token } });
      return [started[0]?.claimed, started[0]?.woken.map(({ id }) => id)];
    };
    expect(await ask(claimed.token)).toEqual([[{ id: here, epoch: 1 }], [there]]);
    expect(await ask(claimed.token)).toEqual([[{ id: here, epoch: 1 }], []]);
    expect(await ask(randomUUID())).toEqual([[], []]);
    const [row] = await sql`
      SELECT state, step_attempts AS attempts, step_tries AS tries, processed_by AS by, wakes FROM jobs WHERE id = ${here ?? ''}`;
    expect(row).toEqual({ state: 'RUNNING', attempts: 1, tries: 1, by: 'w', wakes: 0 });
    expect(await claim([here ?? ''])).toEqual([]);
  });

  const WITHOUT_A_ROW: [name: string, StoredOutcome['outcome'], NextMove][] = [
    ['ends', 'succeeded', { type: 'succeeded' }],
    ['fails', 'failed', { type: 'failed' }],
    ['walks on', 'succeeded', { type: 'next-step', stepSeq: 1, stepKind: 'deliver' }],
    ['is handed over', 'succeeded', { type: 'hand-over', stepSeq: 1, stepKind: 'scan', queue: 'work' }],
    ['is tried again', 'retry', { type: 'later', delayMs: 60_000, countsAttempt: true, reason: 'retry' }],
    ['waits', 'wait', { type: 'later', delayMs: 60_000, countsAttempt: false, reason: 'breaker-open' }],
  ];
  test.each(WITHOUT_A_ROW)(
    'a branch whose first outcome brings its row, and that %s, is like one that had it',
    async (_name, outcome, next) => {
      const parent = await claimOne(0);
      const { id: parentId, epoch, stepSeq, object, routeId, routeVersionId } = parent;
      const first = { routeId, routeVersionId, queue: 'partner-steps' as const, stepCount: 2, maxAttempts: 3 };
      const ids = { written: randomUUID(), fresh: randomUUID() };
      const at = { object: object as never, inputs: { stage: { rows: 3 } } };
      const written = {
        ...first,
        id: ids.written,
        branch: 'written',
        isClaimed: true,
        lane: 'standard',
        stepKind: 'stage',
      } as const;
      const claim = { token: randomUUID(), worker: store.worker, leaseMs: 60_000 };
      await startBranches(sql, [{ jobId: parentId, epoch, stepSeq, branches: [written], ...at }], {
        actor: store.service,
        claim,
      });
      const of = (id: string) => ({
        ...outcomeOf({ ...parent, id, epoch: 1, stepKind: 'stage' }, outcome, next),
        isParentHere: true,
      });
      const { queue, stepCount, maxAttempts } = first;
      const branch = {
        queue,
        stepCount,
        maxAttempts,
        branch: 'fresh',
        parent: { id: parentId, epoch, stepSeq, ...at },
      };
      const storeBoth = (...outcomes: StoredOutcome[]) =>
        storeOutcomes(sql, outcomes, { ...store, token: randomUUID() });
      const { jobs } = await storeBoth(of(ids.written), { ...of(ids.fresh), branch });
      const [one, other] = jobs.map(({ id: _id, fileId: _fileId, wake, ...job }) => ({ ...job, queue: wake?.queue }));
      expect(new Set(jobs.map(({ id }) => id))).toEqual(new Set(Object.values(ids)));
      expect(one).toEqual({ ...other, epoch: 1, parentId });
      const rows =
        await sql`SELECT to_jsonb(j) AS row FROM jobs j WHERE parent_job_id = ${parentId} ORDER BY branch DESC`;
      const OWN = ['id', 'branch', 'claim_token', 'created_at', 'started_at', 'lease_until', 'next_action_at'];
      const [had, has] = rows.map(({ row }) =>
        Object.fromEntries(Object.entries(row).filter(([name]) => !OWN.includes(name))),
      );
      expect(has).toEqual(had);
      const counted = (await sql`SELECT open_jobs FROM files WHERE id = ${parent.fileId}`)[0]?.open_jobs;
      const [{ open } = { open: 0 }] = await sql<{ open: number }[]>`
      SELECT count(*)::int AS open FROM jobs WHERE file_id = ${parent.fileId} AND finished_at IS NULL`;
      expect(counted).toBe(open);
      await expectSound();

      // Its reply was lost.
      const repeated = await storeBoth({ ...of(ids.fresh), branch });
      expect(repeated.jobs.map(({ id, state }) => [id, state])).toEqual([[ids.fresh, jobs[0]?.state]]);
      expect(await sql`SELECT 1 FROM attempts WHERE job_id = ${ids.fresh}`).toHaveLength(1);
      await expectSound();
    },
  );

  test.each(['taken over', 'cancelled', 'ended'])(
    'a branch without a row stores nothing once its parent is %s',
    async (how) => {
      const parent = await claimOne(0);
      const { id: parentId, epoch, stepSeq, object } = parent;
      if (how === 'taken over') expect(await claim([parentId])).toHaveLength(1);
      if (how === 'cancelled') await cancelJobs(sql, { jobIds: [parentId], actor: 'operator:test', reason: 'test' });
      if (how === 'ended') await storeOne(parent, 'succeeded', succeeded);
      const first = { branch: 'fresh', queue: 'partner-steps' as const, stepCount: 2, maxAttempts: 3 };
      const branch = { ...first, parent: { id: parentId, epoch, stepSeq, object: object as never, inputs: {} } };
      const outcome = { ...outcomeOf({ ...parent, id: randomUUID(), epoch: 1 }, 'succeeded', succeeded), branch };
      expect((await storeOutcomes(sql, [outcome], { ...store, token: randomUUID() })).jobs).toEqual([]);
      expect(await sql`SELECT 1 FROM jobs WHERE parent_job_id = ${parentId}`).toHaveLength(0);
      await expectSound();
    },
  );

  test('a stale epoch changes nothing', async () => {
    const stale = await claimOne(0);
    const [taken] = await claim([stale.id]);
    expect(taken?.epoch).toBe(2);
    expect((await storeOne(stale, 'succeeded', succeeded)).jobs).toEqual([]);
    const { id: jobId, epoch, stepSeq } = stale;
    const branches = { jobId, epoch, stepSeq, branches: [], object: stale.object as never, inputs: {} };
    expect(await startBranches(sql, [branches], { actor: 'test' })).toEqual({ started: [], refused: [] });
    expect((await sql`SELECT state FROM jobs`)[0]?.state).toBe('RUNNING');
    expect(await sql`SELECT 1 FROM attempts`).toHaveLength(0);
    await expectSound();
  });

  test('who did the long step stays named as who processed it, whatever short ones come before and after', async () => {
    const [woken] = await seedJobs(sql, { stepCount: 3 });
    const id = woken?.id ?? '';
    const turns = [
      { service: 'partner-worker', queue: 'partner-steps', named: 'partner-worker' },
      { service: 'large-file-worker', queue: 'work', named: 'large-file-worker' },
      { service: 'partner-worker', queue: 'partner-steps', named: 'large-file-worker' },
    ] as const;
    for (const [stepSeq, { service, queue, named }] of turns.entries()) {
      if (stepSeq > 0) await sql`UPDATE jobs SET state = 'PENDING', queue = ${queue}, next_action_at = now()`;
      const options = { token: randomUUID(), worker: `${service}/1`, kinds: ['deliver'], leaseMs: 60_000 };
      expect(await claimJobs(sql, { jobIds: [id], service, queue, ...options })).toHaveLength(1);
      expect([...(await sql`SELECT processed_by AS named FROM jobs`)]).toEqual([{ named }]);
    }
  });

  test('a release counts for the hold before it, and not for a later one of the same step', async () => {
    const job = await claimOne();
    const hold: NextMove = { type: 'later', delayMs: 0, countsAttempt: false, reason: HELD };
    await storeOne(job, 'wait', hold);
    await releaseJobs(sql, { jobIds: [job.id], actor: 'operator:test', reason: 'looked at' });
    const [released] = await claim([job.id]);
    expect([job.isStepReleased, released?.isStepReleased]).toEqual([false, true]);
    await storeOne(released as ClaimedJob, 'wait', hold);
    expect((await claim([job.id]))[0]).toMatchObject({ isReleased: true, isStepReleased: false });
  });

  test('kinds that this version does not know are left for the next', async () => {
    const [woken] = await seedJobs(sql);
    await sql`UPDATE jobs SET step_kind = 'teleport'`;
    expect(await claim([woken?.id ?? ''])).toEqual([]);
  });

  test('the last job of a file takes the archive lease in the same statement', async () => {
    await seedTenant(sql, { routes: 2 });
    const woken = await seedJobs(sql);
    const [a, b] = await claim(woken.map((job) => job.id));
    const first = await storeOne(a as ClaimedJob, 'succeeded', succeeded);
    const second = await storeOne(b as ClaimedJob, 'succeeded', succeeded);
    expect(first.files).toEqual([]);
    expect(second.files.map((file) => file.archive)).toEqual(['held']);
    await archiveAll();
    expect((await sql`SELECT status FROM files`)[0]?.status).toBe('COMPLETED');
    expect(await sql`SELECT 1 FROM outbox WHERE topic = 'success'`).toHaveLength(1);
    await expectSound();
  });

  test('an archive claimed again with the same token is the same claim, and nobody else’s', async () => {
    const job = await claimOne();
    await storeOne(job, 'succeeded', succeeded);
    await sql`UPDATE files SET lease_until = NULL`;
    const ask = (token: string) =>
      claimArchives(sql, { fileIds: [job.fileId], token, service: 'partner-worker', leaseMs: 60_000 });
    const token = randomUUID();
    const first = await ask(token);
    expect(first).toHaveLength(1);
    expect(await ask(token)).toEqual(first);
    expect(await ask(randomUUID())).toEqual([]);
  });

  test('a file with an open job is not claimed for its archive, by whatever wake-up', async () => {
    const { fileId } = await claimOne();
    const claimed = await claimArchives(sql, {
      fileIds: [fileId],
      token: randomUUID(),
      service: 'partner-worker',
      leaseMs: 60_000,
    });
    expect(claimed).toEqual([]);
    await expectSound();
  });

  test('both jobs of a file ended in one statement close it once', async () => {
    await seedTenant(sql, { routes: 2 });
    const claimed = await claim((await seedJobs(sql)).map((job) => job.id));
    const result = await storeOutcomes(
      sql,
      claimed.map((job) => outcomeOf(job, 'succeeded', succeeded)),
      { ...store, token: randomUUID() },
    );
    expect(result.files).toHaveLength(1);
    await expectSound();
  });

  test('a row that the database refuses is named, and the others are stored', async () => {
    const claimed = await claim((await seedJobs(sql, { count: 5 })).map((job) => job.id));
    const outcomes = claimed.map((job, index) => ({
      ...outcomeOf(job, 'succeeded', succeeded),
      ...(index === 2 ? { durationMs: 2 ** 40 } : {}),
    }));
    const result = await storeOutcomes(sql, outcomes, { ...store, token: randomUUID() });
    expect(result.refused.map((refused) => refused.row.jobId)).toEqual([claimed[2]?.id]);
    expect(result.jobs).toHaveLength(4);
    await expectSound();
  });

  test('walking on keeps the lease and begins the next step’s attempts', async () => {
    const job = await claimOne();
    await storeOne(job, 'succeeded', { type: 'next-step', stepSeq: 1, stepKind: 'confirm' });
    const [row] = await sql`SELECT state, step_seq, step_kind, step_attempts, epoch FROM jobs`;
    expect(row).toEqual({ state: 'RUNNING', step_seq: 1, step_kind: 'confirm', step_attempts: 1, epoch: 1 });
  });

  test('an outcome that comes again after the job walked on is answered as it was stored, and counts once', async () => {
    const job = await claimOne();
    const next: NextMove = { type: 'next-step', stepSeq: 1, stepKind: 'confirm' };
    await storeOne(job, 'succeeded', next);
    const { jobs } = await storeOne(job, 'succeeded', next);
    expect(jobs).toMatchObject([{ id: job.id, state: 'RUNNING', epoch: job.epoch }]);
    expect(await sql`SELECT step_seq, outcome FROM attempts`).toMatchObject([{ step_seq: 0, outcome: 'succeeded' }]);
    expect(await sql`SELECT step_attempts, step_tries, step_seq FROM jobs`).toMatchObject([
      { step_attempts: 1, step_tries: 1, step_seq: 1 },
    ]);
    await expectSound();
  });

  test('a hand-over gives the wake-up for the other queue', async () => {
    const job = await claimOne();
    const next: NextMove = { type: 'hand-over', stepSeq: 1, stepKind: 'confirm', queue: 'work' };
    const result = await storeOne(job, 'succeeded', next);
    expect(result.jobs[0]?.wake).toMatchObject({ id: job.id, queue: 'work', wake: 2 });
    await expectSound();
  });

  test('a retry waits its time, then is woken and keeps its count; waiting gives the attempt back', async () => {
    const job = await claimOne();
    await storeOne(job, 'retry', { type: 'later', delayMs: 60_000, countsAttempt: true, reason: 'retry' });
    expect(await wakeJobs(sql, wakeOptions())).toEqual([]);
    await sql`UPDATE jobs SET next_action_at = now()`;
    expect(await wakeJobs(sql, wakeOptions())).toHaveLength(1);
    const [second] = await claim([job.id]);
    expect([second?.stepAttempts, second?.stepTries]).toEqual([2, 2]);
    await storeOne(second as ClaimedJob, 'wait', {
      type: 'later',
      delayMs: 0,
      countsAttempt: false,
      reason: 'breaker open',
    });
    const [third] = await claim([job.id]);
    expect([third?.stepAttempts, third?.stepTries]).toEqual([2, 3]);
    await expectSound();
  });

  test('only retries are counted as such: no wait, no success, no failure', async () => {
    const job = await claimOne();
    const retries = async () => (await sql`SELECT retry_count FROM jobs WHERE id = ${job.id}`)[0]?.retry_count;
    const again = async (): Promise<ClaimedJob> => {
      const [next] = await claim([job.id]);
      return next as ClaimedJob;
    };
    await storeOne(job, 'retry', { type: 'later', delayMs: 0, countsAttempt: true, reason: 'retry' });
    expect(await retries()).toBe(1);
    await storeOne(await again(), 'wait', { type: 'later', delayMs: 0, countsAttempt: false, reason: 'breaker open' });
    expect(await retries()).toBe(1);
    await storeOne(await again(), 'succeeded', succeeded);
    expect(await retries()).toBe(1);
  });

  test('a job that waits for its records is due at once where none is open, else when its time has come', async () => {
    const jobs = [await claimOne(), await claimOne()];
    const wait: NextMove = { type: 'later', delayMs: 60_000, countsAttempt: false, reason: RECORDS };
    for (const [openRecords, job] of jobs.entries()) {
      await sql`UPDATE jobs SET open_records = ${openRecords} WHERE id = ${job.id}`;
      await storeOne(job, 'wait', wait);
    }
    const rows = await sql`SELECT id, next_action_at <= now() AS due FROM jobs`;
    expect(new Map(rows.map(({ id, due }) => [id, due]))).toEqual(
      new Map([
        [jobs[0]!.id, true],
        [jobs[1]!.id, false],
      ]),
    );
  });

  test('an orphaned job is woken and taken over', async () => {
    const job = await claimOne(0);
    expect((await wakeJobs(sql, wakeOptions())).map((woken) => woken.id)).toEqual([job.id]);
    expect(await wakeJobs(sql, wakeOptions())).toEqual([]);
    expect((await claim([job.id]))[0]?.epoch).toBe(2);
  });

  test('a lost wake-up is sent again once the queue counts fewer messages than rows wait', async () => {
    await seedJobs(sql, { count: 3 });
    expect(await wakeJobs(sql, wakeOptions({ missing: 2, graceMs: 60_000 }))).toEqual([]);
    expect(await wakeJobs(sql, wakeOptions({ missing: 2, graceMs: 0 }))).toHaveLength(2);
  });

  test('a row that was woken for months costs no other row its wake-up', async () => {
    await seedJobs(sql, { count: 2 });
    await registerFiles(sql, [arrivedObject(), arrivedObject()], 'ingestor');
    await sql`UPDATE jobs SET woken_at = now() - interval '2 days', wakes = CASE WHEN id = (SELECT min(id::text)::uuid FROM jobs) THEN 2000 ELSE 1 END`;
    await sql`UPDATE files SET woken_at = now() - interval '2 days', wakes = 2000 WHERE status = 'QUEUED'`;
    expect(await wakeJobs(sql, wakeOptions())).toHaveLength(2);
    const files = { limit: 10, missing: 0, graceMs: 5_000, boundMs: 90_000, actor: 'retry-sweeper' };
    expect(await wakeFiles(sql, files)).toHaveLength(2);
    await sql`UPDATE jobs SET state = 'SUCCEEDED', woken_at = NULL, finished_at = now()`;
    await sql`UPDATE files SET open_jobs = 0, wakes = 2000, woken_at = now() - interval '2 days' WHERE status = 'PROCESSING'`;
    expect(await wakeFiles(sql, files)).toHaveLength(2);
  });

  test('a row put in by hand in an open state is woken', async () => {
    await seedJobs(sql);
    await sql`UPDATE jobs SET woken_at = NULL, wakes = 0`;
    expect((await wakeJobs(sql, wakeOptions())).map((job) => job.wake)).toEqual([1]);
  });

  test('leases are renewed for holders only', async () => {
    const job = await claimOne();
    const stale = { id: job.id, epoch: job.epoch - 1 };
    expect(await renewLeases(sql, { jobs: [stale], files: [], chunks: [], leaseMs: 60_000 })).toEqual({
      jobIds: [],
      fileIds: [],
      chunkIds: [],
    });
    expect(await renewLeases(sql, { jobs: [job], files: [], chunks: [], leaseMs: 60_000 })).toEqual({
      jobIds: [job.id],
      fileIds: [],
      chunkIds: [],
    });
  });

  test('the lease of a file whose archive copy another worker has is not renewed', async () => {
    const { fileId: id } = await claimOne();
    await sql`UPDATE files SET epoch = 3, lease_until = now() + interval '1 minute' WHERE id = ${id}`;
    const renew = (epoch: number) =>
      renewLeases(sql, { jobs: [], files: [{ id, epoch }], chunks: [], leaseMs: 60_000 });
    expect(await renew(2)).toMatchObject({ fileIds: [] });
    expect(await renew(3)).toMatchObject({ fileIds: [id] });
  });

  test('a lease that has ended is not renewed, though nobody took the job over', async () => {
    const job = await claimOne();
    await sql`UPDATE jobs SET lease_until = now() - interval '1 ms'`;
    const { jobIds } = await renewLeases(sql, { jobs: [job], files: [], chunks: [], leaseMs: 60_000 });
    expect(jobIds).toEqual([]);
  });
});

describe('operators', () => {
  test('a failed job goes on as the next generation, also after its file was archived', async () => {
    const job = await claimOne();
    await storeOne(job, 'failed', failed);
    await archiveAll();
    expect((await sql`SELECT status FROM files`)[0]?.status).toBe('FAILED');
    const [woken] = await reopenJobs(sql, { jobIds: [job.id], actor: 'operator:test', reason: 'partner fixed it' });
    expect(woken?.id).toBe(job.id);
    const [again] = await claim([job.id]);
    expect([again?.generation, again?.stepAttempts, again?.stepTries, again?.file.archive]).toEqual([
      2,
      1,
      2,
      { bucket: 'archive', key: job.file.key, versionId: 'v' },
    ]);
    const result = await storeOne(again as ClaimedJob, 'succeeded', succeeded);
    expect(result.files.map((file) => [file.archive, file.status])).toEqual([['done', 'COMPLETED']]);
    await expectSound();
  });

  test('a file whose job was reopened while it was being archived is archived, and not finished', async () => {
    const job = await claimOne();
    await storeOne(job, 'failed', failed);
    await sql`UPDATE files SET lease_until = NULL`;
    const fileId = job.fileId;
    const lease = { token: randomUUID(), service: 'partner-worker', leaseMs: 60_000 };
    const [held] = await claimArchives(sql, { fileIds: [fileId], ...lease });
    await reopenJobs(sql, { jobIds: [job.id], actor: 'operator:test', reason: 'partner fixed it' });
    const epoch = held?.epoch ?? 0;
    const copy = { bucket: 'archive', key: job.file.key, versionId: 'v' };
    await storeArchives(sql, [{ type: 'archived', fileId, epoch, ...copy }], 'partner-worker');
    const [file] = await sql`SELECT status, archive_key AS key, finished_at AS finished FROM files`;
    expect(file).toEqual({ status: 'PROCESSING', key: job.file.key, finished: null });
    await expectSound();
  });

  test('reopening and cancelling tell what they did not touch', async () => {
    const job = await claimOne();
    expect(await reopenJobs(sql, { jobIds: [job.id], actor: 'operator:test', reason: '-' })).toEqual([]);
    const cancelled = await cancelJobs(sql, { jobIds: [job.id], actor: 'operator:test', reason: 'wrong file' });
    expect(cancelled.jobIds).toEqual([job.id]);
    expect((await storeOne(job, 'succeeded', succeeded)).jobs).toEqual([]);
    expect((await cancelJobs(sql, { jobIds: [job.id], actor: 'operator:test', reason: '-' })).jobIds).toEqual([]);
    const woken = await wakeFiles(sql, {
      limit: 10,
      missing: 0,
      graceMs: 5_000,
      boundMs: 90_000,
      actor: 'retry-sweeper',
    });
    expect(woken.map((file) => file.queue)).toEqual(['partner-steps']);
    await archiveAll();
    await expectSound();
  });

  test('an outcome that is repeated after the job was opened again changes nothing', async () => {
    const job = await claimOne();
    await storeOne(job, 'failed', failed);
    expect((await storeOne(job, 'failed', failed)).jobs).toMatchObject([{ state: 'FAILED' }]);
    await reopenJobs(sql, { jobIds: [job.id], actor: 'operator:test', reason: 'again' });
    expect((await storeOne(job, 'failed', failed)).jobs).toEqual([]);
    await expectSound();
  });

  test('a dead letter fails only a job that nobody holds and that has no attempt left', async () => {
    const held = await claimOne();
    const condition = async () => (await jobConditions(sql, [held.id])).get(held.id);
    await sql`UPDATE jobs SET step_attempts = max_attempts`;
    expect(await condition()).toBe('leased');
    expect((await failSpentJobs(sql, { jobIds: [held.id], actor: 'retry-sweeper' })).jobIds).toEqual([]);
    await sql`UPDATE jobs SET lease_until = now() - interval '1 second'`;
    await noteProgress(sql, held);
    expect(await condition()).toBe('open');
    expect((await failSpentJobs(sql, { jobIds: [held.id], actor: 'retry-sweeper' })).jobIds).toEqual([]);
    await dropProgress(sql, held);
    expect(await condition()).toBe('spent');
    expect((await failSpentJobs(sql, { jobIds: [held.id], actor: 'retry-sweeper' })).jobIds).toEqual([held.id]);
    await expectSound();
  });
});

describe('outbox', () => {
  test('rows are leased once, again when the lease ran out, and leave when their topic took them', async () => {
    await seedJobs(sql);
    const rows = await leaseOutbox(sql, { limit: 100, leaseMs: 60_000 });
    expect(rows.length).toBeGreaterThan(1);
    expect(await leaseOutbox(sql, { limit: 100, leaseMs: 60_000 })).toEqual([]);
    await sql`UPDATE outbox SET locked_until = now() - interval '1 second'`;
    expect(await leaseOutbox(sql, { limit: 100, leaseMs: 60_000 })).toHaveLength(rows.length);
    await deleteFromOutbox(sql, rows);
    expect(await sql`SELECT 1 FROM outbox`).toHaveLength(0);
  });
});

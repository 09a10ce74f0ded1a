/** The stages of an effect over a real database: who may continue, what is asked first, what an operator says, and what a stale worker changes. */
import { randomUUID } from 'node:crypto';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { Sql } from '#shared/db/connect-database.ts';
import { claimJobs } from '#shared/jobs/claim-jobs.ts';
import { cancelJobs } from '#shared/jobs/end-jobs.ts';
import { storeOutcomes } from '#shared/jobs/store-outcomes.ts';
import { connectTestDatabase } from '#testkit/beds/job-runner.ts';
import { findRowViolations } from '#testkit/checks/find-row-violations.ts';
import { emptyTables } from '#testkit/seeds/empty-tables.ts';
import { seedJobs, seedTenant } from '#testkit/seeds/seed-jobs.ts';
import { createTestDatabase, type TestDatabase } from '#testkit/servers/test-database.ts';
import { type EffectLog, effectLogOf } from './effect-log.ts';
import { countEffects, doubtLeftEffects, resolveEffect } from './resolve-effect.ts';
import { type Answer, type Committed, type EffectTarget, runEffect } from './run-effect.ts';

let database: TestDatabase;
let sql: Sql;

beforeAll(async () => {
  database = await createTestDatabase();
  sql = connectTestDatabase(database.url);
  await seedTenant(sql);
});
afterAll(async () => {
  await sql.end({ timeout: 5 });
  await database.drop();
});
beforeEach(() => emptyTables(sql, 'files', 'job_steps', 'attempts', 'effects', 'audit_events', 'outbox'));
afterEach(async () => expect(await findRowViolations(sql, { isAtRest: false })).toEqual([]));

interface Claimed {
  readonly id: string;
  readonly epoch: number;
  readonly log: EffectLog;
}

async function claim(id: string): Promise<Claimed> {
  const [job] = await claimJobs(sql, {
    jobIds: [id],
    token: randomUUID(),
    worker: 'test/1',
    service: 'partner-worker',
    queue: 'partner-steps',
    kinds: ['deliver'],
    leaseMs: 60_000,
  });
  if (job === undefined) throw new Error('the job could not be claimed');
  const owner = { jobId: id, epoch: job.epoch, tenantId: 'acme', fileId: job.fileId, stepSeq: 0 };
  return { id, epoch: job.epoch, log: effectLogOf(sql, { ...owner, kind: 'push', key: 'k', service: 'test' }) };
}

async function start(): Promise<Claimed> {
  const [job] = await seedJobs(sql);
  return await claim(job?.id ?? '');
}

/** Its lease is over, and another worker has it. */
async function takeOver(id: string): Promise<Claimed> {
  await sql`UPDATE jobs SET lease_until = now() - interval '1 second' WHERE id = ${id}`;
  return await claim(id);
}

async function fail({ id, epoch }: Claimed): Promise<void> {
  const error = { code: 'DELIVERY_ERROR', cause: 'EFFECT_UNKNOWN', message: 'test' };
  const outcome = {
    ...{ jobId: id, epoch, stepSeq: 0, stepKind: 'deliver', attempt: 1, generation: 1, outcome: 'ambiguous' as const },
    ...{ error, startedAt: new Date(), durationMs: 1, next: { type: 'failed' as const } },
  };
  await storeOutcomes(sql, [outcome], {
    ...{ worker: 'test/1', service: 'partner-worker', leaseMs: 1_000, token: randomUUID(), archivesLarge: false },
  });
}

type Facts = { place: string };
interface Scripted extends EffectTarget<Facts> {
  readonly calls: string[];
}

function scripted(script: { commits?: Committed<Facts>[]; answers?: Answer<Facts>[] } = {}): Scripted {
  const calls: string[] = [];
  const facts = { place: 'there' };
  return {
    calls,
    async prepare(left) {
      calls.push(left === undefined ? 'prepare' : `prepare from ${left.place}`);
      return { type: 'prepared', facts };
    },
    async commit() {
      calls.push('commit');
      return script.commits?.shift() ?? { type: 'done', facts };
    },
    async ask() {
      calls.push('ask');
      return script.answers?.shift() ?? { type: 'done', facts };
    },
  };
}

const run = ({ log }: Pick<Claimed, 'log'>, target: Scripted) => runEffect({ log, code: 'DELIVERY_ERROR', target });
const stages = async () => (await sql<{ stage: string }[]>`SELECT stage FROM effects`).map(({ stage }) => stage);
const UNSURE = { type: 'unsure', cause: 'REMOTE_STALLED', message: 'No reply.' } as const;
const UNKNOWN = { type: 'unknown', message: 'It is not there.' } as const;

describe('an effect', () => {
  test('is prepared, committed and done once, whoever comes later', async () => {
    const job = await start();
    const target = scripted();
    expect(await run(job, target)).toMatchObject({ type: 'done', wasThere: false, facts: { place: 'there' } });
    expect(await run(await takeOver(job.id), target)).toMatchObject({ type: 'done', wasThere: true });
    expect(target.calls).toEqual(['prepare', 'commit']);
    expect(await stages()).toEqual(['DONE']);
  });

  test.each<[string, Answer<Facts>, string[], string]>([
    ['done', { type: 'done', facts: { place: 'there' } }, ['ask'], 'DONE'],
    ['not done', { type: 'not-done' }, ['ask', 'prepare from there', 'commit'], 'DONE'],
    ['unknown', UNKNOWN, ['ask'], 'UNKNOWN'],
    [
      'nothing',
      { type: 'later', outcome: { type: 'retry', code: 'DELIVERY_ERROR', cause: 'X', message: 'm' } },
      ['ask'],
      'COMMITTING',
    ],
  ])(
    'whose worker died in its commit is asked about first, and goes by the answer %s',
    async (_name, answer, calls, stage) => {
      const job = await start();
      await job.log.begin(0);
      await job.log.write(0, 'COMMITTING', { place: 'there' });
      const target = scripted({ answers: [answer] });
      await run(await takeOver(job.id), target);
      expect(target.calls).toEqual(calls);
      expect(await stages()).toEqual([stage]);
    },
  );

  test('whose reply was lost is asked about at once, and done again only in another try', async () => {
    const job = await start();
    const lost = scripted({ commits: [UNSURE], answers: [{ type: 'not-done' }] });
    expect(await run(job, lost)).toMatchObject({ outcome: { type: 'retry', cause: 'REMOTE_STALLED' } });
    expect(lost.calls).toEqual(['prepare', 'commit', 'ask']);
    expect(await stages()).toEqual(['PREPARED']);
  });

  test('that nobody can tell about is never repeated, and asked about again by each later try', async () => {
    const job = await start();
    const target = scripted({ commits: [UNSURE], answers: [UNKNOWN, UNKNOWN] });
    expect(await run(job, target)).toMatchObject({ outcome: { type: 'ambiguous', cause: 'EFFECT_UNKNOWN' } });
    expect(await run(await takeOver(job.id), target)).toMatchObject({ outcome: { type: 'ambiguous' } });
    expect(target.calls).toEqual(['prepare', 'commit', 'ask', 'ask']);
    expect(await sql`SELECT count(*)::int AS n FROM audit_events WHERE type = 'effect.unknown'`).toEqual([{ n: 2 }]);
  });

  test('of a worker that lost its job changes nothing, and nothing is sent', async () => {
    const job = await start();
    const next = await takeOver(job.id);
    const target = scripted();
    await expect(run(job, target)).rejects.toMatchObject({ code: 'LEASE_LOST' });
    await next.log.begin(0);
    for (const stage of ['PREPARED', 'COMMITTING', 'DONE', 'UNKNOWN'] as const)
      await expect(job.log.write(0, stage, {})).rejects.toMatchObject({ code: 'LEASE_LOST' });
    expect(target.calls).toEqual([]);
    expect(await stages()).toEqual(['PREPARING']);
  });

  test('that was prepared when its worker lost the job is not committed by it', async () => {
    const job = await start();
    const target = scripted();
    const slow: Scripted = {
      ...target,
      async prepare(left) {
        await takeOver(job.id);
        return await target.prepare(left);
      },
    };
    await expect(run(job, slow)).rejects.toMatchObject({ code: 'LEASE_LOST' });
    expect(target.calls).toEqual(['prepare']);
  });
});

describe('an operator', () => {
  async function doubt(): Promise<Claimed & { effectId: string }> {
    const job = await start();
    await run(job, scripted({ commits: [UNSURE], answers: [UNKNOWN] }));
    await fail(job);
    const [row] = await sql<{ id: string }[]>`SELECT id FROM effects`;
    return { ...job, effectId: row?.id ?? '' };
  }

  const say = ({ id, effectId }: { id: string; effectId: string }, verdict: 'done' | 'not-done') =>
    resolveEffect(sql, { effectId, jobId: id, verdict, actor: 'operator:x', reason: 'asked', window: 100 });

  test('says that it is done, and the step succeeds without doing anything', async () => {
    const job = await doubt();
    expect(await say(job, 'done')).toMatchObject({ id: job.id, isWoken: true });
    expect(await say(job, 'not-done')).toBeUndefined();
    const target = scripted();
    expect(await run(await claim(job.id), target)).toMatchObject({ type: 'done', facts: { settledBy: 'operator' } });
    expect(target.calls).toEqual([]);
    const events =
      await sql`SELECT type FROM audit_events WHERE type IN ('effect.resolved', 'job.reopened') ORDER BY type`;
    expect(events.map(({ type }) => type)).toEqual(['effect.resolved', 'job.reopened']);
  });

  test('says that it is not, and it is done with the same key', async () => {
    const job = await doubt();
    await say(job, 'not-done');
    const target = scripted();
    expect(await run(await claim(job.id), target)).toMatchObject({ type: 'done', wasThere: false });
    expect(target.calls).toEqual(['prepare from there', 'commit']);
  });

  test('has no word about an effect of a job that runs', async () => {
    const job = await start();
    await run(job, scripted({ commits: [UNSURE], answers: [UNKNOWN] }));
    const [row] = await sql<{ id: string }[]>`SELECT id FROM effects`;
    expect(await say({ ...job, effectId: row?.id ?? '' }, 'done')).toBeUndefined();
    expect(await stages()).toEqual(['UNKNOWN']);
  });

  test('of two words said together counts one', async () => {
    const job = await doubt();
    const said = await Promise.all([say(job, 'done'), say(job, 'not-done'), say(job, 'done')]);
    expect(said.filter((reopened) => reopened !== undefined)).toHaveLength(1);
    expect(await sql`SELECT generation FROM jobs`).toEqual([{ generation: 2 }]);
  });
});

test('a commit whose job ended meanwhile is in doubt, and counted until it is settled', async () => {
  const job = await start();
  await job.log.begin(0);
  await job.log.write(0, 'COMMITTING', { place: 'there' });
  expect(await doubtLeftEffects(sql, { limit: 10, actor: 'test' })).toBe(0);
  await cancelJobs(sql, { jobIds: [job.id], actor: 'operator:x', reason: 'test' });
  expect(await doubtLeftEffects(sql, { limit: 10, actor: 'test' })).toBe(1);
  expect(await countEffects(sql)).toEqual([{ kind: 'push', stage: 'UNKNOWN', count: 1 }]);
  await sql`UPDATE jobs SET superseded_by = id`;
  expect(await countEffects(sql)).toEqual([]);
  await sql`UPDATE jobs SET superseded_by = NULL`;
});

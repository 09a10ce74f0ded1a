/** Actions carried by sweepers that are killed in the middle, again and again: nothing is lost, and nothing is taken twice. */
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { DeleteMessageBatchCommand, ReceiveMessageCommand } from '@aws-sdk/client-sqs';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { runAction } from '#shared/actions/action-transitions.ts';
import { previewAction } from '#shared/actions/preview-action.ts';
import { type SweeperTestBed, startSweeperTestBed } from '#testkit/beds/sweeper-bed.ts';
import { findRowViolations } from '#testkit/checks/find-row-violations.ts';
import { repeatTimes } from '#testkit/checks/repeat-times.ts';
import { seedJobs, seedTenant } from '#testkit/seeds/seed-jobs.ts';
import { startProcess, type TestProcess } from '#testkit/servers/start-process.ts';

const MAIN = fileURLToPath(new URL('main.ts', import.meta.url));
const KILLS = repeatTimes(25);
const JOBS = 6_000;
/** Sets of a hundred, so that there is always a next one to be killed in. */
const RATE = 200;

let bed: SweeperTestBed;
beforeAll(async () => {
  bed = await startSweeperTestBed();
});
afterAll(() => bed.stop());

test('a sweeper killed 25 times in the middle, with another beside it, takes each job once and wakes all of them', async () => {
  const { sql } = bed;
  const place = await bed.begin();
  await seedTenant(sql);
  await seedJobs(sql, { count: JOBS, window: 0 });
  await sql`
    UPDATE jobs SET state = 'FAILED', finished_at = now(), error_code = 'DELIVERY_ERROR', error_cause = 'HTTP_503', error_message = 'x'`;
  await sql`
    UPDATE files SET status = 'FAILED', open_jobs = 0, failed_jobs = 1, finished_at = now(), archived_at = now(),
      error_code = 'DELIVERY_ERROR', error_cause = 'HTTP_503', error_message = 'x'`;
  await sql`
    INSERT INTO audit_events (type, tenant_id, file_id, actor, detail) SELECT 'file.failed', tenant_id, id, 'test', '{}' FROM files`;
  const word = { tenantId: null, actor: 'operator:ann' };
  const id = await previewAction(sql, { verb: 'retry', filter: { code: 'DELIVERY_ERROR' }, ...word });
  await runAction(sql, { id, ...word, reason: 'x', ratePerSecond: RATE, needsApproval: false });

  const start = () =>
    startProcess([MAIN], {
      env: {
        ...process.env,
        ...bed.env,
        AWS_REGION: 'us-east-1',
        DATABASE_URL: bed.database.DATABASE_URL,
        LONGSHORE_PREFIX: place.prefix,
        LONGSHORE_S3_PATH_STYLE: 'true',
        LONGSHORE_HTTP_PORT: '0',
        LONGSHORE_HTTP_HOST: '127.0.0.1',
        LONGSHORE_ADMISSION_WINDOW: '100000',
        LONGSHORE_SWEEP_TICK_MS: '20',
        LONGSHORE_SWEEP_GRACE_MS: '500',
        LONGSHORE_SWEEP_COUNT_MS: '500',
        // A count says that wake-ups are missing, not whose: the bound brings back the rest.
        LONGSHORE_SWEEP_BOUND_MS: '30000',
      },
    });
  const doneNow = async () => {
    const [row] = await sql<{ done: number; state: string }[]>`SELECT done, state FROM actions WHERE id = ${id}`;
    return row!;
  };
  const QueueUrl = place.queues['partner-steps'].url;
  async function receive(): Promise<string[]> {
    const { Messages = [] } = await bed.fauxqs.sqs.send(
      new ReceiveMessageCommand({ QueueUrl, MaxNumberOfMessages: 10 }),
    );
    if (Messages.length === 0) return [];
    const Entries = Messages.map(({ ReceiptHandle }, index) => ({ Id: String(index), ReceiptHandle }));
    await bed.fauxqs.sqs.send(new DeleteMessageBatchCommand({ QueueUrl, Entries }));
    return Messages.map(({ Body }) => JSON.parse(Body ?? '').jobId);
  }
  const sweepers: TestProcess[] = [start(), start()];
  try {
    for (let kill = 0; kill < KILLS; kill += 1) {
      const { done: before } = await doneNow();
      await vi.waitFor(async () => expect((await doneNow()).done).toBeGreaterThan(before), {
        timeout: 60_000,
        interval: 5,
      });
      // Now before a set, then within one, then between its commit and its wake-ups.
      await sleep((kill % 10) * 7);
      await sweepers[kill % 2]!.end('SIGKILL');
      sweepers[kill % 2] = start();
    }
    expect((await doneNow()).state).toBe('RUNNING');
    await sql`UPDATE actions SET rate_per_second = NULL`;
    await vi.waitFor(async () => expect((await doneNow()).state).toBe('DONE'), { timeout: 120_000, interval: 100 });
    expect(await sql`SELECT done, refused FROM actions`).toEqual([{ done: JOBS, refused: 0 }]);
    expect(await sql`SELECT DISTINCT generation FROM jobs`).toEqual([{ generation: 2 }]);
    expect(
      await sql`SELECT count(*)::int AS count, count(DISTINCT job_id)::int AS jobs FROM audit_events WHERE type = 'job.reopened'`,
    ).toEqual([{ count: JOBS, jobs: JOBS }]);
    const woken = new Set<string>();
    await vi.waitFor(
      async () => {
        // Several at once: wake-ups are sent again meanwhile, and have to be read faster than that.
        const replies = await Promise.all(Array.from({ length: 10 }, receive));
        for (const jobId of replies.flat()) woken.add(jobId);
        expect(woken.size).toBe(JOBS);
      },
      { timeout: 240_000, interval: 0 },
    );
    expect(await findRowViolations(sql, { isAtRest: false })).toEqual([]);
  } finally {
    await Promise.all(sweepers.map((sweeper) => sweeper.end('SIGKILL')));
  }
}, 600_000);

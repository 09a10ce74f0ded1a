/** A whole sweeper on real queues carries actions: wake-ups and letters arrive, and its metrics say so. */
import { randomUUID } from 'node:crypto';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test, vi } from 'vitest';
import { runAction } from '#shared/actions/action-transitions.ts';
import { previewAction } from '#shared/actions/preview-action.ts';
import type { ActionVerb } from '#shared/db/schema.ts';
import { storeDeadLetters } from '#shared/dead-letters/dead-letters.ts';
import { type SweeperTestBed, startSweeperTestBed } from '#testkit/beds/sweeper-bed.ts';
import { seedJobs, seedTenant } from '#testkit/seeds/seed-jobs.ts';

let bed: SweeperTestBed;
beforeAll(async () => {
  bed = await startSweeperTestBed();
});
afterAll(() => bed.stop());
beforeEach(() => {
  for (const [name, value] of Object.entries(bed.env)) vi.stubEnv(name, value);
});
afterEach(() => vi.unstubAllEnvs());

const ANN = { tenantId: null, actor: 'operator:ann' };

async function run(verb: ActionVerb, filter: Parameters<typeof previewAction>[1]['filter']): Promise<string> {
  const id = await previewAction(bed.sql, { verb, filter, ...ANN });
  await runAction(bed.sql, { id, ...ANN, reason: 'x', needsApproval: false });
  return id;
}

async function untilDone(id: string): Promise<void> {
  const isDone = async () =>
    expect(await bed.sql`SELECT state FROM actions WHERE id = ${id}`).toEqual([{ state: 'DONE' }]);
  await vi.waitFor(isDone, { timeout: 60_000, interval: 50 });
}

test('retried jobs are woken in their queue, and redriven letters are back in theirs as they were', async () => {
  const place = await bed.begin();
  await seedTenant(bed.sql);
  const jobs = await seedJobs(bed.sql, { count: 3 });
  await bed.sql`
    UPDATE jobs SET state = 'FAILED', finished_at = now(), woken_at = NULL, error_code = 'X', error_cause = 'X', error_message = 'X'`;
  await bed.sql`UPDATE files SET status = 'FAILED', open_jobs = 0, failed_jobs = 1, finished_at = now(), archived_at = now()`;
  const body = JSON.stringify({ type: 'job.due', v: 1, jobId: randomUUID(), tenantId: 'acme', wake: 1 });
  const letter = {
    queue: 'work',
    messageId: 'm',
    attributes: {},
    receiveCount: 3,
    reason: 'x',
    state: 'PARKED' as const,
  };
  await storeDeadLetters(bed.sql, [{ ...letter, id: randomUUID(), body }], 'test');
  const { sweeper, registry } = bed.createSweeper(place.prefix);
  await sweeper.start();
  try {
    await untilDone(await run('retry', { ids: jobs.map(({ id }) => id) }));
    // They are sent after what they are about is committed.
    const woken = new Set<unknown>();
    const areWoken = async () => {
      for (const { jobId } of await bed.bodies(place.queues['partner-steps'].url)) woken.add(jobId);
      expect(woken).toEqual(new Set(jobs.map(({ id }) => id)));
    };
    await vi.waitFor(areWoken, { timeout: 60_000, interval: 50 });
    await untilDone(await run('redrive', { queue: 'work' }));
    expect(await bed.bodies(place.queues.work.url)).toEqual([JSON.parse(body)]);
    expect(await bed.sql`SELECT state FROM dead_letters`).toEqual([{ state: 'REDRIVEN' }]);
    // They are counted after the rows are committed.
    const areCounted = async () => {
      const metrics = await registry.metrics();
      expect(metrics).toMatch(/longshore_action_items_total\{verb="retry"\} 3/);
      expect(metrics).toMatch(/longshore_action_items_total\{verb="redrive"\} 1/);
      expect(metrics).toMatch(/longshore_open_actions\{state="paused"\} 0/);
    };
    await vi.waitFor(areCounted, { timeout: 60_000, interval: 50 });
  } finally {
    await sweeper.stop();
  }
});

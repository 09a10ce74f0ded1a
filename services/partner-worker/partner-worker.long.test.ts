/** A worker next to a collector of traces that is down, and one that takes some lanes alone. */
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { startWorkBed, type WorkBed, type WorkerProcess } from '#testkit/beds/start-work-bed.ts';
import { seedRoutes } from '#testkit/seeds/seed-routed-files.ts';
import { startSpanReceiver } from '#testkit/servers/start-span-receiver.ts';

const MAIN = new URL('main.ts', import.meta.url);

let bed: WorkBed;
let worker: WorkerProcess | undefined;
beforeAll(async () => {
  bed = await startWorkBed();
});
afterAll(() => bed.stop());
beforeEach(async () => {
  await bed.clear();
  await seedRoutes(bed.sql);
});
afterEach(() => worker?.end('SIGKILL'));

const expectSound = async () => expect(await bed.violations()).toEqual([]);
const bodyOf = (index: number) => Buffer.from(`id,name\n${index},x\n`);

test.each(['hang', 'refuse'] as const)(
  'a trace collector that does %s disturbs no job, and no stop',
  async (answer) => {
    const receiver = await startSpanReceiver();
    receiver.answer = answer;
    try {
      const jobs = await bed.putFiles({ count: 20, bodyOf });
      worker = await bed.startWorker(MAIN, { OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url });
      await bed.wakeUps.sendJobs(jobs);
      await bed.untilCompleted(20);
      await expectSound();
      expect(await worker.end('SIGTERM')).toBe(0);
      expect(receiver.requests.length).toBeGreaterThan(0);
      expect(worker.lines.find(({ msg }) => msg === 'service stopped')).toMatchObject({ isClean: true });
    } finally {
      await receiver.stop();
    }
  },
);

test('a worker takes the lanes that it is given, and bronze takes no slot of another', async () => {
  const jobs = await bed.putFiles({ count: 6, bodyOf });
  const [urgent, ...others] = jobs;
  await bed.sql`UPDATE jobs SET lane = 'bronze', queue = 'bronze-steps' WHERE id = ANY(${others.map(({ id }) => id)}::uuid[])`;
  await bed.sql`UPDATE jobs SET lane = 'platinum', queue = 'platinum-steps' WHERE id = ${urgent!.id}`;
  worker = await bed.startWorker(MAIN, { LONGSHORE_LANES: 'platinum' });
  await bed.wakeUps.sendJobs(others.map((job) => ({ ...job, queue: 'bronze-steps' as const })));
  await bed.wakeUps.sendJobs([{ ...urgent!, queue: 'platinum-steps' }]);
  await bed.untilCompleted(1);
  expect(await bed.sql`SELECT lane FROM jobs WHERE state <> 'PENDING'`).toEqual([{ lane: 'platinum' }]);
  await worker.end('SIGKILL');
  worker = await bed.startWorker(MAIN, { LONGSHORE_SLOTS: '1' });
  await bed.untilCompleted(6);
  await expectSound();
});

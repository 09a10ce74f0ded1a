import { pino } from 'pino';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import type { Holding, RenewedLeases } from '#shared/jobs/renew-leases.ts';
import { LeaseKeeper } from './lease-keeper.ts';

type Renew = (held: { jobs: Holding[]; files: Holding[]; chunks: Holding[] }) => Promise<RenewedLeases>;

const LEASE_MS = 30_000;
/** Local work ends a tenth of the lease earlier. */
const LOCAL_MS = 27_000;

const renewEverything: Renew = async ({ jobs, files, chunks }) => ({
  jobIds: jobs.map(({ id }) => id),
  fileIds: files.map(({ id }) => id),
  chunkIds: chunks.map(({ id }) => id),
});

let keeper: LeaseKeeper;
let lost: string[];

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
  lost = [];
});

afterEach(() => {
  keeper.stop();
  vi.useRealTimers();
});

function startKeeper(renew: Renew): void {
  keeper = new LeaseKeeper({
    leaseMs: LEASE_MS,
    renew,
    onLost: (kind) => lost.push(kind),
    logger: pino({ level: 'silent' }),
  });
  keeper.start();
}

const job = { id: 'job-1', epoch: 1 };
const file = { id: 'file-1', epoch: 4 };
const chunk = { id: 'chunk-1', epoch: 2 };

test('everything held is renewed in one statement every third of the lease', async () => {
  const asked: unknown[] = [];
  startKeeper((held) => {
    asked.push(held);
    return renewEverything(held);
  });
  const leases = [
    keeper.hold('job', job, performance.now()),
    keeper.hold('file', file, performance.now()),
    keeper.hold('chunk', chunk, performance.now()),
  ];
  await vi.advanceTimersByTimeAsync(60_000);
  expect(asked).toHaveLength(6);
  expect(asked[0]).toMatchObject({ jobs: [job], files: [file], chunks: [chunk] });
  expect(leases.map(({ signal }) => signal.aborted)).toEqual([false, false, false]);
});

test('what the answer leaves out is aborted at once, the rest goes on', async () => {
  startKeeper(async () => ({ jobIds: ['job-1'], fileIds: [], chunkIds: [] }));
  const kept = keeper.hold('job', job, performance.now());
  const taken = keeper.hold('job', { id: 'job-2', epoch: 1 }, performance.now());
  await vi.advanceTimersByTimeAsync(LEASE_MS / 3);
  expect([kept.signal.aborted, taken.signal.aborted]).toEqual([false, true]);
  expect(taken.signal.reason).toMatchObject({ code: 'LEASE_LOST' });
  expect(lost).toEqual(['job']);
});

test('local work ends before the database lease does, counted from before the claim was asked', async () => {
  startKeeper(() => Promise.reject(new Error('the database is away')));
  const askedAtMs = performance.now();
  await vi.advanceTimersByTimeAsync(5_000);
  const lease = keeper.hold('job', job, askedAtMs);
  await vi.advanceTimersByTimeAsync(LOCAL_MS - 5_000 - 1);
  expect(lease.signal.aborted).toBe(false);
  await vi.advanceTimersByTimeAsync(1);
  expect(lease.signal.aborted).toBe(true);
});

test.each([
  ['the database was away', Object.assign(new Error('away'), { code: 'ECONNREFUSED' }), 'DEPENDENCY_UNAVAILABLE'],
  ['the renewal itself is at fault', new Error('a bug'), 'LEASE_LOST'],
])('a lease that ran out because %s says so', async (_why, error, code) => {
  startKeeper(() => Promise.reject(error));
  const lease = keeper.hold('job', job, performance.now());
  await vi.advanceTimersByTimeAsync(LEASE_MS);
  expect(lease.signal.reason).toMatchObject({ code });
});

test('a lease that ran out while the process stood still is lost, also when one renewal was late for it', async () => {
  startKeeper(async () => {
    await new Promise((resolve) => setTimeout(resolve, 5_000));
    throw Object.assign(new Error('late'), { code: 'ETIMEDOUT' });
  });
  const lease = keeper.hold('job', job, performance.now() - LOCAL_MS + 16_000);
  await vi.advanceTimersByTimeAsync(LEASE_MS);
  expect(lease.signal.reason).toMatchObject({ code: 'LEASE_LOST' });
});

test('a renewal whose answer took long extends only from when it was asked', async () => {
  let isSlow = true;
  startKeeper(async (held) => {
    if (!isSlow) return await new Promise(() => {});
    isSlow = false;
    await new Promise((resolve) => setTimeout(resolve, 8_000));
    return await renewEverything(held);
  });
  const lease = keeper.hold('job', job, performance.now());
  await vi.advanceTimersByTimeAsync(10_000 + LOCAL_MS - 1);
  expect(lease.signal.aborted).toBe(false);
  await vi.advanceTimersByTimeAsync(1);
  expect(lease.signal.aborted).toBe(true);
});

test('after a failure it asks again sooner, so that a short outage costs no lease', async () => {
  let calls = 0;
  startKeeper((held) => {
    calls += 1;
    return calls <= 4 ? Promise.reject(new Error('away')) : renewEverything(held);
  });
  const lease = keeper.hold('job', job, performance.now());
  await vi.advanceTimersByTimeAsync(45_000);
  expect(lease.signal.aborted).toBe(false);
});

test('a lease under settlement is neither renewed nor given up, and goes on once it is extended', async () => {
  const asked: string[] = [];
  startKeeper(async ({ jobs }) => {
    asked.push(...jobs.map(({ id }) => id));
    return { jobIds: [], fileIds: [], chunkIds: [] };
  });
  const lease = keeper.hold('job', job, performance.now());
  lease.settle();
  await vi.advanceTimersByTimeAsync(LEASE_MS * 2);
  expect([lease.signal.aborted, asked]).toEqual([false, []]);
  lease.extend(performance.now());
  await vi.advanceTimersByTimeAsync(9_000);
  expect(lease.signal.aborted).toBe(false);
});

test('an extension from too long ago ends the lease at once', () => {
  startKeeper(renewEverything);
  const askedAtMs = performance.now();
  const lease = keeper.hold('job', job, askedAtMs);
  lease.settle();
  vi.advanceTimersByTime(LEASE_MS);
  lease.extend(askedAtMs);
  expect(lease.signal.aborted).toBe(true);
});

test('a released lease is nobody’s loss', async () => {
  startKeeper(async () => ({ jobIds: [], fileIds: [], chunkIds: [] }));
  const lease = keeper.hold('job', job, performance.now());
  lease.release();
  lease.release();
  await vi.advanceTimersByTimeAsync(LEASE_MS * 2);
  expect([lost, lease.signal.aborted, keeper.size]).toEqual([[], false, 0]);
});

test('an answer about the former holding of a job does not touch the next one', async () => {
  const answer = Promise.withResolvers<RenewedLeases>();
  startKeeper(() => answer.promise);
  const former = keeper.hold('job', job, performance.now());
  await vi.advanceTimersByTimeAsync(LEASE_MS / 3);
  former.release();
  const next = keeper.hold('job', { ...job, epoch: 2 }, performance.now());
  answer.resolve({ jobIds: [], fileIds: [], chunkIds: [] });
  await vi.advanceTimersByTimeAsync(1);
  expect(next.signal.aborted).toBe(false);
});

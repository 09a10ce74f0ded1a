import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { LongshoreError } from '#shared/errors.ts';
import { ProgressWriter } from './progress-writer.ts';
import type { TransferProgress } from './transfer-log.ts';

const MB = 1_000_000;
const part = (number: number, sizeBytes = 5 * MB) => ({ number, etag: `"${number}"`, sizeBytes });

let written: (TransferProgress & { readonly atMs: number })[];
let lost: unknown[];
let answer: () => Promise<void>;
let writer: ProgressWriter;

function start(bytesBefore = 0): void {
  writer = new ProgressWriter({
    log: {
      progress(progress) {
        written.push({ ...progress, atMs: performance.now() });
        return answer();
      },
    },
    bytesBefore,
    onLost: (error) => lost.push(error),
  });
}

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval', 'performance'] });
  written = [];
  lost = [];
  answer = async () => {};
});

afterEach(async () => {
  await writer.end();
  vi.useRealTimers();
});

const pass = (ms: number) => vi.advanceTimersByTimeAsync(ms);
const last = () => written.at(-1);

test('bytes within a part are told every second, with the rate, while the part is not finished', async () => {
  start();
  for (let second = 1; second <= 20; second += 1) {
    writer.moved(1, second * 2 * MB);
    await pass(1_000);
  }
  expect(written).toHaveLength(20);
  expect(written.every(({ parts }) => parts.length === 0)).toBe(true);
  expect(last()).toMatchObject({ bytesDone: 40 * MB, bytesPerSecond: 2 * MB });
});

test('it writes once a second at most, however many parts end', async () => {
  start();
  for (let step = 1; step <= 300; step += 1) {
    writer.finished(part(step));
    await pass(10);
  }
  const gaps = written.slice(1).map(({ atMs }, index) => atMs - (written[index]?.atMs ?? 0));
  expect(gaps.length).toBeGreaterThanOrEqual(2);
  expect(Math.min(...gaps)).toBeGreaterThanOrEqual(1_000);
  await writer.end();
  expect(written.flatMap(({ parts }) => parts)).toHaveLength(300);
});

test('the first finished part is written at once', async () => {
  start();
  writer.finished(part(1));
  expect(written).toMatchObject([{ parts: [part(1)], bytesDone: 5 * MB }]);
});

test('the rate of what stands still falls to 0, is told so, and then nothing is written until something moves', async () => {
  start();
  writer.moved(1, 30 * MB);
  await pass(1_000);
  expect(last()?.bytesPerSecond).toBe(30 * MB);
  await pass(30_000);
  expect(last()).toMatchObject({ bytesDone: 30 * MB, bytesPerSecond: 0 });
  const count = written.length;
  expect(count).toBeLessThanOrEqual(12);
  await pass(30_000);
  expect(written).toHaveLength(count);
  writer.moved(1, 31 * MB);
  await pass(1_000);
  expect(written).toHaveLength(count + 1);
  expect(last()?.bytesPerSecond).toBeGreaterThan(0);
});

test('a part that is begun anew takes back what was told of it, and no rate is below 0', async () => {
  start(5 * MB);
  writer.moved(2, 4 * MB);
  await pass(1_000);
  writer.moved(2, 0);
  await pass(1_000);
  expect(written.map(({ bytesDone }) => bytesDone)).toEqual([9 * MB, 5 * MB]);
  expect(last()?.bytesPerSecond).toBe(0);
});

test('parts that an earlier try did not write down are written before anything else is done', async () => {
  start(10 * MB);
  await writer.found([part(1), part(2)]);
  expect(written).toMatchObject([{ parts: [part(1), part(2)], bytesDone: 10 * MB }]);
  await writer.found([]);
  expect(written).toHaveLength(1);
});

test('what the log did not take is told again, and the end has all of it', async () => {
  start();
  answer = () => Promise.reject(new Error('the database is away'));
  writer.finished(part(1));
  await pass(1_000);
  answer = async () => {};
  writer.finished(part(2));
  writer.moved(3, MB);
  await writer.end();
  expect(last()).toMatchObject({ parts: [part(1), part(2)], bytesDone: 10 * MB });
  expect(lost).toEqual([]);
  const count = written.length;
  await pass(10_000);
  expect(written).toHaveLength(count);
});

test('a copy that is somebody else’s now says so', async () => {
  start();
  const error = new LongshoreError('LEASE_LOST', 'taken over');
  answer = () => Promise.reject(error);
  writer.finished(part(1));
  await pass(0);
  expect(lost).toEqual([error]);
});

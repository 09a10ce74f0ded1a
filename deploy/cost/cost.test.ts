import { expect, test } from 'vitest';
import { averageTasks, type CostLine, fleetCost, serverlessCost, total } from './estimate.ts';
import { parseBytes } from './load.ts';

const million = { filesPerDay: 1_000_000, averageBytes: 2_000_000 };
const of = (lines: readonly CostLine[], service: string) => lines.find((line) => line.service === service)!.dollars;

test('state machines: 12 transitions for each of 30 million files at 0.025 a thousand', () => {
  expect(of(serverlessCost(million), 'Step Functions')).toBeCloseTo(((30e6 * 12) / 1_000) * 0.025);
});

test('functions: 7 a file, 0.4 s of half a GiB, and their requests', () => {
  const runs = 30e6 * 7;
  expect(of(serverlessCost(million), 'Lambda')).toBeCloseTo(runs * 0.2 * 0.0000133334 + (runs / 1e6) * 0.2);
});

test('queues: two standard and one FIFO, three requests a message, five messages a request, and polls', () => {
  const tasks = Object.values(averageTasks(million)).reduce((sum, count) => sum + count, 0);
  const requests = (30e6 * 3) / 5;
  const polls = 4_320 * 30 * tasks;
  expect(of(fleetCost(million), 'SQS')).toBeCloseTo(((2 * requests + polls) * 0.4 + requests * 0.5) / 1e6);
});

test('what both need costs the same in both', () => {
  for (const service of ['S3 storage', 'S3 requests', 'Transfer Family', 'Logs', 'API door', 'Keys and secrets']) {
    expect(of(fleetCost(million), service)).toBe(of(serverlessCost(million), service));
  }
  // 30 million files of 2 MB, two copies for a month.
  expect(of(fleetCost(million), 'S3 storage')).toBeCloseTo(((30e6 * 2e6) / 1024 ** 3) * 2 * 0.023);
});

test('tasks follow the load, and never fall below the least', () => {
  const few = averageTasks({ ...million, filesPerDay: 1_000 });
  expect(few['partner-worker']).toBe(2);
  const many = averageTasks({ ...million, filesPerDay: 10_000_000 });
  // 231 a second in twelve hours, 101 by a task: three; at night two.
  expect(many['partner-worker']).toBe(2.5);
});

test('every line is a sum of money, and more files never cost less', () => {
  for (const cost of [fleetCost, serverlessCost]) {
    const sums = [1, 1_000, 1e6, 1e7].map((filesPerDay) => {
      const lines = cost({ ...million, filesPerDay });
      expect(lines.every(({ dollars }) => Number.isFinite(dollars) && dollars >= 0)).toBe(true);
      return total(lines);
    });
    expect(sums).toEqual(sums.toSorted((a, b) => a - b));
  }
});

test('reads sizes as people write them', () => {
  expect([parseBytes('2MB'), parseBytes('512 KiB'), parseBytes('1.5gb'), parseBytes('7')]).toEqual([
    2e6, 524_288, 1.5e9, 7,
  ]);
  expect(() => parseBytes('a lot')).toThrow(RangeError);
  expect(() => parseBytes('2 boats')).toThrow(RangeError);
});

import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { averageTasks, type CostLine, fleetCost, serverlessCost, total } from './estimate.ts';
import { ASSUMPTIONS, NOT_COUNTED, parseBytes } from './load.ts';
import { PRICES_AS_OF } from './prices.ts';

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

test('the largest lines, worked out by hand for a million files of 2 MB a day', () => {
  const fleet = fleetCost(million);
  const serverless = serverlessCost(million);
  // 55,879.4 GiB a month: two copies at 0.023; one way through SFTP at 0.04, and 720 hours at 0.30.
  expect(of(fleet, 'S3 storage')).toBeCloseTo(2_570.45, 1);
  expect(of(fleet, 'Transfer Family')).toBeCloseTo(2_451.17, 1);
  // 278 files/s in twelve hours are 6.94 units, 2 at night: 4.47, twice, 720 hours at 0.12; 167.6 GiB at 0.10; 360 million at 0.20.
  expect(of(fleet, 'Aurora')).toBeCloseTo(861.56, 0);
  // 8 tasks of half a processor and 1 GiB, 3 of a whole one and 2 GiB, 720 hours.
  expect(of(fleet, 'Fargate')).toBeCloseTo(720 * (8 * 0.01975 + 3 * 0.0395), 0);
  // 90 million writes at 5 a million, 120 million reads at 0.40.
  expect(of(fleet, 'S3 requests')).toBeCloseTo(498, 1);
  // 60 million events at 1 a million, 67 GiB of archive at 0.10.
  expect(of(fleet, 'EventBridge')).toBeCloseTo(66.7, 1);
  expect(of(serverless, 'Step Functions')).toBeCloseTo(9_000, 1);
  expect(of(serverless, 'Lambda')).toBeCloseTo(602, 1);
  // 420 million writes at 0.625, 300 million reads at 0.125, 167.6 GiB at 0.25.
  expect(of(serverless, 'DynamoDB')).toBeCloseTo(341.9, 1);
});

test('what both need costs the same in both', () => {
  for (const service of [
    'S3 storage',
    'S3 requests',
    'Transfer Family',
    'EventBridge',
    'Logs',
    'API door',
    'Keys and secrets',
  ]) {
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

test('the command prints both bills with their totals, the date of the prices, every assumption and what is not counted', async () => {
  const main = fileURLToPath(new URL('main.ts', import.meta.url));
  const args = [main, '--files-per-day', '1000000', '--avg-size', '2MB'];
  const { stdout } = await promisify(execFile)(process.execPath, args);
  for (const [title, lines] of [
    ['Longshore', fleetCost(million)],
    ['Step Functions + Lambda + DynamoDB', serverlessCost(million)],
  ] as const) {
    const table = stdout.slice(stdout.indexOf(`\n${title}\n`));
    for (const { service, dollars } of lines)
      expect(table).toContain(`${service.padEnd(18)}${dollars.toFixed(2).padStart(12)}`);
    expect(table).toContain(`${'total'.padEnd(18)}${total(lines).toFixed(2).padStart(12)}`);
  }
  expect(stdout).toContain(PRICES_AS_OF);
  for (const name of Object.keys(ASSUMPTIONS)) expect(stdout).toMatch(new RegExp(`^  ${name} +[\\d.]+$`, 'm'));
  for (const each of NOT_COUNTED) expect(stdout).toContain(each);
});

test('reads sizes as people write them', () => {
  expect([parseBytes('2MB'), parseBytes('512 KiB'), parseBytes('1.5gb'), parseBytes('7')]).toEqual([
    2e6, 524_288, 1.5e9, 7,
  ]);
  expect(() => parseBytes('a lot')).toThrow(RangeError);
  expect(() => parseBytes('2 boats')).toThrow(RangeError);
});

import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { databaseFilesPerSecond } from '#shared/scaling/database-capacity.ts';
import { readSettings } from '../settings.ts';
import { FLEET_SIZES } from '../sizes.ts';
import { REPLICA_DAYS } from '../stacks/storage-stack.ts';
import { resourcesOf, synthesise } from '../synthesise-test-bed.ts';
import { ASSUMPTIONS, NOT_COUNTED } from './assumptions.ts';
import { averageTasks, fleetCost, laneCost, serverlessCost, standbyCost, total } from './estimate.ts';
import { parseBytes } from './load.ts';
import { PRICES_AS_OF } from './prices.ts';
import type { CostLine } from './storage.ts';

const million = { filesPerDay: 1_000_000, averageBytes: 2_000_000, month: 12 };
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
  // 55,879.4 GiB a month over SFTP at 0.04, and 720 hours at 0.30.
  expect(of(fleet, 'Transfer Family')).toBeCloseTo(2_451.17, 1);
  // 679,866 GiB of a year at 0.023.
  expect(of(fleet, 'S3 delivered')).toBeCloseTo(15_422.7, 0);
  // 30 days at 0.023, 60 at 0.0125, 270 at 0.004 of 1,862.6 GiB a day; 360 million objects at 2.50 a million, 30 million moved at 10.
  expect(of(fleet, 'S3 archive')).toBeCloseTo(1_285.2 + 1_397 + 2_011.7 + 900 + 300, 0);
  // The least two units, twice, 720 hours at 0.12; 2,011.7 GiB of rows of a year at 0.10; 360 million at 0.20.
  expect(of(fleet, 'Aurora')).toBeCloseTo(345.6 + 201.2 + 72, 0);
  // 9 addresses, 720 hours at 0.005.
  expect(of(fleet, 'Public addresses')).toBeCloseTo(32.4, 1);
  // 8 tasks of half a processor and 1 GiB, 3 of a whole one and 2 GiB, 720 hours.
  expect(of(fleet, 'Fargate')).toBeCloseTo(720 * (8 * 0.01975 + 3 * 0.0395), 0);
  // 90 million writes at 5 a million, 120 million reads at 0.40.
  expect(of(fleet, 'S3 requests')).toBeCloseTo(498, 1);
  // 60 million events at 1 a million, 67 GiB of archive at 0.10.
  expect(of(fleet, 'EventBridge')).toBeCloseTo(66.7, 1);
  expect(of(serverless, 'Step Functions')).toBeCloseTo(9_000, 1);
  expect(of(serverless, 'Lambda')).toBeCloseTo(602, 1);
  // 420 million writes at 0.625, 300 million reads at 0.125, 2,011.7 GiB at 0.25.
  expect(of(serverless, 'DynamoDB')).toBeCloseTo(802.9, 0);
});

test('what both need costs the same in both', () => {
  for (const service of [
    'S3 delivered',
    'S3 archive',
    'S3 requests',
    'Transfer Family',
    'EventBridge',
    'Logs',
    'API door',
    'Keys and secrets',
  ]) {
    expect(of(fleetCost(million), service)).toBe(of(serverlessCost(million), service));
  }
});

test('a lane of its own costs two tasks of a processor and 2 GiB each, what they poll, log and show', () => {
  const hours = 720;
  expect(of(laneCost(), 'Fargate')).toBeCloseTo(2 * hours * (0.03238 + 2 * 0.00356));
  expect(of(laneCost(), 'SQS')).toBeCloseTo((2 * 4_320 * 30 * 0.4) / 1e6);
  expect(of(laneCost(), 'Metrics')).toBeCloseTo((2 * 400 * 5_760 * 30 * 0.9) / 1e7);
  expect(of(laneCost(), 'Task logs')).toBeCloseTo(((2 * 30e6 * 30) / 1024 ** 3) * (0.5 + 3 * 0.03));
  expect(total(laneCost())).toBeCloseTo(70.4, 0);
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
  for (const [title, bill] of [
    ['Longshore, one region', fleetCost],
    ['Its standby in another region', standbyCost],
    ['Step Functions + Lambda + DynamoDB', serverlessCost],
  ] as const) {
    const table = stdout.slice(stdout.indexOf(`\n${title}\n`));
    const [first, later] = [bill({ ...million, month: 1 }), bill(million)];
    const row = (name: string, one: number, other: number) =>
      `  ${name.padEnd(20)}${one.toFixed(2).padStart(12)}${other.toFixed(2).padStart(12)}`;
    for (const [index, { service, dollars }] of later.entries())
      expect(table).toContain(row(service, first[index]!.dollars, dollars));
    expect(table).toContain(row('total', total(first), total(later)));
    expect(table).toContain(row('for a million files', total(first) / 30, total(later) / 30));
  }
  const lanes = stdout.slice(stdout.indexOf('Each lane with its own tasks'));
  for (const { service, dollars } of laneCost())
    expect(lanes).toContain(`  ${service.padEnd(20)}${dollars.toFixed(2).padStart(12)}`);
  expect(stdout).toContain(PRICES_AS_OF);
  for (const name of Object.keys(ASSUMPTIONS)) expect(stdout).toMatch(new RegExp(`^  ${name} +[\\d.]+$`, 'm'));
  for (const each of NOT_COUNTED) expect(stdout).toContain(each);
});

test('what is kept costs more each month until the first of it has reached its time', () => {
  const ofMonth = (month: number) => fleetCost({ ...million, month });
  const months = [1, 6, 12, 13, 24].map((month) =>
    total(ofMonth(month).filter(({ service }) => service !== 'Evidence')),
  );
  expect(months[1]).toBeGreaterThan(months[0]!);
  expect(months[2]).toBeGreaterThan(months[1]!);
  expect(months[4]).toBe(months[3]);
  // 23.2 GiB a month at 0.023, of which nothing is deleted.
  for (const month of [1, 24]) expect(of(ofMonth(month), 'Evidence')).toBeCloseTo(23.19 * month * 0.023, 1);
});

test('a standby costs its copies: every byte once more over the border and in the other region', () => {
  const standby = standbyCost(million);
  // Three copies of 55,879.4 GiB at 0.02 and 0.015.
  expect(of(standby, 'Replication')).toBeCloseTo(5_867.3, 0);
  for (const copied of ['S3 archive', 'Evidence']) expect(of(standby, copied)).toBe(of(fleetCost(million), copied));
});

test('the load is one that the database of the stacks bears', () => {
  const busy = million.filesPerDay / (ASSUMPTIONS.busyHours * 3_600);
  expect(busy).toBeLessThan(databaseFilesPerSecond(FLEET_SIZES.prod.databaseCapacity.max));
  expect(busy).toBeGreaterThan(1);
});

test('what is counted of resources is in the templates', () => {
  const path = fileURLToPath(new URL('../settings/prod.yaml', import.meta.url));
  const templates = synthesise(readSettings(path));
  const stack = (name: string) => templates.get(`example-ls-east-${name}`)!;
  const endpoints = resourcesOf(stack('network'), 'AWS::EC2::VPCEndpoint').filter(
    ({ Properties }) => Properties.VpcEndpointType === 'Interface',
  );
  // A pair has one more, for logins of the standby's users.
  expect(endpoints).toHaveLength(ASSUMPTIONS.interfaceEndpoints + 1);
  expect(endpoints[0]?.Properties.SubnetIds).toHaveLength(ASSUMPTIONS.zones);
  const addresses = [...resourcesOf(stack('network'), 'AWS::EC2::EIP'), ...resourcesOf(stack('sftp'), 'AWS::EC2::EIP')];
  expect(addresses.length + ASSUMPTIONS.zones).toBe(ASSUMPTIONS.publicAddresses);
  expect(resourcesOf(stack('network'), 'AWS::KMS::Key')).toHaveLength(ASSUMPTIONS.keys);
  expect(REPLICA_DAYS).toBe(ASSUMPTIONS.replicaDays);
  const read = resourcesOf(stack('alarms'), 'AWS::CloudWatch::Alarm').flatMap(({ Properties }) =>
    Properties.Metrics === undefined
      ? [1]
      : Properties.Metrics.filter(({ MetricStat }: { MetricStat?: object }) => MetricStat),
  );
  expect(read.length).toBeLessThanOrEqual(ASSUMPTIONS.alarmMetrics);
  expect(read.length).toBeGreaterThan(ASSUMPTIONS.alarmMetrics / 2);
}, 300_000);

test('reads sizes as people write them', () => {
  expect([parseBytes('2MB'), parseBytes('512 KiB'), parseBytes('1.5gb'), parseBytes('7')]).toEqual([
    2e6, 524_288, 1.5e9, 7,
  ]);
  expect(() => parseBytes('a lot')).toThrow(RangeError);
  expect(() => parseBytes('2 boats')).toThrow(RangeError);
});

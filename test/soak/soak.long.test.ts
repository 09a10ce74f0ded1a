import { randomInt } from 'node:crypto';
import { expect, test } from 'vitest';
import { describeSoak } from './describe-soak.ts';
import { runSoak } from './run-soak.ts';

test('one minute of load, kills and faults ends with every guarantee kept', async () => {
  const lines: string[] = [];
  const report = await runSoak({
    minutes: 1,
    rate: 1.5,
    seed: randomInt(1, 1_000_000),
    print: (line) => lines.push(line),
  });
  const described = [...lines, ...describeSoak(report)].join('\n');
  expect(report.violations, described).toEqual([]);
  expect(report.isGood, described).toBe(true);
  expect(report).toMatchObject({ checks: 2, files: { COMPLETED: expect.any(Number) } });
  expect(Object.keys(report.memory)).toContain('partner-worker');
  expect(report.sent.large).toBeGreaterThan(0);
  expect(report.sent.recordFiles).toBeGreaterThan(0);
}, 600_000);

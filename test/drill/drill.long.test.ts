import { expect, test } from 'vitest';
import { describeDrill } from './describe-drill.ts';
import { runDrill } from './run-drill.ts';

test('a home that is lost under load loses nothing that was copied, finds itself fenced, and takes over again', async () => {
  const lines: string[] = [];
  const report = await runDrill({
    ...{ seconds: 6, rate: 6, large: 1, replicaDelayMs: 1_000 },
    print: (line) => lines.push(line),
  });
  const described = [...lines, ...describeDrill(report)].join('\n');
  expect(report.faults, described).toEqual([]);
  const { afterFailover, afterReturn } = report;
  expect(afterReturn.acknowledged, described).toBe(afterFailover.acknowledged);
}, 600_000);

import { expect, test } from 'vitest';
import { findMissedBounds, type PhaseResult, STAGES } from './judge-front-door.ts';

function phase(change: Partial<PhaseResult> & { readonly p95?: number } = {}): PhaseResult {
  const { p95 = 30_000, ...rest } = change;
  const stagesMs = Object.fromEntries(STAGES.map((stage) => [stage, { p50: 1, p95, p99: p95 }]));
  return {
    sent: 10,
    refused: 0,
    refusals: [],
    lost: 0,
    doubled: 0,
    tookSeconds: 180,
    stagesMs: stagesMs as unknown as PhaseResult['stagesMs'],
    gatewayRssMb: 100,
    ...rest,
  };
}

test('a run on its bounds has kept them, with a burst and without one', () => {
  expect(findMissedBounds(phase(), phase({ p95: 170_000 }))).toEqual([]);
  expect(findMissedBounds(phase(), undefined)).toEqual([]);
});

test.each([
  ['a slow steady stream', phase({ p95: 30_001 }), phase()],
  ['a steady stream of which nothing was delivered', phase({ p95: Number.NaN }), phase()],
  ['a burst that stays', phase(), phase({ tookSeconds: 180.1 })],
  ['a burst that never ended', phase(), phase({ tookSeconds: Number.NaN })],
  ['a file refused', phase({ refused: 1 }), phase()],
  ['a file lost in the burst', phase(), phase({ lost: 1 })],
  ['a file doubled', phase({ doubled: 1 }), phase()],
])('%s is missed', (_, steady, burst) => {
  expect(findMissedBounds(steady, burst)).toHaveLength(1);
});

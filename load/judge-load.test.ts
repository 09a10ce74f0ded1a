import { expect, test } from 'vitest';
import {
  BURST,
  findFewOpen,
  findMissedBounds,
  findSlowDirectory,
  findSlowDrain,
  findSlowStatus,
  type PhaseResult,
  STAGES,
  STEADY,
} from './judge-load.ts';

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
    ...rest,
  };
}

const DRAIN = { endedWhileStopped: 5, stoppedSeconds: 300, drainSeconds: 300 };

test('a run on its bounds has kept them', () => {
  expect(findMissedBounds('steady', phase(), STEADY)).toEqual([]);
  expect(findMissedBounds('burst', phase({ p95: 170_000 }), BURST)).toEqual([]);
  expect(findSlowDirectory(phase({ tookSeconds: 124 }), phase({ tookSeconds: 100 }))).toEqual([]);
  expect(findSlowStatus({ p99: 50, failures: 0, perSecond: 475 }, 500)).toEqual([]);
  expect(findFewOpen(500, 1_000)).toEqual([]);
  expect(findSlowDrain(100, DRAIN)).toEqual([]);
});

test.each([
  ['a slow steady stream', phase({ p95: 30_001 }), STEADY],
  ['a steady stream of which nothing was delivered', phase({ p95: Number.NaN }), STEADY],
  ['a burst that stays', phase({ tookSeconds: 180.1 }), BURST],
  ['a burst that never ended', phase({ tookSeconds: Number.NaN }), BURST],
  ['a file refused', phase({ refused: 1 }), {}],
  ['a file lost', phase({ lost: 1 }), {}],
  ['a file doubled', phase({ doubled: 1 }), {}],
  ['a phase without files', phase({ sent: 0 }), {}],
])('%s is missed', (_, result, bounds) => {
  expect(findMissedBounds('phase', result, bounds)).toHaveLength(1);
});

test.each([
  ['one directory that is slow', findSlowDirectory(phase({ tookSeconds: 126 }), phase({ tookSeconds: 100 }))],
  ['directories of which nothing ended', findSlowDirectory(phase({ tookSeconds: Number.NaN }), phase())],
  ['/status that is slow', findSlowStatus({ p99: 51, failures: 0, perSecond: 500 }, 500)],
  ['/status that answered nothing', findSlowStatus({ p99: Number.NaN, failures: 0, perSecond: 500 }, 500)],
  ['/status that fails', findSlowStatus({ p99: 5, failures: 1, perSecond: 500 }, 500)],
  ['/status that is asked less often', findSlowStatus({ p99: 5, failures: 0, perSecond: 474 }, 500)],
  ['files that are not side by side', findFewOpen(499, 1_000)],
  ['queues that were not stopped', findSlowDrain(100, { ...DRAIN, endedWhileStopped: 6 })],
  ['queues of which nobody knows', findSlowDrain(100, { ...DRAIN, endedWhileStopped: Number.NaN })],
  ['a backlog that stays', findSlowDrain(100, { ...DRAIN, drainSeconds: 301 })],
  ['a backlog after a short stop', findSlowDrain(100, { ...DRAIN, stoppedSeconds: 30, drainSeconds: 181 })],
])('%s is missed', (_, missed) => {
  expect(missed).toHaveLength(1);
});

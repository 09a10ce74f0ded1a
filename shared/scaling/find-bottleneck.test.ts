import { expect, test } from 'vitest';
import { findBottleneck, type StageBacklog } from './find-bottleneck.ts';

function stage(visibleMessages: number, waitingRows = 0, runningTasks = 1): StageBacklog {
  return { visibleMessages, waitingRows, runningTasks };
}
const idle = stage(0);

test('nothing waits anywhere: no stage holds the fleet back', () => {
  const stages = { ingestor: idle, router: idle, 'partner-worker': idle, 'large-file-worker': idle };
  expect(findBottleneck(stages)).toBeUndefined();
});

test.each([
  ['a burst that has just come', [stage(1_900), stage(50), stage(40), idle], 'ingestor'],
  ['more rows than the router has messages', [idle, stage(900), stage(1_000, 900), idle], 'partner-worker'],
  ['the router, when partner-workers keep up', [idle, stage(1_500), stage(300), idle], 'router'],
  ['the router, when partner-workers are many', [idle, stage(1_200), stage(1_000, 0, 8), idle], 'router'],
  ['a few large copies before many small files', [idle, stage(100), stage(500), stage(60)], 'large-file-worker'],
] as const)('%s', (_, [ingestor, router, worker, large], bottleneck) => {
  const stages = { ingestor, router, 'partner-worker': worker, 'large-file-worker': large };
  expect(findBottleneck(stages)).toBe(bottleneck);
});

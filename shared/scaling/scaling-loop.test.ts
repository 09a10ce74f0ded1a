import { expect, test } from 'vitest';
import { createScalingLoop } from './scaling-loop.ts';

const policy = {
  minTasks: 1,
  maxTasks: 10,
  backlogPerTask: 100,
  arrivalsPerTask: 10,
  oldestAgeSeconds: 20,
  largestShrink: 0.5,
};
const seen = (visibleMessages: number, runningTasks: number) => ({
  visibleMessages,
  runningTasks,
  waitingRows: 0,
  arrivalsPerSecond: 0,
  oldestAgeSeconds: 0,
});

test('grows at once, and asks for no more while the same backlog waits for tasks that start', () => {
  const loop = createScalingLoop({ policy, shrinkEverySeconds: 60 });
  expect(loop.wantedTasks).toBe(1);
  expect(loop.read(seen(400, 1), 0)).toBe(4);
  expect(loop.read(seen(400, 1), 10)).toBe(4);
  expect(loop.read(seen(900, 2), 20)).toBe(9);
});

test('shrinks only after a rest, and each step begins a new rest', () => {
  const loop = createScalingLoop({ policy, shrinkEverySeconds: 60 });
  loop.read(seen(800, 1), 0);
  expect(loop.read(seen(0, 8), 59)).toBe(8);
  expect(loop.read(seen(0, 8), 60)).toBe(4);
  expect(loop.read(seen(0, 4), 119)).toBe(4);
  expect(loop.read(seen(0, 4), 120)).toBe(2);
});

test('gives up tasks that could not be started', () => {
  const loop = createScalingLoop({ policy, shrinkEverySeconds: 60 });
  loop.read(seen(800, 1), 0);
  expect(loop.read(seen(0, 2), 59)).toBe(8);
  expect(loop.read(seen(0, 2), 60)).toBe(1);
});

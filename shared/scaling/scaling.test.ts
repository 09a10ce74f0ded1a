import fc from 'fast-check';
import { expect, test } from 'vitest';
import { backlogPerTask, desiredTasks, messagesPerSecondPerTask, type ScalingPolicy } from './scaling-policy.ts';
import { policyOf, SERVICE_OBJECTIVES } from './service-capacities.ts';
import { maxConnections, taskCeilings } from './task-ceiling.ts';

const policy: ScalingPolicy = {
  minTasks: 1,
  maxTasks: 20,
  backlogPerTask: 1_000,
  arrivalsPerTask: 100,
  oldestAgeSeconds: 20,
  largestShrink: 0.1,
};
const quiet = { visibleMessages: 0, waitingRows: 0, arrivalsPerSecond: 0, oldestAgeSeconds: 0, runningTasks: 4 };

test('a task is planned for what it was measured to do, and for three quarters of it', () => {
  const { capacity, wantedLatencySeconds } = SERVICE_OBJECTIVES['partner-worker'];
  expect(messagesPerSecondPerTask(capacity, 1)).toBeCloseTo(138 * 0.75);
  // Half a processor: 500 ms of 4.8 ms each, and not the 138/s that a whole one reached.
  expect(messagesPerSecondPerTask(capacity, 0.5)).toBeCloseTo((500 / 4.8) * 0.75);
  expect(backlogPerTask(capacity, 1, wantedLatencySeconds)).toBe(1_035);
  expect(backlogPerTask(SERVICE_OBJECTIVES['large-file-worker'].capacity, 1, 1)).toBe(1);
  expect(policyOf('partner-worker', { vcpu: 1, minTasks: 2, maxTasks: 9, largestShrink: 0.1 })).toEqual({
    minTasks: 2,
    maxTasks: 9,
    backlogPerTask: 1_035,
    arrivalsPerTask: 138 * 0.75,
    oldestAgeSeconds: 20,
    largestShrink: 0.1,
  });
});

test('every number of the capacities says which measurement it comes from', () => {
  for (const { capacity } of Object.values(SERVICE_OBJECTIVES))
    expect(capacity.source).toMatch(/npm run bench -- [a-z]+/);
});

test('what stands in the queue and what waits for admission count together', () => {
  expect(desiredTasks(policy, { ...quiet, visibleMessages: 6_001 })).toBe(7);
  expect(desiredTasks(policy, { ...quiet, visibleMessages: 1_000, waitingRows: 9_000 })).toBe(10);
});

test('what arrives asks for tasks as well: a fleet that keeps up has no backlog, and lets none go for that', () => {
  expect(desiredTasks(policy, { ...quiet, arrivalsPerSecond: 401 })).toBe(5);
  expect(desiredTasks(policy, { ...quiet, arrivalsPerSecond: 400 })).toBe(4);
  expect(desiredTasks(policy, { ...quiet, arrivalsPerSecond: 300 })).toBe(3);
});

test('one message starts a task where none runs', () => {
  expect(desiredTasks({ ...policy, minTasks: 0 }, { ...quiet, runningTasks: 0 })).toBe(0);
  expect(desiredTasks({ ...policy, minTasks: 0 }, { ...quiet, runningTasks: 0, visibleMessages: 1 })).toBe(1);
});

test('what is late adds half of the tasks, and takes none away, whatever the counts say', () => {
  expect(desiredTasks(policy, { ...quiet, oldestAgeSeconds: 21 })).toBe(6);
  expect(desiredTasks(policy, { ...quiet, oldestAgeSeconds: 20 })).toBe(3);
});

test('shrinks by a tenth at most, and by one where a tenth is less', () => {
  expect(desiredTasks(policy, { ...quiet, runningTasks: 20 })).toBe(18);
  expect(desiredTasks(policy, { ...quiet, runningTasks: 2 })).toBe(1);
  expect(desiredTasks(policy, { ...quiet, runningTasks: 1 })).toBe(1);
});

test('stays between its bounds, and more work never means fewer tasks', () => {
  const observation = fc.record({
    visibleMessages: fc.nat(1_000_000),
    waitingRows: fc.nat(1_000_000),
    arrivalsPerSecond: fc.nat(10_000),
    oldestAgeSeconds: fc.nat(1_000),
    runningTasks: fc.nat(40),
  });
  fc.assert(
    fc.property(observation, fc.nat(10_000), (seen, more) => {
      const tasks = desiredTasks(policy, seen);
      expect(tasks).toBeGreaterThanOrEqual(policy.minTasks);
      expect(tasks).toBeLessThanOrEqual(policy.maxTasks);
      expect(desiredTasks(policy, { ...seen, visibleMessages: seen.visibleMessages + more })).toBeGreaterThanOrEqual(
        tasks,
      );
    }),
  );
});

test('tasks share the connections that the fixed ones leave, a fifth kept free', () => {
  expect(maxConnections(32)).toBe(5_000);
  expect(maxConnections(2)).toBe(450);
  const ceilings = taskCeilings(
    [
      { name: 'api', connections: 8, minTasks: 2, weight: 0 },
      { name: 'worker', connections: 4, minTasks: 1, weight: 3 },
      { name: 'router', connections: 4, minTasks: 1, weight: 1 },
    ],
    130,
  );
  // 104 usable, 24 taken, 80 left: 60 and 20.
  expect(ceilings).toEqual({ api: 2, worker: 16, router: 6 });
  expect(() => taskCeilings([{ name: 'api', connections: 8, minTasks: 20, weight: 0 }], 100)).toThrow(RangeError);
});

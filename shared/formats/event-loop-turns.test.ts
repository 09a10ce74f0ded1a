import { setImmediate } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { eventLoopTurns } from './event-loop-turns.ts';

it('lets one of many jobs go on in each round of the event loop', async () => {
  let slices = 0;
  let running = 10;
  async function job(): Promise<void> {
    const turn = eventLoopTurns();
    for (let slice = 0; slice < 5; slice++) {
      const until = performance.now() + 6;
      while (performance.now() < until);
      slices += 1;
      await turn();
    }
    running -= 1;
  }
  const jobs = Array.from({ length: 10 }, job);
  const inRounds: number[] = [];
  while (running > 0) {
    const before = slices;
    await setImmediate();
    inRounds.push(slices - before);
  }
  await Promise.all(jobs);
  expect(slices).toBe(50);
  expect(Math.max(...inRounds)).toBe(1);
});

import { setImmediate } from 'node:timers/promises';
import { afterEach, expect, it } from 'vitest';
import { eventLoopTurns, restForOthers } from './event-loop-turns.ts';

afterEach(() => restForOthers(() => false));

/** How many slices ran in each round of the event loop, until all jobs had ended. */
async function slicesByRound(jobs: number, slicesEach: number): Promise<number[]> {
  let slices = 0;
  let running = jobs;
  async function job(): Promise<void> {
    const turn = eventLoopTurns();
    for (let slice = 0; slice < slicesEach; slice++) {
      const until = performance.now() + 6;
      while (performance.now() < until);
      slices += 1;
      await turn();
    }
    running -= 1;
  }
  const ended = Promise.all(Array.from({ length: jobs }, job));
  const inRounds: number[] = [];
  while (running > 0) {
    const before = slices;
    await setImmediate();
    inRounds.push(slices - before);
  }
  await ended;
  expect(slices).toBe(jobs * slicesEach);
  return inRounds;
}

it('lets one of many jobs go on in each round of the event loop', async () => {
  expect(Math.max(...(await slicesByRound(10, 5)))).toBe(1);
});

it('leaves most rounds of the event loop to others while they need it', async () => {
  restForOthers(() => true);
  const inRounds = await slicesByRound(2, 5);
  expect(Math.max(...inRounds)).toBe(1);
  expect(inRounds.filter((slices) => slices === 0).length).toBeGreaterThan(inRounds.filter(Boolean).length * 5);
});

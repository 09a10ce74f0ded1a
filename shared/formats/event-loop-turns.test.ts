import { setImmediate, setTimeout as sleep } from 'node:timers/promises';
import { afterEach, expect, it } from 'vitest';
import { eventLoopTurns, inTurnElsewhere, restForOthers } from './event-loop-turns.ts';

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

/** Of pieces of work: the most at once, and the shortest pause between two of them. */
async function workedElsewhere(pieces: number, pieceMs = 10): Promise<{ most: number; shortestPauseMs: number }> {
  let underWay = 0;
  let most = 0;
  let lastEnd = Number.NEGATIVE_INFINITY;
  let shortestPauseMs = Number.POSITIVE_INFINITY;
  const piece = async () => {
    most = Math.max(most, ++underWay);
    shortestPauseMs = Math.min(shortestPauseMs, performance.now() - lastEnd);
    await sleep(pieceMs);
    lastEnd = performance.now();
    underWay -= 1;
  };
  await Promise.all(Array.from({ length: pieces }, () => inTurnElsewhere(piece)));
  return { most, shortestPauseMs };
}

it('lets content keep another process busy as it likes while nobody else is here', async () => {
  expect(await workedElsewhere(5)).toMatchObject({ most: 5 });
});

it('lets content keep another process busy for a part of the time only, while others need it', async () => {
  restForOthers(() => true);
  const { most, shortestPauseMs } = await workedElsewhere(5);
  expect(most).toBe(1);
  expect(shortestPauseMs).toBeGreaterThan(25);
});

it('rests from long work elsewhere as many times as long as from short work', async () => {
  restForOthers(() => true);
  expect((await workedElsewhere(2, 100)).shortestPauseMs).toBeGreaterThan(250);
});

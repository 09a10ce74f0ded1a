import { afterEach, expect, test, vi } from 'vitest';
import { type ClockLoop, type ClockLoopOptions, createClockLoop } from './clock-loop.ts';
import { createLogger } from './logger.ts';

const logger = createLogger({ service: 'test', level: 'silent' });
const loops: ClockLoop[] = [];

afterEach(async () => {
  await Promise.all(loops.splice(0).map((loop) => loop.stop({ timeoutMs: 100 })));
});

function startLoop(tick: ClockLoopOptions['tick'], intervalMs = 1): ClockLoop {
  const loop = createClockLoop({ name: 'test', intervalMs, tick, logger });
  loops.push(loop);
  loop.start();
  return loop;
}

test('ticks again and again and never overlaps', async () => {
  let running = 0;
  let most = 0;
  let ticks = 0;
  startLoop(async () => {
    running += 1;
    most = Math.max(most, running);
    await new Promise((resolve) => setImmediate(resolve));
    running -= 1;
    ticks += 1;
    return 'done';
  });
  await vi.waitFor(() => expect(ticks).toBeGreaterThan(5), { timeout: 60_000 });
  expect(most).toBe(1);
});

test('repeats at once while there is more to do', async () => {
  let ticks = 0;
  startLoop(async () => {
    ticks += 1;
    return ticks < 5 ? 'again' : 'done';
  }, 60_000);
  await vi.waitFor(() => expect(ticks).toBe(5), { timeout: 60_000 });
});

test('survives a tick that throws', async () => {
  let ticks = 0;
  startLoop(async () => {
    ticks += 1;
    if (ticks === 1) throw new Error('the database is away');
    return 'done';
  });
  await vi.waitFor(() => expect(ticks).toBeGreaterThan(2), { timeout: 60_000 });
});

test('stops during its wait at once, and a tick that hangs within the bound', async () => {
  const idle = startLoop(async () => 'done', 60_000);
  expect(await idle.stop({ timeoutMs: 1_000 })).toBe(true);
  let signal: AbortSignal | undefined;
  const hanging = startLoop((given) => {
    signal = given;
    return new Promise(() => {});
  });
  expect(await hanging.stop({ timeoutMs: 20 })).toBe(false);
  expect(signal?.aborted).toBe(true);
});

test('says how many ticks in a row have failed, and forgets them after one that did not', async () => {
  const reported: number[] = [];
  let ticks = 0;
  const loop = createClockLoop({
    name: 'test',
    intervalMs: 1,
    tick: async () => {
      ticks += 1;
      if (ticks <= 2) throw new Error('no');
      return 'done';
    },
    onTick: ({ failures }) => reported.push(failures),
    logger,
    random: () => 0,
  });
  loops.push(loop);
  loop.start();
  await vi.waitFor(() => expect(reported.slice(0, 3)).toEqual([1, 2, 0]), { timeout: 60_000 });
  expect(loop.failures()).toBe(0);
});

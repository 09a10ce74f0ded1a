import { expect, test } from 'vitest';
import { seededRandom } from '#local/partner-simulator/simulated-behaviour.ts';
import { judgeMemory, type MemorySample } from './watch-memory.ts';

const MINUTE_MS = 60_000;

/** Six samples a minute that warm up by 40 MB in four minutes, with 6 MB of noise. */
function life(options: { pid: number; fromMinute: number; minutes: number; mbPerHour: number }): MemorySample[] {
  const random = seededRandom(options.pid);
  return Array.from({ length: options.minutes * 6 }, (_, index) => {
    const ageMinutes = index / 6;
    const warmth = 40 * Math.min(1, ageMinutes / 4);
    const rssMb = 80 + warmth + (options.mbPerHour * ageMinutes) / 60 + random() * 6;
    return { atMs: (options.fromMinute + ageMinutes) * MINUTE_MS, pid: options.pid, rssMb };
  });
}

test('memory that only warms up does not grow', () => {
  const trend = judgeMemory(life({ pid: 1, fromMinute: 0, minutes: 60, mbPerHour: 0 }));
  expect(trend).toMatchObject({ isGrowing: false });
  expect(Math.abs(trend.slopeMbPerHour ?? Number.NaN)).toBeLessThan(5);
});

test('a leak is found in a process that lives for the whole soak', () => {
  expect(judgeMemory(life({ pid: 1, fromMinute: 0, minutes: 60, mbPerHour: 60 })).isGrowing).toBe(true);
});

test('a leak is found although kills begin it again and again', () => {
  const lives = [0, 9, 17, 30, 41, 52].map((fromMinute, index, all) => {
    const minutes = (all[index + 1] ?? 60) - fromMinute;
    return life({ pid: index + 1, fromMinute, minutes, mbPerHour: 150 });
  });
  expect(judgeMemory(lives.flat()).isGrowing).toBe(true);
});

test('the warm-ups after kills are not a leak', () => {
  const lives = [0, 9, 17, 30, 41, 52].map((fromMinute, index, all) => {
    const minutes = (all[index + 1] ?? 60) - fromMinute;
    return life({ pid: index + 1, fromMinute, minutes, mbPerHour: 0 });
  });
  expect(judgeMemory(lives.flat())).toMatchObject({ isGrowing: false, slopeMbPerHour: expect.any(Number) });
});

test('a level that is reached slowly, begun again by kills, is not a leak', () => {
  // As a large-file-worker that copies three files a minute.
  const lives = [0, 2, 17, 34, 41, 59].map((fromMinute, index, all) => {
    const minutes = (all[index + 1] ?? 60) - fromMinute;
    const samples = life({ pid: index + 1, fromMinute, minutes, mbPerHour: 0 });
    const slow = (ageMinutes: number) => 25 * (1 - Math.exp(-ageMinutes / 5));
    return samples.map((sample) => ({ ...sample, rssMb: sample.rssMb + slow(sample.atMs / MINUTE_MS - fromMinute) }));
  });
  expect(judgeMemory(lives.flat())).toMatchObject({ isGrowing: false, slopeMbPerHour: expect.any(Number) });
});

test('a few minutes are not judged', () => {
  const trend = judgeMemory(life({ pid: 1, fromMinute: 0, minutes: 8, mbPerHour: 500 }));
  expect(trend.isGrowing).toBe(false);
  expect(trend.slopeMbPerHour).toBeUndefined();
});

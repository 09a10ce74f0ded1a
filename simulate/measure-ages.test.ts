import fc from 'fast-check';
import { expect, test } from 'vitest';
import { measureAges } from './measure-ages.ts';
import { createSeededRandom } from './seeded-random.ts';
import { createWaitingLine } from './wait-queue.ts';

test('ages are those of files that are served in their order', () => {
  const arrivals = Float64Array.of(10, 0, 0, 0, 0);
  const departures = Float64Array.of(2, 0, 6, 1, 0);
  expect(measureAges([{ arrivals, departures }], [{ fromSecond: 0, toSecond: 5 }])).toEqual({
    p50Seconds: 2,
    p95Seconds: 3,
    maxSeconds: 3,
    files: 10,
    openFiles: 1,
  });
});

test('only files that arrived in a window count', () => {
  const arrivals = Float64Array.of(4, 4, 0, 0);
  const departures = Float64Array.of(0, 0, 4, 4);
  const { files, maxSeconds, p50Seconds } = measureAges([{ arrivals, departures }], [{ fromSecond: 1, toSecond: 2 }]);
  expect({ files, maxSeconds, p50Seconds }).toEqual({ files: 4, maxSeconds: 2, p50Seconds: 2 });
});

test('files of two flows count together', () => {
  const fast = { arrivals: Float64Array.of(19, 0, 0, 0), departures: Float64Array.of(19, 0, 0, 0) };
  const slow = { arrivals: Float64Array.of(2, 0, 0, 0), departures: Float64Array.of(0, 0, 0, 1) };
  expect(measureAges([fast, slow], [{ fromSecond: 0, toSecond: 4 }])).toEqual({
    p50Seconds: 0,
    p95Seconds: 0,
    maxSeconds: 3,
    files: 21,
    openFiles: 1,
  });
});

test('a line knows the age of its oldest, as a list of all who wait would', () => {
  const seconds = fc.array(fc.tuple(fc.nat(5), fc.nat(5)), { minLength: 1, maxLength: 40 });
  fc.assert(
    fc.property(seconds, (day) => {
      const line = createWaitingLine(day.length);
      const waiting: number[] = [];
      for (const [second, [arrived, wanted]] of day.entries()) {
        for (let file = 0; file < arrived; file += 1) waiting.push(second);
        const left = waiting.splice(0, wanted).length;
        expect(line.pass(arrived, left)).toBe(second - (waiting[0] ?? second));
      }
    }),
  );
});

test.each([0.3, 20, 500])('events of a mean of %d are so many on average', (mean) => {
  const random = createSeededRandom(7);
  const draws = Array.from({ length: 20_000 }, () => random.poisson(mean));
  const average = draws.reduce((sum, draw) => sum + draw, 0) / draws.length;
  expect(Math.abs(average - mean)).toBeLessThan(5 * Math.sqrt(mean / draws.length));
  expect(draws.every((draw) => Number.isInteger(draw) && draw >= 0)).toBe(true);
});

/** How work grows with its size, for tests that must not depend on how fast or how busy a machine is. */

const ROUNDS = 7;
const FACTOR = 4;

/**
 * Processor time of this thread at four times the size over that at the size, the cheapest of several rounds each: about 4 for linear work, 16 for
 * quadratic. `size` has to cost at least some tenths of a millisecond.
 */
export function costGrowth(run: (size: number) => unknown, size: number): number {
  const small: number[] = [];
  const large: number[] = [];
  for (let round = 0; round < ROUNDS; round += 1) {
    small.push(costOf(() => run(size)));
    large.push(costOf(() => run(size * FACTOR)));
  }
  return Math.min(...large) / Math.max(Math.min(...small), 1);
}

/** In microseconds. */
function costOf(run: () => unknown): number {
  const before = process.threadCpuUsage();
  run();
  const { user, system } = process.threadCpuUsage(before);
  return user + system;
}

/** Between linear and quadratic, with room for caches and collections of garbage. */
export const LINEAR = 9;

/** How work grows with its size, for tests that must not depend on how fast or how busy a machine is. */

const ROUNDS = 3;
const FACTOR = 4;
/** Kernels that account by the tick count in steps of 4 or 10 ms. */
const MEASURED_MICROSECONDS = 100_000;

/**
 * Processor time of this thread at four times the size over that at the size, the cheapest of several rounds each: about 4 for linear work, 16 for
 * quadratic.
 */
export function costGrowth(run: (size: number) => unknown, size: number): number {
  const small: number[] = [];
  const large: number[] = [];
  for (let round = 0; round < ROUNDS; round += 1) {
    small.push(costOf(() => run(size)));
    large.push(costOf(() => run(size * FACTOR)));
  }
  return Math.min(...large) / Math.min(...small);
}

/** Of one call in microseconds, over as many as the clock needs. */
function costOf(run: () => unknown): number {
  const before = process.threadCpuUsage();
  for (let calls = 1; ; calls += 1) {
    run();
    const { user, system } = process.threadCpuUsage(before);
    if (user + system >= MEASURED_MICROSECONDS) return (user + system) / calls;
  }
}

/** Between linear and quadratic, with room for caches and collections of garbage. */
export const LINEAR = 9;

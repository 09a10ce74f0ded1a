/** Random numbers that are the same in every run of one seed: a simulated day can be repeated and compared. */

export interface SeededRandom {
  /** From 0 up to, not including, 1. */
  uniform(): number;
  /** A whole number of events where `mean` of them are expected. */
  poisson(mean: number): number;
}

/** Above this mean a normal distribution differs from Poisson's by less than the rounding. */
const NORMAL_ABOVE = 60;

export function createSeededRandom(seed: number): SeededRandom {
  let state = seed >>> 0;

  /** mulberry32 (Tommy Ettinger, public domain): 32 bits of state, ample for a day of draws. */
  function uniform(): number {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  }

  function normal(): number {
    return Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform());
  }

  return {
    uniform,
    poisson: (mean) => {
      if (mean > NORMAL_ABOVE) return Math.max(0, Math.round(mean + normal() * Math.sqrt(mean)));
      const limit = Math.exp(-mean);
      let events = 0;
      for (let product = uniform(); product > limit; product *= uniform()) events += 1;
      return events;
    },
  };
}

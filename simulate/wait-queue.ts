/** A line that is served first come, first served, as two cumulative counts: no file is an object, and a day of millions takes no memory. */

export interface WaitQueue {
  /** One second: what arrived and what left in it. Returns the age of what then is the oldest, 0 when nothing waits. */
  pass(arrived: number, left: number): number;
}

/** Counts are shares of files, too: less than half of one is nobody who waits. */
const NOTHING = 0.5;
/** What sums of fractions leave behind. */
const ROUNDING = 1e-6;

export function createWaitingLine(seconds: number): WaitQueue {
  const arrivals = new Float64Array(seconds);
  let now = -1;
  let oldest = 0;
  let waiting = 0;

  return {
    pass: (arrived, left) => {
      now += 1;
      arrivals[now] = arrived;
      waiting += arrived - left;
      for (let leaving = left; leaving > 0 && oldest <= now; ) {
        const ofOldest = arrivals[oldest] ?? 0;
        const served = Math.min(ofOldest, leaving);
        leaving -= served;
        arrivals[oldest] = ofOldest - served;
        if (served < ofOldest) break;
        oldest += 1;
      }
      while (oldest < now && (arrivals[oldest] ?? 0) < ROUNDING) oldest += 1;
      return waiting < NOTHING ? 0 : now - oldest;
    },
  };
}

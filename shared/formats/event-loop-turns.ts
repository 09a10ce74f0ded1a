/**
 * Work on a file's content in slices, between which the event loop gets its turn.
 *
 * 1. Whoever parses bounds each slice by the work in it (bytes, records, fields), so that no content makes a slice long; this only decides after which
 *    of them to pause.
 * 2. Jobs run side by side, and yet one of them goes on in each round of the event loop: else their slices add up before the loop gets to its I/O.
 */

const LONGEST_TURN_MS = 5;

/** Of the whole process, as its event loop is. */
const waiting: (() => void)[] = [];

/** To be called after each slice. A promise when the turn is over. */
export function eventLoopTurns(): () => Promise<void> | undefined {
  let began = performance.now();
  return () => {
    if (performance.now() - began < LONGEST_TURN_MS) return undefined;
    return nextTurn().then(() => {
      began = performance.now();
    });
  };
}

function nextTurn(): Promise<void> {
  return new Promise((resolve) => {
    if (waiting.push(resolve) === 1) setImmediate(letOneGoOn);
  });
}

function letOneGoOn(): void {
  waiting.shift()?.();
  if (waiting.length > 0) setImmediate(letOneGoOn);
}

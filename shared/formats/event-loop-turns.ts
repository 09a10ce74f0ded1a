/**
 * Work on a file's content in slices, between which the event loop gets its turn.
 *
 * 1. Whoever parses bounds each slice by the work in it (bytes, records, fields), so that no content makes a slice long; this only decides after which
 *    of them to pause.
 * 2. A turn is short because jobs run side by side: their turns add up before the loop gets to its I/O.
 */
import { setImmediate } from 'node:timers/promises';

const LONGEST_TURN_MS = 5;

/** To be called after each slice. A promise when the turn is over. */
export function eventLoopTurns(): () => Promise<void> | undefined {
  let began = performance.now();
  return () => {
    if (performance.now() - began < LONGEST_TURN_MS) return undefined;
    return setImmediate().then(() => {
      began = performance.now();
    });
  };
}

/**
 * Work on a file's content in slices, between which the event loop gets its turn.
 *
 * 1. Whoever parses bounds each slice by the work in it (bytes, records, fields), so that no content makes a slice long; this only decides after which
 *    of them to pause.
 * 2. Jobs run side by side, and yet one of them continues in each round of the event loop: else their slices add up before the loop gets to its I/O.
 * 3. While others need the process, each turn is followed by a rest of several times as long as the loop was busy since the one before it, with
 *    what the content cost elsewhere: its hashing, its writes, its garbage. A process that always has something to run is made to wait by the
 *    operating system, and everybody's small work in it with it.
 * 4. What content makes another process do, such as the database, rests alike: one piece of it at a time, and then several times as long.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import pLimit from 'p-limit';

const LONGEST_TURN_MS = 5;
/** Of the time that the loop was busy. */
const RESTS = 3;
const LONGEST_REST_MS = 100;
/** Longer, as that process is as slow as everything is on a busy machine: shorter rests would leave it to this one. */
const LONGEST_REST_ELSEWHERE_MS = 1_000;

/** Of the whole process, as its event loop is. */
const waiting: (() => void)[] = [];
let isGoing = false;
let lastTurn = performance.eventLoopUtilization();
let hasOthers = (): boolean => false;

/** `given` says whether others than those who read content need this process. */
export function restForOthers(given: () => boolean): void {
  hasOthers = given;
}

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

const oneAtATime = pLimit(1);

/** For work of another process that content makes, of which this one only waits for the end. */
export function inTurnElsewhere<T>(work: () => Promise<T>): Promise<T> {
  if (!hasOthers()) return work();
  return oneAtATime(async () => {
    const began = performance.now();
    try {
      return await work();
    } finally {
      if (hasOthers()) await sleep(Math.min(LONGEST_REST_ELSEWHERE_MS, (performance.now() - began) * RESTS));
    }
  });
}

function nextTurn(): Promise<void> {
  return new Promise((resolve) => {
    waiting.push(resolve);
    if (isGoing) return;
    isGoing = true;
    if (!rest()) setImmediate(letOneGoOn);
  });
}

function letOneGoOn(): void {
  lastTurn = performance.eventLoopUtilization();
  waiting.shift()?.();
  // Its turn has passed by then.
  setImmediate(() => {
    if (waiting.length === 0) isGoing = false;
    else if (!rest()) letOneGoOn();
  });
}

/** False: at once. */
function rest(): boolean {
  if (!hasOthers()) return false;
  const { active } = performance.eventLoopUtilization(lastTurn);
  setTimeout(letOneGoOn, Math.min(LONGEST_REST_MS, active * RESTS));
  return true;
}

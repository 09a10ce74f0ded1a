/**
 * How often a long test kills, breaks or shuffles what it tries. `LONGSHORE_TEST_SHARE` is the part of the full number that is tried, above 0 and
 * at most 1: each kind of kill is tried in every run, and a run that has to end soon tries each less often.
 */
const SHARE = Number(process.env.LONGSHORE_TEST_SHARE ?? 1);
if (!(SHARE > 0 && SHARE <= 1)) throw new Error('LONGSHORE_TEST_SHARE is above 0 and at most 1');

/** At least once. */
export function repeatTimes(full: number): number {
  return Math.ceil(full * SHARE);
}

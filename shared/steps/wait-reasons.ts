/** Reasons of a wait that somebody else ends: the transitions that end it look for them in `jobs.wait_reason`. */

/** Until an operator releases or rejects the job. */
export const HELD = 'HELD';
/** Until the last of the job's records has ended. */
export const RECORDS = 'RECORDS';
/** Until another version of the same key has been delivered. */
export const PLACE = 'PLACE';
/** On an ordered route: until the files before it are done. */
export const TURN = 'TURN';

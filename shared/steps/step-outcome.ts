/** What one try of a step came to: a captioned union, never a flag or a thrown error. */
import type { ObjectLocation } from '#shared/files/object-location.ts';

export interface StepFailure {
  /** Which step, whatever went wrong in it: `VALIDATION_ERROR`, `DELIVERY_ERROR` ... */
  readonly code: string;
  /** What went wrong: `CSV_HEADER_MISMATCH`, `OBJECT_STORE_UNAVAILABLE` ... */
  readonly cause: string;
  /** One sentence for a person: what happened, with field, line or byte, and what to do. No secrets, no file contents. */
  readonly message: string;
}

export type StepOutcome =
  | {
      readonly type: 'succeeded';
      /** Facts for later steps, the API and the audit; small JSON. */
      readonly output?: Readonly<Record<string, unknown>>;
      /** Where the job's bytes are from now on, when this step made a new object (stage, transform). */
      readonly object?: ObjectLocation;
    }
  /** Its condition does not hold: the job continues without it. */
  | { readonly type: 'skipped' }
  /** Counts an attempt; without `afterMs` the route's retry policy gives the delay. */
  | ({ readonly type: 'retry'; readonly afterMs?: number } & StepFailure)
  /** Waiting is not failing: counts no attempt and has no slot. */
  | {
      readonly type: 'wait';
      readonly afterMs: number;
      readonly reason: string;
      /** What was found so far, for the person who decides. */
      readonly output?: Readonly<Record<string, unknown>>;
    }
  /** Final for this generation. `output`: what was found on the way. */
  | ({ readonly type: 'failed'; readonly output?: Readonly<Record<string, unknown>> } & StepFailure)
  /** An effect whose result is unknown: never blindly repeated. */
  | ({ readonly type: 'ambiguous' } & StepFailure);

// Reasons of a wait that something else ends: the transitions that end it look for them in `jobs.wait_reason`.

/** Until an operator releases or rejects the job. */
export const HELD = 'HELD';
/** Until the last of the job's records has ended. */
export const RECORDS = 'RECORDS';
/** Until all branches below the step have ended. */
export const BRANCHES = 'BRANCHES';
/** Until one of them has succeeded, or all have ended. */
export const ANY_BRANCH = 'ANY_BRANCH';
/** Until another version of the same key has been delivered. */
export const PLACE = 'PLACE';
/** On an ordered route: until the files before it are done. */
export const TURN = 'TURN';
/** Until the quiet hours of the route. */
export const QUIET_HOURS = 'QUIET_HOURS';
/** Until an operator lets calls of the partner pass again. */
export const PARTNER_PAUSED = 'PARTNER_PAUSED';
/** Until the partner's breaker closes: on trial, by its time or by an operator. */
export const PARTNER_BREAKER_OPEN = 'PARTNER_BREAKER_OPEN';
/** Until the batch closes, and until it is the job's place in it. */
export const BATCH = 'BATCH';

/**
 * Every error code that Longshore shows to anyone, with what it means and what to do.
 *
 * `docs/errors.md` lists the same codes; a test compares the two. A code is stable: it is never renamed or given another
 * meaning, because partners and operators match on it.
 */

interface ErrorCodeEntry {
  /** What happened, as one sentence. */
  readonly meaning: string;
  /** What the reader should do about it, as one sentence. */
  readonly remedy: string;
}

export const ERROR_CODES = {
  // Start-up and configuration
  CONFIG_INVALID: {
    meaning: 'The environment of a process is incomplete or contradictory.',
    remedy: 'Correct every listed variable and start the process again.',
  },
  DEPENDENCY_UNAVAILABLE: {
    meaning: 'A database, queue or object store did not answer in time.',
    remedy: 'Look at the named dependency; work goes on by itself once it answers.',
  },
  // Messages
  MESSAGE_INVALID: {
    meaning: 'A queue message is not JSON or does not fit any known message schema.',
    remedy: 'Look at the parked dead letter: find the sender, then discard it or send a corrected message.',
  },
  INTERNAL: {
    meaning: 'Longshore met a condition it was not written for.',
    remedy: 'Report it with the job id and the log lines of that time.',
  },
} as const satisfies Record<string, ErrorCodeEntry>;

export type ErrorCode = keyof typeof ERROR_CODES;

export interface LongshoreErrorOptions {
  readonly cause?: unknown;
  /** What to do in this very case; the code's general remedy when absent. */
  readonly hint?: string;
  /** Facts for logs and API answers. Never secrets, never file contents. */
  readonly details?: Record<string, unknown>;
}

/** A thrown error means a bug, bad input at a boundary, or a lost dependency; expected results are values of a union. */
export class LongshoreError extends Error {
  readonly code: ErrorCode;
  readonly hint: string;
  readonly details: Record<string, unknown>;

  constructor(code: ErrorCode, message: string, options: LongshoreErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'LongshoreError';
    this.code = code;
    this.hint = options.hint ?? ERROR_CODES[code].remedy;
    this.details = options.details ?? {};
  }
}

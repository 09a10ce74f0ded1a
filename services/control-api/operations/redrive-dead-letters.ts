/**
 * Redrive: parked letters go back to the queues that gave them up, at the operator's pace.
 *
 * 1. A letter is sent before it is marked: a crash between the two sends it twice, which a wake-up bears, and never loses it.
 * 2. What no service could read stays parked, with the reason, unless the operator forces it.
 * 3. One call ends in time whatever the pace: it gives a cursor, and the caller continues from there.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Reads, Sql } from '#shared/db/connect-database.ts';
import { settleParkedLetters } from '#shared/dead-letters/dead-letters.ts';
import { faultOfLetter, type ReturnedLetter } from '#shared/dead-letters/return-letters.ts';
import { LongshoreError } from '#shared/errors.ts';
import { encodeCursor, type PagePosition } from '../http/page-cursor.ts';
import { type DeadLetterFilters, findDeadLetterBodies } from './find-dead-letters.ts';
import type { WakeUpSenders } from './wake-up-senders.ts';

export interface RedriveOptions {
  readonly filters: Omit<DeadLetterFilters, 'state' | 'limit' | 'after'>;
  readonly after?: PagePosition | undefined;
  readonly ratePerSecond: number;
  readonly force: boolean;
  readonly reason: string;
  readonly actor: string;
  readonly signal: AbortSignal;
}

export interface RedriveResult {
  readonly redriven: number;
  readonly refused: readonly RefusedLetter[];
  /** Null when no letter of the filter is left. */
  readonly next_cursor: string | null;
}

interface RefusedLetter {
  readonly dead_letter_id: string;
  readonly queue: string;
  readonly reason: string;
}

/** Well within the deadline of a request. */
const CALL_MS = 5_000;
const LETTERS_PER_CALL = 500;
/** Sent side by side, then marked by one statement. */
const LETTERS_AT_ONCE = 10;

interface RedriveParts {
  readonly sql: Sql;
  readonly reads: Reads;
  readonly senders: WakeUpSenders;
}

export async function redriveDeadLetters(parts: RedriveParts, options: RedriveOptions): Promise<RedriveResult> {
  const { ratePerSecond, signal } = options;
  const most = Math.min(LETTERS_PER_CALL, Math.max(1, Math.floor((ratePerSecond * CALL_MS) / 1_000)));
  const letters = await findDeadLetterBodies(parts.reads, {
    ...options.filters,
    after: options.after,
    limit: most + 1,
  });
  const taken = letters.slice(0, most);
  const refused: RefusedLetter[] = [];
  let redriven = 0;
  let done: (typeof letters)[number] | undefined;
  const begun = performance.now();
  const atOnce = Math.min(LETTERS_AT_ONCE, Math.max(1, Math.floor(ratePerSecond / 10)));
  for (let first = 0; first < taken.length && !signal.aborted; first += atOnce) {
    const waitMs = begun + (first / ratePerSecond) * 1_000 - performance.now();
    if (waitMs > 0) await sleep(waitMs, undefined, { signal }).catch(() => undefined);
    if (signal.aborted) break;
    const some = taken.slice(first, first + atOnce);
    const outcome = await redriveSome(parts, some, options);
    redriven += outcome.redriven;
    refused.push(...outcome.refused);
    done = some.at(-1);
  }
  const isAll = letters.length <= most && done === taken.at(-1);
  return { redriven, refused, next_cursor: isAll || done === undefined ? null : encodeCursor(done) };
}

async function redriveSome(
  { sql, senders }: RedriveParts,
  letters: readonly ReturnedLetter[],
  { force, actor, reason }: RedriveOptions,
): Promise<{ redriven: number; refused: RefusedLetter[] }> {
  const results = await Promise.all(
    letters.map(async (letter) => {
      const fault = force ? undefined : faultOfLetter(letter);
      if (fault !== undefined) return { letter, fault };
      const sent = await senders.sendAgain(letter);
      return { letter, fault: sent.ok ? undefined : sent.reason };
    }),
  );
  const sentIds = results.flatMap(({ letter, fault }) => (fault === undefined ? [letter.id] : []));
  const settled =
    sentIds.length === 0 ? [] : await settleParkedLetters(sql, { ids: sentIds, state: 'REDRIVEN', actor, reason });
  return {
    redriven: settled.length,
    refused: results.flatMap(({ letter, fault }) =>
      fault === undefined ? [] : [{ dead_letter_id: letter.id, queue: letter.queue, reason: fault }],
    ),
  };
}

/**
 * Sends one parked letter with a body that an operator corrected; the letter keeps what came, the audit what was sent.
 *
 * @throws LongshoreError `NOT_FOUND`, `REQUEST_INVALID` for a body that no service of the queue reads, `DEPENDENCY_UNAVAILABLE`
 */
export async function redriveCorrected(
  { sql, reads, senders }: RedriveParts,
  {
    id,
    body,
    reason,
    actor,
  }: { readonly id: string; readonly body: string; readonly reason: string; readonly actor: string },
): Promise<void> {
  const [letter] = await findDeadLetterBodies(reads, { tenantId: null, ids: [id], limit: 1 });
  if (letter === undefined) throw new LongshoreError('NOT_FOUND', 'There is no such letter, or it is not parked.');
  const corrected = { ...letter, body };
  const fault = faultOfLetter(corrected);
  if (fault !== undefined)
    throw new LongshoreError('REQUEST_INVALID', `The queue ${letter.queue} cannot read the body: ${fault}`, {
      details: { in: 'body', faults: [{ field: 'body', message: fault }] },
    });
  const sent = await senders.sendAgain(corrected);
  if (!sent.ok) throw new LongshoreError('DEPENDENCY_UNAVAILABLE', 'The queue did not take the message.');
  await settleParkedLetters(sql, { ids: [id], state: 'REDRIVEN', actor, reason, sentBody: body });
}

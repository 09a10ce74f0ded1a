/**
 * What an occurrence is, by the files that have come and by the clock. Pure.
 *
 * `OPEN` until enough files came (`MET`) or its time passes (`LATE`); late, until they came after all (`MET_LATE`) or nothing counts any
 * more (`MISSED`). Whether files were in time is decided by when they were registered, not by when somebody looked.
 */
import type { Temporal } from 'temporal-polyfill';
import type { OccurrenceState } from '#shared/db/schema.ts';
import { type ExpectationDocument, MOST_FILES, type Oddity } from '#shared/definitions/expectation-schema.ts';
import { type BusinessDays, dateIn, previousBusinessDay } from './plan-occurrences.ts';

export interface ArrivedFile {
  readonly id: string;
  readonly name: string;
  readonly sizeBytes: number;
  readonly contentHash: string | null;
  /** When it was registered, in ms since 1970. */
  readonly atMs: number;
}

/** Of the expectation's last occurrences that were met. */
export interface ArrivalHistory {
  /** Undefined where there are too few. */
  readonly medianBytes: number | undefined;
  /** From opening until 95 % of them were met; undefined where there are too few. */
  readonly usualMs: number | undefined;
  /** Of the files of the one before. */
  readonly previousHashes: readonly string[];
}

export interface Occurrence {
  readonly state: OccurrenceState;
  readonly opensMs: number;
  readonly dueMs: number;
  readonly closesMs: number;
  readonly isAtRisk: boolean;
  readonly oddities: readonly string[];
}

export interface Verdict {
  readonly state: OccurrenceState;
  readonly isAtRisk: boolean;
  readonly metMs: number | undefined;
  readonly oddities: readonly string[];
  readonly events: readonly ExpectationEvent[];
  /** Undefined: it is over. */
  readonly nextLookMs: number | undefined;
}

export type ExpectationEvent = 'at-risk' | 'late' | 'missed' | 'met' | 'odd';

export interface JudgeOptions {
  readonly occurrence: Occurrence;
  readonly expectation: ExpectationDocument;
  readonly days: BusinessDays;
  /** In the order of their registration. */
  readonly files: readonly ArrivedFile[];
  readonly history: ArrivalHistory;
  readonly nowMs: number;
}

const LOOK_MS = 10_000;
/** Where only a file too many can still come. */
const SLOW_LOOK_MS = 60_000;
const MS_PER_MINUTE = 60_000;

export function judgeOccurrence(options: JudgeOptions): Verdict {
  const { occurrence, expectation, files, nowMs } = options;
  const needed = expectation.count.min;
  const metMs = files[needed - 1]?.atMs;
  const state = stateOf(occurrence, metMs, nowMs);
  const isAtRisk = occurrence.isAtRisk || (state === 'OPEN' && isRisky(options));
  const oddities = [...new Set([...occurrence.oddities, ...odditiesOf(options)])];
  const events: ExpectationEvent[] = [];
  if (isAtRisk && !occurrence.isAtRisk) events.push('at-risk');
  if (state === 'LATE' && occurrence.state !== 'LATE') events.push('late');
  if (state === 'MISSED') events.push('missed');
  if (state === 'MET' && occurrence.state !== 'MET') events.push('met');
  if (state === 'MET_LATE' && occurrence.state !== 'MET_LATE') events.push('met');
  if (oddities.length > occurrence.oddities.length) events.push('odd');
  return { state, isAtRisk, metMs, oddities, events, nextLookMs: nextLook(options, state, isAtRisk) };
}

function stateOf({ dueMs, closesMs }: Occurrence, metMs: number | undefined, nowMs: number): OccurrenceState {
  if (metMs !== undefined) return metMs <= dueMs ? 'MET' : 'MET_LATE';
  if (nowMs >= closesMs) return 'MISSED';
  return nowMs >= dueMs ? 'LATE' : 'OPEN';
}

function isRisky({ occurrence, expectation, history, nowMs }: JudgeOptions): boolean {
  return nowMs >= riskMs(occurrence, expectation, history);
}

function riskMs({ opensMs, dueMs }: Occurrence, { warn }: ExpectationDocument, { usualMs }: ArrivalHistory): number {
  const beforeDue = warn.before === undefined ? Number.POSITIVE_INFINITY : dueMs - warn.before;
  const afterUsual =
    warn.whenLaterThanUsual && usualMs !== undefined ? opensMs + usualMs + MS_PER_MINUTE : Number.POSITIVE_INFINITY;
  return Math.min(beforeDue, afterUsual);
}

function odditiesOf({ occurrence, expectation, days, files, history }: JudgeOptions): Oddity[] {
  const { count, size, dateInName } = expectation;
  const { medianBytes, previousHashes } = history;
  const found: Oddity[] = [];
  if (files.length > (count.max ?? MOST_FILES)) found.push('TOO_MANY');
  const expectedDate = dateInName === undefined ? undefined : dateOf(dateInName, occurrence, days).toString();
  for (const { name, sizeBytes, contentHash } of files) {
    if (size?.min !== undefined && sizeBytes < size.min) found.push('TOO_SMALL');
    if (size?.max !== undefined && sizeBytes > size.max) found.push('TOO_LARGE');
    if (size?.withinOfMedian !== undefined && medianBytes !== undefined) {
      const allowed = (medianBytes * size.withinOfMedian) / 100;
      if (Math.abs(sizeBytes - medianBytes) > allowed) found.push('UNUSUAL_SIZE');
    }
    if (contentHash !== null && previousHashes.includes(contentHash)) found.push('SAME_CONTENT');
    const date = dateInNameOf(name);
    if (expectedDate !== undefined && date !== undefined && date !== expectedDate) found.push('OTHER_DATE');
  }
  return found;
}

function dateOf(
  which: NonNullable<ExpectationDocument['dateInName']>,
  { dueMs }: Occurrence,
  days: BusinessDays,
): Temporal.PlainDate {
  const date = dateIn(days.timeZone, dueMs);
  return which === 'same-day' ? date : previousBusinessDay(days, date);
}

/** `orders-2026-01-31.csv`, `orders_20260131.csv`: the first that is a date. */
function dateInNameOf(name: string): string | undefined {
  for (const [, year, month, day] of name.matchAll(/(?<!\d)(20\d\d)-?(0[1-9]|1[0-2])-?(0[1-9]|[12]\d|3[01])(?!\d)/g))
    return `${year}-${month}-${day}`;
  return undefined;
}

function nextLook(options: JudgeOptions, state: OccurrenceState, isAtRisk: boolean): number | undefined {
  const { occurrence, expectation, history, nowMs } = options;
  if (nowMs >= occurrence.closesMs) return undefined;
  const isMet = state === 'MET' || state === 'MET_LATE';
  const soon = nowMs + (isMet ? SLOW_LOOK_MS : LOOK_MS);
  const turns = [occurrence.dueMs, occurrence.closesMs];
  if (!isAtRisk && !isMet) turns.push(riskMs(occurrence, expectation, history));
  return Math.min(soon, ...turns.filter((ms) => ms > nowMs));
}

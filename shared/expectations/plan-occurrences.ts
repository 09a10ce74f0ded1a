/**
 * When the files of an expectation are due: its occurrences, from its schedule and calendar. Pure.
 *
 * A time of day that a day does not have, in spring, is taken an hour later; of one that comes twice, in autumn, the first counts.
 */
import type { Temporal } from 'temporal-polyfill';
import { WEEKDAYS } from '#shared/definitions/calendar-schema.ts';
import { cronTimes } from '#shared/definitions/cron.ts';
import {
  DEFAULT_GRACE_MS,
  DEFAULT_OPENS,
  DEFAULT_OPENS_BEFORE_MS,
  type Due,
} from '#shared/definitions/expectation-schema.ts';
import { loadTemporal } from './load-temporal.ts';

/** Business days. */
export interface BusinessDays {
  readonly timeZone: string;
  /** All when absent. */
  readonly weekdays?: readonly (typeof WEEKDAYS)[number][];
  readonly holidays?: readonly string[];
}

/** Instants in ms since 1970. */
export interface PlannedOccurrence {
  readonly opensMs: number;
  readonly dueMs: number;
  readonly closesMs: number;
}

export interface PlanRange {
  /** Occurrences that are due after it. */
  readonly afterMs: number;
  readonly untilMs: number;
  readonly most: number;
}

/** Ten years: longer holidays than any calendar has. */
const MOST_DAYS = 3_660;
/** A week of a schedule of every minute. */
const MOST_CRON_TIMES = 10_080;

export function planOccurrences(due: Due, days: BusinessDays, range: PlanRange): PlannedOccurrence[] {
  const times = due.at === undefined ? dueByCron(due, days, range) : dueByTimeOfDay(due.at, days, range);
  const first = times.findIndex((ms) => ms > range.afterMs);
  const within = first < 0 ? [] : times.slice(first, first + range.most).filter((ms) => ms <= range.untilMs);
  return within.map((dueMs, index) => {
    const { opensMs, graceEndMs } = windowOf(due, days, dueMs, times[first + index - 1]);
    const nextMs = times[first + index + 1] ?? Number.POSITIVE_INFINITY;
    return { opensMs, dueMs, closesMs: graceEndMs ?? Math.min(dueMs + DEFAULT_GRACE_MS, nextMs) };
  });
}

export function isBusinessDay(
  { weekdays, holidays }: Omit<BusinessDays, 'timeZone'>,
  date: Temporal.PlainDate,
): boolean {
  const weekday = WEEKDAYS[date.dayOfWeek - 1];
  if (weekdays !== undefined && (weekday === undefined || !weekdays.includes(weekday))) return false;
  return holidays?.includes(date.toString()) !== true;
}

/** The business day before `date`; the day before it where there is none within a year. */
export function previousBusinessDay(days: BusinessDays, date: Temporal.PlainDate): Temporal.PlainDate {
  const before = date.subtract({ days: 1 });
  for (let day = before, left = 366; left > 0; day = day.subtract({ days: 1 }), left -= 1)
    if (isBusinessDay(days, day)) return day;
  return before;
}

export function dateIn(timeZone: string, ms: number): Temporal.PlainDate {
  return loadTemporal().Instant.fromEpochMilliseconds(ms).toZonedDateTimeISO(timeZone).toPlainDate();
}

/** One after `untilMs` too: its time bounds the grace of the last. */
function dueByTimeOfDay(at: string, days: BusinessDays, { afterMs, untilMs, most }: PlanRange): number[] {
  const times: number[] = [];
  let date = dateIn(days.timeZone, afterMs);
  for (let left = MOST_DAYS; left > 0 && times.length <= most; left -= 1, date = date.add({ days: 1 })) {
    const ms = instantOf(date, at, days.timeZone);
    if (isBusinessDay(days, date) && ms > afterMs) times.push(ms);
    if ((times.at(-1) ?? 0) > untilMs) break;
  }
  return times;
}

/** Those of the hour before `afterMs` too: each opens when the one before it is due. */
function dueByCron({ cron = '' }: Due, days: BusinessDays, { afterMs, untilMs, most }: PlanRange): number[] {
  const times: number[] = [];
  const range = { afterMs: afterMs - DEFAULT_OPENS_BEFORE_MS, untilMs, most: MOST_CRON_TIMES };
  let planned = 0;
  for (const ms of cronTimes(cron, days.timeZone, range)) {
    if (!isBusinessDay(days, dateIn(days.timeZone, ms))) continue;
    times.push(ms);
    planned += ms > afterMs ? 1 : 0;
    if (planned > most) break;
  }
  return times;
}

/** `previousMs`: when the one before it is due, if that is within the last hour: else one file would be in time for many of a schedule. */
function windowOf(due: Due, days: BusinessDays, dueMs: number, previousMs = Number.NEGATIVE_INFINITY) {
  if (due.at === undefined) {
    const opensBefore = due.opensBefore ?? Math.min(DEFAULT_OPENS_BEFORE_MS, dueMs - previousMs);
    return {
      opensMs: dueMs - opensBefore,
      graceEndMs: due.grace === undefined ? undefined : dueMs + due.grace,
    };
  }
  const { at, opens = DEFAULT_OPENS, graceUntil } = due;
  const date = dateIn(days.timeZone, dueMs);
  const opensDate = opens < at ? date : date.subtract({ days: 1 });
  const graceDate = graceUntil !== undefined && graceUntil > at ? date : date.add({ days: 1 });
  return {
    opensMs: instantOf(opensDate, opens, days.timeZone),
    graceEndMs: graceUntil === undefined ? undefined : instantOf(graceDate, graceUntil, days.timeZone),
  };
}

function instantOf(date: Temporal.PlainDate, timeOfDay: string, timeZone: string): number {
  return date.toZonedDateTime({ timeZone, plainTime: loadTemporal().PlainTime.from(timeOfDay) }).epochMilliseconds;
}

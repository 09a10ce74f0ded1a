/** The hours of a day in which something may happen, on the days of a calendar. Pure. */
import { loadTemporal } from './load-temporal.ts';
import { type BusinessDays, isBusinessDay } from './plan-occurrences.ts';

/** Of a day; `08:00`. */
export interface OpenHours {
  readonly from: string;
  readonly to: string;
  readonly timeZone: string;
}

export type BusinessCalendar = Omit<BusinessDays, 'timeZone'>;

const DAY_MINUTES = 1_440;
/** A calendar with a longer holiday is asked again later. */
const MOST_DAYS = 366;

/** 0 while it is open, else until it opens. One that ends before it begins goes over midnight, and belongs to the day on which it opens. */
export function msUntilOpen({ from, to, timeZone }: OpenHours, nowMs: number, days: BusinessCalendar = {}): number {
  const now = loadTemporal().Instant.fromEpochMilliseconds(nowMs).toZonedDateTimeISO(timeZone);
  const minute = now.hour * 60 + now.minute;
  const [begins, ends] = [minutesOf(from), minutesOf(to)];
  const isOverMidnight = begins >= ends;
  const today = now.toPlainDate();
  const openDay = (() => {
    if (minute >= begins && (isOverMidnight || minute < ends)) return today;
    return isOverMidnight && minute < ends ? today.subtract({ days: 1 }) : undefined;
  })();
  if (openDay !== undefined && isBusinessDay(days, openDay)) return 0;
  const plainTime = { hour: Math.floor(begins / 60), minute: begins % 60 };
  for (let day = today, left = MOST_DAYS; left > 0; day = day.add({ days: 1 }), left -= 1) {
    const opensMs = day.toZonedDateTime({ timeZone, plainTime }).epochMilliseconds;
    if (opensMs > nowMs && isBusinessDay(days, day)) return opensMs - nowMs;
  }
  return MOST_DAYS * 86_400_000;
}

/** While it is open: until it closes. A day on which the clocks change is as long as it is there. */
export function msUntilClosed({ from, to, timeZone }: OpenHours, nowMs: number): number {
  const now = loadTemporal().Instant.fromEpochMilliseconds(nowMs).toZonedDateTimeISO(timeZone);
  const [begins, ends] = [minutesOf(from), minutesOf(to)];
  const closesToday = begins < ends || now.hour * 60 + now.minute < ends;
  const day = now.toPlainDate().add({ days: closesToday ? 0 : 1 });
  const plainTime = { hour: Math.floor(ends / 60), minute: ends % 60 };
  // The hour in which it closes may be there twice, or not at all.
  return Math.max(60_000, day.toZonedDateTime({ timeZone, plainTime }).epochMilliseconds - nowMs);
}

function minutesOf(clock: string): number {
  const [hours = 0, minutes = 0] = clock.split(':').map(Number);
  return (hours * 60 + minutes) % DAY_MINUTES;
}

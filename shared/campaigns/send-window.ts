/** When a campaign may send: the hours of a day, on the days of a calendar, by one clock or by each recipient's. Pure. */
import { Temporal } from 'temporal-polyfill';
import { type BusinessDays, isBusinessDay } from '#shared/expectations/plan-occurrences.ts';

/** Of a day; `08:00`. */
export interface SendWindow {
  readonly from: string;
  readonly to: string;
  readonly timeZone: string;
}

export type BusinessCalendar = Omit<BusinessDays, 'timeZone'>;

const DAY_MINUTES = 1_440;
/** A calendar with a longer holiday is asked again later. */
const MOST_DAYS = 366;

/** 0 while it is open, else until it opens. One that ends before it begins goes over midnight, and belongs to the day on which it opens. */
export function msUntilOpen({ from, to, timeZone }: SendWindow, nowMs: number, days: BusinessCalendar = {}): number {
  const now = Temporal.Instant.fromEpochMilliseconds(nowMs).toZonedDateTimeISO(timeZone);
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

/** Of a local time in a zone; the later one where the clocks go back twice over it. */
export function instantOf(local: string, timeZone: string): string {
  return Temporal.PlainDateTime.from(local)
    .toZonedDateTime(timeZone, { disambiguation: 'later' })
    .toInstant()
    .toString();
}

/** On the easternmost clock: no recipient's shows it earlier. */
export function earliestInstantOf(local: string): string {
  return instantOf(local, '+14:00');
}

export function latestInstantOf(local: string): string {
  return instantOf(local, '-12:00');
}

export interface RecipientClock {
  readonly window: SendWindow | null;
  readonly calendar: BusinessCalendar | null;
  /** With the zone of recipients who have none: `2026-06-01T10:00:00[Europe/Berlin]`. */
  readonly localStart: string | null;
  readonly isRecipientZone: boolean;
}

/** For one recipient, 0 when it may be sent now; `zone` is the recipient's, where rows give one. */
export function msUntilDue(clock: RecipientClock, zone: string | undefined, nowMs: number): number {
  const { window, calendar, localStart, isRecipientZone } = clock;
  const own = isRecipientZone ? zone : undefined;
  if (localStart !== null) {
    const startMs = Date.parse(instantOf(localStart, own ?? /\[(.+)\]$/.exec(localStart)?.[1] ?? 'UTC'));
    if (startMs > nowMs) return startMs - nowMs;
  }
  if (window === null) return 0;
  return msUntilOpen(own === undefined ? window : { ...window, timeZone: own }, nowMs, calendar ?? {});
}

function minutesOf(clock: string): number {
  const [hours = 0, minutes = 0] = clock.split(':').map(Number);
  return (hours * 60 + minutes) % DAY_MINUTES;
}

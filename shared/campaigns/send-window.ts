/** When a campaign may send: the hours of a day, on the days of a calendar, by one clock or by each recipient's. Pure. */
import { loadTemporal } from '#shared/expectations/load-temporal.ts';
import { type BusinessCalendar, msUntilOpen, type OpenHours } from '#shared/expectations/open-hours.ts';

/** Of a local time in a zone; the later one where the clocks go back twice over it. */
export function instantOf(local: string, timeZone: string): string {
  return loadTemporal()
    .PlainDateTime.from(local)
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
  readonly window: OpenHours | null;
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

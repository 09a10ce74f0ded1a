/** The hours of a day in which a campaign may send. Pure. */
import { Temporal } from 'temporal-polyfill';
import type { SendWindow } from './campaign-store.ts';

const DAY_MINUTES = 1_440;

/** 0 while it is open, else until it opens. One that ends before it begins goes over midnight. */
export function msUntilOpen({ from, to, timeZone }: SendWindow, nowMs: number): number {
  const now = Temporal.Instant.fromEpochMilliseconds(nowMs).toZonedDateTimeISO(timeZone);
  const time = now.toPlainTime();
  const minute = time.hour * 60 + time.minute;
  const [begins, ends] = [minutesOf(from), minutesOf(to)];
  const isOpen = begins < ends ? minute >= begins && minute < ends : minute >= begins || minute < ends;
  if (isOpen) return 0;
  const opens = now.withPlainTime({ hour: Math.floor(begins / 60), minute: begins % 60 });
  const next = opens.epochMilliseconds > nowMs ? opens : opens.add({ days: 1 });
  return next.epochMilliseconds - nowMs;
}

/** Of a local time in a zone; the later one where the clocks go back twice over it. */
export function instantOf(local: string, timeZone: string): string {
  return Temporal.PlainDateTime.from(local)
    .toZonedDateTime(timeZone, { disambiguation: 'later' })
    .toInstant()
    .toString();
}

function minutesOf(clock: string): number {
  const [hours = 0, minutes = 0] = clock.split(':').map(Number);
  return (hours * 60 + minutes) % DAY_MINUTES;
}

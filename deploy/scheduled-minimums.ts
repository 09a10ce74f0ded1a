/**
 * Least tasks at known hours: a burst that comes every morning is a matter for the calendar, since the first reading of it is minutes old.
 * `deploy/` makes scheduled actions of them, and `simulate/` plays them.
 *
 * 1. Hours are those of a place, whatever its summer time does. A window over midnight is two.
 * 2. Windows of one service are apart from each other: the end of one would take away what the other asked for.
 */
import { z } from 'zod';
import type { ScaledService } from '#shared/scaling/service-capacities.ts';

const WEEKDAYS = ['MON', 'TUE', 'WED', 'THU', 'FRI', 'SAT', 'SUN'] as const;
const DAY_MS = 86_400_000;
/** A year: every change of summer time is in it. */
const CHECKED_MS = 366 * DAY_MS;

const clock = z.string().regex(/^([01]\d|2[0-3]):[0-5]\d$/, 'must be an hour of a day such as 05:50, in quotes');
const tasks = z.number().int().min(1).optional();

const scheduledMinimumSchema = z
  .strictObject({
    name: z.string().regex(/^[a-z0-9-]{1,30}$/, 'lower case letters, digits and hyphens, at most 30'),
    days: z
      .array(z.enum(WEEKDAYS))
      .min(1)
      .default([...WEEKDAYS]),
    /** Ten minutes before the burst: tasks take two to be there. */
    from: clock,
    until: clock,
    timeZone: z.string().refine(isTimeZone, 'must be a time zone such as America/New_York'),
    tasks: z.strictObject({
      ingestor: tasks,
      router: tasks,
      'partner-worker': tasks,
      'large-file-worker': tasks,
    } satisfies Record<ScaledService, typeof tasks>),
  })
  .refine(({ from, until }) => from < until, { error: 'must end after it begins, on the same day', path: ['until'] });

export type ScheduledMinimum = z.output<typeof scheduledMinimumSchema>;

export const scheduledMinimumsSchema = z
  .array(scheduledMinimumSchema)
  .superRefine((all, context) => {
    if (new Set(all.map(({ name }) => name)).size < all.length) {
      context.addIssue({ code: 'custom', message: 'two have the same name' });
    }
    for (const [index, one] of all.entries()) {
      const other = all.slice(0, index).find((before) => shareTask(one, before) && touch(one, before));
      if (other === undefined) continue;
      context.addIssue({ code: 'custom', path: [index], message: `overlaps ${other.name}, or begins as it ends` });
    }
  })
  .default([]);

/** `05:50` is 50 and 5, as a cron expression has them. */
export function readClock(text: string): { readonly hour: number; readonly minute: number } {
  const [hour = 0, minute = 0] = text.split(':').map(Number);
  return { hour, minute };
}

/** When a minimum holds, as instants from and until, of the windows that begin on the days (of UTC) from one instant to another. */
export function windowsBetween(
  { days, from, until, timeZone }: ScheduledMinimum,
  fromMs: number,
  toMs: number,
): [number, number][] {
  const first = Math.floor(fromMs / DAY_MS) * DAY_MS;
  const at = clockOf(timeZone);
  return Array.from({ length: Math.ceil((toMs - first) / DAY_MS) }, (_, index) => first + index * DAY_MS)
    .filter((day) => isOn(days, day))
    .map((day) => [at(day, from), at(day, until)]);
}

/** Gives the instant of an hour of a day, which is any instant of that day in UTC. */
export function clockOf(timeZone: string): (day: number, time: string) => number {
  const format = new Intl.DateTimeFormat('en', { timeZone, timeZoneName: 'longOffset' });
  const offsetMs = (atMs: number) => {
    const name = format.formatToParts(atMs).find(({ type }) => type === 'timeZoneName')?.value ?? '';
    const [, sign, hours = '0', minutes = '0'] = /^GMT(?:([+-])(\d{2}):(\d{2}))?/.exec(name) ?? [];
    return (sign === '-' ? -1 : 1) * (Number(hours) * 60 + Number(minutes)) * 60_000;
  };
  return (day, time) => {
    const { hour, minute } = readClock(time);
    const asUtc = Math.floor(day / DAY_MS) * DAY_MS + (hour * 60 + minute) * 60_000;
    // Twice: the first guess can lie on the other side of a change of summer time.
    return asUtc - offsetMs(asUtc - offsetMs(asUtc));
  };
}

function isOn(days: ScheduledMinimum['days'], day: number): boolean {
  const weekday = WEEKDAYS[(new Date(day).getUTCDay() + 6) % 7];
  return weekday !== undefined && days.includes(weekday);
}

function shareTask(one: ScheduledMinimum, other: ScheduledMinimum): boolean {
  return Object.keys(one.tasks).some((service) => service in other.tasks);
}

function touch(one: ScheduledMinimum, other: ScheduledMinimum): boolean {
  const now = Date.now();
  const others = windowsBetween(other, now, now + CHECKED_MS);
  return windowsBetween(one, now, now + CHECKED_MS).some(([from, until]) =>
    others.some(([start, end]) => from <= end && start <= until),
  );
}

function isTimeZone(name: string): boolean {
  try {
    new Intl.DateTimeFormat('en', { timeZone: name });
    return true;
  } catch {
    return false;
  }
}

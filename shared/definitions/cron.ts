/**
 * Schedules in the form of cron, five fields, in a time zone. What falls into an hour that is left out in spring runs when it ends; what falls
 * into one that comes twice in autumn runs once, but for schedules of every hour or oftener.
 */
import { Cron } from 'croner';
import { z } from 'zod';

const LONGEST = 100;

export const cronSchema = z
  .string()
  .max(LONGEST)
  .superRefine((pattern, context) => {
    try {
      new Cron(pattern, { mode: '5-part', paused: true });
    } catch (error) {
      context.addIssue({
        code: 'custom',
        message: `is not a schedule such as "0 7 * * mon-fri": ${(error as Error).message}`,
      });
    }
  });

/** The next time after `afterMs`, in ms since 1970; undefined when there is none. `pattern` is one that `cronSchema` took. */
export function nextCronTime(pattern: string, timeZone: string, afterMs: number): number | undefined {
  return new Cron(pattern, { mode: '5-part', timezone: timeZone, paused: true }).nextRun(new Date(afterMs))?.getTime();
}

/** The times after `afterMs` and the first one after `untilMs`, at most `most`. */
export function* cronTimes(
  pattern: string,
  timeZone: string,
  { afterMs, untilMs, most }: { readonly afterMs: number; readonly untilMs: number; readonly most: number },
): Generator<number> {
  const cron = new Cron(pattern, { mode: '5-part', timezone: timeZone, paused: true });
  let ms: number | undefined = afterMs;
  for (let left = most; left > 0 && ms <= untilMs; left -= 1) {
    ms = cron.nextRun(new Date(ms))?.getTime();
    if (ms === undefined) return;
    yield ms;
  }
}

/** The holidays in a text file: a date a line, and after it what it is called. Pure. */
import { dateSchema, MOST_HOLIDAYS } from '#shared/definitions/calendar-schema.ts';

export const MOST_HOLIDAY_BYTES = 256 * 1024;

export type ParsedHolidays =
  | { readonly ok: true; readonly dates: readonly string[] }
  | { readonly ok: false; readonly fault: string };

/** Empty lines, and those that begin with `#`, are passed over. A line that is not a date is a fault of the file: nothing of it counts. */
export function parseHolidays(text: string, most = MOST_HOLIDAYS): ParsedHolidays {
  const dates = new Set<string>();
  for (const [index, line] of text
    .replace(/^\uFEFF/, '')
    .split(/\r\n|\n|\r/)
    .entries()) {
    const trimmed = line.trim();
    if (trimmed === '' || trimmed.startsWith('#')) continue;
    const [date = ''] = trimmed.split(/[\s,;]/, 1);
    if (!dateSchema.safeParse(date).success)
      return { ok: false, fault: `line ${index + 1} does not begin with a date such as 2026-12-25` };
    dates.add(date);
    if (dates.size > most) return { ok: false, fault: `it has more than ${most} dates` };
  }
  return { ok: true, dates: [...dates].toSorted() };
}

/** `Retry-After` (RFC 9110, 10.2.3): seconds or a date; anything else counts as if it were not there. */

type ReplyHeaders = Readonly<Record<string, string | string[] | undefined>>;

/** A partner that says "in a year" does not mean it. */
const LONGEST_MS = 86_400_000;
/** The forms of RFC 9110, 5.6.7: IMF-fixdate, and the obsolete ones of RFC 850 and asctime, which a recipient must take too. */
const HTTP_DATES = [
  /^(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d{2} [A-Z][a-z]{2} \d{4} \d{2}:\d{2}:\d{2} (?:GMT|UTC)$/,
  /^(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)day, \d{2}-[A-Z][a-z]{2}-\d{2} \d{2}:\d{2}:\d{2} GMT$/,
  /^(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun) [A-Z][a-z]{2} [ \d]\d \d{2}:\d{2}:\d{2} \d{4}$/,
];
/** asctime names no zone: it is GMT. */
const ZONE = /(?:GMT|UTC)$/;
const TWO_DIGIT_YEAR = /-(\d{2}) /;

/** A date counts from that of the reply itself, and from `now` where the reply has none: clocks differ, and jump. 0 for what has passed. */
export function parseRetryAfterMs({ 'retry-after': header, date }: ReplyHeaders, now: number): number | undefined {
  if (typeof header !== 'string') return undefined;
  const value = header.trim();
  if (/^\d{1,10}$/.test(value)) return Math.min(LONGEST_MS, Number(value) * 1_000);
  const at = parseHttpDate(value, now);
  if (at === undefined) return undefined;
  const repliedAt = typeof date === 'string' ? parseHttpDate(date.trim(), now) : undefined;
  return Math.min(LONGEST_MS, Math.max(0, at - (repliedAt ?? now)));
}

function parseHttpDate(value: string, now: number): number | undefined {
  if (!HTTP_DATES.some((form) => form.test(value))) return undefined;
  const at = Date.parse(inFullYears(ZONE.test(value) ? value : `${value} GMT`, now));
  return Number.isNaN(at) ? undefined : at;
}

/** A year of two digits that would lie more than fifty years ahead is one of the past (RFC 9110, 5.6.7). */
function inFullYears(date: string, now: number): string {
  return date
    .replace(TWO_DIGIT_YEAR, (_match, digits: string) => {
      const thisYear = new Date(now).getUTCFullYear();
      const year = thisYear - (thisYear % 100) + Number(digits);
      return ` ${year > thisYear + 50 ? year - 100 : year} `;
    })
    .replace(/(\d{2})-([A-Z][a-z]{2}) /, '$1 $2 ');
}

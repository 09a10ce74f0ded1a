/** `Retry-After` (RFC 9110, 10.2.3): seconds or a date; anything else counts as if it were not there. */

/** A partner that says "in a year" does not mean it. */
const LONGEST_MS = 86_400_000;
const HTTP_DATE = /^(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d{2} [A-Z][a-z]{2} \d{4} \d{2}:\d{2}:\d{2} GMT$/;

/** Milliseconds from `now`; 0 for what has passed. */
export function parseRetryAfterMs(header: string | string[] | undefined, now: number): number | undefined {
  if (typeof header !== 'string') return undefined;
  const value = header.trim();
  if (/^\d{1,10}$/.test(value)) return Math.min(LONGEST_MS, Number(value) * 1_000);
  if (!HTTP_DATE.test(value)) return undefined;
  const at = Date.parse(value);
  return Number.isNaN(at) ? undefined : Math.min(LONGEST_MS, Math.max(0, at - now));
}

/** Times as people write and read them: in the time zone of the tenant that a command is about. */
import { Temporal } from 'temporal-polyfill';
import { LongshoreError } from '#shared/errors.ts';

export interface Times {
  /**
   * An instant in UTC, for the API.
   *
   * @throws LongshoreError `USAGE`
   */
  parse(text: string): string;
  show(instant: string | null | undefined): string | null;
}

export const TIME_FORMS =
  'an age such as 30m, 2h or 7d; today or yesterday; 08:30; 2026-01-31; 2026-01-31T08:30; or with an offset';

const UNIT_MS: Readonly<Record<string, number>> = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000, w: 604_800_000 };

/** `zone` is a name of the IANA database; `now` is in ms since 1970. */
export function createTimes(zone: string, now: () => number): Times {
  const nowInZone = () => Temporal.Instant.fromEpochMilliseconds(now()).toZonedDateTimeISO(zone);

  function read(text: string): Temporal.Instant {
    const [, count, unit = ''] = /^(\d{1,6})\s?([smhdw])(?: ago)?$/.exec(text) ?? [];
    if (count !== undefined)
      return Temporal.Instant.fromEpochMilliseconds(now() - Number(count) * (UNIT_MS[unit] ?? 0));
    if (text === 'today') return nowInZone().startOfDay().toInstant();
    if (text === 'yesterday') return nowInZone().subtract({ days: 1 }).startOfDay().toInstant();
    if (/^\d\d:\d\d(?::\d\d)?$/.test(text)) return nowInZone().withPlainTime(text).toInstant();
    if (/(?:Z|[+-]\d\d:?\d\d)$/i.test(text) && /\d[T ]\d/i.test(text)) return Temporal.Instant.from(text);
    // Temporal would pass over the name of a zone that it does not use.
    if (text.includes('[')) throw new RangeError('names a zone');
    return Temporal.PlainDateTime.from(text).toZonedDateTime(zone).toInstant();
  }

  return {
    parse(text) {
      try {
        return new Date(read(text.trim()).epochMilliseconds).toISOString();
      } catch {
        throw new LongshoreError('USAGE', `${JSON.stringify(text)} is not a time.`, { hint: `Give ${TIME_FORMS}.` });
      }
    },
    show(instant) {
      if (instant === null || instant === undefined) return null;
      const { offset, ...at } = fieldsOf(Temporal.Instant.from(instant).toZonedDateTimeISO(zone));
      return `${at.date} ${at.time}${offset === '+00:00' ? 'Z' : offset}`;
    },
  };
}

function fieldsOf(at: Temporal.ZonedDateTime): { date: string; time: string; offset: string } {
  return {
    date: at.toPlainDate().toString(),
    time: at.toPlainTime().toString({ smallestUnit: 'second' }),
    offset: at.offset,
  };
}

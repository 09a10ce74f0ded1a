/**
 * Reads the holidays of calendars that name an object of an external store (`holidaysFrom`), each hour and after the calendar was applied.
 *
 * 1. What was read last counts until another file was read whole: a store that is down, or a file with a fault, changes no day.
 * 2. The object is reached with the credentials of the tenant's store, in the places that the store allows.
 * 3. What the store says, and what is in a file with a fault, is in no event and no log.
 */
import type { Sql } from '#shared/db/connect-database.ts';
import { calendarDocumentSchema, MOST_HOLIDAYS } from '#shared/definitions/calendar-schema.ts';
import { isPlaceAllowed } from '#shared/definitions/store-schema.ts';
import { LongshoreError } from '#shared/errors.ts';
import {
  type ClaimedReading,
  claimReadings,
  noteUnread,
  putOffReading,
  storeHolidays,
} from '#shared/expectations/calendar-transitions.ts';
import { MOST_HOLIDAY_BYTES, parseHolidays } from '#shared/expectations/parse-holidays.ts';
import type { Logger } from '#shared/runtime/logger.ts';
import type { StoreDirectory } from '#shared/stores/store-directory.ts';

export interface ReadCalendarsOptions {
  readonly sql: Sql;
  readonly stores: StoreDirectory;
  readonly logger: Logger;
  readonly signal: AbortSignal;
}

const ACTOR = 'retry-sweeper';
const READ_AT_ONCE = 20;
const LOOK_AGAIN_MS = 3_600_000;
const TRY_AGAIN_MS = 300_000;
const DEADLINE_MS = 20_000;

/** `again`: there may be more. */
export async function readCalendars(options: ReadCalendarsOptions): Promise<'again' | 'done'> {
  const claimed = await claimReadings(options.sql, { limit: READ_AT_ONCE, againMs: TRY_AGAIN_MS });
  await Promise.all(claimed.map((reading) => read(options, reading)));
  return claimed.length === READ_AT_ONCE ? 'again' : 'done';
}

async function read({ sql, stores, logger, signal }: ReadCalendarsOptions, reading: ClaimedReading): Promise<void> {
  try {
    const deadline = AbortSignal.any([signal, AbortSignal.timeout(DEADLINE_MS)]);
    const found = await look(stores, reading, deadline);
    if (found === 'unchanged') await putOffReading(sql, reading, LOOK_AGAIN_MS);
    else await storeHolidays(sql, reading, { ...found, againMs: LOOK_AGAIN_MS }, ACTOR);
  } catch (error) {
    if (signal.aborted) return;
    const message =
      error instanceof UnusableHolidays
        ? error.message
        : `the object cannot be read (${error instanceof LongshoreError ? error.code : 'INTERNAL'})`;
    logger.warn({ tenant: reading.tenantId, calendar: reading.name, err: error }, 'holidays not read');
    await noteUnread(sql, reading, message, ACTOR);
  }
}

class UnusableHolidays extends Error {}

async function look(
  stores: StoreDirectory,
  { tenantId, definition, etag }: ClaimedReading,
  signal: AbortSignal,
): Promise<{ readonly etag: string; readonly dates: readonly string[] } | 'unchanged'> {
  const parsed = calendarDocumentSchema.safeParse(definition);
  const from = parsed.data?.holidaysFrom;
  if (!parsed.success || from === undefined) throw new UnusableHolidays('the definition cannot be used');
  const { store: name, ...place } = from;
  const most = MOST_HOLIDAYS - parsed.data.holidays.length;
  const used = await stores.use({ tenantId, name }, async ({ store, definition: { buckets } }) => {
    if (!isPlaceAllowed(buckets, place)) throw new UnusableHolidays(`the store ${name} does not allow the object`);
    const head = await store.head(place, { signal });
    if (head === 'not-found') throw new UnusableHolidays('there is no such object');
    if (head.etag === etag) return 'unchanged' as const;
    if (head.sizeBytes > MOST_HOLIDAY_BYTES)
      throw new UnusableHolidays(`the object has more than ${MOST_HOLIDAY_BYTES / 1024} KiB`);
    const range = { first: 0, last: Math.max(0, head.sizeBytes - 1) };
    const bytes = head.sizeBytes === 0 ? '' : await store.readRange(place, range, { signal, ifMatch: head.etag });
    return { etag: head.etag, text: bytes.toString() };
  });
  if (!used.ok) throw new UnusableHolidays(used.message);
  if (used.result === 'unchanged') return 'unchanged';
  const holidays = parseHolidays(used.result.text, most);
  if (!holidays.ok) throw new UnusableHolidays(holidays.fault);
  return { etag: used.result.etag, dates: holidays.dates };
}

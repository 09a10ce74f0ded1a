/**
 * Watches for files that are to come: plans occurrences some weeks ahead, and looks at those whose time has come.
 *
 * 1. Nothing is added to the way of a file: what was registered is read afterwards, each stretch of time once.
 * 2. Of one occurrence a bounded number of files is read at a time: a tenant with a million files a day holds up nobody's expectation.
 * 3. A stored definition that this version cannot read ends nothing: its expectation waits, and the log names it.
 */
import type { Sql } from '#shared/db/connect-database.ts';
import { calendarDocumentSchema } from '#shared/definitions/calendar-schema.ts';
import {
  type ExpectationDocument,
  expectationDocumentSchema,
  MOST_FILES,
} from '#shared/definitions/expectation-schema.ts';
import { compileGlobs } from '#shared/definitions/routes/match-glob.ts';
import {
  type DueOccurrence,
  endOccurrences,
  findArrivals,
  findDue,
  findFiles,
  findHistory,
  findNeighbours,
  findUnplanned,
  OVERLAP_MS,
  type StoredVerdict,
  storePlan,
  storeVerdicts,
  type UnplannedExpectation,
} from '#shared/expectations/expectation-transitions.ts';
import { type ArrivalHistory, judgeOccurrence } from '#shared/expectations/judge-occurrence.ts';
import { endOfCalendar, noteEndingCalendar } from '#shared/expectations/note-ending-calendar.ts';
import { type BusinessDays, planOccurrences } from '#shared/expectations/plan-occurrences.ts';
import { shareArrivals } from '#shared/expectations/share-arrivals.ts';
import type { Logger } from '#shared/runtime/logger.ts';

export interface WatchExpectationsOptions {
  readonly sql: Sql;
  readonly logger: Logger;
}

const ACTOR = 'retry-sweeper';
const DAY_MS = 86_400_000;
/** What a calendar shows, and an outage of some days. */
const PLANNED_MS = 21 * DAY_MS;
const PLAN_AGAIN_MS = 7 * DAY_MS;
const MOST_PLANNED = 2_000;
const EXPECTATIONS_AT_ONCE = 50;
const OCCURRENCES_AT_ONCE = 100;
const FILES_AT_ONCE = 5_000;
/** Until a definition that cannot be read is looked at again. */
const UNREADABLE_MS = 600_000;

/** `again`: there may be more. */
export async function watchExpectations({ sql, logger }: WatchExpectationsOptions): Promise<'again' | 'done'> {
  const unplanned = await findUnplanned(sql, { limit: EXPECTATIONS_AT_ONCE });
  for (const expectation of unplanned) await plan(sql, expectation, logger);
  const due = await findDue(sql, { limit: OCCURRENCES_AT_ONCE });
  let isCut = false;
  for (const occurrences of inTurns(due)) {
    const looks: (Look | undefined)[] = [];
    for (const occurrence of occurrences) looks.push(await look(sql, occurrence, logger));
    const done = looks.filter((each) => each !== undefined);
    await storeVerdicts(sql, done, ACTOR);
    isCut ||= done.some((each) => each.isCut);
  }
  const isMore = unplanned.length === EXPECTATIONS_AT_ONCE || due.length === OCCURRENCES_AT_ONCE;
  return isMore || isCut ? 'again' : 'done';
}

/** Of one expectation one at a time, in the order in which they are due: what counts for one counts for no later one. */
function inTurns(due: readonly DueOccurrence[]): DueOccurrence[][] {
  const seen = new Map<string, number>();
  const turns: DueOccurrence[][] = [];
  for (const occurrence of due.toSorted((one, other) => one.dueMs - other.dueMs)) {
    const name = `${occurrence.tenantId}/${occurrence.expectation}`;
    const turn = seen.get(name) ?? 0;
    seen.set(name, turn + 1);
    turns[turn] ??= [];
    turns[turn].push(occurrence);
  }
  return turns;
}

async function plan(sql: Sql, expectation: UnplannedExpectation, logger: Logger): Promise<void> {
  const { tenantId, name, planOf, isRemoved, nowMs } = expectation;
  const definition = expectationDocumentSchema.safeParse(expectation.definition);
  const at = { tenantId, name, planOf };
  if (isRemoved || !definition.success) {
    if (!isRemoved)
      logger.error({ tenant: tenantId, expectation: name, err: definition.error }, 'expectation cannot be used');
    await endOccurrences(sql, at);
    return await storePlan(sql, { ...at, untilMs: nowMs + PLAN_AGAIN_MS, occurrences: [] });
  }
  const days = daysOf(expectation, definition.data);
  const { calendar } = definition.data.due;
  const lastHoliday = calendar === undefined ? undefined : endOfCalendar({ holidays: days.holidays ?? [] }, nowMs);
  if (calendar !== undefined && lastHoliday !== undefined)
    await noteEndingCalendar(sql, { tenantId, calendar, lastHoliday }, ACTOR);
  const untilMs = nowMs + PLANNED_MS;
  const occurrences = planOccurrences(definition.data.due, days, { afterMs: nowMs, untilMs, most: MOST_PLANNED });
  const lastMs = occurrences.length === MOST_PLANNED ? (occurrences.at(-1)?.dueMs ?? untilMs) : untilMs;
  await storePlan(sql, { ...at, untilMs: nowMs + Math.min(PLAN_AGAIN_MS, (lastMs - nowMs) / 2), occurrences });
}

function daysOf(
  { calendar, tenantTimeZone }: Pick<UnplannedExpectation, 'calendar' | 'tenantTimeZone'>,
  { due }: ExpectationDocument,
): BusinessDays {
  const parsed = calendarDocumentSchema.safeParse(calendar);
  return parsed.success ? parsed.data : { timeZone: due.timeZone ?? tenantTimeZone };
}

const NO_HISTORY: ArrivalHistory = { medianBytes: undefined, usualMs: undefined, previousHashes: [] };

type Look = StoredVerdict & { readonly isCut: boolean };

async function look(sql: Sql, occurrence: DueOccurrence, logger: Logger): Promise<Look | undefined> {
  const { id, tenantId, updatedAt, nowMs } = occurrence;
  const parsed = expectationDocumentSchema.safeParse(occurrence.definition);
  if (!parsed.success) {
    logger.error(
      { tenant: tenantId, expectation: occurrence.expectation, err: parsed.error },
      'expectation cannot be used',
    );
    await sql`
      UPDATE expected_occurrences SET next_look_at = now() + ${UNREADABLE_MS}::int * interval '1 ms' WHERE id = ${id}`;
    return undefined;
  }
  const expectation = parsed.data;
  const home = `${tenantId}/`;
  const matches = compileGlobs(expectation.match);
  const keyPrefix = home + prefixOf(expectation.match);
  const arrivals = await findArrivals(sql, { ...occurrence, keyPrefix, limit: FILES_AT_ONCE });
  const arrived = arrivals.filter(({ key }) => matches(key.slice(home.length)));
  const isCut = arrivals.length === FILES_AT_ONCE;
  const needed = expectation.count.min;
  const neighbours =
    arrived.length === 0
      ? []
      : await findNeighbours(
          sql,
          occurrence,
          arrived.map((file) => file.id),
        );
  const shared = shareArrivals(occurrence, neighbours, { arrivals: arrived, needed });
  // One more than is counted says that there are too many.
  const fileIds = shared.fileIds.slice(0, MOST_FILES + 1);
  const files = fileIds.length === 0 ? [] : await findFiles(sql, { tenantId, ids: fileIds });
  const asksHistory = files.length > 0 || expectation.warn.whenLaterThanUsual;
  const history = asksHistory ? await findHistory(sql, occurrence) : NO_HISTORY;
  const days = daysOf(occurrence, expectation);
  // What was not read yet may have been in time.
  const judgedMs = isCut ? Math.min(nowMs, arrivals.at(-1)?.atMs ?? nowMs) : nowMs;
  const verdict = judgeOccurrence({ occurrence, expectation, days, files, history, nowMs: judgedMs });
  // Where there are more, the next look begins with the last of these: what is looked at once more then is no reason to stand still.
  const lookedMs = isCut ? judgedMs + OVERLAP_MS : Math.min(nowMs, shared.leftMs ?? nowMs);
  const nextLookMs = isCut ? nowMs : verdict.nextLookMs;
  return {
    id,
    updatedAt,
    verdict: { ...verdict, nextLookMs },
    fileIds,
    needed,
    lookedMs,
    isCut,
  };
}

/** What every path that one of the globs matches begins with. */
function prefixOf(globs: readonly string[]): string {
  const [first = '', ...others] = globs.map((glob) => /^[^*?[{\\]*/.exec(glob)?.[0] ?? '');
  return others.reduce((prefix, other) => {
    let length = 0;
    while (length < prefix.length && prefix[length] === other[length]) length += 1;
    return prefix.slice(0, length);
  }, first);
}

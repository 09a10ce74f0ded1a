/**
 * When the last mail of a campaign goes, by what is known now: its rate, its window, and how many mails its sender may send a day. Pure.
 *
 * Other campaigns of the sender make it later. Hours by each recipient's clock are left out: their zones are not counted.
 */
import { type BusinessCalendar, msUntilClosed, msUntilOpen, type OpenHours } from '#shared/expectations/open-hours.ts';

export interface ExpectedSending {
  readonly pending: number;
  readonly ratePerSecond: number;
  /** Of a day by UTC; null: there is no limit. */
  readonly perDay: number | null;
  readonly givenToday: number;
  readonly window: OpenHours | null;
  readonly calendar: BusinessCalendar | null;
  readonly nowMs: number;
  readonly startsAtMs: number;
}

const DAY_MS = 86_400_000;
/** A month of days with a window; what is left then is expected to continue at their pace. */
const MOST_SPANS = 90;

/** In milliseconds since 1970. */
export function expectEnd(sending: ExpectedSending): number {
  const { pending, ratePerSecond, perDay, givenToday, window, calendar, nowMs, startsAtMs } = sending;
  const today = dayOf(nowMs);
  const beginsMs = Math.max(nowMs, startsAtMs);
  let at = beginsMs;
  let left = pending;
  let given = dayOf(at) === today ? givenToday : 0;
  for (let span = 0; span < MOST_SPANS; span += 1) {
    const closedMs = window === null ? 0 : msUntilOpen(window, at, calendar ?? {});
    if (dayOf(at + closedMs) !== dayOf(at)) given = 0;
    at += closedMs;
    const midnight = (dayOf(at) + 1) * DAY_MS;
    const until = window === null ? midnight : Math.min(midnight, at + msUntilClosed(window, at));
    const byRate = (ratePerSecond * (until - at)) / 1_000;
    const byQuota = perDay === null ? Number.POSITIVE_INFINITY : Math.max(0, perDay - given);
    const most = Math.min(byRate, byQuota);
    if (left <= most) return at + (left / ratePerSecond) * 1_000;
    left -= most;
    given += most;
    at = byQuota < byRate ? midnight : until;
    if (at === midnight) given = 0;
  }
  const sent = pending - left;
  return sent <= 0 ? at : at + (left / sent) * (at - beginsMs);
}

function dayOf(ms: number): number {
  return Math.floor(ms / DAY_MS);
}

/** What an expected occurrence is called, and the weeks in which they are shown. */
import type { Occurrence } from '#services/control-api/expectations/find-occurrences.ts';

const DAY_MS = 86_400_000;
const WEEK_DAYS = 7;

export function wordOf({ state, at_risk: isAtRisk }: Pick<Occurrence, 'state' | 'at_risk'>): string {
  if (state === 'OPEN') return isAtRisk ? 'at_risk' : 'awaited';
  return state === 'PENDING' ? 'to_come' : state;
}

/** Somebody has to look: late, missed, at risk, or not as it always was. */
export function needsPerson(occurrence: Occurrence): boolean {
  if (occurrence.state === 'EXCUSED') return false;
  return ['LATE', 'MISSED', 'at_risk'].includes(wordOf(occurrence)) || occurrence.oddities.length > 0;
}

/** `same content` */
export function oddityText(oddity: string): string {
  return oddity.toLowerCase().replaceAll('_', ' ');
}

/** The Monday of a day in UTC, as `2026-11-23`; of today when the text is not a day. */
export function mondayOf(day: string | undefined, now: number): string {
  const parsed = /^\d{4}-\d\d-\d\d$/.test(day ?? '') ? Date.parse(`${day}T00:00:00Z`) : Number.NaN;
  const at = Number.isNaN(parsed) ? now : parsed;
  const sinceMonday = (new Date(at).getUTCDay() + WEEK_DAYS - 1) % WEEK_DAYS;
  return dayAfter(new Date(at).toISOString().slice(0, 10), -sinceMonday);
}

export function dayAfter(day: string, days: number): string {
  return new Date(Date.parse(`${day}T00:00:00Z`) + days * DAY_MS).toISOString().slice(0, 10);
}

export function daysFrom(monday: string): string[] {
  return Array.from({ length: WEEK_DAYS }, (_, index) => dayAfter(monday, index));
}

/** The address of the list of files: its filters, as the API's query and as the scope of an action. */
import type { ActionVerb } from '#shared/db/schema.ts';
import type { Scope } from '../../parts/action-sheet/verb-buttons.tsx';
import { VERBS } from '../../parts/action-sheet/verbs.ts';
import type { UrlState } from '../../parts/url-state.ts';

/** Names of the API's filters, and `since`, an age such as `24h`. */
export const FILTERS = [
  'status',
  'code',
  'cause',
  'route',
  'partner',
  'tenant',
  'since',
  'name',
  'path',
  'type',
  'source',
  'min_size',
  'checksum',
  'from',
  'to',
  'finished_from',
] as const;

const UNITS = { m: 60_000, h: 3_600_000, d: 86_400_000 } as const;

/** Undefined for what is not an age. */
export function ageMs(text: string | undefined): number | undefined {
  const [, count, unit] = /^(\d{1,5})\s*([mhd])$/.exec(text?.trim() ?? '') ?? [];
  return unit === undefined ? undefined : Number(count) * UNITS[unit as keyof typeof UNITS];
}

export function toQuery(search: UrlState, now: number): Record<string, string | undefined> {
  const { since } = search;
  const age = ageMs(since);
  const filters = Object.fromEntries(
    FILTERS.filter((name) => name !== 'since').map((name) => [name, search[name] || undefined]),
  );
  return {
    ...filters,
    // An unreadable age is sent as it is: the API says what it does not understand.
    from: filters.from ?? (since ? (age === undefined ? since : new Date(now - age).toISOString()) : undefined),
    order: search.order || undefined,
  };
}

/** What each kind of subject can be found by, of the filters of the list. */
const OF_JOBS = new Set(['tenant', 'since', 'from', 'to', 'route', 'code', 'cause', 'status']);
const OF_FILES = new Set(['tenant', 'since', 'from', 'to', 'status', 'code', 'cause', 'name', 'type']);
const JOB_STATES: Readonly<Record<string, readonly string[]>> = {
  failed: ['FAILED', 'CANCELLED'],
  completed: ['SUCCEEDED'],
  queued: ['PENDING', 'RUNNING', 'WAITING'],
  processing: ['PENDING', 'RUNNING', 'WAITING'],
};

/** Everything that matches: only where the verb knows every filter of the list, so that none of them is lost. */
export function toScope(search: UrlState, verb: ActionVerb, now: number): Scope {
  const isOfJobs = VERBS[verb].subject === 'job';
  const set = FILTERS.filter((name) => search[name]);
  if (set.length === 0) return { refusal: 'Set a filter first: everything there is is not a scope.' };
  const unknown = set.filter((name) => !(isOfJobs ? OF_JOBS : OF_FILES).has(name));
  if (unknown.length > 0)
    return {
      refusal: `${VERBS[verb].label} cannot be limited by ${unknown.join(', ')}: select the files, or remove it.`,
    };
  const { status, tenant, route, code, cause, name, type, from: since, to: until } = toQuery(search, now);
  const shared = { tenant, since, until, code, cause };
  const statuses = status
    ?.toLowerCase()
    .split(',')
    .map((each) => each.trim());
  if (!isOfJobs) return { filter: { ...shared, status: statuses, name, type } };
  const states = statuses?.map((each) => JOB_STATES[each]);
  if (states?.includes(undefined)) return { refusal: `Files that are ${status} have no jobs to ${verb}.` };
  return { filter: { ...shared, route, state: states && [...new Set(states.flatMap((each) => each ?? []))] } };
}

export function toCommand(search: UrlState): string[] {
  const flags = FILTERS.filter((name) => search[name]).flatMap((name) => [
    `--${name === 'finished_from' ? 'finished-since' : name.replaceAll('_', '-')}`,
    search[name] ?? '',
  ]);
  return ['files', ...flags];
}

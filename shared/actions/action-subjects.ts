/**
 * Which rows the verbs of actions take, and which a filter finds. Fragments of SQL, with states spelled out as in the partial indexes: a
 * parameter would not be seen to fit them.
 */
import type { Fragment, Sql } from '#shared/db/connect-database.ts';
import type { ActionVerb, FileStatus, JobState } from '#shared/db/schema.ts';
import { callsPartner } from '#shared/partners/calls-partner.ts';
import { HELD } from '#shared/steps/step-outcome.ts';
import { toLikePattern } from '#shared/text/like-pattern.ts';

export type SubjectKind = 'job' | 'file' | 'dead letter';

export const SUBJECTS: Readonly<Record<ActionVerb, SubjectKind>> = {
  retry: 'job',
  cancel: 'job',
  release: 'job',
  reject: 'job',
  skip: 'job',
  resend: 'job',
  reroute: 'file',
  redrive: 'dead letter',
  discard: 'dead letter',
};

export interface ActionFilter {
  /** Of any tenant when absent. */
  readonly tenant?: string | undefined;
  readonly ids?: readonly string[] | undefined;
  /** Of jobs: those of these files. */
  readonly file_ids?: readonly string[] | undefined;
  /** Created at this instant or later, and before. */
  readonly since?: string | undefined;
  readonly until?: string | undefined;
  readonly route?: string | undefined;
  readonly code?: string | undefined;
  readonly cause?: string | undefined;
  /** Of jobs: those of routes that call it. */
  readonly partner?: string | undefined;
  /** Any of them. */
  readonly state?: readonly JobState[] | undefined;
  readonly wait_reason?: string | undefined;
  readonly status?: readonly FileStatus[] | undefined;
  /** Exact, or with `*` for any run of characters. */
  readonly name?: string | undefined;
  readonly type?: string | undefined;
  readonly queue?: string | undefined;
}

/** What each kind of row can be found by. */
export const FILTER_FIELDS: Readonly<Record<SubjectKind, readonly (keyof ActionFilter)[]>> = {
  job: ['tenant', 'ids', 'file_ids', 'since', 'until', 'route', 'partner', 'code', 'cause', 'state', 'wait_reason'],
  file: ['tenant', 'ids', 'since', 'until', 'status', 'code', 'cause', 'name', 'type'],
  'dead letter': ['tenant', 'ids', 'since', 'until', 'queue'],
};

/** Open, as five partial indexes have it. */
const OPEN_JOB = `((s.state = 'PENDING' AND s.woken_at IS NULL AND NOT s.awaits_turn) OR (s.awaits_turn AND s.state = 'PENDING')
  OR (s.state = 'PENDING' AND s.woken_at IS NOT NULL) OR s.state = 'RUNNING' OR s.state = 'WAITING')`;
const ENDED_BADLY = `s.state IN ('FAILED', 'CANCELLED')`;

/** Of a row `s`: whether the verb takes it. */
const TAKEN: Readonly<Record<ActionVerb, string>> = {
  retry: `${ENDED_BADLY} AND s.superseded_by IS NULL AND s.parent_job_id IS NULL`,
  cancel: OPEN_JOB,
  release: `s.state = 'WAITING' AND s.wait_reason = '${HELD}'`,
  reject: `s.state = 'WAITING' AND s.wait_reason = '${HELD}'`,
  skip: `s.is_ordered AND (${OPEN_JOB} OR (s.state = 'FAILED' AND EXISTS (
    SELECT 1 FROM job_lines l WHERE l.order_key = s.order_key AND l.route_id = s.route_id AND l.holder = s.id)))`,
  resend: `s.state IN ('SUCCEEDED', 'FAILED', 'CANCELLED') AND s.superseded_by IS NULL AND s.parent_job_id IS NULL AND s.route_id NOT IN (
    SELECT r.id FROM routes r JOIN route_versions v ON v.route_id = r.id AND v.version = r.active_version
    WHERE r.disabled_at IS NOT NULL OR v.definition ? 'records')`,
  reroute: `s.status IN ('FAILED', 'QUARANTINED') AND s.status = 'QUARANTINED' AND s.routed_at IS NOT NULL AND s.job_count = 0`,
  redrive: `s.state = 'PARKED'`,
  discard: `s.state = 'PARKED'`,
};

/** Rerouted only where they are named: they have a file that they belong to, or a fleet that carries them. */
const SET_ASIDE = `s.status IN ('QUARANTINED', 'COMPANION', 'ELSEWHERE') AND s.routed_at IS NOT NULL AND s.job_count = 0`;

/** Of a row `s` that the verb does not take: the reason, one of few. */
const LEFT: Readonly<Record<SubjectKind, string>> = {
  job: `CASE WHEN s.superseded_by IS NOT NULL THEN 'sent again as new'
    WHEN s.parent_job_id IS NOT NULL THEN 'goes with the job above it' WHEN s.state = 'WAITING' THEN 'waiting: ' || coalesce(s.wait_reason, 'its time') ELSE lower(s.state) END`,
  file: `lower(s.status)`,
  'dead letter': `lower(s.state)`,
};

const TABLES: Readonly<Record<SubjectKind, string>> = { job: 'jobs', file: 'files', 'dead letter': 'dead_letters' };

export interface Subjects {
  /** `tablename s`. */
  readonly table: Fragment;
  /** Conditions on `s`. */
  readonly fits: Fragment;
  readonly isTaken: Fragment;
  readonly leftBecause: Fragment;
  /** The order in which they are taken: the oldest first, along an index. */
  readonly order: Fragment;
}

export function subjectsOf(sql: Sql, verb: ActionVerb, filter: ActionFilter): Subjects {
  const kind = SUBJECTS[verb];
  return {
    table: sql.unsafe(`${TABLES[kind]} s`),
    fits: conjunction(sql, [...sharedConditions(sql, kind, filter), ...CONDITIONS[kind](sql, filter)]),
    isTaken: sql.unsafe(
      verb === 'reroute' && filter.status?.some((each) => each === 'COMPANION' || each === 'ELSEWHERE')
        ? SET_ASIDE
        : TAKEN[verb],
    ),
    leftBecause: sql.unsafe(LEFT[kind]),
    order: kind === 'job' ? sql`s.id` : sql`s.created_at, s.id`,
  };
}

function conjunction(sql: Sql, conditions: readonly (Fragment | undefined)[]): Fragment {
  return conditions
    .filter((condition) => condition !== undefined)
    .reduce((all, condition) => sql`${all} AND ${condition}`, sql`true`);
}

/** Ids of jobs are in the order of time, as their makers' clocks had it; the instant itself decides. */
const CLOCK_SKEW_MS = 3_600_000;

function sharedConditions(sql: Sql, kind: SubjectKind, { tenant, ids, since, until }: ActionFilter) {
  const bound = (instant: string, skewMs: number) => firstIdOf(Date.parse(instant) + skewMs);
  return [
    tenant === undefined ? undefined : sql`s.tenant_id = ${tenant}`,
    ids === undefined ? undefined : sql`s.id = ANY(${[...ids]}::uuid[])`,
    since === undefined ? undefined : sql`s.created_at >= ${since}::timestamptz`,
    until === undefined ? undefined : sql`s.created_at < ${until}::timestamptz`,
    since === undefined || kind !== 'job' ? undefined : sql`s.id >= ${bound(since, -CLOCK_SKEW_MS)}::uuid`,
    until === undefined || kind !== 'job' ? undefined : sql`s.id < ${bound(until, CLOCK_SKEW_MS)}::uuid`,
  ];
}

/** The least UUID of version 7 of this millisecond. */
function firstIdOf(ms: number): string {
  const hex = Math.max(0, ms).toString(16).padStart(12, '0');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-7000-8000-000000000000`;
}

const CONDITIONS: Readonly<Record<SubjectKind, (sql: Sql, filter: ActionFilter) => (Fragment | undefined)[]>> = {
  job: (sql, { tenant, file_ids: fileIds, route, partner, code, cause, state, wait_reason: waitReason }) => [
    fileIds === undefined ? undefined : sql`s.file_id = ANY(${[...fileIds]}::uuid[])`,
    state === undefined ? undefined : sql.unsafe(`s.state IN (${literals(state)})`),
    code === undefined && cause === undefined ? undefined : sql.unsafe(ENDED_BADLY),
    code === undefined ? undefined : sql`s.error_code = ${code}`,
    cause === undefined ? undefined : sql`s.error_cause = ${cause}`,
    partner === undefined
      ? undefined
      : sql`s.route_version_id = ANY(ARRAY(
          SELECT v.id FROM route_versions v JOIN routes r ON r.id = v.route_id
          WHERE ${tenant === undefined ? sql`true` : sql`r.tenant_id = ${tenant}`} AND ${callsPartner(sql, sql`v.definition`, partner)}))`,
    waitReason === undefined ? undefined : sql`s.state = 'WAITING' AND s.wait_reason = ${waitReason}`,
    route === undefined
      ? undefined
      : sql`s.route_id = ANY(ARRAY(
          SELECT id FROM routes WHERE name = ${route} ${tenant === undefined ? sql`` : sql`AND tenant_id = ${tenant}`}))`,
  ],
  file: (sql, { status, code, cause, name, type }) => [
    status === undefined ? undefined : sql.unsafe(`s.status IN (${literals(status)})`),
    code === undefined ? undefined : sql`s.error_code = ${code}`,
    cause === undefined ? undefined : sql`s.error_cause = ${cause}`,
    name === undefined ? undefined : sql`s.name LIKE ${toLikePattern(name)}`,
    type === undefined ? undefined : sql`s.type = ${type}`,
  ],
  'dead letter': (sql, { queue }) => [queue === undefined ? undefined : sql`s.queue = ${queue}`],
};

/** Of states, which are of our own making. */
function literals(states: readonly (JobState | FileStatus)[]): string {
  return states.map((state) => `'${state}'`).join(', ');
}

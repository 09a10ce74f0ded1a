/**
 * What an action would do: counted by the database from the filter itself, and frozen. The rows found now are the set of the action, whatever
 * fits the filter later.
 *
 * In:  verb, filter, who asks. Out: the id of the action, `PREVIEWED`, with what it takes and what it leaves out, and why.
 * Events: `action.previewed` (audit only).
 */
import { randomUUIDv7 } from 'node:crypto';
import type { Fragment, Sql } from '#shared/db/connect-database.ts';
import { toJsonb } from '#shared/db/run-statements.ts';
import type { ActionVerb } from '#shared/db/schema.ts';
import { LongshoreError } from '#shared/errors.ts';
import { recordEvents } from '#shared/jobs/record-events.ts';
import { actionEvent } from './action-scope.ts';
import { type ActionFilter, SUBJECTS, type SubjectKind, type Subjects, subjectsOf } from './action-subjects.ts';

export interface PreviewAction {
  readonly verb: ActionVerb;
  readonly filter: ActionFilter;
  /** Of the key that asks; null for an operator's. */
  readonly tenantId: string | null;
  readonly actor: string;
  readonly ratePerSecond?: number | undefined;
}

export interface LeftOut {
  readonly reason: string;
  readonly count: number;
}

/** More rows are not a set that a person can answer for. */
export const MOST_ITEMS = 100_000;
/** For so long a preview can be run. */
export const PREVIEW_MS = 600_000;
/** Rows that are left out are counted up to here. */
export const MOST_LEFT_OUT = 10_000;
const MOST_GROUPS = 20;
const SAMPLES = 5;

/** @throws LongshoreError `ACTION_FILTER_EMPTY`, `ACTION_TOO_LARGE` */
export async function previewAction(sql: Sql, preview: PreviewAction): Promise<string> {
  const { verb, filter, tenantId, actor, ratePerSecond = null } = preview;
  if (Object.values(filter).every((condition) => condition === undefined))
    throw new LongshoreError('ACTION_FILTER_EMPTY', `${verb} was given no condition.`);
  const seen = { ...filter, ...(tenantId !== null && { tenant: tenantId }) };
  const leavesOut = await countLeftOut(sql, verb, seen);
  const id = randomUUIDv7();
  const [row] = await sql<{ takes: number }[]>`
    WITH fitting AS MATERIALIZED (${fittingRows(sql, verb, seen)}),
    counted AS MATERIALIZED (SELECT count(*)::int AS takes FROM fitting),
    grouped AS MATERIALIZED (${groupedRows(sql, SUBJECTS[verb])}),
    items AS (
      INSERT INTO action_items (action_id, subject)
      SELECT ${id}::uuid, f.id FROM fitting f WHERE (SELECT takes FROM counted) <= ${MOST_ITEMS} ORDER BY f.id),
    action AS (
      INSERT INTO actions (id, verb, state, tenant_id, filter, actor, rate_per_second, takes, expires_at, preview)
      SELECT ${id}::uuid, ${verb}, 'PREVIEWED', ${tenantId}, ${toJsonb(filter)}::text::jsonb, ${actor}, ${ratePerSecond}::float8, takes,
        now() + ${PREVIEW_MS}::int * interval '1 ms',
        jsonb_build_object('leaves_out', ${toJsonb(leavesOut)}::text::jsonb, 'by', ${groups(sql, SUBJECTS[verb])},
          'samples', ${samples(sql, SUBJECTS[verb])})
      FROM counted WHERE takes <= ${MOST_ITEMS}
      RETURNING *),
    event AS (${actionEvent(sql, sql`'previewed'`)} FROM action),
    ${recordEvents(sql, actor)}
    SELECT takes FROM counted`;
  if (row === undefined || row.takes > MOST_ITEMS)
    throw new LongshoreError('ACTION_TOO_LARGE', `More than ${MOST_ITEMS} rows fit the filter.`);
  return id;
}

/** The rows that the action takes, and one more when there are too many. */
export function fittingRows(sql: Sql, verb: ActionVerb, filter: ActionFilter): Fragment {
  const { table, fits, isTaken, order } = subjectsOf(sql, verb, filter);
  return sql`
    SELECT s.id, s.tenant_id, ${GROUP_COLUMNS[SUBJECTS[verb]](sql)} FROM ${table}
    WHERE ${fits} AND ${isTaken} ORDER BY ${order} LIMIT ${MOST_ITEMS + 1}`;
}

async function countLeftOut(sql: Sql, verb: ActionVerb, filter: ActionFilter): Promise<LeftOut[]> {
  return await sql<LeftOut[]>`
    SELECT reason, count(*)::int AS count FROM (${leftRows(sql, subjectsOf(sql, verb, filter))}) AS l
    GROUP BY reason ORDER BY count DESC, reason LIMIT ${MOST_GROUPS}`;
}

/** The rows that fit the filter and are left out, up to a bound, with the reason. */
export function leftRows(sql: Sql, { table, fits, isTaken, leftBecause }: Subjects): Fragment {
  return sql`SELECT ${leftBecause} AS reason FROM ${table} WHERE ${fits} AND NOT coalesce(${isTaken}, false) LIMIT ${MOST_LEFT_OUT}`;
}

const GROUP_COLUMNS: Readonly<Record<SubjectKind, (sql: Sql) => Fragment>> = {
  job: (sql) => sql`s.route_id, s.error_code, s.error_cause, s.file_id`,
  file: (sql) => sql`s.error_code, s.error_cause, s.id AS file_id`,
  'dead letter': (sql) => sql`s.queue, left(s.reason, 200) AS reason, s.file_id`,
};

/** What a set is grouped by, each by the name that the preview gives it. */
const GROUPS: Readonly<Record<SubjectKind, Readonly<Record<string, string>>>> = {
  job: { tenant: 'tenant_id', route: 'route_id', code: 'error_code', cause: 'error_cause' },
  file: { tenant: 'tenant_id', code: 'error_code', cause: 'error_cause' },
  'dead letter': { tenant: 'tenant_id', queue: 'queue', reason: 'reason' },
};

/** Each value of each column with its count, in one pass over the set; `of` says of which column. */
function groupedRows(sql: Sql, kind: SubjectKind): Fragment {
  const columns = Object.values(GROUPS[kind]);
  return sql.unsafe(`
    SELECT ${columns.join(', ')}, grouping(${columns.join(', ')}) AS of, count(*)::int AS count FROM fitting
    GROUP BY GROUPING SETS (${columns.map((column) => `(${column})`).join(', ')})`);
}

/** What the set is made of: the commonest values of each. */
function groups(sql: Sql, kind: SubjectKind): Fragment {
  const columns = Object.entries(GROUPS[kind]);
  const parts = columns.map(([name, column], index) => {
    const others = 2 ** columns.length - 1 - 2 ** (columns.length - 1 - index);
    const value = name === 'route' ? 'r.name' : `g.${column}`;
    const join = name === 'route' ? 'JOIN routes r ON r.id = g.route_id' : '';
    return `'${name}', coalesce((
      SELECT jsonb_agg(jsonb_build_object('value', value, 'count', count) ORDER BY count DESC, value) FROM (
        SELECT ${value} AS value, g.count FROM grouped g ${join} WHERE g.of = ${others} AND ${value} IS NOT NULL
        ORDER BY g.count DESC, 1 LIMIT ${MOST_GROUPS}) AS most), '[]')`;
  });
  return sql.unsafe(`jsonb_build_object(${parts.join(', ')})`);
}

function samples(sql: Sql, kind: SubjectKind): Fragment {
  const why = kind === 'dead letter' ? sql`'reason', f.reason` : sql`'code', f.error_code, 'cause', f.error_cause`;
  return sql`coalesce((
    SELECT jsonb_agg(jsonb_build_object('id', f.id, 'tenant', f.tenant_id, 'file_id', f.file_id, 'file_name', file.name, ${why}))
    FROM (SELECT * FROM fitting LIMIT ${SAMPLES}) AS f LEFT JOIN files file ON file.id = f.file_id), '[]')`;
}

/**
 * What was written to the audit since a place in time.
 *
 * 1. A place is a snapshot of the database: what it does not see and this statement sees is new, each line once, whatever order
 *    transactions end in.
 * 2. Lines are looked for among those of the last seconds only, as their transactions began: `since` reaches `LATE_SECONDS` further back
 *    than the place. A transaction that takes longer is missed.
 */
import type { ChangedFile, LiveAction, LiveProgress } from '#shared/api/live.ts';
import type { Sql } from '#shared/db/connect-database.ts';

export interface Place {
  /** Of the database's clock, in ms since 1970. */
  readonly at: number;
  /** As `pg_snapshot` is written. */
  readonly snapshot: string;
}

export type OfTenant<Value> = Value & { readonly tenant: string | null };

export interface Changes {
  readonly place: Place;
  /** In the order of time. */
  readonly files: readonly OfTenant<ChangedFile>[];
  /** There were more. */
  readonly isCut: boolean;
  /** Whose: null belongs to no tenant. */
  readonly actionTenants: readonly (string | null)[];
  readonly actions: readonly OfTenant<LiveAction>[];
  readonly progress: readonly OfTenant<LiveProgress>[];
}

export interface Watched {
  readonly fileIds: readonly string[];
  readonly actionIds: readonly string[];
}

const LATE_SECONDS = 5;
/** Beyond these, those who watch are asked to look for themselves. */
const MOST_LINES = 20_000;
const MOST_FILES = 2_000;

interface Row {
  readonly at: number;
  readonly snapshot: string;
  readonly lines: number;
  readonly files: readonly OfTenant<ChangedFile>[] | null;
  readonly actionTenants: readonly (string | null)[] | null;
  readonly actions: readonly OfTenant<LiveAction>[] | null;
  readonly progress: readonly OfTenant<LiveProgress>[] | null;
}

/** Of no place there is nothing new, but what is watched. */
export async function findChanges(
  sql: Sql,
  since: Place | undefined,
  { fileIds, actionIds }: Watched = { fileIds: [], actionIds: [] },
): Promise<Changes> {
  const isNew =
    since === undefined
      ? sql`false`
      : sql`e.at > to_timestamp(${since.at / 1_000}::float8) - ${LATE_SECONDS}::int * interval '1 s'
          AND NOT pg_visible_in_snapshot(e.written, ${since.snapshot}::text::pg_snapshot)`;
  const [row] = await sql<Row[]>`
    WITH line AS MATERIALIZED (
      SELECT e.tenant_id, e.file_id, e.job_id, e.type, e.at, e.id
      FROM audit_events e WHERE ${isNew} LIMIT ${MOST_LINES + 1}),
    changed AS (
      SELECT DISTINCT ON (file_id) file_id, tenant_id, at, id,
        max(job_id::text) FILTER (WHERE job_id IS NOT NULL) OVER (PARTITION BY file_id ORDER BY at, id
          ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING) AS job_id
      FROM line WHERE file_id IS NOT NULL ORDER BY file_id, at DESC, id DESC),
    watched AS (
      SELECT f.id AS file_id, f.id AS owner_id FROM files f WHERE f.id = ANY(${[...fileIds]}::uuid[])
      UNION ALL SELECT j.file_id, j.id FROM jobs j WHERE j.file_id = ANY(${[...fileIds]}::uuid[]))
    SELECT (extract(epoch FROM now()) * 1000)::float8 AS at, pg_current_snapshot()::text AS snapshot,
      (SELECT count(*)::int FROM line) AS lines,
      (SELECT jsonb_agg(jsonb_build_object('tenant', c.tenant_id, 'file_id', c.file_id, 'status', f.status, 'job_id', c.job_id,
          'at', to_char(c.at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')) ORDER BY c.at, c.id)
        FROM (SELECT * FROM changed ORDER BY at, id LIMIT ${MOST_FILES + 1}) c JOIN files f ON f.id = c.file_id) AS files,
      (SELECT jsonb_agg(DISTINCT nullif(tenant_id, 'unassigned')) FROM line WHERE type LIKE 'action.%') AS "actionTenants",
      (SELECT jsonb_agg(jsonb_build_object('tenant', a.tenant_id, 'action_id', a.id, 'state', a.state, 'takes', a.takes, 'done', a.done,
          'refused', a.refused))
        FROM actions a WHERE a.id = ANY(${[...actionIds]}::uuid[])) AS actions,
      (SELECT jsonb_agg(jsonb_build_object('tenant', t.tenant_id, 'file_id', w.file_id,
          'job_id', CASE WHEN t.owner = 'job' THEN t.owner_id END, 'purpose', t.purpose, 'bytes_done', t.bytes_done,
          'bytes_total', t.bytes_total, 'bytes_per_second', t.bytes_per_second))
        FROM watched w JOIN transfers t ON t.owner_id = w.owner_id WHERE t.state IN ('COPYING', 'COMPLETING')) AS progress`;
  if (row === undefined) throw new Error('the look had no row');
  const files = row.files ?? [];
  return {
    place: { at: row.at, snapshot: row.snapshot },
    files: files.slice(0, MOST_FILES),
    isCut: row.lines > MOST_LINES || files.length > MOST_FILES,
    actionTenants: row.actionTenants ?? [],
    actions: row.actions ?? [],
    progress: row.progress ?? [],
  };
}

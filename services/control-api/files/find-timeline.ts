/**
 * What happened to a file, in one order: its audit with operator actions, its jobs, their steps and attempts, the calls of its records,
 * its copies and its notices.
 *
 * 1. Lines are in the order of (at, id), and ids are stable, so that pages neither overlap nor leave anything out.
 * 2. Calls of records are folded by minute, step and outcome: a hundred thousand of them are a few hundred lines. Folding reads each of
 *    them, so it is done for all who ask (`serve-by-cost.ts`).
 */
import { createHash } from 'node:crypto';
import type { TimelineKind, TimelineLine, TimelinePage } from '#shared/api/timeline.ts';
import type { Sql } from '#shared/db/connect-database.ts';
import { encodeCursor, type PagePosition } from '../http/page-cursor.ts';

export interface TimelineOptions {
  /** All when absent. */
  readonly kinds?: readonly TimelineKind[] | undefined;
  readonly order: 'oldest' | 'newest';
  readonly after?: PagePosition | undefined;
  readonly from?: string | undefined;
  readonly limit: number;
}

export type FoldCalls = (fileId: string) => Promise<readonly TimelineLine[]>;

/** Undefined when there is no such file in the tenant's sight. */
export async function findTimeline(
  { sql, foldCalls }: { readonly sql: Sql; readonly foldCalls: FoldCalls },
  { tenantId, fileId }: { readonly tenantId: string | null; readonly fileId: string },
  options: TimelineOptions,
): Promise<TimelinePage | undefined> {
  const { kinds, order, limit } = options;
  const [file] = await sql<{ tenant: string }[]>`SELECT tenant_id AS tenant FROM files WHERE id = ${fileId}`;
  if (file === undefined || (tenantId !== null && file.tenant !== tenantId)) return undefined;
  const [written, folded] = await Promise.all([
    readLines(sql, fileId, options),
    kinds === undefined || kinds.includes('records') ? foldCalls(fileId) : [],
  ]);
  const isLater = (line: TimelineLine, than: PagePosition) =>
    order === 'oldest' ? place(line) > `${than.at} ${than.id}` : place(line) < `${than.at} ${than.id}`;
  const { after, from } = options;
  const lines = [
    ...written,
    ...folded.filter(
      (line) => (after === undefined || isLater(line, after)) && (from === undefined || line.at >= exact(from)),
    ),
  ].sort((a, b) => (place(a) < place(b) ? -1 : 1) * (order === 'oldest' ? 1 : -1));
  const page = lines.slice(0, limit);
  const last = lines.length > limit ? page.at(-1) : undefined;
  return { lines: page, next_cursor: last === undefined ? null : encodeCursor({ at: last.at, id: last.line_id }) };
}

const place = ({ at, line_id: id }: TimelineLine) => `${at} ${id}`;
/** An instant of milliseconds, as lines have theirs. */
const exact = (instant: string) => instant.replace('Z', '000Z');

/** One more than the page has, when there are more. */
async function readLines(sql: Sql, fileId: string, options: TimelineOptions): Promise<TimelineLine[]> {
  const { kinds, order, after, from, limit } = options;
  const direction = order === 'oldest' ? sql`ASC` : sql`DESC`;
  const past = order === 'oldest' ? sql`>` : sql`<`;
  return await sql<TimelineLine[]>`
    WITH job AS (
      SELECT j.id, j.generation, j.created_at, j.tenant_id, j.branch, r.name AS route
      FROM jobs j JOIN routes r ON r.id = j.route_id WHERE j.file_id = ${fileId}::uuid),
    line AS (
      ${auditLines(sql, fileId)}
      UNION ALL ${jobLines(sql)}
      UNION ALL ${stepLines(sql)}
      UNION ALL ${attemptLines(sql)}
      UNION ALL ${transferLines(sql, fileId)}
      UNION ALL ${noticeLines(sql, fileId)})
    SELECT l.id AS line_id, ${instantOf(sql, sql`l.at`)} AS at, ${instantOf(sql, sql`l.ended_at`)} AS ended_at, l.kind, l.type, l.actor,
      l.job_id, job.route, job.branch, l.step, l.generation, l.outcome,
      CASE WHEN l.code IS NOT NULL THEN jsonb_build_object('code', l.code, 'cause', l.cause, 'message', l.message) END AS error,
      l.reason, 1 AS count, l.detail
    FROM (
      SELECT * FROM line
      WHERE true
        ${kinds === undefined ? sql`` : sql`AND kind = ANY(${[...kinds]}::text[])`}
        ${from === undefined ? sql`` : sql`AND at >= ${from}::timestamptz`}
        ${after === undefined ? sql`` : sql`AND (at, id) ${past} (${after.at}::timestamptz, ${after.id}::uuid)`}
      ORDER BY at ${direction}, id ${direction} LIMIT ${limit + 1}) AS l
    LEFT JOIN job ON job.id = l.job_id
    ORDER BY l.at ${direction}, l.id ${direction}`;
}

/** (id, at, ended_at, kind, type, actor, job_id, step, generation, outcome, code, cause, message, reason, detail), as all below. */
function auditLines(sql: Sql, fileId: string) {
  return sql`
      SELECT e.id, e.at, NULL::timestamptz AS ended_at,
        CASE WHEN strpos(e.actor, ':') > 0 THEN 'person'
          ELSE CASE split_part(e.type, '.', 1) WHEN 'file' THEN 'file' WHEN 'job' THEN 'job' WHEN 'step' THEN 'step'
            WHEN 'records' THEN 'records' WHEN 'notice' THEN 'notice' WHEN 'dead-letter' THEN 'letter' ELSE 'other' END END AS kind,
        e.type, e.actor, e.job_id, e.detail ->> 'step' AS step,
        CASE WHEN jsonb_typeof(e.detail -> 'generation') = 'number' THEN (e.detail ->> 'generation')::int END AS generation,
        NULL AS outcome, e.detail ->> 'code' AS code, e.detail ->> 'cause' AS cause, e.detail ->> 'message' AS message,
        coalesce(e.detail ->> 'reason', e.detail ->> 'comment', CASE WHEN strpos(e.actor, ':') > 0 THEN e.detail ->> 'message' END)
          AS reason, e.detail
      FROM audit_events e WHERE e.file_id = ${fileId}::uuid`;
}

function jobLines(sql: Sql) {
  return sql`
      SELECT job.id, job.created_at, NULL, 'job', 'job.created', NULL, job.id, NULL, NULL, NULL, NULL, NULL, NULL, NULL, '{}'::jsonb
      FROM job`;
}

function stepLines(sql: Sql) {
  return sql`
      SELECT md5('step ' || s.job_id || s.seq)::uuid, s.started_at, s.finished_at, 'step', 'step.started', NULL, s.job_id, s.kind, NULL,
        s.state, s.error_code, s.error_cause, s.error_message, NULL,
        jsonb_strip_nulls(jsonb_build_object('seq', s.seq, 'attempts', s.attempts, 'output', s.output))
      FROM job JOIN job_steps s ON s.job_id = job.id`;
}

function attemptLines(sql: Sql) {
  return sql`
      SELECT a.id, a.started_at, a.started_at + a.duration_ms * interval '1 ms', 'attempt', 'step.attempt', a.worker, a.job_id, a.step_kind,
        a.generation, a.outcome, a.code, a.cause, a.message, NULL,
        jsonb_build_object('seq', a.step_seq, 'attempt', a.attempt, 'durationMs', a.duration_ms)
      FROM job JOIN attempts a ON a.job_id = job.id`;
}

function transferLines(sql: Sql, fileId: string) {
  return sql`
      SELECT md5('transfer ' || t.owner_id || t.seq)::uuid, t.started_at, t.finished_at, 'transfer', 'transfer.started', t.worker,
        CASE WHEN t.owner = 'job' THEN t.owner_id END, t.purpose, NULL, t.state, NULL, NULL, NULL, NULL,
        jsonb_strip_nulls(jsonb_build_object('plan', t.plan, 'store', t.store, 'bytesDone', t.bytes_done, 'bytesTotal', t.bytes_total,
          'resumes', t.resumes))
      FROM (SELECT id FROM job UNION ALL SELECT ${fileId}::uuid) AS owner JOIN transfers t ON t.owner_id = owner.id`;
}

/** Those that their channels did not take yet: no row is kept of the others. */
function noticeLines(sql: Sql, fileId: string) {
  return sql`
      SELECT md5('notice ' || n.event_id || n.route || ' ' || n.channel)::uuid, n.created_at, NULL, 'notice',
        'notice.' || lower(n.state), NULL, e.job_id, NULL, NULL, n.state, CASE WHEN n.error_cause IS NOT NULL THEN 'NOTICE_FAILED' END,
        n.error_cause, n.error_message, NULL,
        jsonb_strip_nulls(jsonb_build_object('notice', n.notice, 'channel', n.channel, 'route', nullif(n.route, ''),
          'attempts', n.attempts))
      FROM audit_events e JOIN notices n ON n.event_id = e.id WHERE e.file_id = ${fileId}::uuid`;
}

interface FoldedRow {
  readonly jobId: string;
  readonly route: string;
  readonly branch: string | null;
  readonly step: string;
  readonly generation: number;
  readonly outcome: string;
  readonly code: string | null;
  readonly cause: string | null;
  readonly httpStatus: number | null;
  readonly at: string;
  readonly endedAt: string;
  readonly calls: number;
  readonly meanMs: number;
  readonly longestMs: number;
}

export async function foldCalls(sql: Sql, fileId: string): Promise<readonly TimelineLine[]> {
  const rows = await sql<FoldedRow[]>`
    SELECT a.job_id AS "jobId", r.name AS route, j.branch, a.step_name AS step, a.generation, a.outcome, a.code, a.cause,
      a.http_status AS "httpStatus", ${instantOf(sql, sql`min(a.started_at)`)} AS at,
      ${instantOf(sql, sql`max(a.started_at + a.duration_ms * interval '1 ms')`)} AS "endedAt",
      count(*)::float8 AS calls, round(avg(a.duration_ms))::float8 AS "meanMs", max(a.duration_ms) AS "longestMs"
    FROM jobs j JOIN routes r ON r.id = j.route_id JOIN record_attempts a ON a.job_id = j.id
    WHERE j.file_id = ${fileId}::uuid
    GROUP BY a.job_id, r.name, j.branch, a.step_name, a.generation, a.outcome, a.code, a.cause, a.http_status, date_trunc('minute', a.started_at)`;
  return rows.map((row) => ({
    line_id: idOf(row),
    at: row.at,
    ended_at: row.endedAt,
    kind: 'records',
    type: 'records.called',
    actor: null,
    job_id: row.jobId,
    route: row.route,
    branch: row.branch,
    step: row.step,
    generation: row.generation,
    outcome: row.outcome,
    error: row.code === null ? null : { code: row.code, cause: row.cause, message: null },
    reason: null,
    count: row.calls,
    detail: {
      ...(row.httpStatus !== null && { httpStatus: row.httpStatus }),
      meanMs: row.meanMs,
      longestMs: row.longestMs,
    },
  }));
}

/** The same for the same fold, also when calls were added to it meanwhile. */
function idOf({ jobId, step, generation, outcome, code, cause, httpStatus, at }: FoldedRow): string {
  const fold = JSON.stringify([jobId, step, generation, outcome, code, cause, httpStatus, at.slice(0, 16)]);
  const hex = createHash('md5').update(fold).digest('hex');
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-');
}

function instantOf(sql: Sql, column: ReturnType<Sql>) {
  return sql`to_char(${column} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')`;
}

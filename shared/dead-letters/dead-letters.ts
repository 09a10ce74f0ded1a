/**
 * Dead letters: every message that could not be handled is stored with its explanation before it leaves its DLQ.
 *
 * Rows are the truth, so a dead wake-up costs nothing: its row is woken again as long as it is open. What names no open row is
 * parked for an operator. A job is failed only when it is unleased, at the epoch named, and its attempts are spent.
 */
import type { Sql } from '#shared/db/connect-database.ts';
import { toJsonb } from '#shared/db/run-statements.ts';
import { keepsAttempt } from '#shared/jobs/note-progress.ts';
import { recordEvents } from '#shared/jobs/record-events.ts';
import { noScope, type SetScope } from '#shared/jobs/set-scope.ts';

export interface DeadLetter {
  /** UUIDv7. */
  readonly id: string;
  /** The queue that gave it up, e.g. `partner-steps`. */
  readonly queue: string;
  readonly messageId: string;
  readonly body: string;
  readonly attributes: Readonly<Record<string, string>>;
  readonly receiveCount: number;
  /** One sentence: why it is here. */
  readonly reason: string;
  readonly tenantId?: string;
  readonly fileId?: string;
  readonly jobId?: string;
  readonly state: 'PARKED' | 'REDRIVEN';
}

/** Stores letters once each (by queue and message id). Event per letter: `dead-letter.parked` or `dead-letter.redriven`. */
export async function storeDeadLetters(sql: Sql, letters: readonly DeadLetter[], actor: string): Promise<void> {
  await sql`
    WITH input AS (
      SELECT * FROM jsonb_to_recordset(${toJsonb(letters)}::text::jsonb) AS r(
        id uuid, queue text, "messageId" text, body text, attributes jsonb, "receiveCount" int, reason text,
        "tenantId" text, "fileId" uuid, "jobId" uuid, state text)),
    stored AS (
      INSERT INTO dead_letters (id, queue, message_id, body, attributes, receive_count, reason, tenant_id, file_id, job_id, state)
      SELECT id, queue, "messageId", body, attributes, "receiveCount", reason, "tenantId", "fileId", "jobId", state FROM input
      ORDER BY queue, "messageId"
      ON CONFLICT (queue, message_id) DO NOTHING RETURNING *),
    event AS (
      SELECT 'dead-letter.' || lower(state) AS type, coalesce(tenant_id, 'unassigned') AS tenant_id, file_id, job_id,
        jsonb_build_object('deadLetterId', id, 'queue', queue, 'reason', reason, 'receiveCount', receive_count) AS detail,
        '{events}'::text[] AS topics
      FROM stored),
    ${recordEvents(sql, actor)}
    SELECT 1`;
}

export type JobCondition = 'open' | 'leased' | 'spent' | 'terminal' | 'unknown';

/** What the job named by a dead letter is doing now. `spent`: unleased, with no attempt left. */
export async function jobConditions(sql: Sql, jobIds: readonly string[]): Promise<Map<string, JobCondition>> {
  const rows = await sql<{ id: string; condition: JobCondition }[]>`
    SELECT id, CASE
      WHEN state NOT IN ('PENDING', 'RUNNING', 'WAITING') THEN 'terminal'
      WHEN state = 'RUNNING' AND lease_until > now() THEN 'leased'
      WHEN state <> 'WAITING' AND step_attempts >= max_attempts AND NOT ${keepsAttempt(sql)} THEN 'spent'
      ELSE 'open' END AS condition
    FROM jobs j WHERE id = ANY(${[...jobIds]}::uuid[])`;
  return new Map(rows.map((row) => [row.id, row.condition]));
}

export interface SettledLetters {
  readonly ids: readonly string[];
  readonly state: 'REDRIVEN' | 'DISCARDED';
  readonly actor: string;
  readonly reason: string;
  /** What was sent in place of what came. */
  readonly sentBody?: string;
  readonly scope?: SetScope | undefined;
}

const AUDITED_BODY_CHARACTERS = 2_000;

/** An operator redrove or discarded parked letters. Out: the ids that were still parked. Event: `dead-letter.redriven|discarded`. */
export async function settleParkedLetters(sql: Sql, settled: SettledLetters): Promise<string[]> {
  const { scope = noScope(sql) } = settled;
  const rows = await sql<{ id: string }[]>`
    WITH ${scope.before} moved AS (
      UPDATE dead_letters SET state = ${settled.state}, note = ${settled.reason}, updated_at = now()
      WHERE id = ANY(${[...settled.ids]}::uuid[]) AND state = 'PARKED' ${scope.only(sql`id`)} RETURNING *),
    ${scope.after(sql`SELECT id FROM moved`)}
    event AS (
      SELECT 'dead-letter.' || lower(state) AS type, coalesce(tenant_id, 'unassigned') AS tenant_id, file_id, job_id,
        jsonb_strip_nulls(jsonb_build_object('deadLetterId', id, 'queue', queue, 'reason', note,
          'sentBody', left(${settled.sentBody ?? null}::text, ${AUDITED_BODY_CHARACTERS}::int))) AS detail, '{events}'::text[] AS topics
      FROM moved ${scope.events}),
    ${recordEvents(sql, settled.actor)}
    SELECT id FROM moved`;
  return rows.map((row) => row.id);
}

export interface DiscardLetters {
  readonly tenantId?: string | undefined;
  readonly queue?: string | undefined;
  readonly ids?: readonly string[] | undefined;
  readonly limit: number;
  readonly actor: string;
  readonly reason: string;
}

/** Of the parked letters that fit, the oldest. Resolves to how many were discarded. Event: `dead-letter.discarded`. */
export async function discardParkedLetters(sql: Sql, discard: DiscardLetters): Promise<number> {
  const { tenantId = null, queue = null, ids = null, limit, actor, reason } = discard;
  const fitting = await sql<{ id: string }[]>`
    SELECT id FROM dead_letters
    WHERE state = 'PARKED' AND (${tenantId}::text IS NULL OR tenant_id = ${tenantId}) AND (${queue}::text IS NULL OR queue = ${queue})
      AND (${ids === null} OR id = ANY(${[...(ids ?? [])]}::uuid[]))
    ORDER BY created_at, id LIMIT ${limit}`;
  if (fitting.length === 0) return 0;
  const settled = { ids: fitting.map(({ id }) => id), state: 'DISCARDED' as const, actor, reason };
  return (await settleParkedLetters(sql, settled)).length;
}

export interface FileCondition {
  readonly tenantId: string;
  /** `open`: the clocks wake it as long as it has something to do. */
  readonly condition: 'open' | 'terminal';
}

export async function fileConditions(sql: Sql, fileIds: readonly string[]): Promise<Map<string, FileCondition>> {
  if (fileIds.length === 0) return new Map();
  const rows = await sql<(FileCondition & { id: string })[]>`
    SELECT id, tenant_id AS "tenantId",
      CASE WHEN status IN ('UPLOADED', 'QUEUED', 'PROCESSING') THEN 'open' ELSE 'terminal' END AS condition
    FROM files WHERE id = ANY(${[...fileIds]}::uuid[])`;
  return new Map(rows.map(({ id, tenantId, condition }) => [id, { tenantId, condition }]));
}

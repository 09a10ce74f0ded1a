/**
 * Longshore's guarantees as queries over its tables. Each returns the rows that break it; an empty answer is the proof.
 *
 * `always` holds at every moment between two statements; `atRest` holds once nothing is in progress.
 */
import type { Sql } from '#shared/db/connect-database.ts';

export interface Violation {
  readonly rule: string;
  readonly rows: readonly Record<string, unknown>[];
}

const ALWAYS: Readonly<Record<string, string>> = {
  'open_jobs counts the open jobs of a routed file': `
    SELECT f.id, f.open_jobs, count(j.id) FILTER (WHERE j.state IN ('PENDING', 'RUNNING', 'WAITING')) AS counted
    FROM files f LEFT JOIN jobs j ON j.file_id = f.id GROUP BY f.id
    HAVING f.open_jobs <> count(j.id) FILTER (WHERE j.state IN ('PENDING', 'RUNNING', 'WAITING'))`,
  'failed_jobs counts the failed and cancelled jobs of a file, of each route the newest run': `
    SELECT f.id, f.failed_jobs, count(j.id) FILTER (WHERE j.state IN ('FAILED', 'CANCELLED')) AS counted
    FROM files f LEFT JOIN jobs j ON j.file_id = f.id AND j.superseded_by IS NULL AND j.parent_job_id IS NULL GROUP BY f.id
    HAVING f.failed_jobs <> count(j.id) FILTER (WHERE j.state IN ('FAILED', 'CANCELLED'))`,
  'one job per file and route, unless a person had it sent once more': `
    SELECT j.file_id, j.route_id, count(*) FROM jobs j WHERE j.parent_job_id IS NULL GROUP BY j.file_id, j.route_id
    HAVING count(*) FILTER (WHERE j.superseded_by IS NULL) <> 1 OR count(*) > 1 + (
      SELECT count(*) FROM audit_events e JOIN jobs n ON n.id = e.job_id
      WHERE e.file_id = j.file_id AND e.type = 'job.resent' AND n.route_id = j.route_id)`,
  'a job that was sent again as new has ended, and its successor is the next run': `
    SELECT j.id FROM jobs j LEFT JOIN jobs n ON n.id = j.superseded_by
    WHERE j.superseded_by IS NOT NULL AND (j.finished_at IS NULL OR n.run IS DISTINCT FROM j.run + 1 OR n.file_id <> j.file_id)`,
  'an action counts what became of its items': `
    SELECT a.id, a.done, a.refused FROM actions a LEFT JOIN action_items i ON i.action_id = a.id GROUP BY a.id
    HAVING a.takes <> count(i.subject) OR a.done <> count(i.subject) FILTER (WHERE i.state = 'DONE')
      OR a.refused <> count(i.subject) FILTER (WHERE i.state = 'REFUSED')`,
  'a branch belongs to a step of a job of its file that was reached': `
    SELECT c.id FROM jobs c LEFT JOIN jobs p ON p.id = c.parent_job_id
    WHERE c.parent_job_id IS NOT NULL AND (p.file_id IS DISTINCT FROM c.file_id OR p.depth + 1 <> c.depth OR p.step_seq < c.parent_seq)`,
  'what is not finished does not expire, and has its objects': `
    SELECT id FROM files WHERE finished_at IS NULL AND (expire_at IS NOT NULL OR objects_expire_at IS NOT NULL OR objects_removed_at IS NOT NULL)`,
  'one file per object version': `
    SELECT bucket, key, version_id, count(*) FROM files GROUP BY bucket, key, version_id HAVING count(*) > 1`,
  'a completed file was archived and all its jobs succeeded': `
    SELECT id FROM files WHERE status = 'COMPLETED' AND (archived_at IS NULL OR open_jobs > 0 OR failed_jobs > 0)`,
  'a failed file was archived and has a failed job, unless its original was lost': `
    SELECT f.id FROM files f WHERE f.status = 'FAILED' AND (f.open_jobs > 0
      OR (f.failed_jobs = 0 AND f.error_code IS DISTINCT FROM 'ARCHIVE_ERROR')
      OR (f.archived_at IS NULL AND f.error_cause IS DISTINCT FROM 'SOURCE_GONE' AND NOT EXISTS (
        SELECT 1 FROM jobs j WHERE j.file_id = f.id AND j.error_cause = 'SOURCE_GONE')))`,
  'a file says why it failed exactly while a job of it has failed, or its original was lost': `
    SELECT id FROM files WHERE (status NOT IN ('QUARANTINED', 'ELSEWHERE', 'COMPANION') OR job_count > 0) AND error_code IS DISTINCT FROM 'ARCHIVE_ERROR'
      AND (error_code IS NOT NULL) <> (failed_jobs > 0)`,
  'a quarantined file says why': `
    SELECT id FROM files WHERE status = 'QUARANTINED' AND (error_code IS NULL OR error_message IS NULL OR open_jobs > 0)`,
  'a failed job says why': `
    SELECT id FROM jobs WHERE state = 'FAILED' AND (error_code IS NULL OR error_cause IS NULL OR error_message IS NULL)`,
  'a running job has a lease and a token': `
    SELECT id FROM jobs WHERE state = 'RUNNING' AND (lease_until IS NULL OR claim_token IS NULL)`,
  'a job that awaits its turn has no wake-up, and a line that somebody looks at': `
    SELECT j.id FROM jobs j WHERE j.awaits_turn AND (j.state <> 'PENDING' OR j.woken_at IS NOT NULL OR NOT EXISTS (
      SELECT 1 FROM job_lines l WHERE l.order_key = j.order_key AND l.route_id = j.route_id))`,
  'one job of a line at a time has been claimed': `
    SELECT order_key, route_id, count(*) FROM jobs
    WHERE is_ordered AND state = 'RUNNING' GROUP BY order_key, route_id HAVING count(*) > 1`,
  'a line looks at its holder again before long': `
    SELECT order_key, route_id, look_at FROM job_lines WHERE look_at < now() - interval '2 minutes'`,
  'a waiting job has a time to go on': `
    SELECT id FROM jobs WHERE state = 'WAITING' AND next_action_at IS NULL AND NOT (wait_reason = 'BATCH' AND EXISTS (
      SELECT 1 FROM batches b WHERE b.id = batch_id AND b.state IN ('OPEN', 'RUNNING')))`,
  'a job is terminal exactly when it is finished': `
    SELECT id FROM jobs WHERE (finished_at IS NOT NULL) <> (state IN ('SUCCEEDED', 'FAILED', 'CANCELLED'))`,
  'no step is tried more often than allowed in one generation': `
    SELECT a.job_id, a.generation, a.step_seq, count(*) FROM attempts a JOIN jobs j ON j.id = a.job_id
    WHERE a.outcome IN ('succeeded', 'retry', 'failed', 'ambiguous') AND coalesce(a.cause, '') <> 'ATTEMPTS_SPENT'
    GROUP BY a.job_id, a.generation, a.step_seq, j.max_attempts HAVING count(*) > j.max_attempts`,
  'an attempt number has one outcome that counts': `
    SELECT job_id, generation, step_seq, attempt, count(*) FROM attempts WHERE outcome <> 'wait'
    GROUP BY job_id, generation, step_seq, attempt HAVING count(*) > 1`,
  'a step succeeds once in a job': `
    SELECT a.job_id, a.step_seq, count(*) FROM attempts a WHERE a.outcome = 'succeeded'
    GROUP BY a.job_id, a.step_seq
    HAVING count(*) > 1 + (SELECT count(*) FROM audit_events e WHERE e.job_id = a.job_id AND e.type = 'records.reopened')`,
  'every terminal file has one terminal event for each time it ended': `
    SELECT f.id, f.status FROM files f WHERE f.status IN ('COMPLETED', 'FAILED', 'QUARANTINED', 'COMPANION', 'ELSEWHERE')
      AND NOT EXISTS (SELECT 1 FROM audit_events e WHERE e.file_id = f.id AND e.type = 'file.' || lower(f.status))`,
  'a file completes once for each generation of its jobs': `
    SELECT f.id, count(*) FROM files f JOIN audit_events e ON e.file_id = f.id AND e.type IN ('file.completed', 'file.failed')
    GROUP BY f.id
    HAVING count(*) > 1 + (SELECT count(*) FROM audit_events r WHERE r.file_id = f.id AND r.type IN ('job.reopened', 'job.resent'))`,
  'open_records counts what has not ended, or ended in a chunk that is not settled': `
    SELECT j.id, j.open_records, count(r.line) AS counted FROM jobs j LEFT JOIN records r ON r.job_id = j.id
      AND (r.state IN ('PENDING', 'RUNNING') OR r.next_attempt_at IS NOT NULL
        OR EXISTS (SELECT 1 FROM record_chunks c WHERE c.id = r.chunk_id AND r.state <> 'REJECTED'))
    WHERE j.open_records IS NOT NULL AND j.state <> 'CANCELLED'
    GROUP BY j.id HAVING j.open_records <> count(r.line)`,
  'a job that succeeded has no record in the middle': `
    SELECT j.id, r.line, r.state FROM jobs j JOIN records r ON r.job_id = j.id
    WHERE j.state = 'SUCCEEDED' AND (r.state IN ('PENDING', 'RUNNING') OR r.next_attempt_at IS NOT NULL)`,
  'a record that did not succeed says why': `
    SELECT job_id, line FROM records WHERE state IN ('FAILED', 'AMBIGUOUS', 'REJECTED')
      AND (error_code IS NULL OR error_cause IS NULL OR error_message IS NULL)`,
  'a record stands in one chunk, or has a time, or has ended': `
    SELECT r.job_id, r.line, r.state FROM records r JOIN jobs j ON j.id = r.job_id
    WHERE r.state IN ('PENDING', 'RUNNING') AND r.next_attempt_at IS NULL AND j.open_records IS NOT NULL
      AND j.state IN ('PENDING', 'RUNNING', 'WAITING') AND NOT EXISTS (
        SELECT 1 FROM record_chunks c WHERE c.id = r.chunk_id AND r.line = ANY(c.lines))`,
  'no chunk outlives its job': `
    SELECT c.id FROM record_chunks c JOIN jobs j ON j.id = c.job_id WHERE j.state IN ('SUCCEEDED', 'FAILED', 'CANCELLED')`,
  'a try of a record has one outcome': `
    SELECT job_id, line, step, attempt, generation, count(*) FROM record_attempts
    GROUP BY job_id, line, step, attempt, generation
    HAVING count(*) > 1 + (SELECT count(*) FROM audit_events e WHERE e.job_id = record_attempts.job_id AND e.type = 'records.reopened')`,
  'no record is called after a step that did not succeed': `
    SELECT a.job_id, a.line, a.step FROM record_attempts a WHERE a.step > 0 AND NOT EXISTS (
      SELECT 1 FROM record_attempts b
      WHERE b.job_id = a.job_id AND b.line = a.line AND b.step = a.step - 1 AND b.outcome = 'succeeded')`,
  'a business key stands for one record': `
    SELECT k.tenant_id, k.business_key FROM record_keys k JOIN records r ON r.job_id = k.job_id AND r.line = k.line
    WHERE r.business_key IS DISTINCT FROM k.business_key`,
  'a job that succeeded has no open transfer, and one that ended otherwise not for long': `
    SELECT t.owner_id, t.seq, t.state FROM transfers t JOIN jobs j ON j.id = t.owner_id
    WHERE t.state IN ('COPYING', 'COMPLETING', 'ABORTING') AND (j.state = 'SUCCEEDED'
      OR (j.state IN ('FAILED', 'CANCELLED') AND j.finished_at < now() - interval '2 minutes'))`,
  'parts are kept of open transfers alone': `
    SELECT p.owner_id, p.seq, p.number FROM transfer_parts p JOIN transfers t ON t.owner_id = p.owner_id AND t.seq = p.seq
    WHERE t.state IN ('DONE', 'ABORTED')`,
  'a job that succeeded has no effect that is not done': `
    SELECT e.id, e.stage FROM effects e JOIN jobs j ON j.id = e.job_id WHERE e.stage <> 'DONE' AND j.state = 'SUCCEEDED'`,
  'an effect that is committed has a job that goes on, or is in doubt within two minutes': `
    SELECT e.id FROM effects e JOIN jobs j ON j.id = e.job_id
    WHERE e.stage = 'COMMITTING' AND j.finished_at < now() - interval '2 minutes'`,
  'one effect for each key and part': `
    SELECT key, part, count(*) FROM effects GROUP BY tenant_id, key, part HAVING count(*) > 1`,
  'receipts of a tenant are one chain': `
    SELECT r.tenant_id, r.seq FROM receipts r WHERE r.seq > 1 AND NOT EXISTS (
      SELECT 1 FROM receipts b WHERE b.tenant_id = r.tenant_id AND b.seq = r.seq - 1)`,
  'events have one id each': `
    SELECT id, count(*) FROM audit_events GROUP BY id HAVING count(*) > 1`,
  'nothing open is silent for more than two minutes': `
    SELECT 'job' AS kind, id FROM jobs WHERE
      (state = 'PENDING' AND woken_at IS NULL AND NOT awaits_turn AND updated_at < now() - interval '2 minutes')
      OR (state = 'RUNNING' AND lease_until < now() - interval '2 minutes')
      OR (state = 'WAITING' AND next_action_at < now() - interval '2 minutes')
    UNION ALL
    SELECT 'chunk', c.id FROM record_chunks c JOIN jobs j ON j.id = c.job_id
    WHERE j.state IN ('PENDING', 'RUNNING', 'WAITING') AND j.step_kind = 'call' AND j.open_records IS NOT NULL
      AND coalesce(c.lease_until, c.woken_at, c.next_action_at) < now() - interval '2 minutes'
    UNION ALL
    SELECT 'record', r.job_id FROM records r JOIN jobs j ON j.id = r.job_id
    WHERE j.state IN ('PENDING', 'RUNNING', 'WAITING') AND r.next_attempt_at < now() - interval '2 minutes'
    UNION ALL
    SELECT 'notice', event_id FROM notices
    WHERE state = 'PENDING' AND (delivery_id IS NULL OR delivery_id = event_id)
      AND greatest(next_action_at, coalesce(locked_until, next_action_at)) < now() - interval '2 minutes'
    UNION ALL
    SELECT 'file', id FROM files WHERE
      (status = 'UPLOADED' AND coalesce(next_action_at, created_at) < now() - interval '2 minutes')
      OR (status = 'QUEUED' AND woken_at IS NULL AND updated_at < now() - interval '2 minutes')
      OR (status = 'PROCESSING' AND open_jobs = 0 AND coalesce(lease_until, next_action_at, woken_at, updated_at) < now() - interval '2 minutes')`,
};

const AT_REST: Readonly<Record<string, string>> = {
  'no file is in progress': `SELECT id, status FROM files WHERE status NOT IN ('COMPLETED', 'FAILED', 'QUARANTINED', 'COMPANION', 'ELSEWHERE')`,
  'no job is in progress': `SELECT id, state FROM jobs WHERE state IN ('PENDING', 'RUNNING', 'WAITING')`,
  'every event left the outbox': `SELECT event_id, topic FROM outbox`,
};

const MOST_SHOWN = 5;

/** All rules as one statement: one round trip and one plan, and every rule sees the same moment. */
function asOneStatement(rules: Readonly<Record<string, string>>): string {
  return Object.entries(rules)
    .map(([rule, query]) => {
      const name = rule.replaceAll("'", "''");
      return `SELECT '${name}' AS rule, to_jsonb(broken) AS broken FROM (${query} LIMIT ${MOST_SHOWN}) AS broken`;
    })
    .join('\nUNION ALL\n');
}

const STATEMENTS = { inFlight: asOneStatement(ALWAYS), atRest: asOneStatement({ ...ALWAYS, ...AT_REST }) };

/** `unsafe` prepares nothing that has no parameters; a template is prepared. */
const asTemplate = (text: string): TemplateStringsArray => Object.assign([text], { raw: [text] });
const PREPARED = { inFlight: asTemplate(STATEMENTS.inFlight), atRest: asTemplate(STATEMENTS.atRest) };

export interface RowChecks {
  /** Also the rules for rest. */
  readonly isAtRest: boolean;
  /** Of tables that grow by thousands of rows between two calls: planned each time, which else costs ten times what running does. */
  readonly hasManyRows?: boolean;
}

/** Runs every rule. Resolves to the rules that are broken. */
export async function findRowViolations(sql: Sql, { isAtRest, hasManyRows }: RowChecks): Promise<Violation[]> {
  type Found = { rule: string; broken: Record<string, unknown> };
  const moment = isAtRest ? 'atRest' : 'inFlight';
  const found = hasManyRows ? await sql.unsafe<Found[]>(STATEMENTS[moment]) : await sql<Found[]>(PREPARED[moment]);
  return [...Map.groupBy(found, ({ rule }) => rule)].map(([rule, each]) => ({
    rule,
    rows: each.map(({ broken }) => broken),
  }));
}

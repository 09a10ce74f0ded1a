/**
 * Deletes what has expired: finished files with all that hangs on them, and the objects of files whose rows are kept for longer.
 *
 * 1. A batch is one statement, of one tenant: rows, the list of objects to delete (`expired_objects`), and the certificate, or nothing. A
 *    process that ends in between leaves objects listed, never orphaned.
 * 2. Nothing goes that is in use: an open job, a hold, a parked dead letter, an effect in doubt, an open file made out of it, a restore under
 *    way. What is kept is looked at again later; what a hold keeps, when it is released.
 * 3. A file's original leaves landing before its row is deleted: an object without a row would be registered as a new file.
 * 4. The rule is judged as it is now: `expire_at` only finds what may be due.
 * 5. Locks are taken where nobody holds them; a deletion never waits for other work, and never makes it wait in a circle.
 *
 * Out: what went, and how many files were kept. Events: `retention.files-deleted`, `retention.objects-expired`, one for each rule.
 */
import type { Sql } from '#shared/db/connect-database.ts';
import { literalLimit } from '#shared/db/literal-limit.ts';
import { repeatOnDeadlock } from '#shared/db/run-statements.ts';
import { recordEvents } from '#shared/jobs/record-events.ts';

export interface ExpiryTurn {
  readonly tenantId: string;
  /** As it was when the tenant's holds were last seen to allow it. */
  readonly holdChanges: number;
}

export interface DeleteOptions extends ExpiryTurn {
  /** Files at once. */
  readonly limit: number;
  /** Only objects in these are deleted. */
  readonly buckets: readonly string[];
  readonly actor: string;
}

export type KeptReason = 'hold' | 'in use' | 'records' | 'landing' | 'later';

export interface Deletion {
  readonly files: number;
  readonly jobs: number;
  readonly objects: number;
  /** By why they were kept. */
  readonly kept: Readonly<Partial<Record<KeptReason, number>>>;
}

/** Tenants that have something to delete and no hold on all of it: of each the first that is due is looked up in an index. */
export async function findExpiryTurns(sql: Sql): Promise<ExpiryTurn[]> {
  return await sql<ExpiryTurn[]>`
    SELECT id AS "tenantId", hold_changes AS "holdChanges" FROM tenants t
    WHERE NOT EXISTS (
        SELECT FROM legal_holds h WHERE h.tenant_id = t.id AND h.released_at IS NULL AND h.route_id IS NULL AND h.file_id IS NULL)
      AND ((SELECT f.expire_at FROM files f WHERE f.tenant_id = t.id AND f.expire_at <= now() ORDER BY f.expire_at LIMIT 1) IS NOT NULL
        OR (SELECT f.objects_expire_at FROM files f WHERE f.tenant_id = t.id AND f.objects_expire_at <= now()
          ORDER BY f.objects_expire_at LIMIT 1) IS NOT NULL)
    ORDER BY random()`;
}

export function deleteExpiredFiles(sql: Sql, options: DeleteOptions): Promise<Deletion> {
  const { tenantId, holdChanges, limit, actor } = options;
  const ofJobs = sql`IN (SELECT id FROM going_job)`;
  const ofFiles = sql`IN (SELECT id FROM going)`;
  return runDeletion(
    () => sql<Deletion[]>`
    WITH ${lockDue(sql, { tenantId, holdChanges, limit, due: sql`expire_at` })},
    kept AS MATERIALIZED (
      SELECT id, CASE WHEN is_held THEN 'hold' WHEN is_used THEN 'in use' WHEN coalesce(expire_at > now(), true) THEN 'later'
        WHEN is_landed THEN 'landing' WHEN has_records THEN 'records' END AS reason, expire_at
      FROM judged WHERE is_held OR is_used OR coalesce(expire_at > now(), true) OR is_landed OR has_records),
    -- Their objects first.
    ${postpone(
      sql,
      sql`expire_at`,
      sql`objects_expire_at = CASE WHEN k.reason IN ('landing', 'records') AND f.objects_removed_at IS NULL THEN now()
        ELSE f.objects_expire_at END,`,
    )},
    going AS MATERIALIZED (SELECT * FROM judged WHERE id NOT IN (SELECT id FROM kept)),
    going_job AS MATERIALIZED (SELECT id, file_id FROM job WHERE file_id ${ofFiles}),
    gone_step AS (DELETE FROM job_steps WHERE job_id ${ofJobs} RETURNING job_id, kind, output),
    gone_effect AS (DELETE FROM effects WHERE job_id ${ofJobs}),
    gone_transfer AS (
      DELETE FROM transfers WHERE owner_id IN (SELECT id FROM going UNION ALL SELECT id FROM going_job) RETURNING owner_id, seq),
    gone_part AS (DELETE FROM transfer_parts WHERE owner_id IN (SELECT id FROM going UNION ALL SELECT id FROM going_job)),
    -- The newest of a tenant stays: the next one has its hash.
    gone_receipt AS (
      DELETE FROM receipts WHERE file_id ${ofFiles} AND seq < (SELECT max(seq) FROM receipts WHERE tenant_id = ${tenantId})),
    gone_file_letter AS (DELETE FROM dead_letters WHERE file_id ${ofFiles} AND state <> 'PARKED'),
    gone_job_letter AS (DELETE FROM dead_letters WHERE job_id ${ofJobs} AND file_id IS NULL AND state <> 'PARKED'),
    gone_campaign AS (DELETE FROM campaigns WHERE id ${ofJobs}),
    gone_stats AS (DELETE FROM campaign_stats WHERE campaign_id ${ofJobs}),
    gone_restore AS (DELETE FROM restores WHERE file_id ${ofFiles}),
    gone_text AS (DELETE FROM file_texts WHERE file_id ${ofFiles}),
    gone_job AS (DELETE FROM jobs WHERE id ${ofJobs}),
    gone_file AS (DELETE FROM files WHERE id ${ofFiles}),
    ${listObjects(sql, options, sql`gone_step`)},
    ${certify(sql, { what: 'files', tenantId })},
    ${recordEvents(sql, actor)}
    ${sumUp(sql)}`,
  );
}

/** The objects of files whose rows stay, and of files whose original is still in landing: their rows follow. */
export function expireObjects(sql: Sql, options: DeleteOptions): Promise<Deletion> {
  const { tenantId, holdChanges, limit, actor } = options;
  return runDeletion(
    () => sql<Deletion[]>`
    WITH ${lockDue(sql, { tenantId, holdChanges, limit, due: sql`objects_expire_at` })},
    -- By what they are due: their own time, or that of the row where it is sooner.
    due_now AS (
      SELECT id, least(objects_expire_at, expire_at) AS at, CASE WHEN objects_expire_at < expire_at THEN objects_rule ELSE rule END AS due_by
      FROM judged),
    kept AS MATERIALIZED (
      SELECT id, CASE WHEN is_held THEN 'hold' WHEN is_used THEN 'in use' ELSE 'later' END AS reason, at AS expire_at
      FROM judged JOIN due_now USING (id) WHERE is_held OR is_used OR coalesce(at > now(), true)),
    ${postpone(sql, sql`objects_expire_at`, sql``)},
    going AS MATERIALIZED (
      SELECT id, bucket, key, version_id, size_bytes, finished_at, archived_at, archive_bucket, archive_key, archive_version_id,
        objects_removed_at, due_by AS rule
      FROM judged JOIN due_now USING (id) WHERE id NOT IN (SELECT id FROM kept)),
    going_job AS MATERIALIZED (SELECT id, file_id FROM job WHERE file_id IN (SELECT id FROM going)),
    step AS MATERIALIZED (SELECT job_id, kind, output FROM job_steps WHERE job_id IN (SELECT id FROM going_job)),
    marked AS (
      UPDATE files SET objects_removed_at = now(), objects_expire_at = NULL, updated_at = now() WHERE id IN (SELECT id FROM going)),
    gone_text AS (DELETE FROM file_texts WHERE file_id IN (SELECT id FROM going)),
    ${listObjects(sql, options, sql`step`)},
    ${certify(sql, { what: 'objects', tenantId })},
    ${recordEvents(sql, actor)}
    ${sumUp(sql)}`,
  );
}

/**
 * Rows of record files among the next `files` to go, so that no batch has more of them than `limit`: as many are looked at, however many have
 * expired. Resolves to how many there were.
 */
export async function deleteExpiredRecords(
  sql: Sql,
  { tenantId, holdChanges, files, limit }: ExpiryTurn & { readonly files: number; readonly limit: number },
): Promise<number> {
  const { count } = await repeatOnDeadlock(
    () => sql`
    WITH ${lockTenant(sql, { tenantId, holdChanges })},
    next AS MATERIALIZED (
      SELECT id, objects_removed_at FROM files WHERE tenant_id = ${tenantId} AND expire_at <= now() AND EXISTS (SELECT FROM tenant)
      ORDER BY expire_at LIMIT ${literalLimit(sql, files)}),
    held AS MATERIALIZED (
      SELECT file_id, route_id FROM legal_holds WHERE tenant_id = ${tenantId} AND released_at IS NULL),
    parsed AS MATERIALIZED (
      SELECT j.id, j.created_at FROM next f JOIN jobs j ON j.file_id = f.id
      WHERE f.objects_removed_at IS NOT NULL
        AND NOT EXISTS (SELECT FROM held h WHERE h.file_id = f.id
          OR h.route_id IN (SELECT a.route_id FROM jobs a WHERE a.file_id = f.id))
        AND EXISTS (SELECT FROM job_steps s WHERE s.job_id = j.id AND s.kind = 'parse'))
    DELETE FROM records WHERE (job_id, line, created_at) IN (
      SELECT r.job_id, r.line, r.created_at
      FROM parsed j JOIN records r ON r.job_id = j.id AND r.created_at = j.created_at LIMIT ${limit} FOR UPDATE OF r SKIP LOCKED)`,
  );
  return count;
}

async function runDeletion(run: () => Promise<Deletion[]>): Promise<Deletion> {
  const [deletion] = await repeatOnDeadlock(run);
  return deletion ?? { files: 0, jobs: 0, objects: 0, kept: {} };
}

/** A CTE. A hold that is placed meanwhile waits for this statement, or this one finds it and does nothing. */
function lockTenant(sql: Sql, { tenantId, holdChanges }: ExpiryTurn) {
  return sql`
    tenant AS MATERIALIZED (SELECT id FROM tenants WHERE id = ${tenantId} AND hold_changes = ${holdChanges} FOR SHARE)`;
}

/**
 * CTEs: `job`, the locked jobs of files that may be due, and `judged`, those files with their rule and what speaks against it. Where it says
 * `OFFSET 0`, each row is looked up in an index: as a join a large table could be read whole.
 */
function lockDue(
  sql: Sql,
  { tenantId, holdChanges, limit, due }: ExpiryTurn & { limit: number; due: ReturnType<Sql> },
) {
  return sql`
    ${lockTenant(sql, { tenantId, holdChanges })},
    due AS MATERIALIZED (
      SELECT * FROM files
      WHERE tenant_id = ${tenantId} AND ${due} <= now() AND finished_at IS NOT NULL AND EXISTS (SELECT FROM tenant)
      ORDER BY ${due} LIMIT ${literalLimit(sql, limit)} FOR UPDATE SKIP LOCKED),
    job AS MATERIALIZED (
      SELECT id, file_id, route_id, created_at, finished_at, order_key, superseded_by FROM jobs
      WHERE file_id IN (SELECT id FROM due) FOR UPDATE SKIP LOCKED),
    of_jobs AS (
      SELECT j.file_id, count(*) AS locked,
        bool_or(EXISTS (SELECT FROM legal_holds h WHERE h.tenant_id = ${tenantId} AND h.route_id = j.route_id AND h.released_at IS NULL)) AS is_held,
        bool_or(j.finished_at IS NULL
          OR EXISTS (SELECT FROM dead_letters d WHERE d.job_id = j.id AND d.state = 'PARKED')
          OR EXISTS (SELECT FROM effects e WHERE e.job_id = j.id AND e.stage IN ('COMMITTING', 'UNKNOWN') AND j.superseded_by IS NULL)
          OR EXISTS (SELECT FROM job_lines l WHERE l.order_key = j.order_key AND l.route_id = j.route_id AND l.holder = j.id)) AS is_used,
        bool_or(EXISTS (SELECT FROM job_steps s WHERE s.job_id = j.id AND s.kind = 'parse' OFFSET 0)
          AND EXISTS (SELECT FROM records r WHERE r.job_id = j.id AND r.created_at = j.created_at)) AS has_records
      FROM job j GROUP BY j.file_id),
    judged AS MATERIALIZED (
      SELECT d.id, d.bucket, d.key, d.version_id, d.size_bytes, d.finished_at, d.archived_at, d.archive_bucket, d.archive_key,
        d.archive_version_id, d.objects_removed_at, r.rule, r.objects_rule, e.expire_at, e.objects_expire_at,
        coalesce(j.is_held, false)
          OR EXISTS (SELECT FROM legal_holds h WHERE h.file_id = d.id AND h.released_at IS NULL) AS is_held,
        coalesce(j.is_used, false)
          OR coalesce(j.locked, 0) < (SELECT count(*) FROM jobs a WHERE a.file_id = d.id)
          OR EXISTS (SELECT FROM dead_letters l WHERE l.file_id = d.id AND l.state = 'PARKED')
          OR EXISTS (SELECT FROM files c WHERE c.parent_file_id = d.id AND c.finished_at IS NULL OFFSET 0)
          OR EXISTS (SELECT FROM restores x WHERE x.file_id = d.id AND x.next_action_at IS NOT NULL) AS is_used,
        d.archived_at IS NULL AND (d.objects_removed_at IS NULL
          OR EXISTS (SELECT FROM expired_objects o WHERE (o.bucket, o.key, o.version_id) = (d.bucket, d.key, d.version_id) OFFSET 0)) AS is_landed,
        coalesce(j.has_records, false) AS has_records
      FROM due d LEFT JOIN of_jobs j ON j.file_id = d.id
      CROSS JOIN LATERAL retention_of(d.tenant_id, d.id) AS r
      CROSS JOIN LATERAL expiry_dates(d.finished_at, r.files_ms, r.objects_ms) AS e)`;
}

/** A CTE. What is kept is met again: what a hold keeps when it is released, the rest after a while. */
function postpone(sql: Sql, due: ReturnType<Sql>, others: ReturnType<Sql>) {
  return sql`postponed AS (
      UPDATE files f SET ${others}
        ${due} = CASE k.reason WHEN 'hold' THEN 'infinity' WHEN 'later' THEN coalesce(k.expire_at, 'infinity')
          WHEN 'in use' THEN now() + interval '1 day' ELSE now() + interval '1 minute' END
      FROM kept k WHERE f.id = k.id)`;
}

/** CTEs: `listed`, the versions to delete of the files in `going`, whose steps' outputs are in `steps`. */
function listObjects(sql: Sql, { tenantId, buckets }: DeleteOptions, steps: ReturnType<Sql>) {
  const own = sql`${[...buckets]}::text[]`;
  return sql`
    rule AS MATERIALIZED (SELECT rule, uuid_v7() AS certificate_id FROM going GROUP BY rule),
    object AS (
      SELECT g.id AS file_id, NULL::uuid AS job_id, g.archive_bucket AS bucket, g.archive_key AS key, g.archive_version_id AS version_id
      FROM going g WHERE g.objects_removed_at IS NULL AND g.archive_key IS NOT NULL
      UNION ALL
      SELECT g.id, NULL, g.bucket, g.key, g.version_id FROM going g WHERE g.objects_removed_at IS NULL AND g.archived_at IS NULL
      UNION ALL
      SELECT j.file_id, s.job_id, o ->> 'bucket', named.key, named.version_id
      FROM ${steps} AS s JOIN going_job j ON j.id = s.job_id JOIN going g ON g.id = j.file_id
      -- What went to a store of others is theirs, and a step that repeats the outputs of other jobs has them deeper.
      CROSS JOIN LATERAL jsonb_path_query(s.output, 'lax $.**{0 to 1} ? (exists (@.bucket) && exists (@.key) && !exists (@.store))') AS o
      CROSS JOIN LATERAL (
        VALUES (o ->> 'key', o ->> 'versionId'), (o ->> 'reasonsKey', o ->> 'reasonsVersionId')) AS named (key, version_id)
      WHERE g.objects_removed_at IS NULL AND s.output IS NOT NULL),
    listed AS (
      INSERT INTO expired_objects (bucket, key, version_id, tenant_id, file_id, job_id, certificate_id)
      SELECT DISTINCT ON (o.bucket, o.key, coalesce(o.version_id, '')) o.bucket, o.key, coalesce(o.version_id, ''), ${tenantId}, o.file_id,
        o.job_id, r.certificate_id
      FROM object o JOIN going g ON g.id = o.file_id JOIN rule r USING (rule)
      WHERE o.bucket = ANY(${own}) AND o.key <> ''
        -- A file that was made out of this one has its own time.
        AND NOT EXISTS (SELECT FROM files c WHERE c.parent_file_id = o.file_id AND (c.archive_bucket, c.archive_key) = (o.bucket, o.key) OFFSET 0)
      ORDER BY o.bucket, o.key, coalesce(o.version_id, '')
      ON CONFLICT (bucket, key, version_id) DO NOTHING RETURNING certificate_id)`;
}

/** CTEs: the certificates, one for each rule, and their `event`. */
function certify(sql: Sql, { what, tenantId }: { what: 'files' | 'objects'; tenantId: string }) {
  return sql`
    certificate AS (
      INSERT INTO deletion_certificates (id, tenant_id, what, rule, files, jobs, bytes, finished_from, finished_to, digest, objects,
        objects_left, completed_at)
      SELECT certificate_id, ${tenantId}, ${what}, rule, g.files, coalesce(n.jobs, 0), g.bytes, g.first, g.last, g.digest,
        coalesce(o.objects, 0), coalesce(o.objects, 0), CASE WHEN o.objects IS NULL THEN now() END
      FROM (
        SELECT rule, count(*)::int AS files, sum(size_bytes)::bigint AS bytes, min(finished_at) AS first, max(finished_at) AS last,
          encode(sha256(convert_to(string_agg(id || chr(10), '' ORDER BY id), 'UTF8')), 'hex') AS digest
        FROM going GROUP BY rule) AS g
      JOIN rule USING (rule)
      LEFT JOIN (SELECT rule, count(*)::int AS jobs FROM going_job j JOIN going ON going.id = j.file_id GROUP BY rule) AS n USING (rule)
      LEFT JOIN (SELECT certificate_id, count(*)::int AS objects FROM listed GROUP BY certificate_id) AS o USING (certificate_id)
      RETURNING *),
    event AS (
      SELECT ${what === 'files' ? 'retention.files-deleted' : 'retention.objects-expired'}::text AS type, tenant_id, NULL::uuid AS file_id,
        NULL::uuid AS job_id,
        jsonb_build_object('certificate', id, 'rule', rule, 'files', files, 'jobs', jobs, 'bytes', bytes, 'objects', objects,
          'finishedFrom', finished_from, 'finishedTo', finished_to, 'digest', digest) AS detail,
        '{events}'::text[] AS topics
      FROM certificate)`;
}

function sumUp(sql: Sql) {
  return sql`
    SELECT coalesce((SELECT sum(files) FROM certificate), 0)::int AS files, coalesce((SELECT sum(jobs) FROM certificate), 0)::int AS jobs,
      coalesce((SELECT sum(objects) FROM certificate), 0)::int AS objects,
      coalesce((SELECT jsonb_object_agg(reason, files) FROM (SELECT reason, count(*)::int AS files FROM kept GROUP BY reason) AS k), '{}') AS kept`;
}

/**
 * Erases a recipient: what the campaigns of a tenant keep of one address, and what was reported of its mails.
 *
 * 1. One statement erases all or nothing: rows, keys, attempts' replies, reports, the addresses of suppressions. Counts, states and times stay.
 * 2. The address gets no more mails: the hash of a suppression of all topics stays, by which mails that workers hold already are stopped too. A
 *    record that was not sent has no address any more, and is not sent.
 * 3. What is in the middle is left whole, and named: a campaign whose file is being read, a mail that is being sent.
 * 4. Nothing is erased while the tenant has a legal hold. A hold that is placed meanwhile waits for this statement, or this one finds it.
 *
 * Files keep what was sent in them, until their retention ends: they are named. A key that is past retention finds no record; that is deleted with
 * its month.
 *
 * Event: `recipient.erased`, with counts alone.
 */
import type { Sql } from '#shared/db/connect-database.ts';
import { repeatOnDeadlock } from '#shared/db/run-statements.ts';
import { recordEvents } from '#shared/jobs/record-events.ts';
import { isNotHeld } from '#shared/retention/is-not-held.ts';
import { addressHash, businessKeyOf } from './mail-address.ts';
import type { SuppressionAt } from './suppression-store.ts';

export interface Erased {
  /** Rows of recipients' files, duplicates too. */
  readonly records: number;
  readonly campaigns: number;
  /** What the mail service reported. */
  readonly reports: number;
  /** Campaigns that were left as they are. */
  readonly left: readonly string[];
  readonly files: readonly { readonly id: string; readonly name: string; readonly expiresAt: string | null }[];
}

const MOST_REPEATS = 5;

export async function eraseRecipient(
  sql: Sql,
  erase: SuppressionAt & { readonly actor: string },
): Promise<Erased | 'held' | 'unknown'> {
  for (let repeat = 0; repeat < MOST_REPEATS; repeat += 1) {
    const [tenant] = await sql<{ holdChanges: number; isFree: boolean }[]>`
      SELECT t.hold_changes AS "holdChanges", ${isNotHeld(sql, sql`t.id`)} AS "isFree" FROM tenants t WHERE t.id = ${erase.tenantId}`;
    if (tenant === undefined) return 'unknown';
    if (!tenant.isFree) return 'held';
    const [erased] = await repeatOnDeadlock(() => eraseUnless(sql, { ...erase, holdChanges: tenant.holdChanges }));
    if (erased !== undefined) return erased;
  }
  return 'held';
}

/** No row: holds have changed. */
function eraseUnless(
  sql: Sql,
  { tenantId, address, actor, holdChanges }: SuppressionAt & { readonly actor: string; readonly holdChanges: number },
): Promise<Erased[]> {
  const [hash, key] = [addressHash(address), businessKeyOf(address)];
  return sql<Erased[]>`
    WITH tenant AS MATERIALIZED (SELECT id FROM tenants WHERE id = ${tenantId} AND hold_changes = ${holdChanges} FOR SHARE),
    campaign AS MATERIALIZED (
      SELECT c.id, c.route_id, j.file_id, j.created_at, j.finished_at IS NULL AS is_open,
        j.finished_at IS NULL AND j.open_records IS NULL AS is_read
      FROM tenant t JOIN campaigns c ON c.tenant_id = t.id JOIN jobs j ON j.id = c.id),
    keyed AS MATERIALIZED (
      SELECT c.id, c.route_id, c.file_id, c.created_at, k.line FROM campaign c JOIN record_keys k
        ON k.tenant_id = ${tenantId} AND k.route_id = c.route_id AND k.business_key = ${key} AND k.job_id = c.id
      WHERE NOT c.is_read),
    named AS (
      SELECT id AS job_id, line, created_at FROM keyed
      UNION SELECT r.job_id, r.line, r.created_at FROM keyed k JOIN records r ON r.job_id = k.id AND r.created_at = k.created_at
      WHERE r.error_code = 'PARSE_ERROR' AND r.business_key = ${key}),
    locked AS MATERIALIZED (
      SELECT r.job_id, r.line, r.created_at, r.state FROM records r
      WHERE (r.job_id, r.line, r.created_at) IN (SELECT job_id, line, created_at FROM named) ORDER BY r.job_id, r.line FOR UPDATE),
    sending AS MATERIALIZED (
      SELECT DISTINCT l.job_id AS id FROM locked l JOIN campaign c ON c.id = l.job_id WHERE l.state = 'RUNNING' AND c.is_open),
    going AS MATERIALIZED (SELECT job_id, line, created_at FROM locked WHERE job_id NOT IN (SELECT id FROM sending)),
    record AS (
      UPDATE records r SET "values" = CASE WHEN r."values" IS NOT NULL THEN '{}'::jsonb END, business_key = NULL, reference = NULL,
        error_message = NULL, updated_at = now()
      FROM going g WHERE r.job_id = g.job_id AND r.line = g.line AND r.created_at = g.created_at RETURNING r.job_id),
    keys AS (
      DELETE FROM record_keys k USING keyed d
      WHERE k.tenant_id = ${tenantId} AND k.route_id = d.route_id AND k.business_key = ${key} AND d.id NOT IN (SELECT id FROM sending)),
    attempt AS (
      UPDATE record_attempts a SET message = NULL FROM going g
      WHERE a.job_id = g.job_id AND a.line = g.line AND a.message IS NOT NULL),
    -- A report is told apart by its time and its link, which may name the recipient.
    report AS (
      UPDATE mail_events e SET address_hash = NULL, message_id = NULL,
        detail = CASE WHEN e.detail ? 'smtp' THEN jsonb_build_object('smtp', e.detail -> 'smtp') ELSE '{}'::jsonb END,
        event_key = CASE e.event_key WHEN '' THEN '' ELSE encode(sha256(convert_to(e.event_key, 'UTF8')), 'hex') END
      FROM going g WHERE e.campaign_id = g.job_id AND e.line = g.line RETURNING 1),
    topic AS (
      UPDATE suppressions s SET address = NULL FROM tenant t
      WHERE s.tenant_id = t.id AND s.address_hash = ${hash} AND s.topic <> '*'),
    suppression AS (
      INSERT INTO suppressions (tenant_id, topic, address_hash, address, reason, origin)
      SELECT id, '*', ${hash}, NULL, 'operator', ${actor} FROM tenant
      ON CONFLICT (tenant_id, address_hash, topic) DO UPDATE SET address = NULL, expires_at = NULL),
    total AS MATERIALIZED (
      SELECT (SELECT count(*)::int FROM record) AS records, (SELECT count(DISTINCT job_id)::int FROM record) AS campaigns,
        (SELECT count(*)::int FROM report) AS reports FROM tenant),
    event AS (
      SELECT 'recipient.erased' AS type, ${tenantId}::text AS tenant_id, NULL::uuid AS file_id, NULL::uuid AS job_id,
        jsonb_build_object('records', records, 'campaigns', campaigns, 'reports', reports) AS detail, '{events}'::text[] AS topics
      FROM total),
    ${recordEvents(sql, actor)}
    SELECT records, campaigns, reports,
      coalesce((
        SELECT jsonb_agg(id ORDER BY id) FROM (SELECT id FROM campaign WHERE is_read UNION SELECT id FROM sending) AS l), '[]') AS left,
      coalesce((
        SELECT jsonb_agg(jsonb_build_object('id', f.id, 'name', f.name, 'expiresAt', to_jsonb(nullif(e.at, 'infinity'))) ORDER BY f.id)
        FROM files f CROSS JOIN LATERAL (SELECT least(f.objects_expire_at, f.expire_at) AS at) AS e
        WHERE f.id IN (SELECT file_id FROM keyed) AND f.objects_removed_at IS NULL), '[]') AS files
    FROM total`;
}

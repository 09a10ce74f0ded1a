/** Applies the SFTP users of a tenant, and the times of their keys. What an operator disabled stays so: see `disable-access.ts`. */
import { fingerprintOf, keyOfLine } from '#shared/access/sftp-users.ts';
import type { Sql } from '#shared/db/connect-database.ts';
import { toJsonb } from '#shared/db/run-statements.ts';
import type { DeclaredKey } from '#shared/definitions/routes/route-schema.ts';
import { recordEvents } from '#shared/jobs/record-events.ts';

export interface SftpUser {
  readonly username: string;
  readonly tenantId: string;
  /** OpenSSH form, `ssh-ed25519 AAAA...`; several have a line each. */
  readonly publicKey: string;
  /** Prefix in the landing bucket, ending in `/`. */
  readonly homePrefix: string;
  /** Those of `publicKey`, where some have times. */
  readonly keys?: readonly DeclaredKey[];
  /** Whether the tenant's file has it, so that it goes when the file no longer does; true when absent. */
  readonly isDeclared?: boolean;
}

/** A user that was removed is back; one that an operator disabled stays so. Event: `sftp-user.applied`. */
export async function applySftpUser(sql: Sql, user: SftpUser, actor: string): Promise<void> {
  const dated = (user.keys ?? [])
    .filter(({ validFrom, validUntil }) => validFrom !== undefined || validUntil !== undefined)
    .map(({ key, ...times }) => ({ key: keyOfLine(key), fingerprint: fingerprintOf(key), ...times }));
  await sql`
    WITH applied AS (
      INSERT INTO sftp_users (username, tenant_id, public_key, home_prefix, is_declared)
      VALUES (${user.username}, ${user.tenantId}, ${user.publicKey}, ${user.homePrefix}, ${user.isDeclared ?? true})
      ON CONFLICT (username) DO UPDATE SET public_key = excluded.public_key, home_prefix = excluded.home_prefix,
        is_declared = excluded.is_declared, removed_at = NULL
      WHERE sftp_users.tenant_id = excluded.tenant_id
      RETURNING sftp_users.*, string_to_array(CASE WHEN old.public_key <> new.public_key THEN old.public_key END, E'\n') AS before,
        string_to_array(CASE WHEN old.public_key <> new.public_key THEN new.public_key END, E'\n') AS after),
    dated AS (
      SELECT * FROM jsonb_to_recordset(${toJsonb(dated)}::text::jsonb) AS r(
        key text, fingerprint text, "validFrom" timestamptz, "validUntil" timestamptz)),
    timed AS (
      INSERT INTO sftp_user_keys (username, public_key, fingerprint, label, valid_from, valid_until, is_declared, created_by)
      SELECT a.username, d.key, d.fingerprint, '', d."validFrom", d."validUntil", true, ${actor} FROM applied a CROSS JOIN dated d
      ORDER BY d.fingerprint
      ON CONFLICT (username, fingerprint) DO UPDATE SET valid_from = excluded.valid_from, valid_until = excluded.valid_until,
        is_declared = true),
    untimed AS (
      DELETE FROM sftp_user_keys k USING applied a
      WHERE k.username = a.username AND k.is_declared AND k.revoked_at IS NULL
        AND NOT EXISTS (SELECT FROM dated d WHERE d.fingerprint = k.fingerprint)),
    event AS (
      SELECT 'sftp-user.applied' AS type, tenant_id, NULL::uuid AS file_id, NULL::uuid AS job_id,
        jsonb_strip_nulls(jsonb_build_object('username', username, 'before', before, 'after', after)) AS detail,
        '{events}'::text[] AS topics
      FROM applied),
    ${recordEvents(sql, actor)}
    SELECT 1`;
}

/** Removes the users that the tenant's file no longer has. Event: `sftp-user.removed`. */
export async function removeOtherSftpUsers(
  sql: Sql,
  { tenantId, kept }: { readonly tenantId: string; readonly kept: readonly string[] },
  actor: string,
): Promise<void> {
  await sql`
    WITH removed AS (
      UPDATE sftp_users SET removed_at = now()
      WHERE tenant_id = ${tenantId} AND is_declared AND removed_at IS NULL AND username <> ALL(${[...kept]}::text[])
      RETURNING *),
    event AS (
      SELECT 'sftp-user.removed' AS type, tenant_id, NULL::uuid AS file_id, NULL::uuid AS job_id,
        jsonb_build_object('username', username) AS detail, '{events}'::text[] AS topics
      FROM removed),
    ${recordEvents(sql, actor)}
    SELECT 1`;
}

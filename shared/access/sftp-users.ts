/**
 * SFTP users and the keys that they may log in with now. The gateway and the identity provider of AWS Transfer Family ask the same question.
 *
 * 1. A user has the keys of the tenant's file (`sftp_users.public_key`, a line each) and those that were added here (`sftp_user_keys`).
 * 2. What `sftp_user_keys` says of a key counts wherever the key is from: from when, until when, and that it is revoked. A revoked key stays
 *    so, whatever is applied.
 *
 * Events: `sftp-user.applied`, `sftp-key.added`, `sftp-key.revoked`.
 */
import { createHash } from 'node:crypto';
import type { Sql } from '#shared/db/connect-database.ts';
import { recordEvents } from '#shared/jobs/record-events.ts';

/** A user who may log in. */
export interface SftpLogin {
  readonly tenantId: string;
  readonly homePrefix: string;
  /** Type and base64, without comments. */
  readonly publicKeys: readonly string[];
  /** `match.path` of the tenant's routes that have one. */
  readonly routeGlobs: readonly (string | readonly string[])[];
}

/** Undefined: unknown, disabled, removed, or of a disabled tenant. By the database's clock. */
export async function findSftpLogin(sql: Sql, username: string): Promise<SftpLogin | undefined> {
  const [row] = await sql<SftpLogin[]>`
    SELECT u.tenant_id AS "tenantId", u.home_prefix AS "homePrefix", ARRAY(
      SELECT key FROM (
        SELECT split_part(line, ' ', 1) || ' ' || split_part(line, ' ', 2) AS key
        FROM unnest(string_to_array(u.public_key, E'\n')) line WHERE line <> ''
        UNION SELECT public_key FROM sftp_user_keys k WHERE k.username = u.username AND NOT k.is_declared) keys
      WHERE NOT EXISTS (
        SELECT 1 FROM sftp_user_keys k WHERE k.username = u.username AND k.public_key = keys.key
          AND (k.revoked_at IS NOT NULL OR k.valid_from > now() OR k.valid_until <= now()))
      ORDER BY key) AS "publicKeys", coalesce((
      SELECT jsonb_agg(v.definition #> '{match,path}')
      FROM routes r JOIN route_versions v ON v.route_id = r.id AND v.version = r.active_version
      WHERE r.tenant_id = u.tenant_id AND r.disabled_at IS NULL AND v.definition #> '{match,path}' IS NOT NULL), '[]') AS "routeGlobs"
    FROM sftp_users u JOIN tenants t ON t.id = u.tenant_id
    WHERE u.username = ${username} AND u.disabled_at IS NULL AND u.removed_at IS NULL AND t.disabled_at IS NULL`;
  return row;
}

/** Without its comment. */
export function keyOfLine(line: string): string {
  return line.split(' ', 2).join(' ');
}

/** `SHA256:...`, as `ssh-keygen -l` prints it. */
export function fingerprintOf(line: string): string {
  const blob = Buffer.from(line.split(' ')[1] ?? '', 'base64');
  return `SHA256:${createHash('sha256').update(blob).digest('base64').replace(/=+$/, '')}`;
}

export interface NewSftpUser {
  readonly username: string;
  readonly tenantId: string;
  readonly reason: string;
}

/** A user without keys that the tenant's file does not have. Resolves to false when the name is taken; the database's 23503 for an unknown tenant. */
export async function createSftpUser(
  sql: Sql,
  { username, tenantId, reason }: NewSftpUser,
  actor: string,
): Promise<boolean> {
  const [row] = await sql`
    WITH created AS (
      INSERT INTO sftp_users (username, tenant_id, public_key, home_prefix, is_declared)
      VALUES (${username}, ${tenantId}, '', ${`${tenantId}/`}, false)
      ON CONFLICT (username) DO NOTHING RETURNING *),
    event AS (
      SELECT 'sftp-user.applied' AS type, tenant_id, NULL::uuid AS file_id, NULL::uuid AS job_id,
        jsonb_build_object('username', username, 'reason', ${reason}::text) AS detail, '{events}'::text[] AS topics
      FROM created),
    ${recordEvents(sql, actor)}
    SELECT 1 FROM created`;
  return row !== undefined;
}

export interface NewSftpKey {
  readonly username: string;
  readonly publicKey: string;
  readonly label: string;
  readonly validFrom?: string | undefined;
  readonly validUntil?: string | undefined;
  readonly reason: string;
}

/** `known`: the user has this key already, by its file or from here; also one that is revoked. */
export async function addSftpKey(
  sql: Sql,
  { username, publicKey, label, validFrom, validUntil, reason }: NewSftpKey,
  actor: string,
): Promise<'added' | 'known' | 'unknown-user'> {
  const key = keyOfLine(publicKey);
  const [row] = await sql<{ isKnown: boolean; isAdded: boolean }[]>`
    WITH owner AS (SELECT * FROM sftp_users WHERE username = ${username} AND removed_at IS NULL),
    added AS (
      INSERT INTO sftp_user_keys (username, public_key, fingerprint, label, valid_from, valid_until, created_by)
      SELECT username, ${key}, ${fingerprintOf(key)}, ${label}, ${validFrom ?? null}::timestamptz, ${validUntil ?? null}::timestamptz, ${actor}
      FROM owner WHERE NOT EXISTS (
        SELECT FROM unnest(string_to_array(public_key, E'\n')) line
        WHERE split_part(line, ' ', 1) || ' ' || split_part(line, ' ', 2) = ${key})
      ON CONFLICT (username, fingerprint) DO NOTHING RETURNING *),
    event AS (
      SELECT 'sftp-key.added' AS type, o.tenant_id, NULL::uuid AS file_id, NULL::uuid AS job_id,
        jsonb_strip_nulls(jsonb_build_object('username', a.username, 'fingerprint', a.fingerprint, 'label', a.label,
          'validFrom', a.valid_from, 'validUntil', a.valid_until, 'reason', ${reason}::text)) AS detail, '{events}'::text[] AS topics
      FROM added a JOIN owner o USING (username)),
    ${recordEvents(sql, actor)}
    SELECT EXISTS (SELECT FROM owner) AS "isKnown", EXISTS (SELECT FROM added) AS "isAdded"`;
  if (row?.isAdded) return 'added';
  return row?.isKnown ? 'known' : 'unknown-user';
}

/** Of the tenant's file too. Sessions that it opened end within a minute. Resolves to false when the user has no such key. */
export async function revokeSftpKey(
  sql: Sql,
  {
    username,
    fingerprint,
    reason,
  }: { readonly username: string; readonly fingerprint: string; readonly reason: string },
  actor: string,
): Promise<boolean> {
  const [user] = await sql<{ publicKey: string }[]>`
    SELECT public_key AS "publicKey" FROM sftp_users WHERE username = ${username}`;
  const ofFile = (user?.publicKey ?? '').split('\n').map(keyOfLine);
  const declared = ofFile.find((key) => key !== '' && fingerprintOf(key) === fingerprint) ?? null;
  const [row] = await sql`
    WITH revoked AS (
      INSERT INTO sftp_user_keys AS k (username, public_key, fingerprint, label, is_declared, created_by, revoked_at)
      SELECT ${username}, ${declared}::text, ${fingerprint}, '', true, ${actor}, now() WHERE ${declared}::text IS NOT NULL
      ON CONFLICT (username, fingerprint) DO UPDATE SET revoked_at = now() WHERE k.revoked_at IS NULL
      RETURNING username, fingerprint),
    updated AS (
      UPDATE sftp_user_keys SET revoked_at = now()
      WHERE username = ${username} AND fingerprint = ${fingerprint} AND revoked_at IS NULL AND ${declared}::text IS NULL
      RETURNING username, fingerprint),
    changed AS (SELECT * FROM revoked UNION ALL SELECT * FROM updated),
    event AS (
      SELECT 'sftp-key.revoked' AS type, u.tenant_id, NULL::uuid AS file_id, NULL::uuid AS job_id,
        jsonb_build_object('username', c.username, 'fingerprint', c.fingerprint, 'reason', ${reason}::text) AS detail,
        '{events}'::text[] AS topics
      FROM changed c JOIN sftp_users u USING (username)),
    ${recordEvents(sql, actor)}
    SELECT 1 FROM changed`;
  return row !== undefined;
}

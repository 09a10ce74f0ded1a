/**
 * The connections to a remote over all processes, counted in `remote_connections`: a process connects only while it holds a slot.
 *
 * `leaseSlot`:    a slot, or why there is none now. Refused while the breaker is open for these credentials.
 * `renewSlots`:   the tokens that still hold theirs.
 * `freeSlot`.
 * `noteConnected`, `noteFailed`: what happened to connecting. Wrong credentials open the breaker; a server that takes no more connections
 *                 halves what is leased for a while. Events: `remote.failed` when the reason is a new one, `remote.recovered`.
 * `noteAnnounced`: a host key that the server will change to, and that is not pinned. Event: `remote.key-announced`, once a day.
 * `noteLegacy`:   what a connection uses of the remote's `legacyAlgorithms`. Event: `remote.legacy-algorithm`, once a day.
 *
 * Database time alone decides.
 */
import type { Sql } from '#shared/db/connect-database.ts';
import { toJsonb } from '#shared/db/run-statements.ts';
import { recordEvents } from '#shared/jobs/record-events.ts';
import type { RemoteErrorCode } from './remote-error.ts';

export interface RemoteName {
  readonly tenantId: string;
  readonly name: string;
}

export type SlotAnswer =
  /** `isNoted`: that it can be connected to was noted a moment ago. */
  | { readonly type: 'leased'; readonly hadFailed: boolean; readonly isNoted: boolean }
  /** All are taken. */
  | { readonly type: 'full' }
  | { readonly type: 'open'; readonly afterMs: number; readonly code: RemoteErrorCode }
  | { readonly type: 'absent' };

export interface SlotRequest extends RemoteName {
  readonly connections: number;
  readonly secretVersion: string;
  readonly token: string;
  readonly worker: string;
  readonly leaseMs: number;
}

export const BREAKER_MS = 900_000;
const LEARNED_MS = 300_000;
/** Of a remote that works this is how old what is shown of it may be: a statement for each connection would be too many. */
const NOTED_MS = 60_000;
/** Each time another process took the very slot that was free when the statement began. */
const LEASE_TRIES = 20;

export async function leaseSlot(sql: Sql, request: SlotRequest): Promise<SlotAnswer> {
  for (let tries = 1; ; tries++) {
    const row = await tryToLeaseSlot(sql, request);
    if (row === undefined) return { type: 'absent' };
    if (row.openMs !== null)
      return { type: 'open', afterMs: Math.ceil(row.openMs), code: row.code ?? 'REMOTE_AUTH_FAILED' };
    if (row.slot !== null) return { type: 'leased', hadFailed: row.code !== null, isNoted: row.isNoted };
    if (!row.wasFree || tries === LEASE_TRIES) return { type: 'full' };
  }
}

interface LeaseRow {
  /** Until the breaker closes; null where it is closed. */
  readonly openMs: number | null;
  readonly code: RemoteErrorCode | null;
  readonly slot: number | null;
  readonly isNoted: boolean;
  /** One was, when the statement began. */
  readonly wasFree: boolean;
}

async function tryToLeaseSlot(sql: Sql, request: SlotRequest): Promise<LeaseRow | undefined> {
  const { tenantId, name, connections, secretVersion, token, worker, leaseMs } = request;
  const [row] = await sql<LeaseRow[]>`
    WITH held AS (
      SELECT *, CASE WHEN breaker_until > now() AND breaker_secret = ${secretVersion}
          THEN extract(epoch FROM breaker_until - now()) * 1000 END AS open_ms,
        CASE WHEN connections_until > now() THEN least(connections_learned, ${connections}::int) ELSE ${connections}::int END AS slots
      FROM remotes WHERE tenant_id = ${tenantId} AND name = ${name} FOR UPDATE),
    free AS (
      SELECT s.slot FROM held h CROSS JOIN LATERAL generate_series(1, h.slots) AS s(slot)
      LEFT JOIN remote_connections c ON c.tenant_id = h.tenant_id AND c.remote = h.name AND c.slot = s.slot
      WHERE h.open_ms IS NULL AND (c.slot IS NULL OR c.lease_until < now()) ORDER BY random() LIMIT 1),
    taken AS (
      INSERT INTO remote_connections AS c (tenant_id, remote, slot, token, worker, lease_until)
      SELECT ${tenantId}, ${name}, slot, ${token}, ${worker}, now() + ${leaseMs}::int * interval '1 ms' FROM free
      ON CONFLICT (tenant_id, remote, slot) DO UPDATE SET token = excluded.token, worker = excluded.worker,
        lease_until = excluded.lease_until
      -- Another one may have taken it since this statement began.
      WHERE c.lease_until < now() RETURNING slot)
    SELECT h.open_ms::float8 AS "openMs", h.error_code AS code, t.slot,
      coalesce(h.connected_at > now() - ${NOTED_MS}::int * interval '1 ms', false) AS "isNoted", EXISTS (SELECT FROM free) AS "wasFree"
    FROM held h LEFT JOIN taken t ON true`;
  return row;
}

export async function renewSlots(sql: Sql, tokens: readonly string[], leaseMs: number): Promise<Set<string>> {
  const rows = await sql<{ token: string }[]>`
    UPDATE remote_connections SET lease_until = now() + ${leaseMs}::int * interval '1 ms'
    WHERE token = ANY(${[...tokens]}::uuid[]) AND lease_until > now() RETURNING token`;
  return new Set(rows.map(({ token }) => token));
}

export async function freeSlot(sql: Sql, token: string): Promise<void> {
  await sql`DELETE FROM remote_connections WHERE token = ${token}`;
}

export async function noteConnected(
  sql: Sql,
  { tenantId, name }: RemoteName,
  { fingerprint, certificateEndsAt }: { readonly fingerprint: string; readonly certificateEndsAt: string | undefined },
  actor: string,
): Promise<void> {
  await sql`
    WITH before AS (SELECT error_code FROM remotes WHERE tenant_id = ${tenantId} AND name = ${name} FOR UPDATE),
    noted AS (
      UPDATE remotes SET error_code = NULL, error_at = NULL, breaker_until = NULL, breaker_secret = NULL, connected_at = now(),
        fingerprint = ${fingerprint}, certificate_ends_at = ${certificateEndsAt ?? null}
      WHERE tenant_id = ${tenantId} AND name = ${name} RETURNING tenant_id),
    event AS (
      SELECT 'remote.recovered' AS type, n.tenant_id, NULL::uuid AS file_id, NULL::uuid AS job_id,
        jsonb_build_object('remote', ${name}::text, 'fingerprint', ${fingerprint}::text) AS detail, '{events}'::text[] AS topics
      FROM noted n, before b WHERE b.error_code IS NOT NULL),
    ${recordEvents(sql, actor)}
    SELECT 1`;
}

export async function noteFailed(
  sql: Sql,
  { tenantId, name }: RemoteName,
  {
    code,
    message,
    secretVersion,
    connections,
  }: {
    readonly code: RemoteErrorCode;
    readonly message: string;
    readonly secretVersion: string;
    readonly connections: number;
  },
  actor: string,
): Promise<void> {
  await sql`
    WITH before AS (SELECT error_code FROM remotes WHERE tenant_id = ${tenantId} AND name = ${name} FOR UPDATE),
    noted AS (
      UPDATE remotes r SET error_code = ${code}, error_at = now(),
        breaker_until = CASE WHEN ${code} = 'REMOTE_AUTH_FAILED' THEN now() + ${BREAKER_MS}::int * interval '1 ms' ELSE r.breaker_until END,
        breaker_secret = CASE WHEN ${code} = 'REMOTE_AUTH_FAILED' THEN ${secretVersion} ELSE r.breaker_secret END,
        connections_learned = CASE WHEN ${code} <> 'REMOTE_BUSY' THEN r.connections_learned
          ELSE greatest(1, CASE WHEN r.connections_until > now() THEN r.connections_learned ELSE ${connections}::int END / 2) END,
        connections_until = CASE WHEN ${code} = 'REMOTE_BUSY' THEN now() + ${LEARNED_MS}::int * interval '1 ms' ELSE r.connections_until END
      WHERE tenant_id = ${tenantId} AND name = ${name} RETURNING tenant_id),
    event AS (
      SELECT 'remote.failed' AS type, n.tenant_id, NULL::uuid AS file_id, NULL::uuid AS job_id,
        jsonb_build_object('remote', ${name}::text, 'code', ${code}::text, 'message', ${message}::text) AS detail,
        '{events,failure}'::text[] AS topics
      FROM noted n, before b WHERE b.error_code IS DISTINCT FROM ${code}),
    ${recordEvents(sql, actor)}
    SELECT 1`;
}

export async function noteAnnounced(
  sql: Sql,
  remote: RemoteName,
  fingerprints: readonly string[],
  actor: string,
): Promise<void> {
  const hint = (fingerprint: string): string => `Add ${fingerprint} to hostKeys after asking the partner.`;
  const details = fingerprints.map((fingerprint) => ({ remote: remote.name, fingerprint, hint: hint(fingerprint) }));
  await tellDaily(sql, remote, { type: 'remote.key-announced', details }, actor);
}

export async function noteLegacy(
  sql: Sql,
  remote: RemoteName,
  algorithms: readonly string[],
  actor: string,
): Promise<void> {
  const details = algorithms.map((algorithm) => ({ remote: remote.name, algorithm }));
  await tellDaily(sql, remote, { type: 'remote.legacy-algorithm', details }, actor);
}

interface DailyEvents {
  readonly type: 'remote.key-announced' | 'remote.legacy-algorithm';
  readonly details: readonly Readonly<Record<string, string>>[];
}

/** Each once a day, for as long as there is such a remote. */
async function tellDaily(
  sql: Sql,
  { tenantId, name }: RemoteName,
  { type, details }: DailyEvents,
  actor: string,
): Promise<void> {
  await sql`
    WITH event AS (
      SELECT ${type}::text AS type, r.tenant_id, NULL::uuid AS file_id, NULL::uuid AS job_id, d.detail, '{events}'::text[] AS topics
      FROM remotes r, jsonb_array_elements(${toJsonb(details)}::text::jsonb) AS d(detail)
      WHERE r.tenant_id = ${tenantId} AND r.name = ${name} AND NOT EXISTS (
        SELECT 1 FROM audit_events a WHERE a.tenant_id = r.tenant_id AND a.type = ${type}
          AND a.at > now() - interval '1 day' AND a.detail = d.detail)),
    ${recordEvents(sql, actor)}
    SELECT 1`;
}

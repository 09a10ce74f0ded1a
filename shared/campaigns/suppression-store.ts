/** Rows of `suppressions`: addresses that get nothing of a topic, or with `*` nothing at all. They count from the next mail on. */
import type { Sql } from '#shared/db/connect-database.ts';
import type { SUPPRESSION_REASONS } from '#shared/db/schema.ts';
import { recordEvents } from '#shared/jobs/record-events.ts';
import { addressHash } from './mail-address.ts';
import type { Unsubscribe } from './unsubscribe-token.ts';

export const ALL_TOPICS = '*';

export interface SuppressionRow {
  readonly topic: string;
  readonly reason: (typeof SUPPRESSION_REASONS)[number];
  readonly origin: string;
  readonly createdAt: Date;
  readonly expiresAt: Date | null;
}

export interface SuppressionAt {
  readonly tenantId: string;
  readonly address: string;
}

export async function findSuppressions(sql: Sql, { tenantId, address }: SuppressionAt): Promise<SuppressionRow[]> {
  return await sql<SuppressionRow[]>`
    SELECT topic, reason, origin, created_at AS "createdAt", expires_at AS "expiresAt" FROM suppressions
    WHERE tenant_id = ${tenantId} AND address_hash = ${addressHash(address)} AND (expires_at IS NULL OR expires_at > now())
    ORDER BY topic`;
}

/** An earlier one of the address and topic stays as it is, but for its end. */
export async function suppress(
  sql: Sql,
  { tenantId, address, topic, actor }: SuppressionAt & { readonly topic: string; readonly actor: string },
): Promise<void> {
  await sql`
    INSERT INTO suppressions (tenant_id, topic, address_hash, address, reason, origin)
    VALUES (${tenantId}, ${topic}, ${addressHash(address)}, ${address}, 'operator', ${actor})
    ON CONFLICT (tenant_id, address_hash, topic) DO UPDATE SET expires_at = NULL`;
}

export interface ListedSuppression extends SuppressionRow {
  /** Null when it was erased, or is known by a link alone. */
  readonly address: string | null;
  readonly addressHash: string;
}

/** In the order of the hashes of their addresses. */
export async function listSuppressions(
  sql: Sql,
  {
    tenantId,
    topic,
    reason,
    after,
    limit,
  }: {
    readonly tenantId: string;
    readonly topic?: string | undefined;
    readonly reason?: string | undefined;
    readonly after?: string | undefined;
    readonly limit: number;
  },
): Promise<ListedSuppression[]> {
  return await sql<ListedSuppression[]>`
    SELECT address, address_hash || '/' || topic AS "addressHash", topic, reason, origin, created_at AS "createdAt", expires_at AS "expiresAt"
    FROM suppressions
    WHERE tenant_id = ${tenantId} AND (expires_at IS NULL OR expires_at > now())
      AND (${topic ?? null}::text IS NULL OR topic = ${topic ?? null}) AND (${reason ?? null}::text IS NULL OR reason = ${reason ?? null})
      AND (${after ?? null}::text IS NULL OR (address_hash, topic) > (split_part(${after ?? ''}, '/', 1), split_part(${after ?? ''}, '/', 2)))
    ORDER BY address_hash, topic LIMIT ${limit}`;
}

/** Those that are there without end stay as they are. Out: how many were not. */
export async function importSuppressions(
  sql: Sql,
  {
    tenantId,
    topic,
    addresses,
    actor,
  }: {
    readonly tenantId: string;
    readonly topic: string;
    readonly addresses: readonly string[];
    readonly actor: string;
  },
): Promise<number> {
  const byHash = new Map(addresses.map((address) => [addressHash(address), address]));
  const rows = await sql`
    INSERT INTO suppressions AS s (tenant_id, topic, address_hash, address, reason, origin)
    SELECT ${tenantId}, ${topic}, i.hash, i.address, 'imported', ${actor}
    FROM unnest(${[...byHash.keys()]}::text[], ${[...byHash.values()]}::text[]) AS i(hash, address) ORDER BY i.hash
    ON CONFLICT (tenant_id, address_hash, topic) DO UPDATE SET reason = excluded.reason, origin = excluded.origin, address = excluded.address,
      expires_at = NULL WHERE s.expires_at IS NOT NULL
    RETURNING 1`;
  return rows.length;
}

export async function allowAgain(
  sql: Sql,
  { tenantId, address, topic }: SuppressionAt & { readonly topic: string },
): Promise<boolean> {
  const rows = await sql`
    DELETE FROM suppressions WHERE tenant_id = ${tenantId} AND address_hash = ${addressHash(address)} AND topic = ${topic} RETURNING 1`;
  return rows.length > 0;
}

export interface UnsubscribedTopic {
  readonly tenantName: string;
  readonly topic: string;
  readonly isMarketing: boolean;
  readonly isUnsubscribed: boolean;
  /** By the recipient's own word, which can be taken back. */
  readonly canUndo: boolean;
}

/** What a link unsubscribes from: of its campaign, or as it was signed, once the campaign is deleted. */
function linked(sql: Sql, { campaignId, from }: Unsubscribe) {
  return sql`
      SELECT id, tenant_id, topic, is_marketing, true AS is_kept FROM campaigns WHERE id = ${campaignId}
      UNION ALL
      SELECT ${campaignId}::uuid, id, ${from?.topic ?? null}::text, ${from?.isMarketing ?? null}::boolean, false FROM tenants
      WHERE id = ${from?.tenantId ?? null}::text AND NOT EXISTS (SELECT 1 FROM campaigns WHERE id = ${campaignId})`;
}

/** Changes nothing. Undefined: the campaign is unknown, and the link does not say what it is from. */
export async function findUnsubscribe(sql: Sql, link: Unsubscribe): Promise<UnsubscribedTopic | undefined> {
  const [row] = await sql<UnsubscribedTopic[]>`
    SELECT t.name AS "tenantName", c.topic, c.is_marketing AS "isMarketing", EXISTS (
      SELECT 1 FROM suppressions s
      WHERE s.tenant_id = c.tenant_id AND s.address_hash = ${link.addressHash} AND s.topic IN ('*', c.topic)
        AND (s.expires_at IS NULL OR s.expires_at > now())) AS "isUnsubscribed", EXISTS (
      SELECT 1 FROM suppressions s
      WHERE s.tenant_id = c.tenant_id AND s.address_hash = ${link.addressHash} AND s.topic = c.topic AND s.reason = 'unsubscribed') AS "canUndo"
    FROM (${linked(sql, link)}) c JOIN tenants t ON t.id = c.tenant_id`;
  return row;
}

/** Of the campaign's topic, without end; done twice, the second time changes nothing. Event: `mail.unsubscribed`. */
export async function unsubscribe(sql: Sql, link: Unsubscribe): Promise<void> {
  const { campaignId, line, addressHash: hash } = link;
  await sql`
    WITH link AS (${linked(sql, link)}),
    added AS (
      INSERT INTO suppressions AS s (tenant_id, topic, address_hash, address, reason, origin)
      SELECT c.tenant_id, c.topic, ${hash}, (
          SELECT r."values" ->> 'email' FROM jobs j JOIN records r ON r.job_id = j.id AND r.created_at = j.created_at
          WHERE j.id = c.id AND r.line = ${line}::bigint), 'unsubscribed', c.id::text
      FROM link c WHERE c.is_marketing
      ON CONFLICT (tenant_id, address_hash, topic) DO UPDATE SET reason = 'unsubscribed', origin = excluded.origin, expires_at = NULL
        WHERE s.expires_at IS NOT NULL
      RETURNING tenant_id, topic),
    counted AS (
      INSERT INTO campaign_stats AS c (campaign_id, hour, kind, domain, n)
      SELECT ${campaignId}, date_trunc('hour', now()), 'unsubscribed', '', 1 FROM added, link WHERE link.is_kept
      ON CONFLICT (campaign_id, hour, kind, domain) DO UPDATE SET n = c.n + 1),
    event AS (${eventOf(sql, 'mail.unsubscribed', { campaignId, line })} FROM added),
    ${recordEvents(sql, 'recipient')}
    SELECT 1 FROM added`;
}

/** What the recipient said, not what others did. Event: `mail.resubscribed`. */
export async function undoUnsubscribe(sql: Sql, link: Unsubscribe): Promise<void> {
  const { campaignId, line, addressHash: hash } = link;
  await sql`
    WITH removed AS (
      DELETE FROM suppressions s USING (${linked(sql, link)}) c
      WHERE s.tenant_id = c.tenant_id AND s.topic = c.topic AND s.address_hash = ${hash} AND s.reason = 'unsubscribed'
      RETURNING s.tenant_id, s.topic),
    event AS (${eventOf(sql, 'mail.resubscribed', { campaignId, line })} FROM removed),
    ${recordEvents(sql, 'recipient')}
    SELECT 1 FROM removed`;
}

function eventOf(sql: Sql, type: string, { campaignId, line }: Pick<Unsubscribe, 'campaignId' | 'line'>) {
  return sql`
      SELECT ${type}::text AS type, tenant_id, NULL::uuid AS file_id, NULL::uuid AS job_id,
        jsonb_build_object('campaignId', ${campaignId}::text, 'line', ${line}::bigint, 'topic', topic) AS detail,
        '{events}'::text[] AS topics`;
}

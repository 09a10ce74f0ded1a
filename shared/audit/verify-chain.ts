/**
 * Verifies the chain over a tenant's audit, a page of lines at a time: what was altered, added or removed is named.
 *
 * 1. A line that retention dropped went with its seal: the chain begins at the oldest that is kept, whose `previous` stands for the rest.
 * 2. Who can write to the database can make a whole new chain. A hash that was noted elsewhere (`known`) shows that, too.
 */
import type { Sql } from '#shared/db/connect-database.ts';
import { lineText } from './audit-line.ts';

/** Longer than any transaction that writes lines: an older line than those sealed before it was put there later. */
const LATEST = '15 minutes';
const FAULTS_NAMED = 100;

export type ChainFault = 'altered' | 'removed' | 'added' | 'seal altered';

export interface FaultyLine {
  readonly fault: ChainFault;
  /** Null for a line without a seal. */
  readonly seq: number | null;
  readonly eventId: string | null;
  readonly at: string | null;
}

export interface VerifiedPage {
  readonly lines: number;
  readonly first: number | null;
  readonly faults: FaultyLine[];
  /** The line to continue after; null at the end. */
  readonly next: number | null;
  readonly head: { readonly seq: number; readonly hash: string } | null;
}

export interface VerifyPageOptions {
  readonly tenantId: string;
  /** 0: from the beginning. */
  readonly after: number;
  readonly limit: number;
}

interface PageRow {
  readonly lines: number;
  readonly first: number | null;
  readonly last: number | null;
  readonly youngest: string | null;
  /** The time of the line to continue after, which a page reads once more. */
  readonly before: string | null;
  readonly faults: FaultyLine[];
}

export async function verifyPage(sql: Sql, { tenantId, after, limit }: VerifyPageOptions): Promise<VerifiedPage> {
  // The head first: lines that are sealed meanwhile are over it, and not of this page.
  const [head] = await sql<{ seq: number; hash: string }[]>`
    SELECT seq::float8 AS seq, encode(hash, 'hex') AS hash FROM audit_heads WHERE tenant_id = ${tenantId}`;
  const [page] = await sql<PageRow[]>`
    WITH line AS MATERIALIZED (
      SELECT seq, event_at, event_id, previous, hash FROM audit_seals
      WHERE tenant_id = ${tenantId} AND seq >= ${after} ORDER BY seq LIMIT ${limit + (after > 0 ? 1 : 0)}),
    linked AS (
      SELECT *, lag(hash) OVER w AS hash_before, lag(seq) OVER w AS seq_before,
        max(event_at) OVER (ORDER BY seq ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS at_before
      FROM line WINDOW w AS (ORDER BY seq)),
    checked AS (
      SELECT l.*, CASE
        WHEN l.seq <= ${after} THEN NULL
        WHEN l.seq_before IS NOT NULL AND l.seq_before <> l.seq - 1 THEN 'removed before'
        WHEN l.seq > ${head?.seq ?? 0} THEN NULL
        WHEN e.id IS NULL THEN 'removed'
        WHEN sha256(l.previous || convert_to(${lineText(sql)}, 'UTF8')) <> l.hash
          THEN CASE WHEN l.previous <> coalesce(l.hash_before, l.previous) THEN 'seal altered' ELSE 'altered' END
        WHEN l.previous <> coalesce(l.hash_before, CASE WHEN l.seq = 1 THEN decode(repeat('00', 32), 'hex') ELSE l.previous END)
          THEN 'seal altered'
        WHEN l.event_at < l.at_before - ${LATEST}::interval THEN 'added'
      END AS fault
      FROM linked l LEFT JOIN audit_events e ON e.at = l.event_at AND e.id = l.event_id AND e.tenant_id = ${tenantId}
        AND e.at >= (SELECT min(event_at) FROM line) AND e.at <= (SELECT max(event_at) FROM line)),
    named AS (
      SELECT CASE fault WHEN 'removed before' THEN 'removed' ELSE fault END AS fault,
        CASE fault WHEN 'removed before' THEN seq - 1 ELSE seq END AS seq,
        CASE WHEN fault <> 'removed before' THEN event_id END AS "eventId",
        CASE WHEN fault <> 'removed before' THEN ${instantText(sql, sql`event_at`)} END AS at
      FROM checked WHERE fault IS NOT NULL ORDER BY seq LIMIT ${FAULTS_NAMED})
    SELECT (count(*) FILTER (WHERE seq > ${after}))::int AS lines, min(seq)::float8 AS first, max(seq)::float8 AS last,
      ${instantText(sql, sql`max(event_at)`)} AS youngest, ${instantText(sql, sql`max(event_at) FILTER (WHERE seq = ${after})`)} AS before,
      coalesce((SELECT jsonb_agg(to_jsonb(named)) FROM named), '[]') AS faults
    FROM checked`;
  if (page === undefined) return { lines: 0, first: null, faults: [], next: null, head: head ?? null };
  const isLast = page.lines < limit;
  const unsealed = await findUnsealed(sql, tenantId, { from: page.before, to: isLast ? null : page.youngest });
  const cutOff = isLast && head !== undefined && (page.last ?? 0) < head.seq;
  const missing: FaultyLine[] = cutOff ? [{ fault: 'removed', seq: head.seq, eventId: null, at: null }] : [];
  return {
    lines: page.lines,
    first: page.first,
    faults: [...page.faults, ...unsealed, ...missing],
    next: isLast ? null : page.last,
    head: head ?? null,
  };
}

/** Lines that were not there when those of their time were sealed. */
async function findUnsealed(
  sql: Sql,
  tenantId: string,
  { from, to }: { readonly from: string | null; readonly to: string | null },
): Promise<FaultyLine[]> {
  return await sql<FaultyLine[]>`
    SELECT 'added' AS fault, NULL::float8 AS seq, e.id AS "eventId",
      ${instantText(sql, sql`e.at`)} AS at
    FROM audit_events e CROSS JOIN audit_sealing p
    WHERE e.tenant_id = ${tenantId} AND e.at > coalesce(${from}::timestamptz, '-infinity') AND e.at <= coalesce(${to}::timestamptz, 'infinity')
      AND (e.written, e.id) <= (p.written, p.id)
      AND NOT EXISTS (
        SELECT FROM audit_seals s WHERE s.event_at = e.at AND s.event_id = e.id AND s.tenant_id = ${tenantId}
          AND s.event_at > coalesce(${from}::timestamptz, '-infinity') AND s.event_at <= coalesce(${to}::timestamptz, 'infinity'))
    ORDER BY e.at, e.id LIMIT ${FAULTS_NAMED}`;
}

/** Whether a line still has the hash that somebody noted. */
export async function hasHash(sql: Sql, tenantId: string, seq: number, hash: string): Promise<boolean> {
  const rows = await sql`
    SELECT 1 FROM audit_seals WHERE tenant_id = ${tenantId} AND seq = ${seq} AND hash = decode(${hash}, 'hex')`;
  return rows.length > 0;
}

function instantText(sql: Sql, instant: ReturnType<Sql>) {
  return sql`to_char(${instant} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')`;
}

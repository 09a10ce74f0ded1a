/**
 * Seals the audit: each line of a tenant gets the hash of the line before it, so that none can be altered, added or removed without a trace.
 *
 * 1. Writers of lines know nothing of it and wait for nobody. Lines are sealed after their transaction, in the order of transactions.
 * 2. Only what is older than every transaction that still runs is sealed: nothing can appear before it later. A transaction that runs long
 *    therefore delays the seals, and the metric of the lag shows it.
 * 3. Any number of sealers side by side: the one statement that writes moves the position that was read, or does nothing.
 * 4. Over all tenants the lines are numbered without gaps, in the order of commits: a reader that remembers a number misses none.
 * 5. After a restore into another cluster transactions are counted from the beginning again; so is the position, and what has a seal is
 *    passed over.
 *
 * Out: how many lines were sealed, and for how long the oldest that is not has waited. Events: none.
 */
import type { Sql } from '#shared/db/connect-database.ts';
import { literalLimit } from '#shared/db/literal-limit.ts';
import { toJsonb } from '#shared/db/run-statements.ts';
import { hashLine, lineText, NO_HASH } from './audit-line.ts';

export interface SealResult {
  readonly sealed: number;
  readonly lagSeconds: number;
}

interface Position {
  readonly stored: string;
  readonly id: string;
  /** Where to continue: as stored, or the beginning. */
  readonly written: string;
  readonly horizon: string;
  /** How many lines have a number. */
  readonly lines: number;
}

interface Line {
  readonly id: string;
  readonly at: string;
  readonly written: string;
  readonly tenantId: string;
  readonly text: string;
}

interface Head {
  readonly tenantId: string;
  readonly seq: number;
  readonly hash: Buffer;
}

interface Seal extends Omit<Head, 'hash'> {
  readonly number: number;
  readonly id: string;
  readonly at: string;
  readonly previous: string;
  readonly hash: string;
}

export async function sealLines(sql: Sql, { limit }: { readonly limit: number }): Promise<SealResult> {
  const [position] = await sql<Position[]>`
    SELECT written::text AS stored, id,
      CASE WHEN written > pg_snapshot_xmax(pg_current_snapshot()) THEN '0' ELSE written::text END AS written,
      pg_snapshot_xmin(pg_current_snapshot())::text AS horizon, lines::float8 AS lines
    FROM audit_sealing`;
  if (position === undefined) return { sealed: 0, lagSeconds: 0 };
  const lines = await sql<Line[]>`
    SELECT e.id, to_char(e.at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS at, e.written::text AS written,
      e.tenant_id AS "tenantId", ${lineText(sql)} AS text
    FROM audit_events e
    WHERE (e.written, e.id) > (${position.written}::text::xid8, ${position.id}::uuid) AND e.written < ${position.horizon}::text::xid8
      AND NOT EXISTS (SELECT FROM audit_seals s WHERE s.event_at = e.at AND s.event_id = e.id)
    ORDER BY e.written, e.id LIMIT ${literalLimit(sql, limit)}`;
  const last = lines.at(-1);
  const seals = chain(lines, await readHeads(sql, lines), position.lines);
  const isSealed = last !== undefined && (await store(sql, position, last, seals));
  return { sealed: isSealed ? lines.length : 0, lagSeconds: await readLag(sql) };
}

async function readHeads(sql: Sql, lines: readonly Line[]): Promise<Head[]> {
  const tenants = [...new Set(lines.map(({ tenantId }) => tenantId))];
  return await sql<Head[]>`
    SELECT tenant_id AS "tenantId", seq::float8 AS seq, hash FROM audit_heads WHERE tenant_id = ANY(${tenants}::text[])`;
}

function chain(lines: readonly Line[], heads: readonly Head[], numbered: number): Seal[] {
  const byTenant = new Map(heads.map((head) => [head.tenantId, head]));
  return lines.map(({ id, at, tenantId, text }, index) => {
    const { seq, hash: previous } = byTenant.get(tenantId) ?? { seq: 0, hash: NO_HASH };
    const head = { tenantId, seq: seq + 1, hash: hashLine(previous, text) };
    byTenant.set(tenantId, head);
    return {
      number: numbered + index + 1,
      id,
      at,
      tenantId,
      seq: head.seq,
      previous: previous.toString('hex'),
      hash: head.hash.toString('hex'),
    };
  });
}

async function store(sql: Sql, position: Position, last: Line, seals: readonly Seal[]): Promise<boolean> {
  const rows = await sql`
    WITH moved AS (
      UPDATE audit_sealing SET written = ${last.written}::text::xid8, id = ${last.id}::uuid, lines = lines + ${seals.length}
      WHERE written = ${position.stored}::text::xid8 AND id = ${position.id}::uuid AND lines = ${position.lines}
      RETURNING 1),
    input AS (
      SELECT * FROM jsonb_to_recordset(${toJsonb(seals)}::text::jsonb) AS r(
        number bigint, id uuid, at timestamptz, "tenantId" text, seq bigint, previous text, hash text)
      WHERE EXISTS (SELECT FROM moved)),
    sealed AS (
      INSERT INTO audit_seals (number, event_at, event_id, tenant_id, seq, previous, hash)
      SELECT number, at, id, "tenantId", seq, decode(previous, 'hex'), decode(hash, 'hex') FROM input),
    headed AS (
      INSERT INTO audit_heads AS h (tenant_id, seq, hash)
      SELECT DISTINCT ON ("tenantId") "tenantId", seq, decode(hash, 'hex') FROM input ORDER BY "tenantId", seq DESC
      ON CONFLICT (tenant_id) DO UPDATE SET seq = excluded.seq, hash = excluded.hash)
    SELECT 1 FROM moved`;
  return rows.length > 0;
}

async function readLag(sql: Sql): Promise<number> {
  const [row] = await sql<{ lagSeconds: number }[]>`
    SELECT greatest(extract(epoch FROM clock_timestamp() - oldest.at), 0)::float8 AS "lagSeconds"
    FROM audit_sealing p CROSS JOIN LATERAL (
      SELECT e.at FROM audit_events e
      WHERE (e.written, e.id) > (CASE WHEN p.written > pg_snapshot_xmax(pg_current_snapshot()) THEN '0'::xid8 ELSE p.written END, p.id)
      ORDER BY e.written, e.id LIMIT 1) AS oldest`;
  return row?.lagSeconds ?? 0;
}

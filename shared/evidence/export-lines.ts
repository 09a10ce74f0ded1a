/**
 * Writes the sealed lines of the audit to the bucket `evidence`, as gzipped NDJSON under `events/dt=2026-03-04/hour=05/`.
 *
 * 1. Each line is in exactly one object. A batch is planned in the database before its first object is written; whoever repeats it after
 *    a crash, or does so at the same time, takes the same lines under the same keys.
 * 2. A key names the first and the last line of its batch; a batch that is in several hours has an object in each.
 * 3. A batch begins when it is full or when its oldest line has waited for `everyMs`: neither are there more objects than needed, nor is
 *    a line late by more.
 * 4. A bucket that does not answer fails nothing: the batch stays planned, and the lag shows it.
 *
 * Out: lines that were written, and the age of the oldest sealed line that is not. Events: none.
 */
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import type { Sql } from '#shared/db/connect-database.ts';
import type { ObjectStore } from '#shared/files/object-store.ts';
import type { Logger } from '#shared/runtime/logger.ts';
import { EVIDENCE_PREFIX, type EvidenceEvent, evidenceLine } from './evidence-columns.ts';

export interface ExportLinesOptions {
  readonly sql: Sql;
  readonly store: Pick<ObjectStore, 'put'>;
  readonly bucket: string;
  /** Lines of one batch, at most. */
  readonly limit: number;
  readonly everyMs: number;
  readonly logger: Logger;
  readonly signal: AbortSignal;
}

export interface ExportResult {
  readonly written: number;
  readonly lagSeconds: number;
  /** A further batch is full. */
  readonly isMore: boolean;
}

interface Reader {
  readonly line: number;
  readonly planned: number | null;
  /** Of the last sealed line. */
  readonly last: number;
  readonly lagSeconds: number;
}

const compress = promisify(gzip);

export async function exportLines(options: ExportLinesOptions): Promise<ExportResult> {
  const { sql, limit, everyMs, logger } = options;
  const reader = await readReader(sql);
  const { line, last, lagSeconds } = reader;
  const waiting = last - line;
  const isDue = waiting >= limit || lagSeconds * 1_000 >= everyMs;
  if (reader.planned === null && (waiting === 0 || !isDue)) return { written: 0, lagSeconds, isMore: false };
  const to = reader.planned ?? (await plan(sql, line, Math.min(last, line + limit)));
  if (to === undefined) return { written: 0, lagSeconds, isMore: true };
  const events = await readEvents(sql, line, to);
  if (events.length < to - line)
    logger.error({ from: line + 1, to, found: events.length }, 'lines of the audit are gone before they were exported');
  try {
    await writeBatch(options, events, `${padded(line + 1)}-${padded(to)}`);
  } catch (error) {
    logger.warn({ err: error, bucket: options.bucket, from: line + 1, to }, 'evidence not written');
    return { written: 0, lagSeconds, isMore: false };
  }
  await sql`UPDATE audit_readers SET line = ${to}, planned = NULL WHERE name = 'evidence' AND line = ${line} AND planned = ${to}`;
  const { lagSeconds: left } = await readReader(sql);
  return { written: events.length, lagSeconds: left, isMore: last - to >= limit };
}

async function readReader(sql: Sql): Promise<Reader> {
  const [reader] = await sql<Reader[]>`
    SELECT r.line::float8 AS line, r.planned::float8 AS planned, p.lines::float8 AS last,
      greatest(coalesce(extract(epoch FROM clock_timestamp() - oldest.sealed_at), 0), 0)::float8 AS "lagSeconds"
    FROM audit_readers r CROSS JOIN audit_sealing p
    LEFT JOIN LATERAL (
      SELECT s.sealed_at FROM audit_seals s WHERE s.number > r.line ORDER BY s.number LIMIT 1) AS oldest ON true
    WHERE r.name = 'evidence'`;
  if (reader === undefined) throw new Error('audit_readers has no row for evidence');
  return reader;
}

/** Undefined: somebody else planned a batch meanwhile. */
async function plan(sql: Sql, line: number, to: number): Promise<number | undefined> {
  const rows = await sql`
    UPDATE audit_readers SET planned = ${to} WHERE name = 'evidence' AND line = ${line} AND planned IS NULL RETURNING 1`;
  return rows.length === 0 ? undefined : to;
}

async function writeBatch(
  { store, bucket, signal }: ExportLinesOptions,
  events: readonly EvidenceEvent[],
  name: string,
): Promise<void> {
  for (const [hour, lines] of Map.groupBy(events, (event) => event.event_time.slice(0, 13))) {
    const [day, hourOfDay] = hour.split('T');
    const key = `${EVIDENCE_PREFIX}dt=${day}/hour=${hourOfDay}/${name}.ndjson.gz`;
    const body = await compress(lines.map(evidenceLine).join(''));
    await store.put({ target: { bucket, key }, body, contentType: 'application/x-ndjson', signal });
  }
}

/** So that keys are listed in the order of their lines. */
function padded(line: number): string {
  return String(line).padStart(15, '0');
}

/** One look at an index for each line, whatever the planner knows of the tables' sizes. */
async function readEvents(sql: Sql, line: number, to: number): Promise<EvidenceEvent[]> {
  return await sql<EvidenceEvent[]>`
    SELECT s.number::float8 AS line, to_char(e.at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS event_time, e.id AS event_id, e.type,
      e.tenant_id AS tenant, e.file_id, e.job_id, e.actor, s.seq::float8 AS tenant_line, encode(s.hash, 'hex') AS hash, e.detail
    FROM (SELECT * FROM audit_seals WHERE number > ${line} AND number <= ${to} ORDER BY number) AS s
    CROSS JOIN LATERAL (SELECT * FROM audit_events e WHERE e.at = s.event_at AND e.id = s.event_id LIMIT 1) AS e
    ORDER BY s.number`;
}

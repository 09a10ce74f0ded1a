/**
 * One readable line in the terminal for each file that came to its end, and below it what happened to its records.
 *
 * 1. It reads the table of files, which is the truth, and writes nothing.
 * 2. A transaction may become visible after a later one: each look goes back over some seconds and skips what it reported.
 * 3. Names are partners' text: what a terminal would obey is shown, not sent.
 */
import { setTimeout as delay } from 'node:timers/promises';
import prettyBytes from 'pretty-bytes';
import type { Sql } from '#shared/db/connect-database.ts';
import type { FileStatus } from '#shared/db/schema.ts';
import type { RecordSummary } from '#shared/steps/record-store.ts';
import { visibleText } from '#shared/text/visible-text.ts';

interface FinishedFile {
  readonly id: string;
  readonly tenant: string;
  readonly name: string;
  readonly sizeBytes: number;
  readonly status: FileStatus;
  readonly errorCode: string | null;
  readonly errorMessage: string | null;
  readonly isArchived: boolean;
  readonly tookMs: number;
  /** One for each job that had records. */
  readonly records: readonly RecordSummary[];
}

export interface ReportFilesOptions {
  readonly sql: Sql;
  readonly print: (line: string) => void;
  readonly signal: AbortSignal;
}

const POLL_INTERVAL_MS = 500;
const OVERLAP_MS = 5_000;
/** Of one look; what a flood leaves over is reported as a count. */
const MAX_LINES = 50;

/** Runs until the signal aborts. A database that is down is waited for. */
export async function reportFiles({ sql, print, signal }: ReportFilesOptions): Promise<void> {
  let since = new Date();
  let reported = new Set<string>();
  while (!signal.aborted) {
    const lookedAt = new Date();
    const files = await findFinishedFiles(sql, new Date(since.getTime() - OVERLAP_MS)).catch(() => undefined);
    if (files !== undefined) {
      const news = files.filter(({ id }) => !reported.has(id));
      for (const file of news.slice(0, MAX_LINES)) {
        for (const line of [describeFile(file), ...file.records.flatMap(describeRecords)]) print(line);
      }
      if (news.length > MAX_LINES) print(`... and ${news.length - MAX_LINES} more files`);
      reported = new Set(files.map(({ id }) => id));
      since = lookedAt;
    }
    await delay(POLL_INTERVAL_MS, undefined, { signal }).catch(() => {});
  }
}

async function findFinishedFiles(sql: Sql, since: Date): Promise<FinishedFile[]> {
  return await sql<FinishedFile[]>`
    SELECT f.id, f.tenant_id AS tenant, f.name, f.size_bytes::float8 AS "sizeBytes", f.status,
           coalesce(f.error_code, j.error_code) AS "errorCode", coalesce(f.error_message, j.error_message) AS "errorMessage",
           f.archived_at IS NOT NULL AS "isArchived",
           extract(epoch FROM f.finished_at - greatest(f.uploaded_at, (
             SELECT max(at) FROM audit_events a WHERE a.file_id = f.id AND a.type = 'job.reopened')))::float8 * 1000 AS "tookMs",
           (SELECT coalesce(jsonb_agg(record_summary ORDER BY id), '[]') FROM jobs
            WHERE file_id = f.id AND record_summary IS NOT NULL) AS records
    FROM files f LEFT JOIN LATERAL (
      SELECT error_code, error_message FROM jobs
      WHERE file_id = f.id AND f.status = 'FAILED' AND state = 'FAILED' ORDER BY id LIMIT 1) j ON true
    WHERE f.finished_at > ${since} ORDER BY f.finished_at, f.id LIMIT 2000`;
}

export function describeFile(file: FinishedFile): string {
  const name = visibleText(file.name);
  const subject = `${file.tenant}  ${name}  ${prettyBytes(file.sizeBytes)}`;
  const took = `${(Math.max(file.tookMs, 0) / 1_000).toFixed(1)} s`;
  if (file.status === 'COMPANION') return `${subject}  received → read with its file  ${took}`;
  if (file.status === 'COMPLETED') {
    return `${subject}  received → delivered${file.isArchived ? ' → archived' : ''}  ${took}`;
  }
  const reason = [file.errorCode, file.errorMessage].filter((part) => part !== null).join(': ');
  return `${subject}  received → ${file.status.toLowerCase()}  ${took}  ${visibleText(reason)}`;
}

/** A line of states, and one for each code with its causes. */
export function describeRecords({ byState, byCode }: RecordSummary): string[] {
  const causes = new Map<string, [cause: string, count: number][]>();
  for (const [name, count] of Object.entries(byCode)) {
    const [code = '', cause = ''] = name.split(' ', 2);
    causes.set(code, [...(causes.get(code) ?? []), [cause, count]]);
  }
  const codes = [...causes].sort(([a], [b]) => (a < b ? -1 : 1));
  return [
    `    ${sumOf(Object.values(byState))} records: ${listCounts(Object.entries(byState))}`,
    ...codes.map(([code, counts]) => `    ${sumOf(counts.map(([, count]) => count))} ${code}: ${listCounts(counts)}`),
  ].map(visibleText);
}

/** The most frequent first. */
function listCounts(counts: readonly (readonly [name: string, count: number])[]): string {
  const sorted = counts.toSorted(([a, left], [b, right]) => right - left || (a < b ? -1 : 1));
  return sorted.map(([name, count]) => `${count} ${name}`).join(', ');
}

function sumOf(counts: readonly number[]): number {
  return counts.reduce((sum, count) => sum + count, 0);
}

/** Files of records in a fleet: sent, waited for, and what happened to each record. */
import { parse } from 'csv-parse/sync';
import type { TestFleet } from '#testkit/beds/start-test-fleet.ts';

export interface RecordRow {
  /** Its business key; null for a rejected row. */
  readonly id: string | null;
  readonly line: number;
  readonly state: string;
  readonly step: number;
  readonly tries: number;
  readonly code: string | null;
  readonly cause: string | null;
  readonly message: string | null;
  readonly reference: string | null;
  /** From its last outcome to its next try. */
  readonly waitS: number | null;
}

export interface RecordJob {
  readonly id: string;
  readonly state: string;
  readonly cause: string | null;
  readonly generation: number;
  readonly openRecords: number | null;
  readonly waitReason: string | null;
}

/** Of the newest file with this key; in the order of the file. */
export async function recordsOf({ sql }: TestFleet, key: string): Promise<RecordRow[]> {
  return await sql<RecordRow[]>`
    SELECT r.business_key::jsonb ->> 0 AS id, r.line::int, r.state, r.step, r.tries, r.error_code AS code, r.error_cause AS cause,
      r.error_message AS message, r.reference, extract(epoch FROM r.next_attempt_at - r.updated_at)::float8 AS "waitS"
    FROM records r
    WHERE r.job_id = (
      SELECT j.id FROM jobs j JOIN files f ON f.id = j.file_id WHERE f.key = ${key} ORDER BY j.created_at DESC LIMIT 1)
    ORDER BY r.line`;
}

export async function recordById(fleet: TestFleet, key: string): Promise<Map<string | null, RecordRow>> {
  return new Map((await recordsOf(fleet, key)).map((row) => [row.id, row]));
}

/** Of the newest file with this key. */
export async function recordJobOf({ sql }: TestFleet, key: string): Promise<RecordJob | undefined> {
  const [job] = await sql<RecordJob[]>`
    SELECT j.id, j.state, j.error_cause AS cause, j.generation, j.open_records AS "openRecords", j.wait_reason AS "waitReason"
    FROM jobs j JOIN files f ON f.id = j.file_id WHERE f.key = ${key} ORDER BY j.created_at DESC LIMIT 1`;
  return job;
}

/** The newest file with this key is terminal. */
export async function untilFileEnded(fleet: TestFleet, key: string, timeoutMs: number): Promise<void> {
  await fleet.waitUntil(
    `${key} has ended`,
    async () => {
      const [file] = await fleet.sql<{ status: string }[]>`
        SELECT status FROM files WHERE key = ${key} ORDER BY created_at DESC LIMIT 1`;
      return (
        file !== undefined && ['COMPLETED', 'FAILED', 'QUARANTINED', 'COMPANION', 'ELSEWHERE'].includes(file.status)
      );
    },
    timeoutMs,
  );
}

/** What went back to the sender: the object's current version. */
export async function readOutbound(fleet: TestFleet, key: string): Promise<string> {
  const pieces: Uint8Array[] = [];
  for await (const piece of fleet.store.readStream({ bucket: fleet.bucket('outbound'), key })) pieces.push(piece);
  return Buffer.concat(pieces).toString('utf8');
}

export async function readOutboundRows(fleet: TestFleet, key: string): Promise<Record<string, string>[]> {
  return parse(await readOutbound(fleet, key), { columns: true }) as Record<string, string>[];
}

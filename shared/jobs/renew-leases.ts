/**
 * Renewal: a worker keeps what it holds. Only live leases at the right epoch are renewed; what is absent from the answer is lost,
 * and local work on it stops.
 */
import type { Sql } from '#shared/db/connect-database.ts';

export interface Holding {
  readonly id: string;
  readonly epoch: number;
}

export interface RenewedLeases {
  readonly jobIds: string[];
  readonly fileIds: string[];
  readonly chunkIds: string[];
}

/** Locks go from job to chunk, as in settling. No event: nothing happened to what is held. */
export async function renewLeases(
  sql: Sql,
  held: {
    readonly jobs: readonly Holding[];
    readonly files: readonly Holding[];
    readonly chunks: readonly Holding[];
    readonly leaseMs: number;
  },
): Promise<RenewedLeases> {
  const rows = await sql<{ kind: 'job' | 'file' | 'chunk'; id: string }[]>`
    WITH job_input AS (
      SELECT * FROM unnest(${held.jobs.map((job) => job.id)}::uuid[], ${held.jobs.map((job) => job.epoch)}::int[]) AS r(id, epoch)),
    file_input AS (
      SELECT * FROM unnest(${held.files.map((file) => file.id)}::uuid[], ${held.files.map((file) => file.epoch)}::int[]) AS r(id, epoch)),
    chunk_input AS (
      SELECT * FROM unnest(${held.chunks.map((chunk) => chunk.id)}::uuid[], ${held.chunks.map((chunk) => chunk.epoch)}::int[]) AS r(id, epoch)),
    job_locked AS (
      SELECT j.id FROM jobs j JOIN job_input i USING (id)
      WHERE j.epoch = i.epoch AND j.state = 'RUNNING' AND j.lease_until > now() ORDER BY j.id FOR UPDATE OF j),
    file_locked AS (
      SELECT f.id FROM files f JOIN file_input i USING (id)
      WHERE f.epoch = i.epoch AND f.status = 'PROCESSING' AND f.lease_until > now() ORDER BY f.id FOR UPDATE OF f),
    chunk_locked AS (
      SELECT c.id FROM record_chunks c JOIN chunk_input i USING (id)
      WHERE c.epoch = i.epoch AND c.lease_until > now() ORDER BY c.id FOR UPDATE OF c),
    job_renewed AS (
      UPDATE jobs SET lease_until = now() + ${held.leaseMs}::int * interval '1 ms'
      WHERE id IN (SELECT id FROM job_locked) RETURNING id),
    file_renewed AS (
      UPDATE files SET lease_until = now() + ${held.leaseMs}::int * interval '1 ms'
      WHERE id IN (SELECT id FROM file_locked) RETURNING id),
    chunk_renewed AS (
      UPDATE record_chunks SET lease_until = now() + ${held.leaseMs}::int * interval '1 ms'
      WHERE id IN (SELECT id FROM chunk_locked) RETURNING id)
    SELECT 'job' AS kind, id FROM job_renewed UNION ALL SELECT 'file', id FROM file_renewed
    UNION ALL SELECT 'chunk', id FROM chunk_renewed`;
  const idsOf = (kind: string) => rows.filter((row) => row.kind === kind).map((row) => row.id);
  return { jobIds: idsOf('job'), fileIds: idsOf('file'), chunkIds: idsOf('chunk') };
}

/** Who did what with a job or a file, when and why: the newest events, oldest first. */
import { z } from 'zod';
import type { Reads } from '#shared/db/connect-database.ts';
import { and, desc, eq, sql } from '#shared/db/drizzle.ts';
import { auditEvents } from '#shared/db/schema.ts';
import { instantOf } from '../records/read-columns.ts';

export const auditSchema = z.array(
  z.object({
    event_id: z.string(),
    at: z.string(),
    type: z.string(),
    actor: z.string(),
    detail: z.record(z.string(), z.unknown()),
  }),
);
type Audit = z.infer<typeof auditSchema>;

/** A job that was retried for months has more than one reply should have. */
const MOST_EVENTS = 200;

export async function findAuditOfJob(reads: Reads, jobId: string): Promise<Audit> {
  return await findAudit(reads, eq(auditEvents.jobId, jobId));
}

/** With its jobs' events, but for those of their records: a large file has hundreds, and they are in the job's. */
export async function findAuditOfFile(reads: Reads, fileId: string): Promise<Audit> {
  return await findAudit(reads, and(eq(auditEvents.fileId, fileId), sql`${auditEvents.type} NOT LIKE 'records.%'`));
}

async function findAudit(reads: Reads, condition: ReturnType<typeof and>): Promise<Audit> {
  const rows = await reads
    .select({
      event_id: auditEvents.id,
      at: instantOf(auditEvents.at),
      type: auditEvents.type,
      actor: auditEvents.actor,
      detail: auditEvents.detail,
    })
    .from(auditEvents)
    .where(condition)
    .orderBy(desc(auditEvents.at), desc(auditEvents.id))
    .limit(MOST_EVENTS);
  return rows.reverse().map((row) => ({ ...row, detail: asRecord(row.detail) }));
}

export function asRecord(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : {};
}

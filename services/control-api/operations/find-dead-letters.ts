/** Reads of dead letters: pages for people, and the parked bodies for a redrive. */
import { z } from 'zod';
import type { Reads } from '#shared/db/connect-database.ts';
import { and, asc, count, desc, eq, sql } from '#shared/db/drizzle.ts';
import { type DEAD_LETTER_STATES, deadLetters, files } from '#shared/db/schema.ts';
import { faultOfLetter } from '#shared/dead-letters/return-letters.ts';
import { LongshoreError } from '#shared/errors.ts';
import { encodeCursor, type PagePosition } from '../http/page-cursor.ts';
import { exactInstantOf, instantOf } from '../records/read-columns.ts';

const deadLetterSchema = z
  .object({
    dead_letter_id: z.string(),
    queue: z.string(),
    state: z.string().describe('PARKED waits for an operator.'),
    reason: z.string(),
    receive_count: z.number(),
    customer_id: z.string().nullable(),
    file_id: z.string().nullable(),
    job_id: z.string().nullable(),
    body: z.string().describe('The received body, at most 2,000 characters.'),
    note: z.string().nullable(),
    created_at: z.string(),
  })
  .meta({ id: 'DeadLetter' });
export const deadLetterPageSchema = z.object({
  dead_letters: z.array(deadLetterSchema),
  next_cursor: z.string().nullable(),
});

export type DeadLetterPage = z.infer<typeof deadLetterPageSchema>;

export const deadLetterDetailSchema = deadLetterSchema
  .extend({
    body: z.string().describe('The received body.'),
    attributes: z
      .record(z.string(), z.unknown())
      .describe('Attributes of the message, with its send time and FIFO group.'),
    message_id: z.string(),
    updated_at: z.string().describe('When it was parked, redriven or discarded.'),
    fault: z.string().nullable().describe('Why the services of the queue cannot read the body; null if they can.'),
  })
  .meta({ id: 'DeadLetterDetail' });

export type DeadLetterDetail = z.infer<typeof deadLetterDetailSchema>;

/** @throws LongshoreError `NOT_FOUND` for what is not in the tenant's sight. */
export async function findDeadLetter(reads: Reads, tenantId: string | null, id: string): Promise<DeadLetterDetail> {
  const [row] = await reads
    .select({
      ...letterColumns,
      body: deadLetters.body,
      attributes: deadLetters.attributes,
      messageId: deadLetters.messageId,
      updatedAt: instantOf(deadLetters.updatedAt),
    })
    .from(deadLetters)
    .where(and(...conditionsOf({ tenantId, ids: [id] })));
  if (row === undefined) throw new LongshoreError('NOT_FOUND', 'Dead letter not found');
  return {
    ...toLetter(row),
    attributes: row.attributes as Record<string, unknown>,
    message_id: row.messageId,
    updated_at: row.updatedAt,
    fault: faultOfLetter(row) ?? null,
  };
}

export interface DeadLetterFilters {
  /** Null sees every tenant's, and those that name none. */
  readonly tenantId: string | null;
  readonly queue?: string | undefined;
  readonly ids?: readonly string[] | undefined;
  readonly state?: (typeof DEAD_LETTER_STATES)[number] | undefined;
  readonly after?: PagePosition | undefined;
  readonly limit: number;
}

const SHOWN_BODY_CHARACTERS = 2_000;

/** Newest first. */
export async function findDeadLetters(
  reads: Reads,
  filters: DeadLetterFilters,
): Promise<z.infer<typeof deadLetterPageSchema>> {
  const rows = await reads
    .select({
      ...letterColumns,
      body: sql<string>`left(${deadLetters.body}, ${SHOWN_BODY_CHARACTERS}::int)`,
      at: exactInstantOf(deadLetters.createdAt),
    })
    .from(deadLetters)
    .where(and(...conditionsOf(filters), filters.after && sql`${position} < ${placeOf(filters.after)}`))
    .orderBy(desc(deadLetters.createdAt), desc(deadLetters.id))
    .limit(filters.limit + 1);
  const page = rows.slice(0, filters.limit);
  const last = rows.length > filters.limit ? page.at(-1) : undefined;
  return {
    dead_letters: page.map(toLetter),
    next_cursor: last === undefined ? null : encodeCursor(last),
  };
}

const letterColumns = {
  id: deadLetters.id,
  queue: deadLetters.queue,
  state: deadLetters.state,
  reason: deadLetters.reason,
  receiveCount: deadLetters.receiveCount,
  tenantId: deadLetters.tenantId,
  fileId: deadLetters.fileId,
  jobId: deadLetters.jobId,
  note: deadLetters.note,
  createdAt: instantOf(deadLetters.createdAt),
};

type LetterRow = Omit<typeof deadLetters.$inferSelect, 'attributes' | 'messageId' | 'updatedAt'>;

function toLetter(row: LetterRow): z.infer<typeof deadLetterSchema> {
  return {
    dead_letter_id: row.id,
    queue: row.queue,
    state: row.state,
    reason: row.reason,
    receive_count: row.receiveCount,
    customer_id: row.tenantId,
    file_id: row.fileId,
    job_id: row.jobId,
    body: row.body,
    note: row.note,
    created_at: row.createdAt,
  };
}

/** How many parked letters a redrive would take, by queue. */
export async function countParkedLetters(
  reads: Reads,
  filters: Omit<DeadLetterFilters, 'state' | 'limit' | 'after'>,
): Promise<{ queue: string; letters: number }[]> {
  return await reads
    .select({ queue: deadLetters.queue, letters: count() })
    .from(deadLetters)
    .where(and(...conditionsOf({ ...filters, state: 'PARKED' })))
    .groupBy(deadLetters.queue)
    .orderBy(asc(deadLetters.queue));
}

/** Parked letters, oldest first, each with the line it stood in. */
export function findDeadLetterBodies(reads: Reads, filters: Omit<DeadLetterFilters, 'state'>) {
  return reads
    .select({
      id: deadLetters.id,
      queue: deadLetters.queue,
      body: deadLetters.body,
      group: sql<string | null>`coalesce(${deadLetters.attributes} ->> 'MessageGroupId', ${orderKey})`,
      subjectId: sql<string | null>`coalesce(${deadLetters.jobId}, ${deadLetters.fileId})::text`,
      at: exactInstantOf(deadLetters.createdAt),
    })
    .from(deadLetters)
    .where(
      and(
        ...conditionsOf({ ...filters, state: 'PARKED' }),
        filters.after && sql`${position} > ${placeOf(filters.after)}`,
      ),
    )
    .orderBy(asc(deadLetters.createdAt), asc(deadLetters.id))
    .limit(filters.limit);
}

/** Files are in `ingest` by their order key; jobs and archive copies in their own groups. */
const orderKey = sql`CASE WHEN ${deadLetters.queue} = 'ingest' THEN (
  SELECT ${files.orderKey} FROM ${files} WHERE ${files.id} = ${deadLetters.fileId}) END`;

const position = sql`(${deadLetters.createdAt}, ${deadLetters.id})`;

function placeOf({ at, id }: PagePosition) {
  return sql`(${at}::timestamptz, ${id}::uuid)`;
}

function conditionsOf({ tenantId, queue, ids, state }: Omit<DeadLetterFilters, 'limit' | 'after'>) {
  return [
    tenantId === null ? undefined : eq(deadLetters.tenantId, tenantId),
    queue === undefined ? undefined : eq(deadLetters.queue, queue),
    state === undefined ? undefined : eq(deadLetters.state, state),
    ids === undefined ? undefined : sql`${deadLetters.id} = ANY(${sql.param([...ids])}::uuid[])`,
  ];
}

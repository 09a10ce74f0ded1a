/**
 * The words that a file is found by, besides its names. Written by a job that holds its epoch; the same again, or another route's, replaces them.
 *
 * Out: `LEASE_LOST` when the job was taken over. No event: the step's own outcome tells of it.
 */
import type { Sql } from '#shared/db/connect-database.ts';
import { LongshoreError } from '#shared/errors.ts';

export interface IndexOwner {
  readonly jobId: string;
  readonly epoch: number;
  readonly tenantId: string;
  readonly fileId: string;
}

/** What the words of a tenant have in common; no word of a text begins with it. */
export function tenantWord(tenantId: string): string {
  return `@${tenantId}`;
}

/** Resolves to how many different words there are. @throws LongshoreError `LEASE_LOST` */
export async function indexFile(sql: Sql, text: string, owner: IndexOwner): Promise<number> {
  const { jobId, epoch, tenantId, fileId } = owner;
  const [row] = await sql<{ words: number }[]>`
    WITH holder AS (SELECT id FROM jobs WHERE id = ${jobId} AND epoch = ${epoch} AND state = 'RUNNING' FOR UPDATE)
    INSERT INTO file_texts (file_id, tenant_id, indexed_at, words)
    SELECT ${fileId}, ${tenantId}, now(), strip(to_tsvector('simple', ${text})) || array_to_tsvector(ARRAY[${tenantWord(tenantId)}]::text[])
    FROM holder
    ON CONFLICT (file_id) DO UPDATE SET words = excluded.words, indexed_at = excluded.indexed_at
    RETURNING length(words) - 1 AS words`;
  if (row === undefined) throw new LongshoreError('LEASE_LOST', `The job ${jobId} was taken over by somebody else.`);
  return row.words;
}

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

/** Of a name or an expression, which the database would take for one word. */
export function inWords(text: string): string {
  return text.replaceAll(/[^\p{L}\p{N}]+/gu, ' ');
}

/** More words than a row can have. */
const TOO_MANY_WORDS = '54000';

/** Of a text with too many words, those of its beginning. Resolves to how many there are. @throws LongshoreError `LEASE_LOST` */
export async function indexFile(sql: Sql, text: string, owner: IndexOwner): Promise<number> {
  for (let length = text.length; ; length = Math.floor(length / 2)) {
    try {
      return await store(sql, text.slice(0, length), owner);
    } catch (error) {
      if (!(error instanceof Error) || (error as { code?: unknown }).code !== TOO_MANY_WORDS || length < 2) throw error;
    }
  }
}

async function store(sql: Sql, text: string, owner: IndexOwner): Promise<number> {
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

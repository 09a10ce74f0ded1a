/** Reads of partners, external stores and databases: as they are described now. Definitions name secrets and hold none. */
import { z } from 'zod';
import type { Reads } from '#shared/db/connect-database.ts';
import { and, asc, eq, isNull, sql } from '#shared/db/drizzle.ts';
import { databases, partners, stores } from '#shared/db/schema.ts';
import { textField } from '../http/request-fields.ts';
import { instantOf } from '../records/read-columns.ts';

const definitionSchema = z.object({
  customer_id: z.string(),
  name: z.string(),
  version: z.number().describe('Increases with each change. Work in progress uses the newest version.'),
  definition: z.unknown().describe('As applied, with defaults. Secrets are shown by name only.'),
  applied_by: z.string(),
  applied_at: z.string(),
});
export const partnerPageSchema = z.object({ partners: z.array(definitionSchema), next_cursor: z.string().nullable() });
export const storePageSchema = z.object({ stores: z.array(definitionSchema), next_cursor: z.string().nullable() });

export const databasePageSchema = z.object({
  databases: z.array(definitionSchema),
  next_cursor: z.string().nullable(),
});

interface DefinitionPosition {
  readonly tenantId: string;
  readonly name: string;
}

/** The `next_cursor` of a page: `<tenant>/<name>` of its last entry. */
export const definitionCursorField = textField(200)
  .regex(/^[^/]+\/[^/]+$/, 'is not a next_cursor of a previous page')
  .transform((text): DefinitionPosition => {
    const [tenantId = '', name = ''] = text.split('/');
    return { tenantId, name };
  });

interface PageOptions {
  /** Null sees every tenant. */
  readonly tenantId: string | null;
  readonly after?: DefinitionPosition | undefined;
  readonly limit: number;
}

export async function findPartners(reads: Reads, page: PageOptions): Promise<z.infer<typeof partnerPageSchema>> {
  const { entries, next_cursor } = await findPage(reads, partners, page);
  return { partners: entries, next_cursor };
}

export async function findStores(reads: Reads, page: PageOptions): Promise<z.infer<typeof storePageSchema>> {
  const { entries, next_cursor } = await findPage(reads, stores, page);
  return { stores: entries, next_cursor };
}

export async function findDatabases(reads: Reads, page: PageOptions): Promise<z.infer<typeof databasePageSchema>> {
  const { entries, next_cursor } = await findPage(reads, databases, page);
  return { databases: entries, next_cursor };
}

/** By tenant and name. */
async function findPage(
  reads: Reads,
  table: typeof partners | typeof stores | typeof databases,
  { tenantId, after, limit }: PageOptions,
): Promise<{ readonly entries: z.infer<typeof definitionSchema>[]; readonly next_cursor: string | null }> {
  const rows = await reads
    .select({
      customer_id: table.tenantId,
      name: table.name,
      version: table.version,
      definition: table.definition,
      applied_by: table.createdBy,
      applied_at: instantOf(table.updatedAt),
    })
    .from(table)
    .where(
      and(
        isNull(table.removedAt),
        tenantId === null ? undefined : eq(table.tenantId, tenantId),
        after && sql`(${table.tenantId}, ${table.name}) > (${after.tenantId}::text, ${after.name}::text)`,
      ),
    )
    .orderBy(asc(table.tenantId), asc(table.name))
    .limit(limit + 1);
  const entries = rows.slice(0, limit);
  const last = rows.length > limit ? entries.at(-1) : undefined;
  return { entries, next_cursor: last === undefined ? null : `${last.customer_id}/${last.name}` };
}

/** Reads of definitions that have no state of their own: as they are described now. Definitions name secrets and hold none. */
import { z } from 'zod';
import type { Reads } from '#shared/db/connect-database.ts';
import { and, asc, eq, isNull, sql } from '#shared/db/drizzle.ts';
import { calendars, databases, expectations, partners, senders, stores } from '#shared/db/schema.ts';
import { textField } from '../http/request-fields.ts';
import { instantOf } from '../records/read-columns.ts';

const definitionSchema = z.object({
  customer_id: z.string(),
  name: z.string(),
  version: z.number().describe('Increases with each change. Work in progress uses the newest version.'),
  definition: z.unknown().describe('As applied, with defaults. Secrets are shown by name only.'),
  applied_by: z.string(),
  applied_at: z.string(),
  held: z
    .enum(['paused', 'breaker'])
    .nullable()
    .optional()
    .describe('Of partners: an operator paused it, or holds its breaker open.'),
  days: z.unknown().optional().describe('Of calendars: the definition with the holidays that `holidaysFrom` read.'),
});
export type ListedDefinition = z.infer<typeof definitionSchema>;

/** By the plural of their kind, which names them in paths and in replies. */
export const LISTED_TABLES = { partners, stores, databases, calendars, expectations, senders } as const;
export type ListedKind = keyof typeof LISTED_TABLES;

export function listSchemaOf<Kind extends ListedKind>(kind: Kind) {
  return z.object({ [kind]: z.array(definitionSchema), next_cursor: z.string().nullable() });
}

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
  /** Of partners: only those that an operator holds. */
  readonly isHeld?: boolean | undefined;
  readonly limit: number;
}

const HELD = sql<ListedDefinition['held']>`CASE WHEN ${partners.pausedAt} IS NOT NULL THEN 'paused'
  WHEN ${partners.breakerOpenedAt} IS NOT NULL AND coalesce(${partners.breakerOpenUntil} > now(), true) THEN 'breaker' END`;

/** By tenant and name. */
export async function listDefinitions(
  reads: Reads,
  kind: ListedKind,
  { tenantId, after, limit, isHeld = false }: PageOptions,
): Promise<{ readonly entries: ListedDefinition[]; readonly next_cursor: string | null }> {
  const table = LISTED_TABLES[kind];
  const rows = await reads
    .select({
      customer_id: table.tenantId,
      name: table.name,
      version: table.version,
      definition: table.definition,
      applied_by: table.createdBy,
      applied_at: instantOf(table.updatedAt),
      ...(kind === 'partners' && { held: HELD }),
      ...(kind === 'calendars' && { days: calendars.days }),
    })
    .from(table)
    .where(
      and(
        isNull(table.removedAt),
        isHeld ? sql`${HELD} IS NOT NULL` : undefined,
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

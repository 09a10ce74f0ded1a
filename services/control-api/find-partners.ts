/** Reads of partners: as they are described now. Definitions name secrets and hold none. */
import { z } from 'zod';
import type { Reads } from '#shared/db/connect-database.ts';
import { and, asc, eq, sql } from '#shared/db/drizzle.ts';
import { partners } from '#shared/db/schema.ts';
import { instantOf } from './read-columns.ts';
import { textField } from './request-fields.ts';

const partnerSchema = z.object({
  customer_id: z.string(),
  name: z.string(),
  version: z.number().describe('Rises with each change; work under way goes by the newest.'),
  definition: z.unknown().describe('As applied, with the defaults filled in. Secrets are named, not shown.'),
  applied_by: z.string(),
  applied_at: z.string(),
});
export const partnerPageSchema = z.object({ partners: z.array(partnerSchema), next_cursor: z.string().nullable() });

interface PartnerPosition {
  readonly tenantId: string;
  readonly name: string;
}

/** The `next_cursor` of a page: `<tenant>/<name>` of its last partner. */
export const partnerCursorField = textField(200)
  .regex(/^[^/]+\/[^/]+$/, 'is no cursor that a page gave as next_cursor')
  .transform((text): PartnerPosition => {
    const [tenantId = '', name = ''] = text.split('/');
    return { tenantId, name };
  });

interface PageOptions {
  /** Null sees every tenant. */
  readonly tenantId: string | null;
  readonly after?: PartnerPosition | undefined;
  readonly limit: number;
}

/** By tenant and name. */
export async function findPartners(
  reads: Reads,
  { tenantId, after, limit }: PageOptions,
): Promise<z.infer<typeof partnerPageSchema>> {
  const rows = await reads
    .select({
      customer_id: partners.tenantId,
      name: partners.name,
      version: partners.version,
      definition: partners.definition,
      applied_by: partners.createdBy,
      applied_at: instantOf(partners.updatedAt),
    })
    .from(partners)
    .where(
      and(
        tenantId === null ? undefined : eq(partners.tenantId, tenantId),
        after && sql`(${partners.tenantId}, ${partners.name}) > (${after.tenantId}::text, ${after.name}::text)`,
      ),
    )
    .orderBy(asc(partners.tenantId), asc(partners.name))
    .limit(limit + 1);
  const page = rows.slice(0, limit);
  const last = rows.length > limit ? page.at(-1) : undefined;
  return { partners: page, next_cursor: last === undefined ? null : `${last.customer_id}/${last.name}` };
}

/** Partners as they are described now. The present definition counts, whatever it was when a file came: no version is pinned. */
import type { Sql } from '#shared/db/connect-database.ts';
import { type PartnerDocument, partnerDocumentSchema } from './partner-schema.ts';

export interface PartnerName {
  readonly tenantId: string;
  readonly name: string;
}

/** `version` rises with each change: the same one is the same definition. */
export type LoadedPartner = PartnerName & { readonly version: number } & (
    | { readonly ok: true; readonly definition: PartnerDocument }
    /** Written by hand or by a newer version. */
    | { readonly ok: false; readonly message: string }
  );

/** Those that do not exist are absent. In no particular order. */
export async function loadPartners(sql: Sql, wanted: readonly PartnerName[]): Promise<LoadedPartner[]> {
  const rows = await sql<(PartnerName & { version: number; definition: unknown })[]>`
    SELECT p.tenant_id AS "tenantId", p.name, p.version, p.definition
    FROM partners p JOIN (
      SELECT DISTINCT * FROM unnest(
        ${wanted.map(({ tenantId }) => tenantId)}::text[], ${wanted.map(({ name }) => name)}::text[]) AS w(tenant_id, name)
    ) w USING (tenant_id, name)`;
  return rows.map(({ definition, ...row }) => ({ ...row, ...parseDefinition(definition) }));
}

function parseDefinition(stored: unknown) {
  const parsed = partnerDocumentSchema.safeParse(stored);
  if (parsed.success) return { ok: true as const, definition: parsed.data };
  const faults = parsed.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`);
  return { ok: false as const, message: `The stored definition is invalid: ${faults.join('; ')}` };
}

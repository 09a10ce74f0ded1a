/** A tenant with its partners and routes, put into a fleet's database as an operator's `apply` would. */
import type { Sql } from '#shared/db/connect-database.ts';
import { applyDefinition } from '#shared/definitions/apply-definitions.ts';
import { applyTenants } from '#shared/definitions/apply-tenants.ts';
import { parseRouteFiles } from '#shared/definitions/parse-route-files.ts';

export async function applyTenantDocuments(sql: Sql, tenantId: string, text: string): Promise<void> {
  const tenant = { id: tenantId, name: tenantId, timeZone: 'UTC', homeRegion: null, ignoreGlobs: [] };
  await applyTenants(sql, [tenant], 'bench');
  const parsed = parseRouteFiles([{ text }]);
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.faults));
  for (const { document, definitionHash } of parsed.documents) {
    if (document.kind === 'tenant') continue;
    const row = { tenantId, name: document.name, definition: document, definitionHash };
    await applyDefinition(sql, document.kind, row, 'bench');
  }
}

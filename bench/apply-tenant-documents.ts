/** A tenant and its route, put into a fleet's database as an operator's `apply` would. */
import type { Sql } from '#shared/db/connect-database.ts';
import { applyRoute, applyTenants } from '#shared/definitions/apply-definitions.ts';
import { parseRouteFiles } from '#shared/definitions/parse-route-files.ts';

export async function applyTenantRoute(sql: Sql, tenantId: string, route: string): Promise<void> {
  const tenant = { id: tenantId, name: tenantId, timeZone: 'UTC', homeRegion: null, ignoreGlobs: [] };
  await applyTenants(sql, [tenant], 'bench');
  const parsed = parseRouteFiles([{ text: route }]);
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.faults));
  for (const { document, definitionHash } of parsed.documents) {
    await applyRoute(sql, { tenantId, name: document.name, definition: document, definitionHash }, 'bench');
  }
}

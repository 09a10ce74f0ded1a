/** What keeps a tenant among its own rows; every read of tenants' rows has it. */
import type { Reads } from '#shared/db/connect-database.ts';
import { eq, inArray } from '#shared/db/drizzle.ts';
import { type files, type jobs, type routes, type sftpUsers, tenants } from '#shared/db/schema.ts';

type TenantColumn = typeof files.tenantId | typeof jobs.tenantId | typeof routes.tenantId | typeof sftpUsers.tenantId;

/** Null, an operator's, is every tenant: still named one by one, so that indexes that begin with the tenant serve. */
export function ofTenant(reads: Reads, column: TenantColumn, tenantId: string | null) {
  return tenantId === null
    ? inArray(column, reads.select({ id: tenants.id }).from(tenants))
    : eq(column as typeof files.tenantId, tenantId);
}

/** Whose rows a list is of: null is every tenant's; undefined is nobody's, since to a tenant's key there are no others. */
export function scopeOf(
  { tenantId }: { readonly tenantId: string | null },
  asked: string | undefined,
): string | null | undefined {
  if (tenantId === null) return asked ?? null;
  return asked === undefined || asked === tenantId ? tenantId : undefined;
}

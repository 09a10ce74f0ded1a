/** What is deleted by its age, and not with a file, stays while its tenant has any legal hold in force: a hold is not asked what it is about. */
import type { Sql } from '#shared/db/connect-database.ts';

/** A condition on rows of which `tenantId` is a column. */
export function isNotHeld(sql: Sql, tenantId: ReturnType<Sql>) {
  return sql`NOT EXISTS (SELECT FROM legal_holds h WHERE h.tenant_id = ${tenantId} AND h.released_at IS NULL)`;
}

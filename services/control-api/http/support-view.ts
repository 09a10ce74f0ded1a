/**
 * The support view: an operator reads the API as somebody of a tenant does (`x-longshore-as: TENANT`), for the portal's pages under `/console/as/`.
 *
 * 1. It reads only, with the role that sees least in the tenant, whatever the operator's own role is.
 * 2. The tenant's audit says who looked, before the first answer, and again each hour.
 */
import { LRUCache } from 'lru-cache';
import { actorOf, type Caller } from '#shared/access/permissions.ts';
import type { Sql } from '#shared/db/connect-database.ts';
import { LongshoreError } from '#shared/errors.ts';
import { recordEvents } from '#shared/jobs/record-events.ts';

export const SUPPORT_HEADER = 'x-longshore-as';

const NOTED_MS = 3_600_000;
const NOTED = 10_000;
const READING: ReadonlySet<string> = new Set(['GET', 'HEAD']);

/** @throws LongshoreError `FORBIDDEN`, or `NOT_FOUND` of the tenant */
export type ViewAsTenant = (caller: Caller, tenantId: string, method: string) => Promise<Caller>;

export function createSupportView(sql: Sql): ViewAsTenant {
  const noted = new LRUCache<string, true>({ max: NOTED, ttl: NOTED_MS });
  return async (caller, tenantId, method) => {
    if (caller.tenantId !== null) throw new LongshoreError('FORBIDDEN', 'The support view is for operators.');
    if (!READING.has(method)) throw new LongshoreError('FORBIDDEN', 'The support view is read-only.');
    const key = `${caller.keyId} ${tenantId}`;
    if (!noted.has(key)) {
      if (!(await noteView(sql, tenantId, actorOf(caller)))) throw new LongshoreError('NOT_FOUND', 'Tenant not found');
      noted.set(key, true);
    }
    return { ...caller, tenantId, role: 'tenant-viewer' };
  };
}

/** Event: `support.viewed`. Resolves to whether there is such a tenant. */
async function noteView(sql: Sql, tenantId: string, actor: string): Promise<boolean> {
  const rows = await sql`
    WITH event AS (
      SELECT 'support.viewed' AS type, id AS tenant_id, NULL::uuid AS file_id, NULL::uuid AS job_id, '{}'::jsonb AS detail,
        '{events}'::text[] AS topics
      FROM tenants WHERE id = ${tenantId}),
    ${recordEvents(sql, actor)}
    SELECT tenant_id FROM event`;
  return rows.length > 0;
}

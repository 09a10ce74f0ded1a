/** The tenants, as arrivals need them: cached for two seconds, and read again at once for a name that is not among them. */

import type { Sql } from '#shared/db/connect-database.ts';
import { UNASSIGNED_TENANT } from '#shared/db/schema.ts';
import { compileGlobs } from '#shared/definitions/routes/match-glob.ts';

export interface ArrivalTenant {
  readonly id: string;
  readonly isDisabled: boolean;
  /** By name, without the directory. */
  readonly ignores: (name: string) => boolean;
}

export interface TenantDirectory {
  /** Those of `ids` that exist. `unassigned` is nobody's prefix. */
  find(ids: readonly string[]): Promise<ReadonlyMap<string, ArrivalTenant>>;
  /** Whether its files, or those of one of its routes, go in the lane platinum; as last read. */
  isUrgent(id: string): boolean;
  hasUrgent(): boolean;
  /** Whether its files may be registered after those that came later; as last read. */
  mayWait(id: string): boolean;
}

export interface TenantDirectoryOptions {
  readonly sql: Sql;
  readonly maxAgeMs?: number;
  /** Monotonic milliseconds. */
  readonly now?: () => number;
}

interface TenantRow {
  readonly id: string;
  readonly ignoreGlobs: string[];
  readonly isDisabled: boolean;
  readonly isUrgent: boolean;
  readonly isOrdered: boolean;
}

export function createTenantDirectory(options: TenantDirectoryOptions): TenantDirectory {
  const { sql, maxAgeMs = 2_000, now = () => performance.now() } = options;
  let tenants: ReadonlyMap<string, ArrivalTenant> = new Map();
  let urgent: ReadonlySet<string> = new Set();
  let waiting: ReadonlySet<string> = new Set();
  let readAtMs = Number.NEGATIVE_INFINITY;

  async function read(): Promise<void> {
    const startedAtMs = now();
    const rows = await sql<TenantRow[]>`
      SELECT id, ignore_globs AS "ignoreGlobs", disabled_at IS NOT NULL AS "isDisabled",
        t.priority = 'platinum' OR coalesce(has.platinum, false) AS "isUrgent", coalesce(has.ordered, false) AS "isOrdered"
      FROM tenants t LEFT JOIN LATERAL (
        SELECT bool_or(v.definition ->> 'priority' = 'platinum') AS platinum,
          bool_or(v.definition ->> 'ordered' = 'true') AS ordered
        FROM routes r JOIN route_versions v ON v.route_id = r.id AND v.version = r.active_version
        WHERE r.tenant_id = t.id AND r.disabled_at IS NULL) has ON true
      WHERE t.id <> ${UNASSIGNED_TENANT}`;
    tenants = new Map(
      rows.map(
        ({ id, isDisabled, ignoreGlobs }) => [id, { id, isDisabled, ignores: compileGlobs(ignoreGlobs) }] as const,
      ),
    );
    urgent = new Set(rows.flatMap(({ id, isUrgent }) => (isUrgent ? [id] : [])));
    waiting = new Set(rows.flatMap(({ id, isUrgent, isOrdered }) => (isUrgent || isOrdered ? [] : [id])));
    readAtMs = startedAtMs;
  }

  return {
    async find(ids) {
      const isOld = now() - readAtMs > maxAgeMs;
      if (isOld || ids.some((id) => !tenants.has(id))) await read();
      return tenants;
    },
    isUrgent: (id) => urgent.has(id),
    hasUrgent: () => urgent.size > 0,
    mayWait: (id) => waiting.has(id),
  };
}

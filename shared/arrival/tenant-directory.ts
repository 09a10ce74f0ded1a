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
}

export function createTenantDirectory(options: TenantDirectoryOptions): TenantDirectory {
  const { sql, maxAgeMs = 2_000, now = () => performance.now() } = options;
  let tenants: ReadonlyMap<string, ArrivalTenant> = new Map();
  let readAtMs = Number.NEGATIVE_INFINITY;

  async function read(): Promise<void> {
    const startedAtMs = now();
    const rows = await sql<TenantRow[]>`
      SELECT id, ignore_globs AS "ignoreGlobs", disabled_at IS NOT NULL AS "isDisabled"
      FROM tenants t WHERE id <> ${UNASSIGNED_TENANT}`;
    tenants = new Map(
      rows.map(({ ignoreGlobs, ...row }) => [row.id, { ...row, ignores: compileGlobs(ignoreGlobs) }] as const),
    );
    readAtMs = startedAtMs;
  }

  return {
    async find(ids) {
      const isOld = now() - readAtMs > maxAgeMs;
      if (isOld || ids.some((id) => !tenants.has(id))) await read();
      return tenants;
    },
  };
}

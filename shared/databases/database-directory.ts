/**
 * The databases of all tenants, as this process loads into them.
 *
 * 1. The definition that is applied now counts (`versioned-directory.ts`); a database that is not there, or that this version cannot use, is
 *    a value.
 * 2. A database whose definition was replaced is used on by whoever uses it, and closed when the last of them has ended.
 * 3. A tenant's definitions reach the tenant's own secrets alone.
 */
import type { Sql } from '#shared/db/connect-database.ts';
import { repeatOnLostDatabase } from '#shared/db/run-statements.ts';
import { type DatabaseDocument, databaseDocumentSchema } from '#shared/definitions/database-schema.ts';
import { HeldOpened } from '#shared/definitions/held-opened.ts';
import { createVersionedDirectory, type DefinitionRow } from '#shared/definitions/versioned-directory.ts';
import type { AddressGuard } from '#shared/http/address-guard.ts';
import type { Logger } from '#shared/runtime/logger.ts';
import { type SecretStore, secretsOfTenant } from '#shared/runtime/secrets/secret-store.ts';
import { type OpenDatabase, openDatabase } from './open-database.ts';

export interface DatabaseDirectory {
  /** Undefined: the tenant has no such database that can be used. @throws what `work` throws. */
  use<Result>(
    place: { readonly tenantId: string; readonly name: string },
    work: (open: OpenDatabase) => Promise<Result>,
  ): Promise<{ readonly result: Result } | undefined>;
  close(): void;
}

export interface DatabaseDirectoryOptions {
  readonly sql: Sql;
  readonly secrets: SecretStore;
  readonly addressGuard: AddressGuard;
  readonly logger: Logger;
}

const LOOK_DEADLINE_MS = 5_000;

export function createDatabaseDirectory({
  sql,
  secrets,
  addressGuard,
  logger,
}: DatabaseDirectoryOptions): DatabaseDirectory {
  const directory = createVersionedDirectory<DatabaseDocument, HeldOpened<OpenDatabase>>({
    kind: 'database',
    schema: databaseDocumentSchema,
    logger,
    async look(tenantId, name, knownVersion) {
      const [row] = await repeatOnLostDatabase(
        () => sql<DefinitionRow[]>`
          SELECT version, CASE WHEN version IS DISTINCT FROM ${knownVersion}::int THEN definition END AS definition
          FROM databases WHERE tenant_id = ${tenantId} AND name = ${name} AND removed_at IS NULL`,
        { deadlineMs: LOOK_DEADLINE_MS, forMs: LOOK_DEADLINE_MS },
      );
      return row;
    },
    open: (definition, tenantId) =>
      new HeldOpened(openDatabase(definition, { secrets: secretsOfTenant(secrets, tenantId), addressGuard }), (open) =>
        open.close(),
      ),
    retire: (held) => held.retire(),
  });
  return {
    async use({ tenantId, name }, work) {
      const found = await directory.find(tenantId, name);
      return found.ok ? { result: await found.opened.use(work) } : undefined;
    },
    close() {
      for (const { found } of directory.known()) if (found.ok) found.opened.retire();
      directory.clear();
    },
  };
}

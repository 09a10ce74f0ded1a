/**
 * The external stores of all tenants, as this process writes to them.
 *
 * 1. The definition that is applied now counts (`versioned-directory.ts`); a store that is not there, or that this version cannot use, is a
 *    value.
 * 2. A store whose definition was replaced is used on by whoever uses it, and closed when the last of them has ended.
 * 3. A tenant's definitions reach the tenant's own secrets alone.
 */
import type { Sql } from '#shared/db/connect-database.ts';
import { repeatOnLostDatabase } from '#shared/db/run-statements.ts';
import { HeldOpened } from '#shared/definitions/held-opened.ts';
import { type StoreDocument, storeDocumentSchema } from '#shared/definitions/store-schema.ts';
import { createVersionedDirectory, type DefinitionRow } from '#shared/definitions/versioned-directory.ts';
import type { Logger } from '#shared/runtime/logger.ts';
import { type SecretStore, secretsOfTenant } from '#shared/runtime/secrets/secret-store.ts';
import { type ExternalStoreOptions, type OpenStore, openStore } from './open-store.ts';

export type UsedStore<Result> =
  | { readonly ok: true; readonly result: Result }
  | { readonly ok: false; readonly message: string };

export interface StoreDirectory {
  /** @throws what `work` throws, or the database for a store that is not known yet. */
  use<Result>(
    place: { readonly tenantId: string; readonly name: string },
    work: (open: Pick<OpenStore, 'definition' | 'store'>) => Promise<Result>,
  ): Promise<UsedStore<Result>>;
  /** After the last use has ended. */
  close(): void;
}

export interface StoreDirectoryOptions extends Omit<ExternalStoreOptions, 'secrets'> {
  readonly sql: Sql;
  readonly secrets: SecretStore;
  readonly logger: Logger;
  /** Monotonic milliseconds. */
  readonly now?: () => number;
}

const LOOK_DEADLINE_MS = 5_000;

export function createStoreDirectory(options: StoreDirectoryOptions): StoreDirectory {
  const { sql, secrets, logger, now } = options;
  const directory = createVersionedDirectory<StoreDocument, HeldOpened<OpenStore>>({
    kind: 'store',
    schema: storeDocumentSchema,
    logger,
    now,
    async look(tenantId, name, knownVersion) {
      const [row] = await repeatOnLostDatabase(
        () => sql<DefinitionRow[]>`
          SELECT version, CASE WHEN version IS DISTINCT FROM ${knownVersion}::int THEN definition END AS definition
          FROM stores WHERE tenant_id = ${tenantId} AND name = ${name} AND removed_at IS NULL`,
        { deadlineMs: LOOK_DEADLINE_MS, forMs: LOOK_DEADLINE_MS },
      );
      return row;
    },
    open: (definition, tenantId) =>
      new HeldOpened(openStore(definition, { ...options, secrets: secretsOfTenant(secrets, tenantId) }), (open) =>
        open.close(),
      ),
    retire: (held) => held.retire(),
  });

  return {
    async use({ tenantId, name }, work) {
      const found = await directory.find(tenantId, name);
      if (found.ok)
        return {
          ok: true,
          result: await found.opened.use(async (open) => {
            await open.assertUsable();
            return await work(open);
          }),
        };
      return {
        ok: false,
        message:
          found.reason === 'absent'
            ? `The tenant has no store ${name}`
            : `The stored definition of the store ${name} cannot be used`,
      };
    },
    close() {
      for (const { found } of directory.known()) if (found.ok) found.opened.retire();
      directory.clear();
    },
  };
}

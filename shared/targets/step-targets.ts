/** The targets outside that a tenant's steps write to, as this process opens them. */

import { createDatabaseDirectory } from '#shared/databases/database-directory.ts';
import type { OpenDatabase } from '#shared/databases/open-database.ts';
import type { Sql } from '#shared/db/connect-database.ts';
import type { AddressGuard } from '#shared/http/address-guard.ts';
import {
  createPartnerDirectory,
  type FoundPartner,
  type PartnerDirectory,
} from '#shared/partners/partner-directory.ts';
import type { Logger } from '#shared/runtime/logger.ts';
import type { SecretStore } from '#shared/runtime/secrets/secret-store.ts';

export interface StepTargets {
  findPartner(name: string): Promise<FoundPartner>;
  /** Undefined: the tenant has no such database that can be used. */
  useDatabase<Result>(
    name: string,
    work: (database: OpenDatabase) => Promise<Result>,
  ): Promise<{ readonly result: Result } | undefined>;
}

export interface TargetDirectory {
  of(tenantId: string): StepTargets;
  /** Of all tenants; one for the process, since its limits count there. */
  readonly partners: PartnerDirectory;
  /** After the last use has ended. */
  close(): void;
}

export interface TargetDirectoryOptions {
  readonly sql: Sql;
  readonly secrets: SecretStore;
  readonly addressGuard: AddressGuard;
  readonly logger: Logger;
}

export function createTargetDirectory(options: TargetDirectoryOptions): TargetDirectory {
  const partners = createPartnerDirectory(options);
  const databases = createDatabaseDirectory(options);
  return {
    partners,
    of: (tenantId) => ({
      findPartner: (name) => partners.find(tenantId, name),
      useDatabase: (name, work) => databases.use({ tenantId, name }, work),
    }),
    close() {
      partners.close();
      databases.close();
    },
  };
}

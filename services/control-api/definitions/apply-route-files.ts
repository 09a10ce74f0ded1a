/**
 * Applies the documents of route files: all faults first, and nothing applied while there is one.
 *
 * 1. Tenants go before their partners and stores, and those before their routes, whatever the order of the files: a route in force finds what it calls.
 * 2. Applying the same files again changes nothing, so a call that was cut off is simply repeated.
 */
import { z } from 'zod';
import type { Reads, Sql } from '#shared/db/connect-database.ts';
import {
  applyPartner,
  applyRoute,
  applySftpUser,
  applyStore,
  applyTenants,
  removeOtherSftpUsers,
} from '#shared/definitions/apply-definitions.ts';
import { faultAt, type ParsedDocument, type RouteFileFault } from '#shared/definitions/parse-route-files.ts';
import type { PartnerDocument } from '#shared/definitions/partner-schema.ts';
import { findCallFaults } from '#shared/definitions/routes/find-call-faults.ts';
import { findStoreFaults } from '#shared/definitions/routes/find-store-faults.ts';
import { publicKeysOf, type RouteDocument, type TenantDocument } from '#shared/definitions/routes/route-schema.ts';
import type { StoreDocument } from '#shared/definitions/store-schema.ts';
import { findKnownDefinitions, type KnownDefinitions } from './find-known-definitions.ts';

const disabledField = z
  .literal(true)
  .describe('An operator disabled it, and it stays disabled. Absent if it is enabled.');

/** Of a definition that is kept in versions. */
const changeSchema = z.object({
  tenant: z.string(),
  name: z.string(),
  version: z.number(),
  change: z.enum(['created', 'changed', 'unchanged']),
  disabled: disabledField.optional(),
});
type Change = z.infer<typeof changeSchema>;

export const appliedSchema = z.object({
  dry_run: z.boolean(),
  tenants: z.array(
    z.object({ tenant: z.string(), change: z.enum(['created', 'applied']), disabled: disabledField.optional() }),
  ),
  sftp_users: z.array(
    z.object({
      username: z.string(),
      tenant: z.string(),
      change: z
        .enum(['applied', 'skipped', 'removed'])
        .describe('Skipped: the file names no public key. Removed: the file no longer has the user.'),
    }),
  ),
  partners: z.array(changeSchema),
  stores: z.array(changeSchema),
  routes: z.array(changeSchema),
});
type Applied = z.infer<typeof appliedSchema>;

export type ApplyResult =
  | { readonly type: 'applied'; readonly applied: Applied }
  | { readonly type: 'faulty'; readonly faults: readonly RouteFileFault[] };

export interface ApplyOptions {
  readonly documents: readonly ParsedDocument[];
  /** Null: an operator. A tenant's own routes are all that its key may check. */
  readonly tenantId: string | null;
  readonly isDryRun: boolean;
  readonly actor: string;
}

type Entry<Document> = ParsedDocument & { readonly document: Document };
interface Entries {
  readonly tenants: readonly Entry<TenantDocument>[];
  readonly partners: readonly Entry<PartnerDocument>[];
  readonly stores: readonly Entry<StoreDocument>[];
  readonly routes: readonly Entry<RouteDocument>[];
}

export async function applyRouteFiles(
  { sql, reads }: { readonly sql: Sql; readonly reads: Reads },
  { documents, tenantId, isDryRun, actor }: ApplyOptions,
): Promise<ApplyResult> {
  const entries = entriesOf(documents);
  const known = await findKnownDefinitions(
    reads,
    documents.map(({ document }) => document),
  );
  const faults = findFaults(entries, known, tenantId);
  if (faults.length > 0) return { type: 'faulty', faults };

  const applied = describeChanges(entries, known, isDryRun);
  if (isDryRun) return { type: 'applied', applied };
  await storeTenants(sql, entries.tenants, actor);
  const partners = await storeInTurn(entries.partners, applied.partners, (row) => applyPartner(sql, row, actor));
  const stores = await storeInTurn(entries.stores, applied.stores, (row) => applyStore(sql, row, actor));
  const routes = await storeInTurn(entries.routes, applied.routes, (row) => applyRoute(sql, row, actor));
  return { type: 'applied', applied: { ...applied, partners, stores, routes } };
}

function entriesOf(documents: readonly ParsedDocument[]): Entries {
  return {
    tenants: documents.filter((entry): entry is Entry<TenantDocument> => entry.document.kind === 'tenant'),
    partners: documents.filter((entry): entry is Entry<PartnerDocument> => entry.document.kind === 'partner'),
    stores: documents.filter((entry): entry is Entry<StoreDocument> => entry.document.kind === 'store'),
    routes: documents.filter((entry): entry is Entry<RouteDocument> => entry.document.kind === 'route'),
  };
}

/** Calls and stores last: to say what another tenant's partner can do would be telling of it. */
function findFaults(entries: Entries, known: KnownDefinitions, caller: string | null): RouteFileFault[] {
  const owned = [...entries.partners, ...entries.stores, ...entries.routes];
  const tenantIds = new Set([...known.tenantIds, ...entries.tenants.map(({ document }) => document.id)]);
  const faults = [
    ...owned.flatMap((entry) => faultsOfOwner(entry, tenantIds, caller)),
    ...entries.tenants.flatMap((entry) => faultsOfTenant(entry, known.userTenants, caller)),
  ];
  if (faults.length > 0) return faults;
  return [...findCallFaults(owned, known.stored), ...findStoreFaults(owned, known.stored)];
}

/** To a tenant's key other tenants are as unknown as those that do not exist. */
function faultsOfOwner(
  entry: Entry<PartnerDocument | StoreDocument | RouteDocument>,
  tenantIds: ReadonlySet<string>,
  caller: string | null,
): RouteFileFault[] {
  const { tenant } = entry.document;
  if (tenantIds.has(tenant) && (caller === null || caller === tenant)) return [];
  return [faultAt(entry, ['tenant'], `the tenant ${tenant} does not exist; define it with kind: tenant`)];
}

function faultsOfTenant(
  entry: Entry<TenantDocument>,
  userTenants: ReadonlyMap<string, string>,
  caller: string | null,
): RouteFileFault[] {
  const { id, sftpUsers: users } = entry.document;
  if (caller !== null) return [faultAt(entry, ['kind'], 'only an operator defines tenants')];
  return users.flatMap(({ username }, index) => {
    const owner = userTenants.get(username);
    if (owner === undefined || owner === id) return [];
    return [faultAt(entry, ['sftpUsers', index, 'username'], `the username ${username} belongs to another tenant`)];
  });
}

function describeChanges(entries: Entries, known: KnownDefinitions, isDryRun: boolean): Applied {
  return {
    dry_run: isDryRun,
    tenants: entries.tenants.map(({ document: { id } }) => ({
      tenant: id,
      change: known.tenantIds.has(id) ? 'applied' : 'created',
      ...(known.disabled.tenants.has(id) && { disabled: true as const }),
    })),
    sftp_users: entries.tenants.flatMap(({ document }) => describeUsers(document, known)),
    partners: entries.partners.map((entry) => describeChange(entry, known.partners)),
    stores: entries.stores.map((entry) => describeChange(entry, known.stores)),
    routes: entries.routes.map((entry) => {
      const { tenant, name } = entry.document;
      const isDisabled = known.disabled.routes.has(`${tenant}/${name}`);
      return { ...describeChange(entry, known.routes), ...(isDisabled && { disabled: true as const }) };
    }),
  };
}

/** The file is the truth: a user that it has no more is removed. */
function describeUsers({ id, sftpUsers: users }: TenantDocument, known: KnownDefinitions): Applied['sftp_users'] {
  const kept = new Set(users.map(({ username }) => username));
  const removed = known.declaredUsers.filter(({ tenantId, username }) => tenantId === id && !kept.has(username));
  return [
    ...users.map((user) => ({
      username: user.username,
      tenant: id,
      change: publicKeysOf(user).length === 0 ? ('skipped' as const) : ('applied' as const),
    })),
    ...removed.map(({ username }) => ({ username, tenant: id, change: 'removed' as const })),
  ];
}

function describeChange(
  { document: { tenant, name }, definitionHash }: Entry<PartnerDocument | StoreDocument | RouteDocument>,
  known: KnownDefinitions['routes'],
): Change {
  const present = known.get(`${tenant}/${name}`);
  if (present === undefined) return { tenant, name, version: 1, change: 'created' };
  const isSame = present.hash === definitionHash;
  return { tenant, name, version: present.version + (isSame ? 0 : 1), change: isSame ? 'unchanged' : 'changed' };
}

type DefinitionRow = Parameters<typeof applyRoute>[1];

/** The changes with the versions that they were given in the end. */
async function storeInTurn(
  entries: readonly Entry<PartnerDocument | StoreDocument | RouteDocument>[],
  changes: readonly Change[],
  store: (row: DefinitionRow) => Promise<{ readonly version: number }>,
): Promise<Change[]> {
  const stored: Change[] = [];
  for (const [index, { document, definitionHash }] of entries.entries()) {
    const { tenant: tenantId, name } = document;
    const notify = document.kind === 'route' ? document.notify : [];
    const { version } = await store({ tenantId, name, definition: document, definitionHash, notify });
    stored.push({ ...(changes[index] as Change), version });
  }
  return stored;
}

async function storeTenants(sql: Sql, entries: Entries['tenants'], actor: string): Promise<void> {
  if (entries.length === 0) return;
  const rows = entries.map(({ document: { id, name, timeZone, homeRegion, ignore, notify } }) => ({
    id,
    name,
    timeZone,
    homeRegion,
    ignoreGlobs: ignore,
    notify,
  }));
  await applyTenants(sql, rows, actor);
  for (const { document } of entries) {
    for (const declared of document.sftpUsers) {
      const publicKey = publicKeysOf(declared).join('\n');
      if (publicKey === '') continue;
      const { username } = declared;
      const user = { username, tenantId: document.id, publicKey, homePrefix: `${document.id}/` };
      await applySftpUser(sql, user, actor);
    }
    const kept = document.sftpUsers.map(({ username }) => username);
    await removeOtherSftpUsers(sql, { tenantId: document.id, kept }, actor);
  }
}

/** Faults between documents, and between them and what is in force; those within it are found when it is read. */
import { faultAt, type ParsedDocument, type RouteFileFault } from '#shared/definitions/parse-route-files.ts';
import { findCallFaults } from '#shared/definitions/routes/find-call-faults.ts';
import { findLoadFaults } from '#shared/definitions/routes/find-load-faults.ts';
import { findStoreFaults } from '#shared/definitions/routes/find-store-faults.ts';
import { type EntryOf, entriesOf, IN_ORDER, keyOf, type OwnedEntry } from './document-entries.ts';
import type { KnownDefinitions } from './find-known-definitions.ts';

/** Calls and stores last: to say what another tenant's partner can do would be telling of it. */
export function findDocumentFaults(
  documents: readonly ParsedDocument[],
  known: KnownDefinitions,
  caller: string | null,
): RouteFileFault[] {
  const tenants = entriesOf(documents, 'tenant');
  const owned = IN_ORDER.flatMap((kind): OwnedEntry[] => entriesOf(documents, kind));
  const tenantIds = new Set([...known.tenantIds, ...tenants.map(({ document }) => document.id)]);
  const faults = [
    ...owned.flatMap((entry) => faultsOfOwner(entry, tenantIds, caller)),
    ...tenants.flatMap((entry) => faultsOfTenant(entry, known.userTenants, caller)),
  ];
  if (faults.length > 0) return faults;
  return [
    ...findCallFaults(owned, known.stored),
    ...findStoreFaults(owned, known.stored),
    ...findLoadFaults(owned, known.stored),
    ...findSourceFaults(documents, known),
    ...findCalendarFaults(documents, known),
  ];
}

/** A source names a remote that is there. */
function findSourceFaults(documents: readonly ParsedDocument[], { versions }: KnownDefinitions): RouteFileFault[] {
  const applied = new Set(entriesOf(documents, 'remote').map(keyOf));
  return entriesOf(documents, 'source').flatMap((entry) => {
    const { tenant, remote } = entry.document;
    const stored = versions.remote.get(`${tenant}/${remote}`);
    if (applied.has(`${tenant}/${remote}`) || (stored !== undefined && !stored.isRemoved)) return [];
    return [faultAt(entry, ['remote'], `the tenant ${tenant} has no remote ${remote}; define it with kind: remote`)];
  });
}

/** An expectation names a calendar that is there. */
function findCalendarFaults(documents: readonly ParsedDocument[], { versions }: KnownDefinitions): RouteFileFault[] {
  const applied = new Set(entriesOf(documents, 'calendar').map(keyOf));
  return entriesOf(documents, 'expectation').flatMap((entry) => {
    const { tenant, due } = entry.document;
    const stored = versions.calendar.get(`${tenant}/${due.calendar}`);
    const isThere = applied.has(`${tenant}/${due.calendar}`) || (stored !== undefined && !stored.isRemoved);
    if (due.calendar === undefined || isThere) return [];
    const message = `the tenant ${tenant} has no calendar ${due.calendar}; define it with kind: calendar`;
    return [faultAt(entry, ['due', 'calendar'], message)];
  });
}

/** To a tenant's key other tenants are as unknown as those that do not exist. */
function faultsOfOwner(entry: OwnedEntry, tenantIds: ReadonlySet<string>, caller: string | null): RouteFileFault[] {
  const { tenant } = entry.document;
  if (tenantIds.has(tenant) && (caller === null || caller === tenant)) return [];
  return [faultAt(entry, ['tenant'], `the tenant ${tenant} does not exist; define it with kind: tenant`)];
}

function faultsOfTenant(
  entry: EntryOf<'tenant'>,
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

/**
 * Applies the documents of route files: all faults first, and nothing applied while there is one.
 *
 * 1. Tenants go before their partners, stores, remotes and sources, and those before their routes, whatever the order of the files: a route in force finds what it calls.
 * 2. What the files do not have is listed; with `prune` it is removed, unless a route in force uses it.
 * 3. Applying the same files again changes nothing, so a call that was cut off is simply repeated.
 */
import { setImmediate } from 'node:timers/promises';
import { z } from 'zod';
import type { Reads, Sql } from '#shared/db/connect-database.ts';
import { DEFINITION_KINDS } from '#shared/db/schema.ts';
import {
  applyDefinition,
  applySftpUser,
  applyTenants,
  removeDefinitions,
  removeOtherSftpUsers,
} from '#shared/definitions/apply-definitions.ts';
import { faultAt, type ParsedDocument, type RouteFileFault } from '#shared/definitions/parse-route-files.ts';
import { findCallFaults } from '#shared/definitions/routes/find-call-faults.ts';
import { findLoadFaults } from '#shared/definitions/routes/find-load-faults.ts';
import { findStoreFaults } from '#shared/definitions/routes/find-store-faults.ts';
import { declaredKeysOf, publicKeysOf, type TenantDocument } from '#shared/definitions/routes/route-schema.ts';
import { compareTexts } from './compare-texts.ts';
import { findKnownDefinitions, type KnownDefinitions, type KnownVersion, usesIn } from './find-known-definitions.ts';
import { findPresentTexts, type PresentText, VERSIONED_KINDS, type VersionedKind } from './find-versions.ts';
import { writeSource } from './write-source.ts';

const disabledField = z
  .literal(true)
  .describe('An operator disabled it, and it stays disabled. Absent if it is enabled.');

/** Of a definition that is kept in versions. */
const changeSchema = z.object({
  tenant: z.string(),
  name: z.string(),
  version: z.number(),
  change: z
    .enum(['created', 'changed', 'reworded', 'restored', 'unchanged'])
    .describe('Reworded: the same definition, with another text. Restored: it had been removed.'),
  disabled: disabledField.optional(),
  diff: z.string().optional().describe('Unified diff of the text, of at most 200 changed definitions.'),
});
type Change = z.infer<typeof changeSchema>;

/** What is said of each kind, under its name in the plural. */
type OfKinds<Value> = { readonly [Kind in VersionedKind as `${Kind}s`]: Value };

function ofKinds<Value>(of: (kind: VersionedKind) => Value): OfKinds<Value> {
  return Object.fromEntries(VERSIONED_KINDS.map((kind) => [`${kind}s`, of(kind)])) as OfKinds<Value>;
}

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
  ...ofKinds(() => z.array(changeSchema)),
  missing: z
    .array(
      z.object({
        kind: z.enum(VERSIONED_KINDS),
        tenant: z.string(),
        name: z.string(),
        version: z.number(),
        change: z.enum(['kept', 'removed']),
        used_by: z.array(z.string()).describe('Routes and sources that use it: it is kept as long as there are any.'),
      }),
    )
    .describe('In force, of a tenant and a kind that the files have, and not in the files. Kept unless `prune=true`.'),
});
type Missing = z.infer<typeof appliedSchema>['missing'][number];
export type Applied = z.infer<typeof appliedSchema>;

export type ApplyResult =
  | { readonly type: 'applied'; readonly applied: Applied }
  | { readonly type: 'faulty'; readonly faults: readonly RouteFileFault[] };

export interface ApplyOptions {
  readonly documents: readonly ParsedDocument[];
  /** Null: an operator. A tenant's own routes are all that its key may check. */
  readonly tenantId: string | null;
  readonly isDryRun: boolean;
  readonly actor: string;
  /** Removes what the files do not have, of the tenants and kinds that they have. */
  readonly isPruning?: boolean;
  readonly reason?: string | undefined;
  /** Of a single definition. */
  readonly revision?: number | undefined;
  readonly restored?: number | undefined;
}

type Document = ParsedDocument['document'];
type EntryOf<Kind extends Document['kind']> = ParsedDocument & { readonly document: Extract<Document, { kind: Kind }> };
type OwnedEntry = EntryOf<VersionedKind>;

function entriesOf<Kind extends Document['kind']>(documents: readonly ParsedDocument[], kind: Kind): EntryOf<Kind>[] {
  return documents.filter((entry): entry is EntryOf<Kind> => entry.document.kind === kind);
}

/** What is used goes before what uses it: `VERSIONED_KINDS` begins with routes. */
const IN_ORDER = [...DEFINITION_KINDS, 'route'] as const;

export async function applyRouteFiles(
  { sql, reads }: { readonly sql: Sql; readonly reads: Reads },
  { documents, tenantId, isDryRun, actor, isPruning = false, reason, revision, restored }: ApplyOptions,
): Promise<ApplyResult> {
  const known = await findKnownDefinitions(
    reads,
    documents.map(({ document }) => document),
  );
  const faults = findFaults(documents, known, tenantId);
  if (faults.length > 0) return { type: 'faulty', faults };

  const changes = await describeTexts(sql, documents, known);
  const missing = findMissing(documents, known, isPruning);
  const tenants = entriesOf(documents, 'tenant');
  const applied = {
    dry_run: isDryRun,
    ...describeTenants(tenants, known),
    ...ofKinds((kind) => changes.get(kind) ?? []),
    missing,
  };
  if (isDryRun) return { type: 'applied', applied };
  await storeTenants(sql, tenants, actor);
  const stored = new Map<VersionedKind, Change[]>();
  for (const kind of IN_ORDER) {
    const changesOfKind = changes.get(kind) ?? [];
    stored.set(
      kind,
      await storeInTurn(entriesOf(documents, kind), changesOfKind, (row, diff) =>
        applyDefinition(sql, kind, row, actor, { reason, revision, restored, diff }),
      ),
    );
  }
  // Routes first: what they use goes after them.
  for (const { kind, tenant, name, change } of missing.toReversed())
    if (change === 'removed') await removeDefinitions(sql, { kind, tenantId: tenant, names: [name], reason }, actor);
  return { type: 'applied', applied: { ...applied, ...ofKinds((kind) => stored.get(kind) ?? []) } };
}

/** Calls and stores last: to say what another tenant's partner can do would be telling of it. */
function findFaults(
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

function describeTenants(
  tenants: readonly EntryOf<'tenant'>[],
  known: KnownDefinitions,
): Pick<Applied, 'tenants' | 'sftp_users'> {
  return {
    tenants: tenants.map(({ document: { id } }) => ({
      tenant: id,
      change: known.tenantIds.has(id) ? 'applied' : 'created',
      ...(known.disabled.tenants.has(id) && { disabled: true as const }),
    })),
    sftp_users: tenants.flatMap(({ document }) => describeUsers(document, known)),
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

/** Each takes its time on the event loop. */
const MOST_DIFFS = 200;

async function describeTexts(
  sql: Sql,
  documents: readonly ParsedDocument[],
  known: KnownDefinitions,
): Promise<ReadonlyMap<VersionedKind, Change[]>> {
  let diffs = 0;
  const describe = async (kind: VersionedKind, owned: readonly OwnedEntry[]) => {
    const texts = await findPresentTexts(
      sql,
      kind,
      owned.map(({ document }) => document),
    );
    const changes: Change[] = [];
    for (const entry of owned) {
      const { tenant, name } = entry.document;
      const text = texts.get(`${tenant}/${name}`);
      const change = describeChange(entry, known.versions[kind].get(`${tenant}/${name}`), text);
      const isDisabled = kind === 'route' && known.disabled.routes.has(`${tenant}/${name}`);
      const isShown = change.change !== 'unchanged' && text !== undefined && diffs < MOST_DIFFS;
      const diff = isShown ? await diffOf(entry, text, change.version) : '';
      if (isShown) {
        diffs += 1;
        await setImmediate();
      }
      changes.push({ ...change, ...(isDisabled && { disabled: true as const }), ...(diff !== '' && { diff }) });
    }
    return changes;
  };
  const described = new Map<VersionedKind, Change[]>();
  for (const kind of IN_ORDER) described.set(kind, await describe(kind, entriesOf(documents, kind)));
  return described;
}

function describeChange(
  { document: { tenant, name }, definitionHash, source }: OwnedEntry,
  present: KnownVersion | undefined,
  text: PresentText | undefined,
): Change {
  if (present === undefined || present.version === 0) return { tenant, name, version: 1, change: 'created' };
  const { version } = present;
  if (present.hash !== definitionHash) return { tenant, name, version: version + 1, change: 'changed' };
  if (present.isRemoved) return { tenant, name, version, change: 'restored' };
  return { tenant, name, version, change: text?.source === source ? 'unchanged' : 'reworded' };
}

/** Against a text that was not kept, what was meant is compared, not how it was written. */
async function diffOf({ document, source }: OwnedEntry, present: PresentText, version: number): Promise<string> {
  const { tenant, name } = document;
  const isKept = present.source !== null;
  return await compareTexts(
    { name: `${tenant}/${name} ${present.version}`, text: present.source ?? writeSource(present.definition) },
    { name: `${tenant}/${name} ${version}`, text: isKept ? source : writeSource(document) },
  );
}

/** Partners and stores before routes, as everywhere. */
function findMissing(documents: readonly ParsedDocument[], known: KnownDefinitions, isPruning: boolean): Missing[] {
  const keysInFiles = (kind: VersionedKind) => new Set(entriesOf(documents, kind).map(keyOf));
  const missingOf = (kind: VersionedKind) => {
    const inFiles = keysInFiles(kind);
    const tenants = new Set([...inFiles].map((key) => key.split('/')[0]));
    return [...known.versions[kind]].flatMap(([key, { version, isRemoved }]) => {
      const [tenant = '', name = ''] = key.split('/');
      const isMissing = version > 0 && !isRemoved && tenants.has(tenant) && !inFiles.has(key);
      return isMissing ? [{ kind, tenant, name, version }] : [];
    });
  };
  const routes = missingOf('route').map((route) => ({ ...route, used_by: [] }));
  const gone = new Set(isPruning ? routes.map(({ tenant, name }) => `${tenant}/${name}`) : []);
  const users = usersOf(entriesOf(documents, 'route'), known, gone);
  for (const [key, names] of sourcesOf(entriesOf(documents, 'source'), known)) users.set(key, names);
  for (const [key, names] of expectationsOf(entriesOf(documents, 'expectation'), known)) users.set(key, names);
  const used = DEFINITION_KINDS.flatMap((kind) =>
    missingOf(kind).map((each) => ({ ...each, used_by: users.get(`${kind} ${each.tenant}/${each.name}`) ?? [] })),
  );
  return [...used, ...routes].map((each) => ({
    ...each,
    change: isPruning && each.used_by.length === 0 ? ('removed' as const) : ('kept' as const),
  }));
}

/** Which routes use what, once the files are applied: by `<kind> <tenant>/<name>`. */
function usersOf(
  applied: readonly EntryOf<'route'>[],
  { stored }: KnownDefinitions,
  gone: ReadonlySet<string>,
): Map<string, string[]> {
  const replaced = new Set(applied.map(keyOf));
  const kept = stored.routes.filter(({ tenantId, name }) => {
    const key = `${tenantId}/${name}`;
    return !replaced.has(key) && !gone.has(key);
  });
  const routes = [...applied.map(({ document: { tenant, name, steps } }) => usesIn(tenant, name, steps)), ...kept];
  const users = new Map<string, string[]>();
  for (const { tenantId, name, calls, deliveries, loads } of routes) {
    const used = new Set([
      ...calls.map(({ partner }) => `partner ${tenantId}/${partner}`),
      ...deliveries.map(({ store }) => `store ${tenantId}/${store}`),
      ...loads.map((database) => `database ${tenantId}/${database}`),
    ]);
    for (const key of used) users.set(key, [...(users.get(key) ?? []), name]);
  }
  return users;
}

/** Which sources use which remote, once the files are applied. */
function sourcesOf(applied: readonly EntryOf<'source'>[], { stored }: KnownDefinitions): ReadonlyMap<string, string[]> {
  const uses = applied.map(({ document: { tenant, name, remote } }) => ({ tenantId: tenant, name, used: remote }));
  return namesByUse(
    'remote',
    uses,
    stored.sources.map(({ remote: used, ...source }) => ({ ...source, used })),
  );
}

/** Which expectations use which calendar, once the files are applied. */
function expectationsOf(
  applied: readonly EntryOf<'expectation'>[],
  { stored }: KnownDefinitions,
): ReadonlyMap<string, string[]> {
  const uses = applied.map(({ document: { tenant, name, due } }) => ({ tenantId: tenant, name, used: due.calendar }));
  return namesByUse(
    'calendar',
    uses,
    stored.expectations.map(({ calendar: used, ...each }) => ({ ...each, used })),
  );
}

interface Use {
  readonly tenantId: string;
  readonly name: string;
  readonly used: string | undefined;
}

/** By `<kind> <tenant>/<name>` of what is used; those that are applied take the place of the stored ones. */
function namesByUse(kind: string, applied: readonly Use[], stored: readonly Use[]): ReadonlyMap<string, string[]> {
  const replaced = new Set(applied.map(({ tenantId, name }) => `${tenantId}/${name}`));
  const kept = stored.filter(({ tenantId, name }) => !replaced.has(`${tenantId}/${name}`));
  const users = new Map<string, string[]>();
  for (const { tenantId, name, used } of [...applied, ...kept]) {
    if (used === undefined) continue;
    const key = `${kind} ${tenantId}/${used}`;
    users.set(key, [...(users.get(key) ?? []), name]);
  }
  return users;
}

function keyOf({ document: { tenant, name } }: OwnedEntry): string {
  return `${tenant}/${name}`;
}

type DefinitionRow = Parameters<typeof applyDefinition>[2];
type Diff = NonNullable<Parameters<typeof applyDefinition>[4]>['diff'];

/** In the audit and on the topics, which take 256 KiB. */
const LONGEST_DIFF_KEPT = 8_000;

/** The changes with the versions that they were given in the end. */
async function storeInTurn(
  entries: readonly OwnedEntry[],
  changes: readonly Change[],
  store: (row: DefinitionRow, diff: Diff) => Promise<{ readonly version: number }>,
): Promise<Change[]> {
  const stored: Change[] = [];
  for (const [index, { document, definitionHash, source }] of entries.entries()) {
    const change = changes[index] as Change;
    const { tenant: tenantId, name } = document;
    const notify = 'notify' in document ? document.notify : [];
    const from = change.change === 'changed' ? change.version - 1 : change.version;
    const { version } = await store(
      { tenantId, name, definition: document, definitionHash, source, notify },
      change.diff === undefined ? undefined : { from, text: shortened(change.diff) },
    );
    stored.push({ ...change, version });
  }
  return stored;
}

function shortened(diff: string): string {
  return diff.length <= LONGEST_DIFF_KEPT ? diff : `${diff.slice(0, LONGEST_DIFF_KEPT)}\n… cut here`;
}

async function storeTenants(sql: Sql, entries: readonly EntryOf<'tenant'>[], actor: string): Promise<void> {
  if (entries.length === 0) return;
  const rows = entries.map(({ document: { id, name, timeZone, homeRegion, ignore, signIn, notify } }) => ({
    id,
    name,
    timeZone,
    homeRegion,
    ignoreGlobs: ignore,
    signIn,
    notify,
  }));
  await applyTenants(sql, rows, actor);
  for (const { document } of entries) {
    for (const declared of document.sftpUsers) {
      const keys = declaredKeysOf(declared);
      if (keys.length === 0) continue;
      const publicKey = keys.map(({ key }) => key).join('\n');
      const { username } = declared;
      const user = { username, tenantId: document.id, publicKey, homePrefix: `${document.id}/`, keys };
      await applySftpUser(sql, user, actor);
    }
    const kept = document.sftpUsers.map(({ username }) => username);
    await removeOtherSftpUsers(sql, { tenantId: document.id, kept }, actor);
  }
}

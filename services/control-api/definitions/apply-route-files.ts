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
import { applyDefinition, removeDefinitions } from '#shared/definitions/apply-definitions.ts';
import { applySftpUser, removeOtherSftpUsers } from '#shared/definitions/apply-sftp-users.ts';
import { applyTenants } from '#shared/definitions/apply-tenants.ts';
import type { ParsedDocument, RouteFileFault } from '#shared/definitions/parse-route-files.ts';
import { declaredKeysOf, publicKeysOf, type TenantDocument } from '#shared/definitions/routes/route-schema.ts';
import { compareTexts } from './compare-texts.ts';
import { type EntryOf, entriesOf, IN_ORDER, type OwnedEntry } from './document-entries.ts';
import { findDocumentFaults } from './find-document-faults.ts';
import { findKnownDefinitions, type KnownDefinitions, type KnownVersion } from './find-known-definitions.ts';
import { findMissing, missingSchema } from './find-missing.ts';
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
    .array(missingSchema)
    .describe('In force, of a tenant and a kind that the files have, and not in the files. Kept unless `prune=true`.'),
});
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

export async function applyRouteFiles(
  { sql, reads }: { readonly sql: Sql; readonly reads: Reads },
  { documents, tenantId, isDryRun, actor, isPruning = false, reason, revision, restored }: ApplyOptions,
): Promise<ApplyResult> {
  const known = await findKnownDefinitions(
    reads,
    documents.map(({ document }) => document),
  );
  const faults = findDocumentFaults(documents, known, tenantId);
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
  const rows = entries.map(
    ({ document: { id, name, timeZone, homeRegion, priority, ignore, signIn, portal, notify, retention } }) => ({
      id,
      name,
      timeZone,
      homeRegion,
      priority,
      ignoreGlobs: ignore,
      signIn,
      portal,
      notify,
      retention,
    }),
  );
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

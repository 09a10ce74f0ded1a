/** What is in force and not in the files, and what uses it. */
import { z } from 'zod';
import { DEFINITION_KINDS } from '#shared/db/schema.ts';
import type { ParsedDocument } from '#shared/definitions/parse-route-files.ts';
import { type EntryOf, entriesOf, keyOf } from './document-entries.ts';
import { type KnownDefinitions, usesIn } from './find-known-definitions.ts';
import { VERSIONED_KINDS, type VersionedKind } from './find-versions.ts';

export const missingSchema = z.object({
  kind: z.enum(VERSIONED_KINDS),
  tenant: z.string(),
  name: z.string(),
  version: z.number(),
  change: z.enum(['kept', 'removed']),
  used_by: z
    .array(z.string())
    .describe('Routes, sources and other definitions that use it: it is kept as long as there are any.'),
});
type Missing = z.infer<typeof missingSchema>;

/** Partners and stores before routes, as everywhere. */
export function findMissing(
  documents: readonly ParsedDocument[],
  known: KnownDefinitions,
  isPruning: boolean,
): Missing[] {
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
  for (const [key, names] of readersOf(entriesOf(documents, 'calendar'), known))
    users.set(key, [...(users.get(key) ?? []), ...names]);
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

/** Which calendars read their holidays from which store, once the files are applied. */
function readersOf(
  applied: readonly EntryOf<'calendar'>[],
  { stored }: KnownDefinitions,
): ReadonlyMap<string, string[]> {
  const uses = applied.map(({ document: { tenant, name, holidaysFrom } }) => ({
    ...{ tenantId: tenant, name, used: holidaysFrom?.store },
  }));
  return namesByUse(
    'store',
    uses,
    stored.calendars.map(({ store: used, ...each }) => ({ ...each, used })),
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

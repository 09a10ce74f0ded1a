/** What the pages on routes and partners show can be applied as it is, and they name every option that there is. */
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { parse as parseYaml } from 'yaml';
import { z } from 'zod';
import { databaseDocumentSchema } from '#shared/definitions/database-schema.ts';
import { parseRouteFiles } from '#shared/definitions/parse-route-files.ts';
import { partnerDocumentSchema } from '#shared/definitions/partner-schema.ts';
import { remoteDocumentSchema } from '#shared/definitions/remote-schema.ts';
import { findCallFaults } from '#shared/definitions/routes/find-call-faults.ts';
import { findStoreFaults } from '#shared/definitions/routes/find-store-faults.ts';
import { routeDocumentSchema, tenantDocumentSchema } from '#shared/definitions/routes/route-schema.ts';
import { storeDocumentSchema } from '#shared/definitions/store-schema.ts';

const PAGES = ['routes.md', 'record-files.md', 'external-stores.md', 'partners.md', 'record-layouts.md', 'targets.md'];
const page = (name: string) => readFileSync(new URL(`../docs/guides/${name}`, import.meta.url), 'utf8');

/** Of the schema and all within it, as an author writes them. */
function optionsOf(schema: z.ZodType): string[] {
  const names = new Set<string>();
  const visit = (node: unknown): void => {
    if (typeof node !== 'object' || node === null) return;
    for (const [key, value] of Object.entries(node)) {
      if (key === 'properties') for (const name of Object.keys(value as object)) names.add(name);
      visit(value);
    }
  };
  visit(z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' }));
  return [...names];
}

test('the documents on the pages can be applied together', () => {
  const shown = PAGES.flatMap((name) =>
    [...page(name).matchAll(/```yaml\n((?:#.*?\n)?kind: (?:route|partner|store|database).*?)```/gs)].map(
      ([, text = '']) => ({
        name,
        text,
      }),
    ),
  );
  expect(shown.map(({ name }) => name)).toEqual([
    'routes.md',
    'record-files.md',
    'external-stores.md',
    'external-stores.md',
    'partners.md',
    'targets.md',
  ]);
  const parsed = parseRouteFiles(shown);
  expect(parsed).toMatchObject({ ok: true });
  expect(parsed.ok && findCallFaults(parsed.documents, { partners: [], routes: [] })).toEqual([]);
  expect(parsed.ok && findStoreFaults(parsed.documents, { stores: [], routes: [] })).toEqual([]);
});

test('each recipe can be applied', () => {
  const blocks = [...page('recipes.md').matchAll(/```yaml\n(.*?)```/gs)].map(([, text = '']) => text);
  expect(blocks).toHaveLength(5);
  for (const text of blocks) expect(parseRouteFiles([{ name: 'recipes.md', text }]), text).toMatchObject({ ok: true });
});

test('each API of HTTP sources is a remote', () => {
  const blocks = [...page('http-sources.md').matchAll(/```yaml\n(.*?)(?:---\n.*?)?```/gs)].map(([, text = '']) => text);
  expect(blocks).toHaveLength(4);
  const common = { kind: 'remote', tenant: 'acme', name: 'api', type: 'http' };
  for (const block of blocks)
    expect(remoteDocumentSchema.safeParse({ ...common, ...parseYaml(block) }).error?.issues ?? [], block).toEqual([]);
});

test.each([
  ['tenants', tenantDocumentSchema, ['routes.md', 'notifications.md', 'signing-in.md', 'retention.md', 'portal.md']],
  [
    'routes',
    routeDocumentSchema,
    [
      'routes.md',
      'notifications.md',
      'external-stores.md',
      'record-layouts.md',
      'targets.md',
      'receipts.md',
      'pgp.md',
      'branches.md',
      'matching.md',
      'conversions.md',
      'enrichment.md',
    ],
  ],
  ['partners', partnerDocumentSchema, ['partners.md', 'targets.md']],
  ['stores', storeDocumentSchema, ['external-stores.md']],
  ['remotes', remoteDocumentSchema, ['sources.md', 'http-sources.md']],
  ['databases', databaseDocumentSchema, ['targets.md', 'enrichment.md']],
])('every option of %s is described', (_kind, schema, pages) => {
  const text = pages.flatMap((name) => page(name).match(/```.*?```|`[^`\n]+`/gs) ?? []).join('\n');
  const missing = optionsOf(schema).filter((name) => !new RegExp(`\\b${name}\\b`).test(text));
  expect(missing).toEqual([]);
});

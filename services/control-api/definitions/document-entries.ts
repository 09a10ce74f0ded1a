/** The documents of route files, by kind. */
import { DEFINITION_KINDS } from '#shared/db/schema.ts';
import type { ParsedDocument } from '#shared/definitions/parse-route-files.ts';
import type { VersionedKind } from './find-versions.ts';

type Document = ParsedDocument['document'];
export type EntryOf<Kind extends Document['kind']> = ParsedDocument & {
  readonly document: Extract<Document, { kind: Kind }>;
};
export type OwnedEntry = EntryOf<VersionedKind>;

export function entriesOf<Kind extends Document['kind']>(
  documents: readonly ParsedDocument[],
  kind: Kind,
): EntryOf<Kind>[] {
  return documents.filter((entry): entry is EntryOf<Kind> => entry.document.kind === kind);
}

/** What is used goes before what uses it: `VERSIONED_KINDS` begins with routes. */
export const IN_ORDER = [...DEFINITION_KINDS, 'route'] as const;

/** `<tenant>/<name>`. */
export function keyOf({ document: { tenant, name } }: OwnedEntry): string {
  return `${tenant}/${name}`;
}

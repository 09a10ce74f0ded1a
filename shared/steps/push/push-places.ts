/** Where a push goes: the final name, the temporary one and the marker, all in one directory of the remote. Pure. */
import { createHash } from 'node:crypto';
import { compileNameTemplate, type TemplateFacts } from '#shared/definitions/name-template.ts';
import { canonicalRemotePath, isRemotePlaceAllowed, type RemotePath } from '#shared/definitions/remote-schema.ts';

export interface PushPlaces {
  readonly path: string;
  readonly marker: string | undefined;
}

export type FoundPlaces =
  | ({ readonly ok: true } & PushPlaces)
  | { readonly ok: false; readonly cause: 'KEY_REJECTED' | 'REMOTE_PLACE_REFUSED'; readonly message: string };

interface Templates {
  readonly path: string;
  readonly marker?: string | undefined;
}

export function placesOf({ path, marker }: Templates, facts: TemplateFacts, allowed: readonly string[]): FoundPlaces {
  const final = rendered(path, facts);
  if (!final.ok) return rejected(final.message);
  const beside = marker === undefined ? undefined : rendered(marker, facts, directoryOf(final.path));
  if (beside !== undefined && !beside.ok) return rejected(beside.message);
  if (beside !== undefined && directoryOf(beside.path) !== directoryOf(final.path))
    return rejected('the marker is in another directory');
  if (!isRemotePlaceAllowed(allowed, final.path))
    return { ok: false, cause: 'REMOTE_PLACE_REFUSED', message: `the remote does not allow ${final.path}` };
  return { ok: true, path: final.path, marker: beside?.path };
}

function rejected(message: string): FoundPlaces {
  return { ok: false, cause: 'KEY_REJECTED', message };
}

function rendered(template: string, facts: TemplateFacts, directory = ''): RemotePath {
  const compiled = compileNameTemplate(template);
  if (!compiled.ok) return compiled;
  return canonicalRemotePath(`${directory}${compiled.render(facts)}`);
}

/** Ends with `/`. */
export function directoryOf(path: string): string {
  return path.slice(0, path.lastIndexOf('/') + 1);
}

/** FTP and SFTP servers take 255 bytes. */
const LONGEST_NAME_BYTES = 255;

/** The same for every try of one effect, and of no other. */
export function tempNameOf(path: string, key: string): string {
  const suffix = `.${createHash('sha256').update(key).digest('hex').slice(0, 16)}.part`;
  let name = path.slice(path.lastIndexOf('/') + 1);
  while (Buffer.byteLength(name) + suffix.length + 1 > LONGEST_NAME_BYTES) name = [...name].slice(0, -1).join('');
  return `${directoryOf(path)}.${name}${suffix}`;
}

/** `statement.csv`, then `statement-2.csv`. */
export function numberedPath(path: string, number: number): string {
  if (number === 1) return path;
  const name = path.slice(path.lastIndexOf('/') + 1);
  const dot = name.lastIndexOf('.');
  const [stem, extension] = dot > 0 ? [name.slice(0, dot), name.slice(dot)] : [name, ''];
  return `${directoryOf(path)}${stem}-${number}${extension}`;
}

/** A manifest: the paths of the files that belong to its batch. Text with a path on each line, or JSON. */
import { z } from 'zod';

export const MOST_EXPECTED = 10_000;
export const LARGEST_MANIFEST_BYTES = 2_097_152;

const namesSchema = z.union([
  z.array(z.string()),
  z.object({ files: z.array(z.string()) }).transform(({ files }) => files),
]);

export type ReadManifest =
  | { readonly ok: true; readonly expected: readonly string[] }
  | { readonly ok: false; readonly message: string };

/**
 * Names are relative to the directory of the manifest, unless they begin with `/`; the paths are those in the tenant's home. Of a line with
 * commas, semicolons or tabs, as of a CSV, the first column counts; what begins with `#` is a comment.
 */
export function readManifest(bytes: Buffer, manifestPath: string): ReadManifest {
  const names = namesIn(bytes);
  if (names === undefined) return { ok: false, message: 'it is not UTF-8 text, or not a JSON list of names' };
  const directory = manifestPath.slice(0, manifestPath.lastIndexOf('/') + 1);
  const expected = new Set(names.map((name) => (name.startsWith('/') ? name.slice(1) : `${directory}${name}`)));
  if (expected.size === 0) return { ok: false, message: 'it names no file' };
  if (expected.size > MOST_EXPECTED) return { ok: false, message: `it names more than ${MOST_EXPECTED} files` };
  return { ok: true, expected: [...expected] };
}

function namesIn(bytes: Buffer): string[] | undefined {
  const text = decoded(bytes);
  if (text === undefined || text.includes('\0')) return undefined;
  if (/^\s*[[{]/.test(text)) return parsed(text)?.filter((name) => name !== '');
  return text
    .split(/\r\n|\r|\n/)
    .filter((line) => !line.startsWith('#'))
    .map((line) => (/^[^,;\t]*/.exec(line)?.[0] ?? '').trim().replace(/^"(.*)"$/, '$1'))
    .filter((name) => name !== '');
}

function decoded(bytes: Buffer): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    return undefined;
  }
}

function parsed(text: string): string[] | undefined {
  try {
    return namesSchema.safeParse(JSON.parse(text)).data;
  } catch {
    return undefined;
  }
}

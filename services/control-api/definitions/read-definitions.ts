/** The body of an apply as route files, parsed. Pure; of a stranger's text it can take any time and memory, so it runs in a child process. */
import { z } from 'zod';
import {
  type ParsedDocument,
  parseRouteFiles,
  type RouteFile,
  type RouteFileFault,
} from '#shared/definitions/parse-route-files.ts';

export interface DefinitionsBody {
  readonly text: string;
  readonly contentType: string;
}

export type Definitions =
  | { readonly ok: true; readonly documents: readonly ParsedDocument[] }
  /** The first of them, and how many there are. */
  | { readonly ok: false; readonly faults: readonly RouteFileFault[]; readonly faultCount: number }
  | { readonly ok: 'no-files'; readonly fieldFaults: readonly { readonly field: string; readonly message: string }[] };

/** More help nobody, and each is copied out of the child process. */
export const MOST_FAULTS = 500;
const MOST_FIELD_FAULTS = 50;
const MOST_FILES = 500;

/** Several files at once, each with the name that its faults are listed under. */
export const filesSchema = z.strictObject({
  files: z
    .array(z.strictObject({ name: z.string().min(1).max(1_024), text: z.string() }))
    .min(1)
    .max(MOST_FILES),
});

export function readDefinitions({ text, contentType }: DefinitionsBody): Definitions {
  const files = toFiles(text, contentType);
  if ('fieldFaults' in files) return { ok: 'no-files', ...files };
  const parsed = parseRouteFiles(files);
  if (parsed.ok) return parsed;
  return { ok: false, faults: parsed.faults.slice(0, MOST_FAULTS), faultCount: parsed.faults.length };
}

function toFiles(text: string, contentType: string) {
  if (!contentType.startsWith('application/json')) return [{ text }] satisfies RouteFile[];
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    // As YAML it gives a fault with its place.
    return [{ text }];
  }
  if (typeof json !== 'object' || json === null || !Object.hasOwn(json, 'files')) return [{ text }];
  const parsed = filesSchema.safeParse(json);
  if (parsed.success) return parsed.data.files;
  const faults = parsed.error.issues.map((issue) => ({ field: issue.path.join('.'), message: issue.message }));
  return { fieldFaults: faults.slice(0, MOST_FIELD_FAULTS) };
}

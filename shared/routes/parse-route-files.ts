/**
 * Reads YAML route files, several documents each, and lists every fault with its place, so that an author corrects all at once.
 *
 * 1. Either all documents are good, or none is given out.
 * 2. Hostile files end in a fault: duplicate keys, alias bombs, nesting without end, sizes over 1 MiB.
 */
import { type Document, isScalar, LineCounter, parseAllDocuments } from 'yaml';
import type { z } from 'zod';
import { definitionHash } from './definition-hash.ts';
import { type FindPlace, type Place, placeAt, placesIn } from './find-place.ts';
import { type RouteFileDocument, routeFileDocumentSchema } from './route-schema.ts';

export interface RouteFile {
  /** For the list of faults only. */
  readonly name?: string;
  readonly text: string;
}

export interface RouteFileFault {
  readonly file?: string;
  /** Both from 1. */
  readonly line: number;
  readonly column: number;
  /** `steps.0.deliver.key`; empty for the document as a whole. */
  readonly path: string;
  readonly code: 'ROUTE_INVALID' | 'YAML_SYNTAX';
  readonly message: string;
}

export interface ParsedDocument {
  readonly document: RouteFileDocument;
  readonly definitionHash: string;
  readonly file?: string;
  readonly line: number;
  /** For faults that only show beside other definitions. */
  readonly placeOf: FindPlace;
}

export type ParsedRouteFiles =
  | { readonly ok: true; readonly documents: readonly ParsedDocument[] }
  | { readonly ok: false; readonly faults: readonly RouteFileFault[] };

const LARGEST_FILE_BYTES = 1_048_576;
const MOST_DOCUMENTS = 1_000;
/** The parser recurses and backs up over them: nesting without end would hold the event loop for seconds. */
const MOST_BRACKETS = 5_000;
/** One slip in YAML makes many further ones, none of which helps. */
const MOST_SYNTAX_FAULTS = 20;
/** References to one anchor's contents, nested ones multiplied, before a file counts as an alias bomb. */
const MOST_ALIASES = 100;

/** A fault of a document that is good in itself. `ROUTE_INVALID`, at its place. */
export function faultAt({ file, placeOf }: ParsedDocument, path: readonly PropertyKey[], message: string) {
  const shown = path.map(String).join('.');
  const fault: RouteFileFault = { ...placeOf(path), path: shown, code: 'ROUTE_INVALID', message };
  return file === undefined ? fault : { file, ...fault };
}

export function parseRouteFiles(files: readonly RouteFile[]): ParsedRouteFiles {
  const results = files.map(parseFile);
  const documents = results.flatMap((result) => result.documents);
  const faults = [...results.flatMap((result) => result.faults), ...findRepeated(documents)];
  return faults.length === 0 ? { ok: true, documents } : { ok: false, faults };
}

interface FileResult {
  readonly documents: ParsedDocument[];
  readonly faults: RouteFileFault[];
}

const BEGINNING: Place = { line: 1, column: 1 };

function parseFile({ name, text }: RouteFile): FileResult {
  const file = name === undefined ? {} : { file: name };
  const syntaxFault = (place: Place, message: string): RouteFileFault => ({
    ...file,
    ...place,
    path: '',
    code: 'YAML_SYNTAX',
    message,
  });
  if (Buffer.byteLength(text) > LARGEST_FILE_BYTES) {
    return { documents: [], faults: [syntaxFault(BEGINNING, 'the file is larger than 1 MiB; split it')] };
  }
  if ((text.match(/[[{]/g)?.length ?? 0) > MOST_BRACKETS) {
    return {
      documents: [],
      faults: [syntaxFault(BEGINNING, `the file has over ${MOST_BRACKETS} "[" and "{"; split it`)],
    };
  }
  const lines = new LineCounter();
  const result: FileResult = { documents: [], faults: [] };
  try {
    const parsed = parseAllDocuments(text, { lineCounter: lines, prettyErrors: false, uniqueKeys: true });
    const documents = Array.isArray(parsed) ? parsed.filter((document) => !isBlank(document)) : [];
    if (documents.length === 0) {
      result.faults.push(syntaxFault(BEGINNING, 'the file has no document'));
    }
    if (documents.length > MOST_DOCUMENTS) {
      return { documents: [], faults: [syntaxFault(BEGINNING, `the file has over ${MOST_DOCUMENTS} documents`)] };
    }
    for (const document of documents) {
      const problems = [...document.errors, ...document.warnings].slice(0, MOST_SYNTAX_FAULTS);
      result.faults.push(...problems.map((problem) => syntaxFault(placeAt(lines, problem.pos[0]), problem.message)));
      if (problems.length > 0) continue;
      const placeOf = placesIn(document, lines);
      const checked = checkDocument(document, placeOf);
      if (checked.ok) {
        const hash = definitionHash(checked.document);
        const { line } = placeOf([]);
        result.documents.push({ ...file, line, placeOf, document: checked.document, definitionHash: hash });
      } else {
        result.faults.push(...checked.faults.map((fault) => ({ ...file, ...fault })));
      }
    }
  } catch (error) {
    // The parser recurses: nesting without end overflows its stack; too many aliases throw on conversion.
    const message = error instanceof RangeError ? 'the file is nested too deeply' : String((error as Error).message);
    return { documents: [], faults: [...result.faults, syntaxFault(BEGINNING, message)] };
  }
  return result;
}

function isBlank(document: Document): boolean {
  return (
    document.errors.length === 0 &&
    (document.contents === null || (isScalar(document.contents) && document.contents.value === null))
  );
}

type Checked =
  | { readonly ok: true; readonly document: RouteFileDocument }
  | { readonly ok: false; readonly faults: readonly RouteFileFault[] };

function checkDocument(document: Document, placeOf: FindPlace): Checked {
  const parsed = routeFileDocumentSchema.safeParse(document.toJS({ maxAliasCount: MOST_ALIASES }));
  if (parsed.success) return { ok: true, document: parsed.data };
  const { issues } = parsed.error;
  const faults = issues
    .filter((issue) => !isEchoOfUnknownKey(issue, issues))
    .flatMap((issue): RouteFileFault[] => {
      const names = issue.code === 'unrecognized_keys' ? issue.keys : [undefined];
      return names.map((name) => {
        const path = name === undefined ? issue.path : [...issue.path, name];
        return {
          ...placeOf(path, name !== undefined),
          path: path.map(String).join('.'),
          code: 'ROUTE_INVALID',
          message: issue.message,
        };
      });
    });
  return { ok: false, faults: faults.sort((left, right) => left.line - right.line || left.column - right.column) };
}

/** "Exactly one key" is no news beside "unknown key" at the same place. */
function isEchoOfUnknownKey(issue: z.core.$ZodIssue, all: readonly z.core.$ZodIssue[]): boolean {
  if (issue.code !== 'custom') return false;
  return all.some((other) => other.code === 'unrecognized_keys' && other.path.join('\0') === issue.path.join('\0'));
}

function findRepeated(documents: readonly ParsedDocument[]): RouteFileFault[] {
  const seen = new Set<string>();
  return documents.flatMap(({ document, line, file }): RouteFileFault[] => {
    const name =
      document.kind === 'tenant' ? `tenant ${document.id}` : `${document.kind} ${document.tenant}/${document.name}`;
    if (!seen.has(name)) {
      seen.add(name);
      return [];
    }
    const message = `the ${name} is defined twice`;
    return [{ ...(file !== undefined && { file }), line, column: 1, path: '', code: 'ROUTE_INVALID', message }];
  });
}

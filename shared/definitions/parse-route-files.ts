/**
 * Reads YAML route files, several documents each, and lists every fault with its place, so that an author corrects all at once.
 *
 * 1. Either all documents are good, or none is given out.
 * 2. Hostile files end in a fault: duplicate keys, alias bombs, nesting without end, sizes over 1 MiB.
 * 3. What counts lines and brackets is a cheap refusal of the obvious, not a bound on time or memory: files of strangers are parsed in a
 *    child process that can be ended.
 * 4. Results are plain data, so that such a process can pass them on.
 */
import type { Document } from 'yaml';
import { type RouteFileDocument, routeFileDocumentSchema } from '#shared/definitions/routes/route-schema.ts';
import { loadYaml } from '#shared/text/load-yaml.ts';
import { definitionHash } from './definition-hash.ts';
import { findPlace, type Place, type Places, placeAt, readPlaces } from './find-place.ts';

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
  /** As it was written, with its comments. */
  readonly source: string;
  readonly file?: string;
  readonly line: number;
  /** For faults that only other definitions bring to light. */
  readonly places: Places;
}

export type ParsedRouteFiles =
  | { readonly ok: true; readonly documents: readonly ParsedDocument[] }
  | { readonly ok: false; readonly faults: readonly RouteFileFault[] };

const LARGEST_FILE_BYTES = 1_048_576;
const MOST_DOCUMENTS = 1_000;
const MOST_DOCUMENTS_IN_ALL = 5_000;
const MOST_LINES = 50_000;
/** The parser recurses and backs up over them: nesting without end would hold it for seconds. */
const MOST_BRACKETS = 5_000;
/** `- - - -` on one line, each a list in a list. */
const MOST_INDICATORS = 20;
/** One slip in YAML makes many further ones, none of which helps. */
const MOST_SYNTAX_FAULTS = 20;
/** References to one anchor's contents, nested ones multiplied, before a file counts as an alias bomb. */
const MOST_ALIASES = 100;

/** A fault of a document that is good in itself. `ROUTE_INVALID`, at its place. */
export function faultAt({ file, places }: ParsedDocument, path: readonly PropertyKey[], message: string) {
  const shown = path.map(String).join('.');
  const fault: RouteFileFault = { ...findPlace(places, path), path: shown, code: 'ROUTE_INVALID', message };
  return file === undefined ? fault : { file, ...fault };
}

export function parseRouteFiles(files: readonly RouteFile[]): ParsedRouteFiles {
  const results = files.map(parseFile);
  const documents = results.flatMap((result) => result.documents);
  const faults = [
    ...results.flatMap((result) => result.faults),
    ...findRepeated(documents),
    ...(documents.length > MOST_DOCUMENTS_IN_ALL ? [tooManyDocuments(documents)] : []),
  ];
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
  const excess = findExcess(text);
  if (excess !== undefined) return { documents: [], faults: [syntaxFault(excess.place, excess.message)] };
  const { LineCounter, parseAllDocuments } = loadYaml();
  const lines = new LineCounter();
  const result: FileResult = { documents: [], faults: [] };
  try {
    const parsed = parseAllDocuments(text, { lineCounter: lines, prettyErrors: false, uniqueKeys: false });
    const all: readonly Document[] = Array.isArray(parsed) ? parsed : [];
    const documents = all.filter((document) => !isBlank(document));
    if (documents.length === 0) {
      result.faults.push(syntaxFault(BEGINNING, 'the file has no document'));
    }
    if (documents.length > MOST_DOCUMENTS) {
      return { documents: [], faults: [syntaxFault(BEGINNING, `the file has over ${MOST_DOCUMENTS} documents`)] };
    }
    for (const [index, document] of all.entries()) {
      if (isBlank(document)) continue;
      const problems = [...document.errors, ...document.warnings].slice(0, MOST_SYNTAX_FAULTS);
      result.faults.push(...problems.map((problem) => syntaxFault(placeAt(lines, problem.pos[0]), problem.message)));
      if (problems.length > 0) continue;
      const { places, repeated } = readPlaces(document, lines);
      if (repeated.length > 0) {
        const shown = repeated.slice(0, MOST_SYNTAX_FAULTS);
        result.faults.push(...shown.map(({ name, place }) => syntaxFault(place, `the key ${name} is there twice`)));
        continue;
      }
      const checked = checkDocument(document, places);
      if (checked.ok) {
        const hash = definitionHash(checked.document);
        const { line } = findPlace(places, []);
        const source = sourceOf(text, document, all[index - 1]);
        result.documents.push({ ...file, line, places, source, document: checked.document, definitionHash: hash });
      } else {
        for (const fault of checked.faults) result.faults.push({ ...file, ...fault });
      }
    }
  } catch (error) {
    // The parser recurses: nesting without end overflows its stack; too many aliases throw on conversion.
    const message = error instanceof RangeError ? 'the file is nested too deeply' : String((error as Error).message);
    return { documents: [], faults: [...result.faults, syntaxFault(BEGINNING, message)] };
  }
  return result;
}

/** With the comments before it, and without the lines that set it apart from its neighbours. */
function sourceOf(text: string, document: Document, previous: Document | undefined): string {
  const own = text.slice(previous?.range?.[2] ?? 0, document.range?.[2]);
  const inner = document.directives?.docStart ? own.replace(/^(?:%.*\r?\n)*---[ \t]*(?:\r?\n|$)/m, '') : own;
  return inner
    .replace(/^\.\.\.[ \t]*$/m, '')
    .replace(/^\ufeff?(?:[ \t]*\r?\n)*/, '')
    .trimEnd()
    .concat('\n');
}

/** What no file needs, found in one pass over the text before the parser sees it. */
function findExcess(text: string): { readonly place: Place; readonly message: string } | undefined {
  if (Buffer.byteLength(text) > LARGEST_FILE_BYTES)
    return { place: BEGINNING, message: 'the file is larger than 1 MiB; split it' };
  let [line, documents, brackets] = [0, 0, 0];
  for (let start = 0; start <= text.length; ) {
    const newline = text.indexOf('\n', start);
    const end = newline === -1 ? text.length : newline;
    line += 1;
    const at = (message: string) => ({ place: { line, column: 1 }, message });
    if (line > MOST_LINES) return at(`the file has over ${MOST_LINES} lines; split it`);
    if (text.startsWith('---', start)) documents += 1;
    if (documents > MOST_DOCUMENTS) return at(`the file has over ${MOST_DOCUMENTS} documents; split it`);
    if (countIndicators(text, start, end) > MOST_INDICATORS) return at('the line has too many "-" and "?" in a row');
    for (let index = start; index < end; index += 1) {
      const character = text[index];
      if (character === '[' || character === '{') brackets += 1;
    }
    if (brackets > MOST_BRACKETS) return at(`the file has over ${MOST_BRACKETS} "[" and "{"; split it`);
    start = end + 1;
  }
  return undefined;
}

function countIndicators(text: string, start: number, end: number): number {
  let count = 0;
  for (let index = start; index < end; index += 1) {
    const character = text[index];
    if (character === ' ' || character === '\t' || character === '\r') continue;
    if (character !== '-' && character !== '?') break;
    const next = text[index + 1] ?? '\n';
    if (next !== ' ' && next !== '\t' && next !== '\n') break;
    count += 1;
  }
  return count;
}

function tooManyDocuments(documents: readonly ParsedDocument[]): RouteFileFault {
  const { file, line } = documents[MOST_DOCUMENTS_IN_ALL] as ParsedDocument;
  const message = `the files have over ${MOST_DOCUMENTS_IN_ALL} documents; apply them in parts`;
  return { ...(file !== undefined && { file }), line, column: 1, path: '', code: 'ROUTE_INVALID', message };
}

function isBlank(document: Document): boolean {
  return (
    document.errors.length === 0 &&
    (document.contents === null || (loadYaml().isScalar(document.contents) && document.contents.value === null))
  );
}

type Checked =
  | { readonly ok: true; readonly document: RouteFileDocument }
  | { readonly ok: false; readonly faults: readonly RouteFileFault[] };

function checkDocument(document: Document, places: Places): Checked {
  const parsed = routeFileDocumentSchema.safeParse(document.toJS({ maxAliasCount: MOST_ALIASES }));
  if (parsed.success) return { ok: true, document: parsed.data };
  const { issues } = parsed.error;
  const withUnknownKeys = new Set(
    issues.filter(({ code }) => code === 'unrecognized_keys').map(({ path }) => path.join('\0')),
  );
  const faults = issues
    // "Exactly one key" is not news next to "unknown key" at the same place.
    .filter(({ code, path }) => code !== 'custom' || !withUnknownKeys.has(path.join('\0')))
    .flatMap((issue): RouteFileFault[] => {
      const names = issue.code === 'unrecognized_keys' ? issue.keys : [undefined];
      return names.map((name) => {
        const path = name === undefined ? issue.path : [...issue.path, name];
        return {
          ...findPlace(places, path, name !== undefined),
          path: path.map(String).join('.'),
          code: 'ROUTE_INVALID',
          message: issue.message,
        };
      });
    });
  return { ok: false, faults: faults.sort((left, right) => left.line - right.line || left.column - right.column) };
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

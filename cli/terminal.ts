/**
 * What the commands print: tables for people, JSON for machines, errors on standard error.
 *
 * Names come from partners: control characters in them are shown, not obeyed by the terminal.
 */
import { text as readText } from 'node:stream/consumers';
import stringWidth from 'string-width';
import { LongshoreError } from '#shared/errors.ts';
import { visibleText } from '#shared/text/visible-text.ts';
import { ApiRefusal } from './api-client.ts';
import { EXIT } from './exit-codes.ts';
import type { ProgressOutput } from './progress-view.ts';

/** Those of a process. */
export interface Streams {
  readonly stdin: NodeJS.ReadableStream;
  readonly stdout: NodeJS.WritableStream;
  readonly stderr: NodeJS.WritableStream & { readonly isTTY?: boolean; readonly columns?: number };
}

export interface Terminal {
  /** One result, for machines. */
  json(value: unknown): void;
  line(text: string): void;
  /** Progress and advice; standard error, so that results can be piped. */
  note(text: string): void;
  /** As it is, to either. */
  write(text: string): void;
  writeError(text: string): void;
  readInput(): Promise<string>;
  /** For bars, which are drawn over: standard error too. */
  readonly progress: ProgressOutput;
}

export function createTerminal({ stdin, stdout, stderr }: Streams): Terminal {
  const write = (text: string) => void stdout.write(text);
  const writeError = (text: string) => void stderr.write(text);
  return {
    json: (value) => write(`${JSON.stringify(value, null, 2)}\n`),
    line: (text) => write(`${visibleText(text)}\n`),
    note: (text) => writeError(`${visibleText(text)}\n`),
    write,
    writeError,
    readInput: () => readText(stdin),
    progress: {
      isTerminal: stderr.isTTY === true,
      get columns() {
        return stderr.columns ?? 80;
      },
      write: writeError,
    },
  };
}

/** Line by line; of an empty text none. */
export function printText({ line }: Pick<Terminal, 'line'>, text: string): void {
  if (text !== '') for (const each of text.trimEnd().split('\n')) line(each);
}

export type Cell = string | number | boolean | null | undefined;

/** Columns padded to their widest cell, as wide as a terminal shows it; `-` for what is not there. */
export function formatTable(headings: readonly string[], rows: readonly (readonly Cell[])[]): string[] {
  const texts = [headings, ...rows].map((row) => row.map((cell) => visibleText(String(cell ?? '-'))));
  const widths = headings.map(() => 0);
  for (const row of texts) {
    for (const [column, text] of row.entries()) widths[column] = Math.max(widths[column] ?? 0, stringWidth(text));
  }
  return texts.map((row) =>
    row
      .map((text, column) => text + ' '.repeat(Math.max(0, (widths[column] ?? 0) - stringWidth(text))))
      .join('  ')
      .trimEnd(),
  );
}

/** `name  value`, one per line. */
export function formatFields(fields: Readonly<Record<string, Cell>>): string[] {
  const width = Math.max(...Object.keys(fields).map((name) => name.length));
  return Object.entries(fields).map(([name, value]) => `${name.padEnd(width)}  ${visibleText(String(value ?? '-'))}`);
}

/** Prints what went wrong; resolves to the exit code. */
export function reportFailure(
  error: unknown,
  { terminal, isJson }: { readonly terminal: Terminal; readonly isJson: boolean },
): number {
  if (!(error instanceof ApiRefusal || error instanceof LongshoreError)) {
    terminal.note(`INTERNAL ${error instanceof Error ? error.message : String(error)}`);
    return EXIT.refused;
  }
  const { code, message, hint, details } = error;
  if (isJson) terminal.writeError(`${JSON.stringify({ code, message, hint, details })}\n`);
  else for (const line of [...faultLines(details), `${code} ${message}`, hint]) if (line !== '') terminal.note(line);
  if (code === 'USAGE' || code === 'CONFIG_INVALID') return EXIT.usage;
  if (code === 'API_UNREACHABLE') return EXIT.unreachable;
  return code === 'ROUTE_INVALID' || code === 'YAML_SYNTAX' || code === 'ROUTE_TOO_COMPLEX'
    ? EXIT.faultyFiles
    : EXIT.refused;
}

interface Fault {
  readonly file?: unknown;
  readonly line?: unknown;
  readonly column?: unknown;
  readonly path?: unknown;
  readonly code?: unknown;
  readonly message?: unknown;
}

/** `file:line:column CODE message`, which editors and terminals know how to jump to. */
function faultLines(details: Readonly<Record<string, unknown>>): string[] {
  const faults = Array.isArray(details.faults) ? (details.faults as Fault[]) : [];
  return faults.flatMap(({ file, line, column, path, code, message }) => {
    if (line === undefined) return [];
    const at = path === '' || path === undefined ? '' : `${String(path)}: `;
    return [`${String(file ?? '(input)')}:${String(line)}:${String(column)} ${String(code)} ${at}${String(message)}`];
  });
}

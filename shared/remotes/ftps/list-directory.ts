/**
 * A listing as it comes, whatever its length: basic-ftp's own holds it whole. The lines are read by its parsers.
 *
 * The text of LIST has no year or no time of day, and no zone: its times are not given out.
 */
import { createRequire } from 'node:module';
import { PassThrough } from 'node:stream';
import type { Client, FileInfo, FTPContext, FTPResponse } from 'basic-ftp';
import type { RemoteEntry } from '../remote-connection.ts';
import { printable, RemoteError } from '../remote-error.ts';

interface TransferConfig {
  readonly ftp: FTPContext;
  readonly tracker: unknown;
  readonly command: string;
  readonly remotePath: string;
  readonly type: 'list';
}
const require = createRequire(import.meta.url);
const { downloadTo } = require('basic-ftp/dist/transfer.js') as {
  downloadTo(destination: PassThrough, config: TransferConfig): Promise<FTPResponse>;
};

const LINES_AT_ONCE = 500;
/** A line is a name and some facts. */
const MOST_LINE_CHARACTERS = 8_192;
/** The directory itself, or the one above. */
const SELF = /\s\.{1,2}$|\btype=[cp]dir\b/i;

export async function* listDirectory(client: Client, command: 'MLSD' | 'LIST'): AsyncIterable<RemoteEntry> {
  let lines: string[] = [];
  for await (const line of listLines(client, command)) {
    if (line.trim() !== '') lines.push(line);
    if (lines.length < LINES_AT_ONCE) continue;
    yield* parse(client, lines);
    lines = [];
  }
  yield* parse(client, lines);
}

/** Of the working directory. */
export async function* listLines(client: Client, command: 'MLSD' | 'LIST'): AsyncIterable<string> {
  await client.prepareTransfer(client.ftp);
  const through = new PassThrough();
  const tracker = (client as unknown as { _progressTracker: unknown })._progressTracker;
  let failure: { readonly error: unknown } | undefined;
  const transfer = downloadTo(through, { ftp: client.ftp, tracker, command, remotePath: '', type: 'list' }).catch(
    (error: unknown) => {
      failure = { error };
      through.destroy(error as Error);
    },
  );
  yield* readLines(through);
  // The reply that says so can come after the data ended.
  await transfer;
  if (failure !== undefined) throw failure.error;
}

async function* readLines(input: PassThrough): AsyncIterable<string> {
  let rest = '';
  input.setEncoding('utf8');
  for await (const text of input) {
    const lines = (rest + (text as string)).split(/\r?\n/);
    rest = lines.pop() ?? '';
    if (rest.length > MOST_LINE_CHARACTERS)
      throw new RemoteError('listing-unknown', 'a line of the listing has no end');
    yield* lines;
  }
  if (rest !== '') yield rest;
}

function* parse(client: Client, lines: readonly string[]): Iterable<RemoteEntry> {
  if (lines.length === 0) return;
  // Of Unix, and no entry; alone in an empty directory.
  const shown = lines.filter((line) => !/^total \d+$/.test(line.trim()));
  if (shown.length === 0) return;
  const [first = ''] = shown;
  let entries: FileInfo[];
  try {
    entries = parseAsOne(client, shown);
  } catch {
    entries = parseEach(client, shown);
    if (entries.length === 0)
      throw new RemoteError(
        'listing-unknown',
        `the listing has a form that is not known here; its first line: ${printable(first)}`,
      );
  }
  for (const entry of entries) {
    if (entry.name === '.' || entry.name === '..') continue;
    yield {
      name: entry.name,
      kind: entry.isFile ? 'file' : entry.isDirectory ? 'directory' : 'other',
      sizeBytes: entry.size,
      modifiedAt: entry.modifiedAt?.toISOString().replace(/\.\d{3}Z$/, 'Z'),
    };
  }
  const expected = shown.filter((line) => !SELF.test(line));
  if (entries.length >= expected.length) return;
  for (const line of unreadOf(client, expected))
    yield { name: line, kind: 'unread', sizeBytes: undefined, modifiedAt: undefined };
}

/** basic-ftp leaves out what it cannot read, and says nothing: so each line is read again, together with one that it can. */
function unreadOf(client: Client, lines: readonly string[]): string[] {
  const count = (some: readonly string[]): number => {
    try {
      return client.parseList(some.join('\n')).length;
    } catch {
      return 0;
    }
  };
  const readable = lines.find((line) => count([line]) === 1);
  return readable === undefined ? [] : lines.filter((line) => count([line, readable]) < 2);
}

/** One line that it cannot read, such as with a time that is none, costs basic-ftp all of them. */
function parseEach(client: Client, lines: readonly string[]): FileInfo[] {
  return lines.flatMap((line) => {
    try {
      return client.parseList(line);
    } catch {
      return [];
    }
  });
}

/** basic-ftp tells the form by the last line, which is what a name with a line break in it left; then the first one tells it. */
function parseAsOne(client: Client, lines: readonly string[]): FileInfo[] {
  try {
    return client.parseList(lines.join('\n'));
  } catch {
    return client.parseList([...lines, lines[0]].join('\n')).slice(0, -1);
  }
}

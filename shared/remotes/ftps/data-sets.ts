/**
 * Data sets of z/OS over an FTPS connection, for `dialect: zos`. They are read, and nothing else: a data set that is made has a form that FTP does
 * not tell us of. Replies and listings: IBM, "z/OS Communications Server: IP User's Guide and Commands".
 *
 * 1. `/BANK.DAILY./` are the data sets whose names begin with `BANK.DAILY.`, and `/BANK.PDS/` the members of a partitioned one: z/OS too tells
 *    a prefix from a library by the dot at its end.
 * 2. z/OS has no size of a data set, and the end of a data connection does not say whether it was all. So `stat` reads it to its end and counts: a
 *    pull reads it before, in between and after, and lands what had as many bytes each time.
 * 3. A data set that is not on a disk is passed over and told: to open it can mean that somebody has to mount a tape.
 */
import type { RemoteConnection, RemoteEntry, RemoteFile } from '../remote-connection.ts';
import { printable, RemoteError } from '../remote-error.ts';

export interface DataSetServer {
  /** Reads and closes; of the others nothing is used. */
  readonly connection: RemoteConnection;
  /** The lines of LIST in that working directory, as they come. */
  lines(workingDirectory: string): AsyncIterable<string>;
}

const QUALIFIERS = /^[A-Z@#$][A-Z0-9@#$-]*(?:\.[A-Z@#$][A-Z0-9@#$-]*)*$/i;
const MEMBER = /^[A-Z@#$][A-Z0-9@#$]{0,7}$/i;
const LONGEST_DATA_SET = 44;

/** Columns of a data set on a disk: volume, unit, date, extents and more, then its organisation and its name. */
const ON_DISK = /^\S+\s+\S+\s+(?:\d{4}\/\d\d\/\d\d|\*\*NONE\*\*)[\s\d].*\s([A-Z]{2}(?:-[A-Z])?)\s+(\S+)$/;
/** Physical sequential. A line may say so in other ways with letters behind: of large ones, and of those in an extended format. */
const SEQUENTIAL = /^PS/;
const PARTITIONED = /^PO/;

export function dataSetsOver({ connection, lines }: DataSetServer): RemoteConnection {
  const readOnly = async (): Promise<never> => {
    throw new RemoteError('refused', 'data sets of z/OS are only read; use `afterwards: keep`, or UNIX files of z/OS');
  };

  async function* list(directory: string): AsyncIterable<RemoteEntry> {
    const place = placeOf(directory);
    let isMembers: boolean | undefined;
    for await (const line of lines(`'${place.name}'`)) {
      if (line.trim() === '') continue;
      if (isMembers === undefined) {
        isMembers = isListOfMembers(line);
        if (isMembers === place.isPrefix) throw wrongKind(place);
      } else yield isMembers ? memberOf(line) : dataSetOf(line, place);
    }
  }

  async function stat(path: string): Promise<RemoteFile | undefined> {
    let sizeBytes = 0;
    try {
      for await (const piece of connection.read(dataSetNameOf(path))) sizeBytes += piece.byteLength;
    } catch (error) {
      if (!(error instanceof RemoteError) || error.reply === undefined || !connection.isUsable) throw error;
      // One that is open for writing is not gone.
      if (await isListed(path)) throw new RemoteError('denied', 'could not read the data set', { reply: error.reply });
      return undefined;
    }
    return { sizeBytes, modifiedAt: undefined };
  }

  async function isListed(path: string): Promise<boolean> {
    const { directory, name } = partsOf(path);
    let isThere = false;
    for await (const entry of list(directory)) isThere ||= entry.name === name;
    return isThere;
  }

  return {
    get fingerprint() {
      return connection.fingerprint;
    },
    get isUsable() {
      return connection.isUsable;
    },
    certificateEndsAt: connection.certificateEndsAt,
    unsureTailBytes: connection.unsureTailBytes,
    list,
    stat,
    read: (path, offset) => connection.read(dataSetNameOf(path), offset),
    write: readOnly,
    rename: readOnly,
    remove: readOnly,
    close: () => connection.close(),
  };
}

interface Place {
  readonly name: string;
  readonly isPrefix: boolean;
}

/** `directory` begins and ends with `/`. */
function placeOf(directory: string): Place {
  const name = directory.slice(1, -1);
  const isPrefix = name.endsWith('.');
  if (!isDataSet(isPrefix ? name.slice(0, -1) : name))
    throw new RemoteError(
      'place-refused',
      'a directory of z/OS is /BANK.DAILY./ for a prefix of data sets, or /BANK.PDS/ for the members of one',
    );
  return { name, isPrefix };
}

function partsOf(path: string): { readonly directory: string; readonly name: string } {
  const end = path.lastIndexOf('/') + 1;
  return { directory: path.slice(0, end), name: path.slice(end) };
}

/** As commands take it: in quotes, so that no working directory comes before it. */
function dataSetNameOf(path: string): string {
  const { directory, name } = partsOf(path);
  const place = placeOf(directory);
  const isName = place.isPrefix ? isDataSet(`${place.name}${name}`) : MEMBER.test(name);
  if (!isName) throw new RemoteError('place-refused', 'the path is not the name of a data set of z/OS, or of a member');
  return place.isPrefix ? `'${place.name}${name}'` : `'${place.name}(${name})'`;
}

function isDataSet(name: string): boolean {
  return name.length <= LONGEST_DATA_SET && QUALIFIERS.test(name);
}

function isListOfMembers(header: string): boolean {
  if (/^\s*Name\b/.test(header)) return true;
  if (/^\s*Volume\b.*\bDsname\s*$/.test(header)) return false;
  throw new RemoteError(
    'listing-unknown',
    `the listing is not one of data sets or members of z/OS; its first line: ${printable(header)}`,
  );
}

function wrongKind({ name, isPrefix }: Place): RemoteError {
  return isPrefix
    ? new RemoteError('path-gone', `${name} has members, not data sets: its directory is written without the dot`)
    : new RemoteError('path-gone', `${name} has no members: a prefix of data sets is written with a dot at its end`);
}

function memberOf(line: string): RemoteEntry {
  const [name = ''] = line.trim().split(/\s/, 1);
  if (!MEMBER.test(name)) return unread(line);
  return { name, kind: 'file', sizeBytes: undefined, modifiedAt: undefined };
}

/** Names come without the prefix, or whole and in quotes. */
function dataSetOf(line: string, { name: prefix }: Place): RemoteEntry {
  const [, organisation, shown] = ON_DISK.exec(line.trim()) ?? [];
  if (organisation === undefined || shown === undefined) return unread(line);
  const whole = /^'(.*)'$/.exec(shown)?.[1];
  const name = whole?.startsWith(prefix) ? whole.slice(prefix.length) : shown;
  if (!isDataSet(`${prefix}${name}`)) return unread(line);
  const kind = SEQUENTIAL.test(organisation) ? 'file' : PARTITIONED.test(organisation) ? 'directory' : 'other';
  return { name, kind, sizeBytes: undefined, modifiedAt: undefined };
}

function unread(line: string): RemoteEntry {
  return { name: line.trim().replaceAll(/\s+/g, ' '), kind: 'unread', sizeBytes: undefined, modifiedAt: undefined };
}

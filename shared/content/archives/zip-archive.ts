/**
 * A zip read by its central directory with ranged reads.
 *
 * 1. Local headers are never trusted, and two entries that share bytes make it a bomb (ARCHIVE_OVERLAP).
 * 2. A directory that has more entries than the end of the zip says is at fault: other readers take what this one would leave out.
 * 3. The content of an entry is true to the size and the checksum that the directory names, or its reading fails.
 */
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { crc32, inflateRawSync } from 'node:zlib';
import * as yauzl from 'yauzl';
import { FormatFault } from '#shared/formats/format-fault.ts';
import { type Archive, type ArchiveBounds, type ArchiveEntry, boundEntries, corrupt } from './archive.ts';

/** Both included. @throws what the store throws */
export type ReadRange = (range: { readonly first: number; readonly last: number }) => Promise<Buffer>;
export type StreamRange = (range: { readonly first: number; readonly last: number }) => AsyncIterable<Uint8Array>;

export interface ZipSource {
  readonly sizeBytes: number;
  readonly readRange: ReadRange;
  readonly streamRange: StreamRange;
}

const WINDOW_BYTES = 256 * 1_024;
const LOCAL_HEADER_BYTES = 30;
const UNIX_TYPE = 0o170000;
const UNIX_FILE = 0o100000;
const UNIX_DIRECTORY = 0o040000;
const MADE_ON_UNIX = 3;
const [STORED, DEFLATED] = [0, 8];
const ENTRY_BYTES = 46;
/** All of it is kept in memory while the entries are read; 50,000 entries with long names fit. */
const MOST_DIRECTORY_BYTES = 16_777_216;
const ENTRY_SIGNATURE = Buffer.from('PK\x01\x02', 'latin1');

/** @throws FormatFault `ARCHIVE_*` */
export async function openZip(source: ZipSource, bounds: ArchiveBounds): Promise<Archive> {
  const reader = new RangeReader(source);
  const read = await readDirectory(reader, source.sizeBytes, bounds).catch((error: unknown) => {
    throw reader.fault ?? (error instanceof FormatFault ? error : corrupt(wordsOf(error)));
  });
  return {
    isRandomAccess: true,
    async *entries() {
      yield* read;
    },
  };
}

async function readDirectory(reader: RangeReader, sizeBytes: number, bounds: ArchiveBounds): Promise<ArchiveEntry[]> {
  const zip = await yauzl.fromRandomAccessReaderPromise(reader, sizeBytes, { decodeStrings: false, autoClose: false });
  const count = boundEntries(sizeBytes, bounds);
  const places: { readonly first: number; readonly end: number }[] = [];
  const entries: ArchiveEntry[] = [];
  let directoryBytes = 0;
  for await (const entry of zip.eachEntry()) {
    directoryBytes += ENTRY_BYTES + entry.fileNameLength + entry.extraFieldLength + entry.fileCommentLength;
    if (directoryBytes > MOST_DIRECTORY_BYTES)
      throw new FormatFault('ARCHIVE_BOMB', `The archive has a directory of more than ${MOST_DIRECTORY_BYTES} bytes.`);
    const name = yauzl.getFileNameLowLevel(entry.generalPurposeBitFlag, entry.fileNameRaw, entry.extraFields, true);
    count({ sizeBytes: entry.uncompressedSize });
    if (isDirectory(entry, name)) continue;
    checkEntry(entry, name);
    const first = entry.relativeOffsetOfLocalHeader;
    places.push({ first, end: first + LOCAL_HEADER_BYTES + entry.fileNameLength + entry.compressedSize });
    entries.push({ name, sizeBytes: entry.uncompressedSize, open: () => contentOf(zip, entry, reader) });
  }
  // Its type calls it a boolean.
  if (await reader.hasEntryAt(Number(zip.readEntryCursor))) throw corrupt('it has more entries than its end says');
  places.sort((one, other) => one.first - other.first);
  if (places.some(({ end }, index) => end > (places[index + 1]?.first ?? sizeBytes)))
    throw new FormatFault('ARCHIVE_OVERLAP', 'Two entries of the archive share the same bytes.');
  return entries;
}

function isDirectory(entry: yauzl.Entry, name: string): boolean {
  return name.endsWith('/') || name.endsWith('\\') || unixTypeOf(entry) === UNIX_DIRECTORY;
}

function unixTypeOf({ versionMadeBy, externalFileAttributes }: yauzl.Entry): number {
  return versionMadeBy >>> 8 === MADE_ON_UNIX ? (externalFileAttributes >>> 16) & UNIX_TYPE : 0;
}

function checkEntry(entry: yauzl.Entry, name: string): void {
  const type = unixTypeOf(entry);
  const shown = JSON.stringify(name.slice(0, 200));
  if (type !== 0 && type !== UNIX_FILE)
    throw new FormatFault('ARCHIVE_LINK', `The entry ${shown} of the archive is a link or a device, and not a file.`);
  if (entry.isEncrypted())
    throw new FormatFault('ARCHIVE_ENCRYPTED', `The entry ${shown} of the archive has a password.`);
  if (![STORED, DEFLATED].includes(entry.compressionMethod))
    throw new FormatFault(
      'ARCHIVE_UNSUPPORTED',
      `The entry ${shown} of the archive is compressed by the method ${entry.compressionMethod}.`,
    );
}

async function* contentOf(zip: yauzl.ZipFile, entry: yauzl.Entry, reader: RangeReader): AsyncGenerator<Uint8Array> {
  let crc = 0;
  try {
    for await (const piece of isSmall(entry)
      ? await smallContent(zip, entry)
      : await zip.openReadStreamPromise(entry)) {
      crc = crc32(piece as Buffer, crc);
      yield piece as Buffer;
    }
  } catch (error) {
    throw reader.fault ?? corrupt(wordsOf(error));
  }
  if (crc !== entry.crc32) throw corrupt('the checksum of an entry differs');
}

/** Thousands of streams that inflate take more memory than their content, until they are collected. */
const SMALL_BYTES = 65_536;

function isSmall({ compressionMethod, compressedSize, uncompressedSize }: yauzl.Entry): boolean {
  return compressionMethod === DEFLATED && compressedSize <= SMALL_BYTES && uncompressedSize <= SMALL_BYTES;
}

async function smallContent(zip: yauzl.ZipFile, entry: yauzl.Entry): Promise<readonly Buffer[]> {
  const packed = await buffer(await zip.openReadStreamPromise(entry, { decompress: false }));
  const content = inflateRawSync(packed, { maxOutputLength: SMALL_BYTES });
  if (content.length !== entry.uncompressedSize) throw new Error('the size of an entry differs');
  return [content];
}

/** yauzl's own words and zlib's codes; a line of them, without what the archive says. */
function wordsOf(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException;
  if (typeof code === 'string') return code;
  return message.split(/[:\n]/)[0]?.slice(0, 100) ?? 'it cannot be read';
}

/** Small reads come from a window, so that many small entries cost few requests. */
class RangeReader extends yauzl.RandomAccessReader {
  /** Of the store, and so not of the archive. */
  fault: unknown;
  readonly #source: ZipSource;
  #window: { readonly first: number; readonly bytes: Promise<Buffer> } | undefined;

  constructor(source: ZipSource) {
    super();
    this.#source = source;
  }

  override _readStreamForRange(start: number, end: number): Readable {
    return Readable.from(this.#pieces(start, end), { objectMode: false });
  }

  /** One of the directory. */
  async hasEntryAt(at: number): Promise<boolean> {
    const end = Math.min(at + ENTRY_SIGNATURE.length, this.#source.sizeBytes);
    return ENTRY_SIGNATURE.equals(await buffer(this.#pieces(at, end)));
  }

  async *#pieces(start: number, end: number): AsyncGenerator<Uint8Array> {
    if (end <= start) return;
    try {
      if (end - start > WINDOW_BYTES) yield* this.#source.streamRange({ first: start, last: end - 1 });
      else yield await this.#small(start, end);
    } catch (error) {
      this.fault ??= error;
      throw error;
    }
  }

  async #small(start: number, end: number): Promise<Buffer> {
    let window = this.#window;
    if (window === undefined || start < window.first || end > window.first + WINDOW_BYTES) {
      // The directory is read from the end, the entries from the beginning.
      const last = Math.min(this.#source.sizeBytes, start + WINDOW_BYTES) - 1;
      window = { first: start, bytes: this.#source.readRange({ first: start, last }) };
      this.#window = window;
    }
    const bytes = await window.bytes;
    return bytes.subarray(start - window.first, end - window.first);
  }
}

/**
 * A tar, as it is or in gzip, read in order.
 *
 * Headers that say more about entries (long names, attributes of pax) are bounded like the entries: tar-stream takes 4 MiB each and any number,
 * and copies what one says of all entries for each of them, so that 20 MB of tar would stop the process for half an hour.
 */
import { finished, Readable } from 'node:stream';
import { extract as createExtract, type Extract } from 'tar-stream';
import { FormatFault } from '#shared/formats/format-fault.ts';
import { type Archive, type ArchiveBounds, type ArchiveEntry, boundEntries, corrupt } from './archive.ts';

const BLOCK_BYTES = 512;
const FILE_TYPES: readonly unknown[] = ['file', 'contiguous-file'];
/** One of each form that GNU tar has for sparse files. */
const SPARSE_KEYS = ['GNU.sparse.major', 'GNU.sparse.map', 'GNU.sparse.size'];
/** Access control lists and attributes of file systems take some kilobytes. */
const MOST_HEADER_BYTES = 65_536;
/** An entry can have a long name, a long link, and attributes. */
const HEADERS_OF_ENTRY = 4;

/** `read`: the tar's own bytes, each time from the beginning. */
export function openTar(archiveBytes: number, read: () => AsyncIterable<Uint8Array>, bounds: ArchiveBounds): Archive {
  return {
    isRandomAccess: false,
    entries: () => readEntries(archiveBytes, read(), bounds),
  };
}

async function* readEntries(
  archiveBytes: number,
  bytes: AsyncIterable<Uint8Array>,
  bounds: ArchiveBounds,
): AsyncGenerator<ArchiveEntry> {
  const count = boundEntries(archiveBytes, bounds);
  const tail = new Tail();
  let fault: unknown;
  async function* watched(): AsyncGenerator<Uint8Array> {
    try {
      for await (const piece of bytes) {
        tail.take(piece);
        yield piece;
      }
    } catch (error) {
      fault = error;
      throw error;
    }
  }
  const source = Readable.from(watched(), { objectMode: false });
  const extract = createExtract();
  boundHeaders(extract, bounds);
  finished(source, (error) => {
    if (error) extract.destroy(error);
  });
  source.pipe(extract);
  try {
    for await (const entry of extract) {
      const { name, type, size = 0, pax } = entry.header as typeof entry.header & { readonly pax?: object | null };
      count({ sizeBytes: size });
      if (type === null || SPARSE_KEYS.some((key) => key in (pax ?? {})))
        throw new FormatFault(
          'ARCHIVE_UNSUPPORTED',
          `The entry ${shownName(name)} of the archive is a sparse file or of another kind that is not a file.`,
        );
      if (type === 'directory') {
        entry.resume();
        continue;
      }
      if (!FILE_TYPES.includes(type)) {
        throw new FormatFault(
          'ARCHIVE_LINK',
          `The entry ${shownName(name)} of the archive is a link or a device, and not a file.`,
        );
      }
      let isOpened = false;
      yield {
        name,
        sizeBytes: size,
        open: () => {
          isOpened = true;
          return entry as AsyncIterable<Uint8Array>;
        },
      };
      if (!isOpened) entry.resume();
    }
  } catch (error) {
    if (fault !== undefined) throw fault;
    if (error instanceof FormatFault) throw error;
    throw corrupt(error instanceof Error ? error.message.split(/[:\n]/)[0]!.slice(0, 100) : 'it cannot be read');
  } finally {
    source.destroy();
    extract.destroy();
  }
  if (!tail.isEnd) throw corrupt('it has no end mark');
}

/** tar-stream has no option for it. */
function boundHeaders(extract: Extract, { maxEntries }: ArchiveBounds): void {
  const internals = extract as unknown as { _decodeLongHeader(bytes: Uint8Array): void };
  const decode = internals._decodeLongHeader.bind(extract);
  let headers = 0;
  internals._decodeLongHeader = (bytes) => {
    headers += 1;
    if (bytes.length > MOST_HEADER_BYTES)
      throw new FormatFault('ARCHIVE_BOMB', `A header in the archive has more than ${MOST_HEADER_BYTES} bytes.`);
    if (headers > maxEntries * HEADERS_OF_ENTRY)
      throw new FormatFault('ARCHIVE_BOMB', `The archive has more than ${maxEntries * HEADERS_OF_ENTRY} headers.`);
    decode(bytes);
  };
}

function shownName(name: string): string {
  return JSON.stringify(name.slice(0, 200));
}

/** The last block of a tar is zeros; one that was cut off between two entries has none. */
class Tail {
  #bytes: Buffer = Buffer.alloc(0);

  take(piece: Uint8Array): void {
    const joined = piece.length >= BLOCK_BYTES ? Buffer.from(piece) : Buffer.concat([this.#bytes, piece]);
    this.#bytes = Buffer.from(joined.subarray(-BLOCK_BYTES));
  }

  get isEnd(): boolean {
    return this.#bytes.length === BLOCK_BYTES && this.#bytes.every((byte) => byte === 0);
  }
}

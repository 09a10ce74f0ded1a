/** A tar, as it is or in gzip, read in order. */
import { finished, Readable } from 'node:stream';
import { extract as createExtract } from 'tar-stream';
import { FormatFault } from '#shared/formats/format-fault.ts';
import { type Archive, type ArchiveBounds, type ArchiveEntry, boundEntries, corrupt } from './archive.ts';

const BLOCK_BYTES = 512;
const FILE_TYPES: readonly unknown[] = ['file', 'contiguous-file'];

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
  finished(source, (error) => {
    if (error) extract.destroy(error);
  });
  source.pipe(extract);
  try {
    for await (const entry of extract) {
      const { name, type, size = 0 } = entry.header;
      count({ sizeBytes: size });
      if (type === 'directory') {
        entry.resume();
        continue;
      }
      if (!FILE_TYPES.includes(type)) {
        const shown = JSON.stringify(name.slice(0, 200));
        throw new FormatFault(
          'ARCHIVE_LINK',
          `The entry ${shown} of the archive is a link or a device, and not a file.`,
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

/** An archive as its entries, whatever its format. Names are as they are in it: nobody has looked at them yet. */
import { FormatFault } from '#shared/formats/format-fault.ts';

export interface ArchiveEntry {
  readonly name: string;
  /** Undefined where the archive does not say. */
  readonly sizeBytes?: number;
  /** Of a format that is read in order: before the next entry is asked for. @throws FormatFault `ARCHIVE_CORRUPT` */
  readonly open: () => AsyncIterable<Uint8Array>;
}

export interface Archive {
  /** Files only; links and devices are faults. May be called again. @throws FormatFault `ARCHIVE_*` */
  entries(): AsyncIterable<ArchiveEntry>;
  /** Entries may be opened side by side, and after the loop. */
  readonly isRandomAccess: boolean;
}

export interface ArchiveBounds {
  readonly maxEntries: number;
  /** Of all entries together. */
  readonly maxBytes: number;
  /** Of all entries to the archive; counts from 10 MB on. */
  readonly maxRatio: number;
}

/** A page of blanks has a high ratio and does no harm. */
const RATIO_COUNTS_FROM_BYTES = 10_000_000;

/** Counts entries against the bounds as they are read. @throws FormatFault `ARCHIVE_BOMB` */
export function boundEntries(archiveBytes: number, { maxEntries, maxBytes, maxRatio }: ArchiveBounds) {
  let [entries, bytes] = [0, 0];
  return (entry: { readonly sizeBytes: number }): void => {
    entries += 1;
    bytes += entry.sizeBytes;
    if (entries > maxEntries) throw new FormatFault('ARCHIVE_BOMB', `The archive has more than ${maxEntries} entries.`);
    if (bytes > maxBytes) throw new FormatFault('ARCHIVE_BOMB', `The archive expands to more than ${maxBytes} bytes.`);
    if (bytes > RATIO_COUNTS_FROM_BYTES && bytes > archiveBytes * maxRatio)
      throw new FormatFault('ARCHIVE_BOMB', `The archive expands to more than ${maxRatio} times its size.`);
  };
}

export function corrupt(why: string): FormatFault {
  return new FormatFault('ARCHIVE_CORRUPT', `The archive is not whole (${why}).`);
}

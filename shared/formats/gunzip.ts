/**
 * Expands gzip as a stream.
 *
 * 1. A bomb is refused while it expands: past a number of bytes, or past a ratio once more than 10 MB have come out.
 */
import { pipeline, Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { FormatFault } from './format-fault.ts';

export interface GunzipBounds {
  readonly maxRatio: number;
  readonly maxBytes: number;
}

/** Small files may expand as they like: a page of blanks has a high ratio and does no harm. */
const RATIO_COUNTS_FROM_BYTES = 10_000_000;
const PIECE_BYTES = 65_536;

/** @throws FormatFault `ARCHIVE_BOMB`, `ARCHIVE_CORRUPT`; whatever `source` throws comes through unchanged. */
export async function* gunzip(
  source: AsyncIterable<Uint8Array>,
  { maxRatio, maxBytes }: GunzipBounds,
): AsyncGenerator<Uint8Array> {
  let bytesIn = 0;
  let bytesOut = 0;
  async function* counted(): AsyncGenerator<Uint8Array> {
    for await (const piece of source) {
      bytesIn += piece.length;
      yield piece;
    }
  }
  const expander = createGunzip({ chunkSize: PIECE_BYTES });
  // The loop below gets the error of either side; the callback keeps it from being thrown a second time.
  pipeline(Readable.from(counted(), { objectMode: false }), expander, () => {});
  try {
    for await (const piece of expander as AsyncIterable<Uint8Array>) {
      bytesOut += piece.length;
      if (bytesOut > maxBytes)
        throw new FormatFault('ARCHIVE_BOMB', `The file expands to more than ${maxBytes} bytes.`);
      if (bytesOut > RATIO_COUNTS_FROM_BYTES && bytesOut > bytesIn * maxRatio) {
        throw new FormatFault('ARCHIVE_BOMB', `The file expands to more than ${maxRatio} times its size.`);
      }
      yield piece;
    }
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (typeof code !== 'string' || !code.startsWith('Z_')) throw error;
    throw new FormatFault('ARCHIVE_CORRUPT', `The file is no whole gzip file (${code}, after ${bytesIn} bytes).`);
  }
}

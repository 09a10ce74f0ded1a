/**
 * Compressed data without the library (RFC 9580, 5.6), which takes longer for it: GnuPG compresses what it encrypts, unless the key says otherwise.
 *
 * 1. ZIP and ZLIB; anything else the library takes from its first byte.
 * 2. The expander stops at the end of what was compressed, whatever follows: more bytes make the message faulty.
 */
import { pipeline, Readable } from 'node:stream';
import { createInflate, createInflateRaw, type Inflate, type InflateRaw } from 'node:zlib';
import { FormatFault } from '#shared/formats/format-fault.ts';
import type { ByteReader } from './byte-reader.ts';
import { bodyPieces } from './encrypted-body.ts';
import type { PacketHeader } from './packet-lengths.ts';

export const COMPRESSED = 8;
const PIECE_BYTES = 65_536;

/** By the number of the algorithm (RFC 9580, 9.4). */
const EXPANDERS: Readonly<Record<number, () => Inflate | InflateRaw>> = {
  1: () => createInflateRaw({ chunkSize: PIECE_BYTES }),
  2: () => createInflate({ chunkSize: PIECE_BYTES }),
};

/**
 * The packets inside, of the last packet of a message, whose header was read; undefined: `reader` still gives all of it.
 *
 * @throws FormatFault `PGP_SYNTAX`, `PGP_TRUNCATED`, also while they are read; what `reader` throws
 */
export async function readCompressed(
  reader: ByteReader,
  { length }: PacketHeader,
): Promise<AsyncGenerator<Uint8Array> | undefined> {
  const algorithm = length.bytes > 0 ? await reader.exactly(1) : undefined;
  const createExpander = EXPANDERS[algorithm?.[0] ?? 0];
  if (createExpander === undefined) return undefined;
  reader.forget();
  return expand(bodyPieces(reader, { ...length, bytes: length.bytes - 1 }), createExpander());
}

async function* expand(pieces: AsyncGenerator<Uint8Array>, expander: Inflate | InflateRaw): AsyncGenerator<Uint8Array> {
  let givenBytes = 0;
  async function* given() {
    for await (const piece of pieces) {
      givenBytes += piece.length;
      yield piece;
    }
  }
  // The loop below gets the error of either side; the callback keeps it from being thrown a second time.
  pipeline(Readable.from(given(), { objectMode: false }), expander, () => {});
  try {
    yield* expander as AsyncIterable<Uint8Array>;
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code === 'Z_BUF_ERROR') throw new FormatFault('PGP_TRUNCATED', 'The message is not whole.');
    throw typeof code === 'string' && code.startsWith('Z_') ? faulty() : error;
  }
  if (expander.bytesWritten < givenBytes || (await pieces.next()).done !== true) throw faulty();
}

function faulty(): FormatFault {
  return new FormatFault('PGP_SYNTAX', 'What is compressed in the message cannot be expanded.');
}

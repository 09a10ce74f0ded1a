/** The content of a message without the library, which takes longer for its body: one packet of literal data (RFC 9580, 5.9). */
import { FormatFault } from '#shared/formats/format-fault.ts';
import type { ByteReader } from './byte-reader.ts';
import type { PacketHeader, PacketLength } from './packet-lengths.ts';

export const LITERAL = 11;
/** Format and length of the name; and the time, after the name. */
const FIXED_BYTES = 2;
const TIME_BYTES = 4;

/** The length of the content, where `reader` is then, once the header was read. @throws FormatFault `PGP_SYNTAX` */
export async function readLiteral(reader: ByteReader, header: PacketHeader): Promise<PacketLength> {
  const fixed = await reader.exactly(FIXED_BYTES);
  const nameBytes = fixed?.[1] ?? 0;
  const rest = await reader.exactly(nameBytes + TIME_BYTES);
  const bytes = header.length.bytes - FIXED_BYTES - nameBytes - TIME_BYTES;
  if (rest === undefined || bytes < 0) throw new FormatFault('PGP_SYNTAX', 'The file is not a PGP message.');
  reader.forget();
  return { ...header.length, bytes };
}

/** Headers and lengths of OpenPGP packets (RFC 9580, 4.2). */
import { type ByteReader, gathered } from './byte-reader.ts';

export interface PacketLength {
  /** Infinite where only the end of the stream tells. */
  readonly bytes: number;
  /** Another length follows these bytes. */
  readonly isPartial: boolean;
  /** As it was in the stream. */
  readonly raw: Buffer;
}

export interface PacketHeader {
  readonly tag: number;
  readonly length: PacketLength;
  readonly raw: Buffer;
}

/** Undefined for what is none. */
export async function readHeader(reader: ByteReader): Promise<PacketHeader | undefined> {
  const raw = await reader.exactly(1);
  const first = raw?.[0];
  if (raw === undefined || first === undefined || (first & 0x80) === 0) return undefined;
  const isNew = (first & 0x40) !== 0;
  const length = isNew ? await readLength(reader) : await readOldLength(reader, first & 3);
  if (length === undefined) return undefined;
  return { tag: isNew ? first & 0x3f : (first >> 2) & 0x0f, length, raw: Buffer.concat([raw, length.raw]) };
}

/** Undefined where the stream ends. */
export async function readLength(reader: ByteReader): Promise<PacketLength | undefined> {
  const raw = await reader.exactly(1);
  const first = raw?.[0];
  if (raw === undefined || first === undefined) return undefined;
  if (first < 192) return { bytes: first, isPartial: false, raw };
  if (first >= 224 && first < 255) return { bytes: 2 ** (first & 0x1f), isPartial: true, raw };
  const more = await reader.exactly(first === 255 ? 4 : 1);
  if (more === undefined) return undefined;
  const bytes = first === 255 ? more.readUInt32BE() : ((first - 192) << 8) + more.readUInt8() + 192;
  return { bytes, isPartial: false, raw: Buffer.concat([raw, more]) };
}

async function readOldLength(reader: ByteReader, type: number): Promise<PacketLength | undefined> {
  if (type === 3) return { bytes: Number.POSITIVE_INFINITY, isPartial: false, raw: Buffer.alloc(0) };
  const raw = await reader.exactly(2 ** type);
  return raw && { bytes: raw.readUIntBE(0, raw.length), isPartial: false, raw };
}

/** Of a partial length: a power of two, 512 at least for the first. */
const PART_BITS = 16;

/** A packet whose length is not known before its end. */
export async function* packetOf(tag: number, body: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const partBytes = 2 ** PART_BITS;
  yield Buffer.from([0xc0 | tag]);
  let rest: Uint8Array = new Uint8Array(0);
  for await (const piece of gathered(body, partBytes)) {
    let bytes: Uint8Array = rest.length === 0 ? piece : Buffer.concat([rest, piece]);
    for (; bytes.length >= partBytes; bytes = bytes.subarray(partBytes)) {
      yield Buffer.from([0xe0 | PART_BITS]);
      yield bytes.subarray(0, partBytes);
    }
    rest = bytes;
  }
  const last = Buffer.alloc(5, 0xff);
  last.writeUInt32BE(rest.length, 1);
  yield last;
  yield rest;
}

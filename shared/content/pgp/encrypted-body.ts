/**
 * The usual encrypted message without the library, which takes several times as long for its body: session keys, then one packet of AES-CFB
 * with a modification detection code (RFC 9580, 5.13.1).
 *
 * 1. Whatever else comes, the library takes from its first byte. What is in front of the body is bounded before: the library keeps all of it,
 *    and tries each session key that names nobody, or one of ours, at once.
 * 2. What is decrypted comes out before it is known to be whole; the end is reached only when the code was right.
 * 3. Nothing is said of the first bytes, which a sender could ask about again and again.
 */
import { createCipheriv, createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import { FormatFault } from '#shared/formats/format-fault.ts';
import { type ByteReader, gathered } from './byte-reader.ts';
import { createCfbDecipher } from './cfb-decipher.ts';
import { type PacketLength, packetOf, readHeader, readLength } from './packet-lengths.ts';

const SESSION_KEY = 1;
const ENCRYPTED = 18;
/** They end what is in front of the body: compressed, encrypted and literal data. */
const BODIES: ReadonlySet<number> = new Set([8, 9, 11, ENCRYPTED, 20]);
/** Of hundreds of receivers. */
const MOST_HEAD_BYTES = 262_144;
/** Of session keys that name the same key, or none: senders make one for each receiver. */
const MOST_OF_A_KEY = 16;
/** A block, and its last two bytes again. */
const PREFIX_BYTES = 18;
/** The header of its packet, and SHA-1. */
const CODE_BYTES = 22;
const CODE_HEADER = Buffer.from([0xd3, 0x14]);
/** Partial lengths of a sender are often 8 KiB; each call costs as much as several of them. */
const GATHERED_BYTES = 65_536;

const CIPHERS: Readonly<Record<string, string>> = {
  aes128: 'aes-128-cfb',
  aes192: 'aes-192-cfb',
  aes256: 'aes-256-cfb',
};

export interface EncryptedMessage {
  /** As its own message, whose body is empty. */
  readonly sessionKeys: Uint8Array;
  /** Of the body, after its version. */
  readonly length: PacketLength;
}

export interface SessionKey {
  readonly data: Uint8Array;
  readonly algorithm: string | null;
}

/** Undefined: it is not one of the usual ones, and `reader` still gives all of it. @throws FormatFault `PGP_TRUNCATED`, `PGP_SYNTAX` */
export async function readEncryptedMessage(reader: ByteReader): Promise<EncryptedMessage | undefined> {
  const sessionKeys: Uint8Array[] = [];
  const ofKeys = new Map<string, number>();
  let isUsual = true;
  let sizeBytes = 0;
  for (;;) {
    const header = await readHeader(reader);
    if (header === undefined && sessionKeys.length > 0 && (await reader.some(1)) === undefined) throw truncated();
    if (header === undefined) return undefined;
    const { tag, length, raw } = header;
    if (tag === ENCRYPTED) {
      const version = length.bytes > 0 ? await reader.exactly(1) : undefined;
      if (version?.[0] !== 1 || sessionKeys.length === 0 || !isUsual) return undefined;
      // The library looks for a body before it decrypts a session key.
      const body = Buffer.from([0xc0 | ENCRYPTED, 1, 1]);
      return {
        sessionKeys: Buffer.concat([...sessionKeys, body]),
        length: { ...length, bytes: length.bytes - 1 },
      };
    }
    if (BODIES.has(tag) || length.bytes === Number.POSITIVE_INFINITY) return undefined;
    sizeBytes += raw.length + length.bytes;
    if (length.isPartial || sizeBytes > MOST_HEAD_BYTES) throw overlong();
    const body = await reader.exactly(length.bytes);
    if (body === undefined) return undefined;
    if (tag === SESSION_KEY) {
      const key = keyOf(body);
      const count = (ofKeys.get(key) ?? 0) + 1;
      if (count > MOST_OF_A_KEY) throw overlong();
      ofKeys.set(key, count);
      sessionKeys.push(raw, body);
    } else isUsual = false;
  }
}

/** Of a session key's packet of version 3 or 6, to whom it is. */
function keyOf(packet: Buffer): string {
  return packet[0] === 6 ? packet.toString('hex', 1, 2 + (packet[1] ?? 0)) : packet.toString('hex', 1, 9);
}

function overlong(): FormatFault {
  return new FormatFault('PGP_SYNTAX', 'The message has more in front of its content than a sender puts there.');
}

/** Of the session key's algorithm; undefined for those that only the library has. */
export function cipherOf({ algorithm }: SessionKey): string | undefined {
  return algorithm === null ? undefined : CIPHERS[algorithm];
}

/** The packets inside. @throws FormatFault `PGP_TRUNCATED`, `PGP_ALTERED`, `PGP_SYNTAX` */
export async function* decryptBody(
  reader: ByteReader,
  length: PacketLength,
  { cipher, key }: { readonly cipher: string; readonly key: Uint8Array },
): AsyncGenerator<Uint8Array> {
  const decipher = createCfbDecipher(cipher, key);
  const hash = createHash('sha1');
  let prefixLeft = PREFIX_BYTES;
  let held: Buffer = Buffer.alloc(0);
  async function* decrypted() {
    for await (const piece of gathered(bodyPieces(reader, length), GATHERED_BYTES)) yield decipher.update(piece);
    yield decipher.final();
  }
  for await (const plain of decrypted()) {
    const known = held.length + plain.length - CODE_BYTES;
    if (known <= 0) {
      held = Buffer.concat([held, plain]);
      continue;
    }
    const parts = [held.subarray(0, known), plain.subarray(0, Math.max(0, known - held.length))];
    held = Buffer.concat([held.subarray(known), plain.subarray(Math.max(0, known - held.length))]);
    for (const part of parts) {
      hash.update(part);
      const content = part.subarray(Math.min(prefixLeft, part.length));
      prefixLeft -= part.length - content.length;
      if (content.length > 0) yield content;
    }
  }
  const isWhole = prefixLeft === 0 && held.length === CODE_BYTES && held.subarray(0, 2).equals(CODE_HEADER);
  if (!isWhole || !timingSafeEqual(hash.update(CODE_HEADER).digest(), held.subarray(2)))
    throw new FormatFault('PGP_ALTERED', 'The message was changed after it was encrypted.');
}

/** The other way round: a packet with its code, of packets. */
export async function* encryptBody(
  packets: AsyncIterable<Uint8Array>,
  { cipher, key }: { readonly cipher: string; readonly key: Uint8Array },
): AsyncGenerator<Uint8Array> {
  const encipher = createCipheriv(cipher, key, Buffer.alloc(16));
  const hash = createHash('sha1');
  const random = randomBytes(PREFIX_BYTES - 2);
  async function* encrypted() {
    yield Buffer.from([1]);
    const prefix = Buffer.concat([random, random.subarray(-2)]);
    hash.update(prefix);
    yield encipher.update(prefix);
    for await (const piece of packets) {
      hash.update(piece);
      yield encipher.update(piece);
    }
    yield encipher.update(Buffer.concat([CODE_HEADER, hash.update(CODE_HEADER).digest()]));
  }
  yield* packetOf(ENCRYPTED, encrypted());
}

/** Of the last packet of a message. @throws FormatFault `PGP_TRUNCATED`, `PGP_SYNTAX` */
export async function* bodyPieces(reader: ByteReader, first: PacketLength): AsyncGenerator<Uint8Array> {
  let length: PacketLength | undefined = first;
  for (; length !== undefined; length = length.isPartial ? await nextLength(reader) : undefined) {
    for (let left = length.bytes; left > 0; ) {
      const piece = await reader.some(left);
      if (piece === undefined && left === Number.POSITIVE_INFINITY) return;
      if (piece === undefined) throw truncated();
      left -= piece.length;
      yield piece;
    }
  }
  if ((await reader.some(1)) !== undefined) throw new FormatFault('PGP_SYNTAX', 'The file has more after its message.');
}

async function nextLength(reader: ByteReader): Promise<PacketLength> {
  const length = await readLength(reader);
  if (length === undefined) throw truncated();
  return length;
}

function truncated(): FormatFault {
  return new FormatFault('PGP_TRUNCATED', 'The message is not whole.');
}

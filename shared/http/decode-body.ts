/**
 * The content of a reply, whatever it was packed in.
 *
 * What servers send is not always what they say: a body that is not compressed at all under `content-encoding: gzip`, deflate without its
 * zlib header, a stream without its end. What can be read is read; what cannot is given as it came, with its fault.
 */
import { promisify } from 'node:util';
import { brotliDecompress, constants, gunzip, inflate, inflateRaw, zstdDecompress } from 'node:zlib';
import type { HttpReply } from './http-client.ts';

type Decode = (bytes: Buffer, maxBytes: number) => Promise<Buffer>;

/** A stream that ends early gives what it had, as browsers read it. */
const zlibOptions = (maxOutputLength: number) => ({ maxOutputLength, finishFlush: constants.Z_SYNC_FLUSH });
const inflated: Decode = (bytes, max) =>
  promisify(hasZlibHeader(bytes) ? inflate : inflateRaw)(bytes, zlibOptions(max));
const gunzipped: Decode = async (bytes, max) =>
  bytes[0] === 0x1f && bytes[1] === 0x8b ? await promisify(gunzip)(bytes, zlibOptions(max)) : bytes;

/** RFC 1950, 2.2. */
function hasZlibHeader([method = 0, flags = 0]: Buffer): boolean {
  return (method & 0x0f) === 8 && (method * 256 + flags) % 31 === 0;
}

/** Any other name, such as `identity`, `UTF-8` or `none`, means that there is nothing to decode. */
const DECODERS: Readonly<Record<string, Decode>> = {
  gzip: gunzipped,
  'x-gzip': gunzipped,
  deflate: inflated,
  'x-deflate': inflated,
  br: (bytes, maxOutputLength) => promisify(brotliDecompress)(bytes, { maxOutputLength }),
  zstd: (bytes, maxOutputLength) => promisify(zstdDecompress)(bytes, { maxOutputLength }),
};
/** Each one multiplies: nobody has a reason for more. */
const MOST_ENCODINGS = 3;

export async function decodeBody(
  raw: Buffer,
  encoding: string,
  maxBytes: number,
): Promise<Pick<HttpReply, 'body' | 'bodyFault'>> {
  const names = encoding
    .toLowerCase()
    .split(',')
    .map((name) => name.trim());
  if (names.length > MOST_ENCODINGS) return undecodable(raw, `It is packed ${names.length} times.`);
  let body = raw;
  // Listed in the order in which they were applied (RFC 9110, 8.4).
  for (const name of names.reverse()) {
    const decode = Object.hasOwn(DECODERS, name) ? DECODERS[name] : undefined;
    if (decode === undefined || body.length === 0) continue;
    try {
      body = await decode(body, maxBytes);
    } catch (error) {
      const isTooLarge = error instanceof Error && 'code' in error && error.code === 'ERR_BUFFER_TOO_LARGE';
      if (!isTooLarge) return undecodable(body, `The reply is not ${name}.`);
      const message = `The reply is over ${maxBytes} bytes once it is unpacked.`;
      return { body: Buffer.alloc(0), bodyFault: { cause: 'too-large', message } };
    }
  }
  return { body };
}

function undecodable(body: Buffer, message: string): Pick<HttpReply, 'body' | 'bodyFault'> {
  return { body, bodyFault: { cause: 'undecodable', message } };
}

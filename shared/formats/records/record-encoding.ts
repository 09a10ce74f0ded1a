/**
 * Bytes as a text of units, from which the same bytes can be made again.
 *
 * 1. A unit is a byte, in UTF-16 two. In UTF-8 the units are the bytes themselves (as Latin-1), so that a file can be cut anywhere, its records
 *    found without decoding them, and a bad character costs its own record only.
 * 2. `toBytes(toUnits(bytes))` is `bytes`: what is handed back to a partner is what the partner sent.
 */
import { isUtf8 } from 'node:buffer';
import type { RecordEncoding } from '#shared/routes/records-schema.ts';
import { type EbcdicPage, ebcdicTable, translate } from './ebcdic.ts';

export interface EncodingCodec {
  readonly encoding: RecordEncoding;
  readonly unitBytes: 1 | 2;
  readonly isEbcdic: boolean;
  toUnits(bytes: Buffer): string;
  toBytes(units: string): Buffer;
  /** The characters of a value; undefined when the encoding does not know its bytes. */
  decodeValue(units: string): string | undefined;
  /** The bytes of a text; what the encoding cannot say becomes `?`. */
  encodeText(text: string): Buffer;
}

export function encodingCodec(encoding: RecordEncoding): EncodingCodec {
  switch (encoding) {
    case 'utf-8':
      return utf8Codec;
    case 'latin-1':
      return latin1Codec;
    case 'utf-16le':
    case 'utf-16be':
      return utf16Codec(encoding);
    default:
      return ebcdicCodec(encoding);
  }
}

/** The encoding that a byte order mark names, and how many bytes it takes. */
export function encodingByMark(bytes: Uint8Array): { encoding: RecordEncoding; markBytes: number } | undefined {
  if (bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf) return { encoding: 'utf-8', markBytes: 3 };
  if (bytes[0] === 0xff && bytes[1] === 0xfe) return { encoding: 'utf-16le', markBytes: 2 };
  if (bytes[0] === 0xfe && bytes[1] === 0xff) return { encoding: 'utf-16be', markBytes: 2 };
  return undefined;
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: ASCII is what is asked for
const ASCII_ONLY = /^[\x00-\x7f]*$/;

const utf8Codec: EncodingCodec = {
  encoding: 'utf-8',
  unitBytes: 1,
  isEbcdic: false,
  toUnits: (bytes) => bytes.toString('latin1'),
  toBytes: (units) => Buffer.from(units, 'latin1'),
  decodeValue: (units) => {
    if (ASCII_ONLY.test(units)) return units;
    const bytes = Buffer.from(units, 'latin1');
    return isUtf8(bytes) ? bytes.toString('utf8') : undefined;
  },
  encodeText: (text) => Buffer.from(text, 'utf8'),
};

const latin1Codec: EncodingCodec = {
  encoding: 'latin-1',
  unitBytes: 1,
  isEbcdic: false,
  toUnits: (bytes) => bytes.toString('latin1'),
  toBytes: (units) => Buffer.from(units, 'latin1'),
  decodeValue: (units) => units,
  encodeText: (text) => Buffer.from(asLatin1(text), 'latin1'),
};

function utf16Codec(encoding: 'utf-16le' | 'utf-16be'): EncodingCodec {
  const isBig = encoding === 'utf-16be';
  const toBytes = (units: string) => (isBig ? Buffer.from(units, 'utf16le').swap16() : Buffer.from(units, 'utf16le'));
  return {
    encoding,
    unitBytes: 2,
    isEbcdic: false,
    toUnits: (bytes) => (isBig ? Buffer.from(bytes).swap16() : bytes).toString('utf16le'),
    toBytes,
    decodeValue: (units) => (units.isWellFormed() ? units : undefined),
    encodeText: toBytes,
  };
}

function ebcdicCodec(page: EbcdicPage): EncodingCodec {
  const { toLatin1, fromLatin1 } = ebcdicTable(page);
  const toBytes = (units: string) => translate(Buffer.from(units, 'latin1'), fromLatin1);
  return {
    encoding: page,
    unitBytes: 1,
    isEbcdic: true,
    toUnits: (bytes) => translate(bytes, toLatin1).toString('latin1'),
    toBytes,
    decodeValue: (units) => units,
    encodeText: (text) => toBytes(asLatin1(text)),
  };
}

function asLatin1(text: string): string {
  return text.replace(/[\u0100-\u{10ffff}]/gu, '?');
}

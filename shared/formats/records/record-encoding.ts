/**
 * Bytes as a text of units, from which the same bytes can be made again.
 *
 * 1. A unit is a byte, in UTF-16 two. In UTF-8 the units are the bytes themselves (as Latin-1), so that a file can be cut anywhere, its records
 *    found without decoding them, and a bad character costs its own record only.
 * 2. `toBytes(toUnits(bytes))` is `bytes`: what is handed back to a partner is what the partner sent.
 */
import { isUtf8 } from 'node:buffer';
import type { EbcdicPage, Encoding } from '#shared/definitions/routes/encoding-schema.ts';
import { ebcdicTable, hasEuro, translate } from './ebcdic.ts';

export interface EncodingCodec {
  readonly encoding: Encoding;
  readonly unitBytes: 1 | 2;
  readonly isEbcdic: boolean;
  /** Whether units of a value may be other characters, or none. */
  readonly needsDecoding: boolean;
  toUnits(bytes: Buffer): string;
  toBytes(units: string): Buffer;
  /** The characters of a value; undefined when the encoding does not know its bytes. */
  decodeValue(units: string): string | undefined;
  /** The bytes of a text; what the encoding cannot say becomes `?`. */
  encodeText(text: string): Buffer;
}

export function encodingCodec(encoding: Encoding): EncodingCodec {
  switch (encoding) {
    case 'utf-8':
      return utf8Codec;
    case 'latin-1':
    case 'iso-8859-15':
    case 'windows-1252':
      return singleByteCodec(encoding);
    case 'utf-16le':
    case 'utf-16be':
      return utf16Codec(encoding);
    default:
      return ebcdicCodec(encoding);
  }
}

/** The encoding that a byte order mark names, and how many bytes it takes. */
export function encodingByMark(bytes: Uint8Array): { encoding: Encoding; markBytes: number } | undefined {
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
  needsDecoding: true,
  toUnits: (bytes) => bytes.toString('latin1'),
  toBytes: (units) => Buffer.from(units, 'latin1'),
  decodeValue: (units) => {
    if (ASCII_ONLY.test(units)) return units;
    const bytes = Buffer.from(units, 'latin1');
    return isUtf8(bytes) ? bytes.toString('utf8') : undefined;
  },
  encodeText: (text) => Buffer.from(text, 'utf8'),
};

/** Of bytes: the characters that are not those of Latin-1. Node's own decoder of Windows-1252 was wrong in several releases. */
const BEYOND_LATIN1 = {
  'latin-1': new Map<string, string>(),
  'iso-8859-15': charactersAt([0xa4, 0xa6, 0xa8, 0xb4, 0xb8, 0xbc, 0xbd, 0xbe], '€ŠšŽžŒœŸ'),
  'windows-1252': charactersAt(
    [...Array(32).keys()].map((index) => 0x80 + index).filter((byte) => ![0x81, 0x8d, 0x8f, 0x90, 0x9d].includes(byte)),
    '€‚ƒ„…†‡ˆ‰Š‹ŒŽ‘’“”•–—˜™š›œžŸ',
  ),
};
const EURO = new Map([['\xa4', '€']]);

function charactersAt(bytes: readonly number[], characters: string): ReadonlyMap<string, string> {
  return new Map(bytes.map((byte, index) => [String.fromCharCode(byte), characters[index] as string]));
}

/** No file has the control characters at 0x80 to 0x9f: where Latin-1 seems to have them, it is Windows-1252. */
const CONTROLS = /[\x80-\x9f]/;

function singleByteCodec(encoding: keyof typeof BEYOND_LATIN1): EncodingCodec {
  const { decode, encode } = exchanged(BEYOND_LATIN1[encoding]);
  return {
    encoding,
    unitBytes: 1,
    isEbcdic: false,
    needsDecoding: true,
    toUnits: (bytes) => bytes.toString('latin1'),
    toBytes: (units) => Buffer.from(units, 'latin1'),
    decodeValue: (units) => {
      if (ASCII_ONLY.test(units)) return units;
      const text = decode(units);
      return CONTROLS.test(text) ? undefined : text;
    },
    encodeText: (text) => Buffer.from(encode(text), 'latin1'),
  };
}

/** Between Latin-1 and what has other characters at some of its places. */
function exchanged(characters: ReadonlyMap<string, string>) {
  const units = new Map([...characters].map(([unit, character]) => [character, unit]));
  return {
    decode: (text: string) =>
      characters.size === 0 ? text : text.replace(/[\x80-\xff]/g, (unit) => characters.get(unit) ?? unit),
    /** What there is no unit for becomes `?`. */
    encode: (text: string) =>
      text.replace(/[\u0080-\u{10ffff}]/gu, (character) => {
        const unit = units.get(character);
        return unit ?? (character > '\xff' || characters.has(character) ? '?' : character);
      }),
  };
}

function utf16Codec(encoding: 'utf-16le' | 'utf-16be'): EncodingCodec {
  const isBig = encoding === 'utf-16be';
  const toBytes = (units: string) => (isBig ? Buffer.from(units, 'utf16le').swap16() : Buffer.from(units, 'utf16le'));
  return {
    encoding,
    unitBytes: 2,
    isEbcdic: false,
    needsDecoding: true,
    toUnits: (bytes) => (isBig ? Buffer.from(bytes).swap16() : bytes).toString('utf16le'),
    toBytes,
    decodeValue: (units) => (units.isWellFormed() ? units : undefined),
    encodeText: toBytes,
  };
}

function ebcdicCodec(page: EbcdicPage): EncodingCodec {
  const { toLatin1, fromLatin1 } = ebcdicTable(page);
  const { decode, encode } = exchanged(hasEuro(page) ? EURO : new Map());
  const toBytes = (units: string) => translate(Buffer.from(units, 'latin1'), fromLatin1);
  return {
    encoding: page,
    unitBytes: 1,
    isEbcdic: true,
    needsDecoding: hasEuro(page),
    toUnits: (bytes) => translate(bytes, toLatin1).toString('latin1'),
    toBytes,
    decodeValue: decode,
    encodeText: (text) => toBytes(encode(text)),
  };
}

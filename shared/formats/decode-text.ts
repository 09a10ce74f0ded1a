/**
 * Bytes to text, piece by piece, for formats that go by lines.
 *
 * 1. A byte order mark at the beginning wins over the declared encoding, and is no part of the text.
 * 2. Bytes that the encoding does not know, and NUL, are faults with their line; nothing is replaced in silence.
 */
import { FormatFault } from './format-fault.ts';

export type TextEncoding = 'utf-8' | 'latin-1' | 'utf-16le' | 'utf-16be';

const LONGEST_MARK_BYTES = 3;

/** @throws FormatFault `CSV_ENCODING` or `CSV_NUL`. */
export async function* decodeText(source: AsyncIterable<Uint8Array>, declared: TextEncoding): AsyncGenerator<string> {
  let decode: ((bytes: Uint8Array | undefined) => string) | undefined;
  let encoding = declared;
  let beginning = Buffer.alloc(0);
  let line = 1;

  function* checked(bytes: Uint8Array | undefined): Generator<string> {
    let text: string;
    try {
      text = decode?.(bytes) ?? '';
    } catch {
      const before = linesBefore(bytes);
      throw new FormatFault('CSV_ENCODING', `The bytes at line ${before} or after it are not ${encoding}.`, before);
    }
    const nul = text.indexOf('\0');
    if (nul >= 0) {
      const at = line + countLines(text.slice(0, nul));
      throw new FormatFault('CSV_NUL', `There is a NUL character at line ${at}.`, at);
    }
    line += countLines(text);
    if (text !== '') yield text;
  }

  /** The line of the first bad byte in UTF-8; elsewhere the line where the piece began. */
  function linesBefore(bytes: Uint8Array | undefined): number {
    if (bytes === undefined || encoding !== 'utf-8') return line;
    const text = new TextDecoder('utf-8').decode(bytes);
    const bad = text.indexOf('\ufffd');
    return bad < 0 ? line : line + countLines(text.slice(0, bad));
  }

  for await (const piece of source) {
    if (decode !== undefined) {
      yield* checked(piece);
      continue;
    }
    beginning = Buffer.concat([beginning, piece]);
    if (beginning.length < LONGEST_MARK_BYTES) continue;
    encoding = encodingByMark(beginning) ?? declared;
    decode = decoderOf(encoding);
    yield* checked(beginning);
  }
  if (decode === undefined) {
    encoding = encodingByMark(beginning) ?? declared;
    decode = decoderOf(encoding);
    yield* checked(beginning);
  }
  yield* checked(undefined);
}

function encodingByMark(bytes: Buffer): TextEncoding | undefined {
  if (bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf) return 'utf-8';
  if (bytes[0] === 0xff && bytes[1] === 0xfe) return 'utf-16le';
  if (bytes[0] === 0xfe && bytes[1] === 0xff) return 'utf-16be';
  return undefined;
}

/** `undefined` in: the end, where an unfinished character is a fault. */
function decoderOf(encoding: TextEncoding): (bytes: Uint8Array | undefined) => string {
  // TextDecoder's "latin1" is Windows-1252.
  if (encoding === 'latin-1') return (bytes) => (bytes === undefined ? '' : Buffer.from(bytes).toString('latin1'));
  const decoder = new TextDecoder(encoding, { fatal: true });
  return (bytes) => (bytes === undefined ? decoder.decode() : decoder.decode(bytes, { stream: true }));
}

function countLines(text: string): number {
  let count = 0;
  for (let at = text.indexOf('\n'); at >= 0; at = text.indexOf('\n', at + 1)) count += 1;
  return count;
}

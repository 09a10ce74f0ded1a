/**
 * Bytes to text, piece by piece, for what is not read as records.
 *
 * 1. A byte order mark at the beginning wins over the declared encoding, and is not part of the text; nor is a second one.
 * 2. Bytes that the encoding does not have, and NUL, are faults with their line; nothing is replaced silently. End-of-file marks at the very end are passed over.
 */
import { type Encoding, isEbcdic } from '#shared/definitions/routes/encoding-schema.ts';
import type { ErrorCode } from '#shared/errors.ts';
import { EndMarks } from './end-marks.ts';
import { FormatFault } from './format-fault.ts';
import { encodingByMark, encodingCodec } from './records/record-encoding.ts';

const MARK = '\ufeff';

/** Of what `encoding` cannot be, and of a NUL. */
export interface TextFaultCodes {
  readonly encoding: ErrorCode;
  readonly nul: ErrorCode;
}

const OF_CSV: TextFaultCodes = { encoding: 'CSV_ENCODING', nul: 'CSV_NUL' };

/** The first piece has the whole byte order mark. @throws FormatFault of `codes` */
export async function* decodeText(
  source: AsyncIterable<Uint8Array>,
  declared: Encoding,
  codes: TextFaultCodes = OF_CSV,
): AsyncGenerator<string> {
  let encoding = declared;
  let decode: ((bytes: Uint8Array | undefined) => string) | undefined;
  let isBeginning = true;
  let line = 1;
  const marks = new EndMarks(isEbcdic(declared));

  function checked(bytes: Uint8Array | undefined): string {
    let text: string;
    try {
      text = decode?.(bytes) ?? '';
    } catch {
      const at = badLine(bytes);
      throw new FormatFault(codes.encoding, `The bytes at line ${at} or after it are not ${encoding}.`, at);
    }
    // The decoder itself takes the first mark.
    if (isBeginning && text.startsWith(MARK)) text = text.slice(1);
    isBeginning &&= text === '';
    text = marks.without(text, bytes === undefined);
    const nul = text.indexOf('\0');
    if (nul >= 0) {
      const at = line + countLines(text.slice(0, nul));
      throw new FormatFault(codes.nul, `There is a NUL character at line ${at}.`, at);
    }
    line += countLines(text);
    return text;
  }

  /** The line of the first bad byte in UTF-8; elsewhere the line where the piece began. */
  function badLine(bytes: Uint8Array | undefined): number {
    if (bytes === undefined || encoding !== 'utf-8') return line;
    const text = new TextDecoder('utf-8').decode(bytes);
    const bad = text.indexOf('\ufffd');
    return bad < 0 ? line : line + countLines(text.slice(0, bad));
  }

  for await (const piece of source) {
    if (decode === undefined) {
      encoding = (isEbcdic(declared) ? undefined : encodingByMark(piece)?.encoding) ?? declared;
      decode = decoderOf(encoding);
    }
    const text = checked(piece);
    if (text !== '') yield text;
  }
  const rest = checked(undefined);
  if (rest !== '') yield rest;
}

/** `undefined` in: the end, where an unfinished character is a fault. @throws when there are bytes that the encoding does not have. */
function decoderOf(encoding: Encoding): (bytes: Uint8Array | undefined) => string {
  if (encoding === 'utf-8' || encoding === 'utf-16le' || encoding === 'utf-16be') {
    const decoder = new TextDecoder(encoding, { fatal: true });
    return (bytes) => (bytes === undefined ? decoder.decode() : decoder.decode(bytes, { stream: true }));
  }
  const codec = encodingCodec(encoding);
  return (bytes) => {
    const text = bytes === undefined ? '' : codec.decodeValue(codec.toUnits(Buffer.from(bytes)));
    if (text === undefined) throw new RangeError(`not ${encoding}`);
    return text;
  };
}

function countLines(text: string): number {
  let count = 0;
  for (let at = text.indexOf('\n'); at >= 0; at = text.indexOf('\n', at + 1)) count += 1;
  return count;
}

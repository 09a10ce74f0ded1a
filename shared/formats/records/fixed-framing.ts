/**
 * Bytes of a fixed-width file to its records: by length, by line, or by length with a line end behind each.
 *
 * 1. With packed or binary columns a line end is checked where it has to be and never searched for: any of their bytes may look like one.
 * 2. How the bytes were cut into pieces makes no difference.
 */
import type { FixedRecords } from '#shared/definitions/routes/records-schema.ts';
import { EndMarks } from '../end-marks.ts';
import { FormatFault } from '../format-fault.ts';
import { byDescriptor, descriptorFault } from './descriptor-words.ts';
import { type RecordSink, recordFault } from './record-collector.ts';
import type { EncodingCodec } from './record-encoding.ts';
import type { RecordParser } from './record-parser.ts';
import { isLineEnd, LineSplitter, lineEndLength } from './split-lines.ts';

/** What transfers add at the end, with or without line ends elsewhere. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: end-of-file marks are such characters
const NO_RECORD = /^[\r\n\u0085]{1,2}$|^[\r\n\u0085]{0,2}[\u001a\0 ]+[\r\n\u0085\u001a\0 ]*$/;
const NO_BYTES = Buffer.alloc(0);

export function hasLineEnds(layout: FixedRecords, codec: EncodingCodec): boolean {
  return layout.recordFormat === 'f' && (layout.lineEnds ?? !codec.isEbcdic);
}

export function hasBinaryColumns(layout: FixedRecords): boolean {
  const groups = [layout.columns, layout.header?.columns ?? [], layout.trailer?.columns ?? []];
  return groups.flat().some(({ type }) => type === 'packed' || type === 'binary');
}

export function framed(layout: FixedRecords, codec: EncodingCodec, sink: RecordSink): RecordParser['push'] {
  if (layout.recordFormat !== 'f') return byDescriptor(layout, codec, sink);
  if (!hasLineEnds(layout, codec)) return byLength(layout, codec, sink, false);
  return hasBinaryColumns(layout) ? byLength(layout, codec, sink, true) : byLine(layout, codec, sink);
}

/** Blank lines are not records, and yet are counted as lines. */
function byLine({ maxRecordBytes, recordLength }: FixedRecords, codec: EncodingCodec, sink: RecordSink) {
  const splitter = new LineSplitter(Math.floor(maxRecordBytes / codec.unitBytes), codec.isEbcdic);
  const marks = new EndMarks(codec.isEbcdic);
  return function* (piece: Buffer, isLast: boolean): Generator<void> {
    for (const { text, line, isCut, isEnded } of splitter.push(marks.without(codec.toUnits(piece), isLast), isLast)) {
      if (isCut) {
        const message = `The record is longer than ${maxRecordBytes} bytes.`;
        sink.damaged(line, recordFault('FIXED_LONG', message, recordLength + 1), codec.toBytes(text), true);
      } else if (text !== '' && (isEnded || text.length >= recordLength || text.trimStart() !== ''))
        sink.record({ units: text, line, bytes: NO_BYTES, at: 0 });
      if (sink.isFull()) yield;
    }
  };
}

function byLength(layout: FixedRecords, codec: EncodingCodec, sink: RecordSink, isEnded: boolean) {
  const { recordLength } = layout;
  const { unitBytes } = codec;
  const isBinary = hasBinaryColumns(layout);
  let rest: Buffer = NO_BYTES;
  let line = 0;
  let isBeginning = !isEnded;

  return function* (piece: Buffer, isLast: boolean): Generator<void> {
    const bytes = rest.length === 0 ? piece : Buffer.concat([rest, piece]);
    if (isBeginning) {
      const fault = descriptorFault(bytes, recordLength);
      if (fault !== undefined) throw fault;
      isBeginning = false;
    }
    const text = codec.toUnits(bytes);
    // Behind the record, one unit or two tell CR from CR LF.
    const ahead = isEnded ? 2 : 0;
    let at = 0;
    while (at < text.length) {
      const end = at + recordLength;
      if (end + ahead > text.length && !isLast) break;
      if (end > text.length && NO_RECORD.test(text.slice(at))) {
        at = text.length;
        break;
      }
      line += 1;
      if (end > text.length && isBinary) {
        const message = `The record has ${text.length - at} positions and not ${recordLength}.`;
        const fault = recordFault('FIXED_SHORT', message, text.length - at + 1);
        sink.damaged(line, fault, codec.toBytes(text.slice(at)), false);
      } else sink.record({ units: text.slice(at, end), line, bytes, at: at * unitBytes });
      at = isEnded && end < text.length ? end + lineEndAt(text, end, isLast) : end;
      if (sink.isFull()) yield;
    }
    rest = bytes.subarray(Math.min(at * unitBytes, bytes.length));
  };

  function lineEndAt(text: string, at: number, isLast: boolean): number {
    if (isLineEnd(text, at, codec.isEbcdic)) return lineEndLength(text, at, codec.isEbcdic);
    if (isLast && NO_RECORD.test(text.slice(at))) return text.length - at;
    const message = `The record in line ${line} is not followed by a line end after ${recordLength} positions.`;
    throw new FormatFault('FIXED_LINE_END', message, line);
  }
}

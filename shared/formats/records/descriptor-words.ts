/**
 * Records of different lengths as z/OS writes them ("DFSMS Using Data Sets", variable-length records): each behind a record descriptor word of two
 * bytes of length, itself included, and two of zero; with `vb` in blocks behind a block descriptor word.
 *
 * 1. A wrong word is thrown: nobody knows where the next record begins.
 */
import type { FixedRecords } from '#shared/definitions/routes/records-schema.ts';
import { FormatFault } from '../format-fault.ts';
import type { RecordSink } from './record-collector.ts';
import type { EncodingCodec } from './record-encoding.ts';

const WORD_BYTES = 4;
const NO_BYTES = Buffer.alloc(0);

export function byDescriptor({ recordFormat }: FixedRecords, codec: EncodingCodec, sink: RecordSink) {
  const isBlocked = recordFormat === 'vb';
  let rest: Buffer = NO_BYTES;
  let line = 0;
  let blockBytes = isBlocked ? 0 : Number.POSITIVE_INFINITY;

  return function* (piece: Buffer, isLast: boolean): Generator<void> {
    const bytes = rest.length === 0 ? piece : Buffer.concat([rest, piece]);
    let at = 0;
    while (at + WORD_BYTES <= bytes.length) {
      if (isBlocked && blockBytes === 0) {
        blockBytes = blockLength(bytes.readUInt32BE(at)) - WORD_BYTES;
        at += WORD_BYTES;
        continue;
      }
      const length = recordLengthAt(bytes, at, blockBytes);
      if (at + length > bytes.length) break;
      line += 1;
      const record = bytes.subarray(at + WORD_BYTES, at + length);
      sink.record({ units: codec.toUnits(record), line, bytes, at: at + WORD_BYTES });
      at += length;
      blockBytes -= length;
      if (sink.isFull()) yield;
    }
    rest = bytes.subarray(at);
    if (isLast && (rest.length > 0 || (isBlocked && blockBytes > 0))) throw wrong('ends within a record or block');
  };

  function blockLength(word: number): number {
    // The first bit marks a block over 32,760 bytes, whose length takes all other bits.
    const length = word >= 0x80000000 ? word - 0x80000000 : (word & 0xffff) === 0 ? word >>> 16 : 0;
    if (length <= WORD_BYTES) throw wrong('has no block descriptor word');
    return length;
  }

  function recordLengthAt(bytes: Buffer, at: number, most: number): number {
    const length = bytes.readUInt16BE(at);
    if (bytes.readUInt16BE(at + 2) !== 0) throw wrong('has a spanned record, or no record descriptor word');
    if (length < WORD_BYTES || length > most) throw wrong('has no record descriptor word');
    return length;
  }

  function wrong(what: string): FormatFault {
    return new FormatFault('FIXED_DESCRIPTOR', `The file ${what} after record ${line}.`, line + 1);
  }
}

const WORDS_SEEN = 3;

/** A file that its layout takes for records of one length, and that begins with descriptor words, which do not fit that length. */
export function descriptorFault(beginning: Buffer, recordLength: number): FormatFault | undefined {
  for (const [format, start] of [
    ['v', 0],
    ['vb', WORD_BYTES],
  ] as const) {
    let at = start;
    let words = 0;
    let isOtherLength = start > 0;
    while (words < WORDS_SEEN && at + WORD_BYTES <= beginning.length) {
      const length = beginning.readUInt16BE(at);
      if (length <= WORD_BYTES || beginning.readUInt16BE(at + 2) !== 0) break;
      isOtherLength ||= length !== recordLength;
      at += length;
      words += 1;
    }
    const isBlock =
      start === 0 ||
      (beginning.length >= WORD_BYTES && beginning.readUInt16BE(2) === 0 && beginning.readUInt16BE(0) >= at);
    if (words < WORDS_SEEN || !isOtherLength || !isBlock) continue;
    const message = `The file begins with record descriptor words: set \`recordFormat: ${format}\`.`;
    return new FormatFault('FIXED_DESCRIPTOR', message, 1);
  }
  return undefined;
}

/**
 * Reads a record file as its layout says: every record in its turn, as values or as a rejection.
 *
 * 1. Memory does not grow with the file: it is bounded by `maxRecordBytes`, one piece of the file, and what unique columns need. Nothing is read
 *    before it is asked for.
 * 2. How the source cuts its bytes makes no difference.
 * 3. A `summary` ends the items, and only those of a file that could be read to its end: until it has come, a trailer may still
 *    show that the file is not whole.
 * 4. The event loop gets its turn every few milliseconds, however fast the source is and whatever the file holds: items are given out when they are
 *    worth a bounded number of fields.
 */
import { isEbcdic } from '#shared/definitions/routes/encoding-schema.ts';
import type { RecordsLayout } from '#shared/definitions/routes/records-schema.ts';
import { eventLoopTurns } from '../event-loop-turns.ts';
import { FormatFault } from '../format-fault.ts';
import { gunzip } from '../gunzip.ts';
import { CODE_PREFIX, compileColumns } from './compile-column.ts';
import { csvRecords } from './csv-records.ts';
import { hasBinaryColumns } from './fixed-framing.ts';
import { fixedRecords } from './fixed-records.ts';
import { ndjsonRecords } from './ndjson-records.ts';
import { RecordCollector } from './record-collector.ts';
import { type EncodingCodec, encodingByMark, encodingCodec } from './record-encoding.ts';
import type { RecordItem } from './record-item.ts';
import type { RecordParser } from './record-parser.ts';
import { abortable, inPieces } from './source-pieces.ts';

export interface ReadRecordsOptions {
  readonly signal?: AbortSignal | undefined;
}

/** @throws FormatFault when the file cannot be read on; `signal.reason`; whatever `source` throws comes through unchanged. */
export async function* readRecords(
  source: AsyncIterable<Uint8Array>,
  layout: RecordsLayout,
  options: ReadRecordsOptions = {},
): AsyncGenerator<RecordItem> {
  for await (const items of readRecordBatches(source, layout, options)) for (const item of items) yield item;
}

/** The same items in arrays, none of them empty: for those who write many at once. */
export async function* readRecordBatches(
  source: AsyncIterable<Uint8Array>,
  layout: RecordsLayout,
  { signal }: ReadRecordsOptions = {},
): AsyncGenerator<readonly RecordItem[]> {
  let opened: OpenedFile | undefined;
  let held: Buffer | undefined;
  const turn = eventLoopTurns();
  for await (const piece of expanded(inPieces(abortable(source, signal)), layout)) {
    opened ??= open(piece, layout);
    if (held !== undefined) yield* taken(opened, held, false, turn);
    held = piece;
    signal?.throwIfAborted();
  }
  opened ??= open(Buffer.alloc(0), layout);
  yield* taken(opened, held ?? Buffer.alloc(0), true, turn);
  const summary = opened.parser.finish();
  yield [...opened.collector.take(), { type: 'summary', ...summary }];
}

interface OpenedFile {
  readonly codec: EncodingCodec;
  readonly parser: RecordParser;
  readonly collector: RecordCollector;
  readonly codePrefix: (typeof CODE_PREFIX)[keyof typeof CODE_PREFIX];
  /** Of the first piece. */
  markBytes: number;
  oddByte: Buffer;
}

function open(beginning: Buffer, layout: RecordsLayout): OpenedFile {
  const mark = encodingByMark(beginning);
  const isMarked = mark !== undefined && mayHaveMark(layout);
  const codec = encodingCodec(isMarked ? mark.encoding : layout.encoding);
  const columns = compileColumns(layout.columns, layout.format, codec);
  const collector = new RecordCollector(columns);
  collector.add({ type: 'start', encoding: codec.encoding, hasMark: isMarked });
  return {
    codec,
    parser: parserOf(layout, columns, codec, collector),
    collector,
    codePrefix: CODE_PREFIX[layout.format],
    markBytes: isMarked ? bytesOfMarks(beginning, mark) : 0,
    oddByte: Buffer.alloc(0),
  };
}

/** Programs that join or convert files leave a second one. */
function bytesOfMarks(beginning: Buffer, { markBytes }: { readonly markBytes: number }): number {
  const mark = beginning.subarray(0, markBytes);
  return beginning.subarray(markBytes, markBytes * 2).equals(mark) ? markBytes * 2 : markBytes;
}

/** In EBCDIC, and before a binary column, 0xFF 0xFE may begin a record. */
function mayHaveMark(layout: RecordsLayout): boolean {
  return !isEbcdic(layout.encoding) && !(layout.format === 'fixed' && hasBinaryColumns(layout));
}

function parserOf(
  layout: RecordsLayout,
  columns: ReturnType<typeof compileColumns>,
  codec: EncodingCodec,
  collector: RecordCollector,
): RecordParser {
  switch (layout.format) {
    case 'csv':
      return csvRecords(layout, columns, codec, collector);
    case 'ndjson':
      return ndjsonRecords(layout, columns, codec, collector);
    case 'fixed':
      return fixedRecords(layout, columns, codec, collector);
  }
}

/** What came before a fault is given on before it is thrown. */
async function* taken(
  opened: OpenedFile,
  piece: Buffer,
  isLast: boolean,
  turn: () => Promise<void> | undefined,
): AsyncGenerator<readonly RecordItem[]> {
  const { parser, collector } = opened;
  let fault: unknown;
  const parsing = parser.push(wholeUnits(opened, piece.subarray(opened.markBytes)), isLast);
  opened.markBytes = 0;
  for (let isDone = false; !isDone; ) {
    try {
      isDone = parsing.next().done === true;
      if (isDone && isLast && opened.oddByte.length > 0) throw oddByteFault(opened);
    } catch (error) {
      fault = error;
      isDone = true;
    }
    const items = collector.take();
    if (items.length > 0) yield items;
    await turn();
  }
  if (fault !== undefined) throw fault;
}

function wholeUnits(opened: OpenedFile, piece: Buffer): Buffer {
  if (opened.codec.unitBytes === 1) return piece;
  const bytes = opened.oddByte.length === 0 ? piece : Buffer.concat([opened.oddByte, piece]);
  const even = bytes.length - (bytes.length % 2);
  opened.oddByte = bytes.subarray(even);
  return bytes.subarray(0, even);
}

function oddByteFault({ codec, codePrefix }: OpenedFile): FormatFault {
  return new FormatFault(`${codePrefix}_ENCODING`, `The file ends within a character of ${codec.encoding}.`);
}

async function* expanded(pieces: AsyncGenerator<Buffer>, layout: RecordsLayout): AsyncGenerator<Buffer> {
  try {
    const first = await pieces.next();
    if (first.done) return;
    const isGzip = first.value[0] === 0x1f && first.value[1] === 0x8b;
    const all = startingWith(first.value, pieces);
    if (layout.gzip === false || (layout.gzip === 'auto' && !isGzip)) {
      yield* all;
      return;
    }
    yield* inPieces(gunzip(all, { maxRatio: layout.maxExpandRatio, maxBytes: layout.maxExpandedBytes }));
  } finally {
    await pieces.return(undefined);
  }
}

async function* startingWith(first: Buffer, others: AsyncGenerator<Buffer>): AsyncGenerator<Buffer> {
  yield first;
  yield* others;
}

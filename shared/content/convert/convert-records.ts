/**
 * The records of a file, written in another format.
 *
 * 1. Records in = records out + rejected. What cannot be read, mapped or written is rejected with its line and reason.
 * 2. Memory is bounded by a few records, and the event loop gets its turn whatever the file holds.
 * 3. A file that its route refuses for its rejected records is thrown at the end, before it is whole anywhere.
 */
import type { Encoding } from '#shared/definitions/routes/encoding-schema.ts';
import { isEbcdic } from '#shared/definitions/routes/encoding-schema.ts';
import type { ErrorCode } from '#shared/errors.ts';
import type { CsvDialect } from '#shared/formats/csv/csv-dialect.ts';
import { eventLoopTurns } from '#shared/formats/event-loop-turns.ts';
import { FormatFault } from '#shared/formats/format-fault.ts';
import { encodingByMark, encodingCodec } from '#shared/formats/records/record-encoding.ts';
import type { RecordItem, RejectedRecord } from '#shared/formats/records/record-item.ts';
import { inPieces } from '#shared/formats/records/source-pieces.ts';
import type { RejectsLayout } from '#shared/formats/records/write-rejects.ts';
import type { BatchMapping } from './jsonata-mapper.ts';
import { MappingFault, type RecordMapping } from './map-record.ts';
import { readCsvSource } from './read-csv-source.ts';
import { readJsonSource, readNdjsonSource } from './read-json-source.ts';
import { declaredXmlEncoding, readXmlSource } from './read-xml-source.ts';
import type { RecordTree, SourceItem, SourceItems } from './source-record.ts';
import { createRecordWriter, type TargetForm, Unwritable } from './write-record.ts';
import { isXmlName } from './xml-names.ts';

export type SourceForm =
  | (CsvDialect & { readonly format: 'csv'; readonly columns?: readonly string[] | undefined })
  | { readonly format: 'ndjson'; readonly encoding: Encoding; readonly maxRecordBytes: number }
  | {
      readonly format: 'json';
      readonly encoding: Encoding;
      readonly maxRecordBytes: number;
      readonly records?: string | undefined;
    }
  | {
      readonly format: 'xml';
      /** What the file declares when absent, else UTF-8. */
      readonly encoding?: Encoding | undefined;
      readonly maxRecordBytes: number;
      readonly record: string;
    };

export interface Conversion {
  readonly from: SourceForm;
  readonly to: TargetForm & { readonly encoding: Encoding };
  /** Of a CSV; those of the mapping or of the header when absent. */
  readonly columns?: readonly string[] | undefined;
  readonly mapping?: RecordMapping | BatchMapping | undefined;
}

export interface ConversionCounts {
  recordsIn: number;
  recordsOut: number;
  recordsRejected: number;
}

export interface ConversionSink {
  readonly counts: ConversionCounts;
  /** `start`, `header` and `rejected` items, in their order. */
  reject(items: readonly RecordItem[], layout: RejectsLayout): Promise<void>;
  /** Once, after the last record. @throws what ends the conversion */
  judge(counts: ConversionCounts): void;
}

const PIECE_CHARACTERS = 65_536;
const MOST_EXPANSION = 200;
const EXPANSION_COUNTS_FROM_BYTES = 10_000_000;

/** @throws FormatFault; what `source` and `sink` throw comes through unchanged. */
export async function* convertRecords(
  source: AsyncIterable<Uint8Array>,
  { from, to, columns, mapping }: Conversion,
  { counts, reject, judge }: ConversionSink,
): AsyncGenerator<Buffer> {
  const { bytes, encoding, hasMark, bytesIn } = await beginning(source, from);
  const codec = encodingCodec(encoding);
  const target = encodingCodec(to.encoding);
  const isCheckNeeded = to.encoding !== 'utf-8';
  const layout = rejectsLayout(from, encoding);
  await reject([{ type: 'start', encoding, hasMark }], layout);
  let writer = from.format === 'csv' ? undefined : createRecordWriter(to, columns ?? mapping?.columns ?? []);
  let text = writer?.beginning ?? '';
  let bytesOut = 0;
  const named = columns ?? (mapping !== undefined && 'names' in mapping ? mapping.names : []);

  function takeColumns({ line, names }: Extract<SourceItem, { type: 'columns' }>): void {
    const missing = [...named].find((name) => !names.includes(name));
    if (missing !== undefined)
      throw new FormatFault('CSV_HEADER_MISMATCH', `The file has no column "${missing}", which the route names.`, line);
    if (to.format === 'xml' && mapping === undefined && !names.every(isXmlName)) {
      const message = 'The header has a name that no XML element can have; map the columns.';
      throw new FormatFault('CONVERT_UNWRITABLE', message, line);
    }
    writer = createRecordWriter(to, columns ?? mapping?.columns ?? names);
    text += writer.beginning;
  }

  /** Why it is rejected; undefined when it was written. */
  function written(
    value: RecordTree,
    result?: RecordTree | MappingFault,
  ): { readonly code: ErrorCode; readonly message: string } | undefined {
    try {
      if (result instanceof MappingFault) throw result;
      const mapped = mapping !== undefined && 'map' in mapping ? mapping.map(value) : (result ?? value);
      const record = writer?.write(mapped, counts.recordsOut === 0) ?? '';
      if (isCheckNeeded && target.decodeValue(target.toUnits(target.encodeText(record))) !== record)
        return { code: 'CONVERT_UNWRITABLE', message: `The record has a character that ${to.encoding} does not have.` };
      text += record;
      counts.recordsOut += 1;
      return undefined;
    } catch (error) {
      if (error instanceof MappingFault)
        return { code: 'CONVERT_MAPPING', message: `The record cannot be mapped: ${error.message}.` };
      if (!(error instanceof Unwritable)) throw error;
      return { code: 'CONVERT_UNWRITABLE', message: `The record cannot be written as ${to.format}: ${error.message}.` };
    }
  }

  function rejectionOf(item: SourceItem, result?: RecordTree | MappingFault): RejectedRecord | undefined {
    if (item.type === 'columns') return undefined;
    counts.recordsIn += 1;
    const fault = item.type === 'record' ? written(item.value, result) : item;
    if (fault === undefined) return undefined;
    counts.recordsRejected += 1;
    const raw = rawOf(item);
    const isCut = item.type === 'rejected' && item.isCut;
    return { type: 'rejected', line: item.line, code: fault.code, message: fault.message, moreFaults: [], raw, isCut };
  }

  function rawOf(item: Exclude<SourceItem, { type: 'columns' }>): Buffer {
    const sent = item.type === 'record' ? item.text() : item.text;
    return codec.encodeText(layout.format === 'ndjson' ? sent.replaceAll(/[\r\n]+/g, ' ') : sent);
  }

  function flush(): Buffer {
    const piece = target.encodeText(text);
    text = '';
    bytesOut += piece.length;
    if (bytesOut > EXPANSION_COUNTS_FROM_BYTES && bytesOut > bytesIn() * MOST_EXPANSION)
      throw new FormatFault('ARCHIVE_BOMB', `The records become more than ${MOST_EXPANSION} times as long.`);
    return piece;
  }

  const turn = eventLoopTurns();
  for await (const items of sourceItems(bytes, from, encoding)) {
    const results = (await mapTogether(items, mapping)).values();
    for (const item of items) {
      if (item.type === 'columns') {
        takeColumns(item);
        if (item.text !== '')
          await reject([{ type: 'header', line: item.line, values: {}, raw: codec.encodeText(item.text) }], layout);
        continue;
      }
      const rejected = rejectionOf(item, item.type === 'record' ? results.next().value : undefined);
      if (rejected !== undefined) await reject([rejected], layout);
      if (text.length >= PIECE_CHARACTERS) yield flush();
      await turn();
    }
  }
  judge(counts);
  // An empty CSV has no header.
  if (writer === undefined) {
    writer = createRecordWriter(to, columns ?? mapping?.columns ?? []);
    text += writer.beginning;
  }
  text += writer.end(counts.recordsOut === 0);
  if (text !== '') yield flush();
}

/** Of a mapping that takes several at once; others map one by one. */
async function mapTogether(
  items: readonly SourceItem[],
  mapping: Conversion['mapping'],
): Promise<readonly (RecordTree | MappingFault)[]> {
  if (mapping === undefined || !('mapAll' in mapping)) return [];
  return await mapping.mapAll(items.flatMap((item) => (item.type === 'record' ? [item.value] : [])));
}

interface Beginning {
  readonly bytes: AsyncGenerator<Buffer>;
  readonly encoding: Encoding;
  readonly hasMark: boolean;
  readonly bytesIn: () => number;
}

/** A byte order mark wins over the declared encoding, and over what an XML declaration says. */
async function beginning(source: AsyncIterable<Uint8Array>, from: SourceForm): Promise<Beginning> {
  const pieces = inPieces(source);
  const first = await pieces.next();
  const beginning = first.done ? Buffer.alloc(0) : first.value;
  const isMarkable = from.encoding === undefined || !isEbcdic(from.encoding);
  const mark = isMarkable ? encodingByMark(beginning) : undefined;
  const encoding = mark?.encoding ?? from.encoding ?? declaredEncoding(beginning);
  let bytesIn = beginning.length;
  async function* all(): AsyncGenerator<Buffer> {
    try {
      if (beginning.length > 0) yield beginning;
      for await (const piece of pieces) {
        bytesIn += piece.length;
        yield piece;
      }
    } finally {
      await pieces.return(undefined);
    }
  }
  return { bytes: all(), encoding, hasMark: mark !== undefined, bytesIn: () => bytesIn };
}

const XML_ENCODINGS: Readonly<Record<string, Encoding>> = {
  'utf-8': 'utf-8',
  'us-ascii': 'utf-8',
  'iso-8859-1': 'latin-1',
  'iso-8859-15': 'iso-8859-15',
  'windows-1252': 'windows-1252',
};

function declaredEncoding(beginning: Buffer): Encoding {
  const declared = declaredXmlEncoding(beginning)?.toLowerCase();
  if (declared === undefined) return 'utf-8';
  const known = XML_ENCODINGS[declared];
  if (known === undefined)
    throw new FormatFault('XML_ENCODING', 'The file declares an encoding that is not known; say which one it is.', 1);
  return known;
}

function sourceItems(bytes: AsyncGenerator<Buffer>, from: SourceForm, encoding: Encoding): SourceItems {
  const codec = encodingCodec(encoding);
  switch (from.format) {
    case 'csv':
      return readCsvSource(bytes, { ...from, encoding });
    case 'ndjson':
      return readNdjsonSource(withoutMark(bytes), codec, from);
    case 'json':
      return readJsonSource(bytes, codec, { ...from, at: from.records?.split('.') ?? [] });
    case 'xml':
      return readXmlSource(bytes, codec, from);
  }
}

async function* withoutMark(bytes: AsyncGenerator<Buffer>): AsyncGenerator<Buffer> {
  let isFirst = true;
  for await (const piece of bytes) {
    yield isFirst ? piece.subarray(encodingByMark(piece)?.markBytes ?? 0) : piece;
    isFirst = false;
  }
}

/** Rejected records go back in the format that they came in; those of a JSON list and of XML line by line. */
function rejectsLayout(from: SourceForm, encoding: Encoding): RejectsLayout {
  if (from.format !== 'csv') return { format: 'ndjson', encoding };
  return { format: 'csv', encoding, delimiter: from.delimiter, quote: from.quote };
}

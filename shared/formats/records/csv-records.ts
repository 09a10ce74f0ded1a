/**
 * Records of CSV: by the names of its header or in the order of the layout.
 *
 * 1. A row with the wrong number of columns, a quote out of place or too many bytes is rejected alone. A header that is wrong is thrown.
 * 2. Last columns named `reject_reason` are not a part of the record, so that a corrected rejects file is taken as it is.
 */
import { REASON_COLUMN } from '#shared/definitions/routes/record-column-schema.ts';
import type { CsvRecords } from '#shared/definitions/routes/records-schema.ts';
import { recordHeaderFault } from '#shared/formats/csv/check-csv-header.ts';
import { CsvRowScan } from '#shared/formats/csv/csv-row-scan.ts';
import { EndMarks } from '../end-marks.ts';
import { FormatFault } from '../format-fault.ts';
import { ColumnFault, type CompiledColumn } from './compile-column.ts';
import { columnFault, type RecordCollector, recordFault } from './record-collector.ts';
import type { EncodingCodec } from './record-encoding.ts';
import type { RecordFault, RecordsSummary, RecordValue } from './record-item.ts';
import type { RecordParser } from './record-parser.ts';

/** Non-ASCII in UTF-8, where units are bytes; lone surrogates in UTF-16. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: ASCII is what is asked for
const PLAIN = /^[\x00-\x7f]*$/;

export function csvRecords(
  layout: CsvRecords,
  columns: readonly CompiledColumn[],
  codec: EncodingCodec,
  collector: RecordCollector,
): RecordParser {
  /** Which field each column is; by the header, once it is known. */
  let places: readonly number[] | undefined = layout.header ? undefined : columns.map((_column, index) => index);
  let width = columns.length;
  /** One for each time that the rows were rejected. */
  let reasonColumns = 0;
  const scan = new CsvRowScan(
    {
      delimiter: layout.delimiter,
      quote: layout.quote,
      hasNel: codec.isEbcdic,
      longest: Math.floor(layout.maxRecordBytes / codec.unitBytes),
      maxRecordBytes: layout.maxRecordBytes,
    },
    { row: record, broken, isFull: () => collector.isFull },
  );

  function broken(line: number, fault: RecordFault, text: string, isCut: boolean): void {
    if (places === undefined) throw new FormatFault(fault.code, fault.message, line);
    collector.broken(line, fault, codec.toBytes(text), isCut);
  }

  function record(line: number, fields: readonly string[], text: string): void {
    const raw = () => codec.toBytes(text);
    if (places === undefined) {
      takeHeader(fields, line);
      collector.add({ type: 'header', line, values: {}, raw: raw() });
      return;
    }
    const isRight =
      fields.length === width + reasonColumns ||
      (!layout.header && layout.unknown === 'ignore' && fields.length > width);
    if (!isRight) {
      const message = `The row has ${fields.length} columns and not ${width + reasonColumns}.`;
      collector.broken(line, recordFault('CSV_COLUMN_COUNT', message), raw());
      return;
    }
    const isPlain = !codec.needsDecoding || (codec.unitBytes === 1 && PLAIN.test(text));
    const values: Record<string, RecordValue> = {};
    let faults: RecordFault[] | undefined;
    for (let index = 0; index < columns.length; index++) {
      const compiled = columns[index] as CompiledColumn;
      const field = fields[places[index] as number] ?? '';
      const value = isPlain ? field : codec.decodeValue(field);
      const got = value === undefined ? compiled.encodingFault : compiled.readText(value);
      if (got instanceof ColumnFault) {
        faults ??= [];
        faults.push(columnFault(compiled, got, value ?? field));
      } else values[compiled.name] = got;
    }
    collector.row(line, values, faults, raw);
  }

  function takeHeader(fields: readonly string[], line: number): void {
    const names = fields.map((field) => codec.decodeValue(field));
    const unreadable = names.indexOf(undefined);
    if (unreadable >= 0) {
      const message = `Column ${unreadable + 1} of the header holds bytes that the encoding does not know.`;
      throw new FormatFault('CSV_ENCODING', message, line);
    }
    while (names.at(-1) === REASON_COLUMN) {
      names.pop();
      reasonColumns += 1;
    }
    const wanted = columns.map(({ column, name }) => column.source ?? name);
    const optional = new Set(wanted.filter((_name, index) => columns[index]?.column.optional === true));
    const fault = recordHeaderFault(names as string[], wanted, { ...layout, optional });
    if (fault !== undefined) throw new FormatFault(fault.code, fault.message, line);
    width = names.length;
    places = wanted.map((name) => names.indexOf(name));
  }

  function finish(): RecordsSummary {
    if (places === undefined) {
      throw new FormatFault('CSV_HEADER_MISSING', 'The file has no row that could be its header.', 1);
    }
    const { accepted, rejected } = collector;
    const { lines } = scan;
    return { records: accepted + rejected, accepted, rejected, lines, declaredCount: null, totals: [] };
  }

  const marks = new EndMarks(codec.isEbcdic);
  return { push: (piece, isLast) => scan.push(marks.without(codec.toUnits(piece), isLast), isLast), finish };
}

/**
 * Records of CSV: by the names of its header or in the order of the layout.
 *
 * 1. A row with the wrong number of columns, a quote out of place or too many bytes is rejected alone, and reading goes on at the next line.
 *    A header that is wrong, and a quote that is not closed or closed some lines later, is thrown: all after it is doubtful.
 * 2. Last columns named `reject_reason` are no part of the record, so that a corrected rejects file is taken as it is.
 * 3. Blank lines are no records.
 */
import { REASON_COLUMN } from '#shared/routes/record-column-schema.ts';
import type { CsvRecords } from '#shared/routes/records-schema.ts';
import { FormatFault } from '../format-fault.ts';
import { ColumnFault, type CompiledColumn } from './compile-column.ts';
import { CsvRecordScanner, countLineEnds } from './csv-record-scanner.ts';
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
  const form = {
    delimiter: layout.delimiter,
    quote: layout.quote,
    hasNel: codec.isEbcdic,
    longest: Math.floor(layout.maxRecordBytes / codec.unitBytes),
  };
  const needsDecoding = codec.encoding === 'utf-8' || codec.unitBytes === 2;
  /** Which field each column is; by the header, once it is known. */
  let places: readonly number[] | undefined = layout.header ? undefined : columns.map((_column, index) => index);
  let width = columns.length;
  /** One for each time that the rows were rejected. */
  let reasonColumns = 0;
  let rest = '';
  let lines = 0;
  /** Until the rest has grown to it, scanning again would find nothing new. */
  let enough = 0;
  let isSkipping = false;

  function push(piece: Buffer, isLast: boolean): void {
    const text = rest + codec.toUnits(piece);
    rest = text;
    if (text.length < enough && !isLast) return;
    const scanner = new CsvRecordScanner(text, form);
    let from = 0;
    enough = 0;
    while (from < text.length) {
      if (isSkipping) {
        const end = scanner.lineEnd(from);
        const isHalf = end === text.length - 1 && text[end] === '\r' && !isLast;
        if (end < 0 || isHalf) {
          from = isHalf ? end : text.length;
          break;
        }
        isSkipping = false;
        from = scanner.after(end);
        continue;
      }
      const found = scanner.scan(from, isLast);
      if (found.type === 'open') {
        enough = Math.min((text.length - from) * 2, form.longest + 3);
        break;
      }
      const line = lines + 1;
      if (found.type === 'record') {
        lines += found.isOneLine ? 1 : 1 + countLineEnds(text.slice(from, found.end), form.hasNel);
        record(line, found.fields, text, from, found.end);
        from = scanner.after(found.end);
      } else if (found.type === 'too-long') {
        if (found.isQuoted) throw new FormatFault('CSV_RECORD_TOO_LONG', tooLong(line), line);
        rejectFrom(line, text, from, from + form.longest, recordFault('CSV_RECORD_TOO_LONG', tooLong(line)), true);
        lines += 1 + countLineEnds(text.slice(from, from + form.longest), form.hasNel);
        from = Math.min(from + form.longest, text.length);
        isSkipping = true;
      } else {
        const message = `The record that begins at line ${line} has a quote that is not closed or stands out of place.`;
        if (!found.isOneLine) throw new FormatFault('CSV_QUOTE', message, line);
        const end = scanner.lineEnd(found.at);
        if (end < 0 && !isLast && text.length - from <= form.longest) {
          enough = Math.min((text.length - from) * 2, form.longest + 3);
          break;
        }
        const stop = end < 0 ? text.length : end;
        const isCut = stop - from > form.longest;
        lines += 1;
        rejectFrom(line, text, from, isCut ? from + form.longest : stop, recordFault('CSV_QUOTE', message), isCut);
        from = stop;
        isSkipping = true;
      }
    }
    rest = text.slice(from);
  }

  function tooLong(line: number): string {
    return `The record that begins at line ${line} is longer than ${layout.maxRecordBytes} bytes.`;
  }

  function rejectFrom(line: number, text: string, from: number, to: number, fault: RecordFault, isCut: boolean): void {
    if (places === undefined) throw new FormatFault(fault.code, fault.message, line);
    collector.broken(line, fault, codec.toBytes(text.slice(from, to)), isCut);
  }

  function record(line: number, fields: readonly string[], text: string, from: number, to: number): void {
    if (from === to) return;
    const raw = () => codec.toBytes(text.slice(from, to));
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
    const isPlain = !needsDecoding || (codec.unitBytes === 1 && PLAIN.test(text.slice(from, to)));
    const values: Record<string, RecordValue> = {};
    let faults: RecordFault[] | undefined;
    for (let index = 0; index < columns.length; index++) {
      const compiled = columns[index] as CompiledColumn;
      const field = fields[places[index] as number] as string;
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
    const repeated = names.findIndex((name, index) => names.indexOf(name) < index);
    if (repeated >= 0) {
      throw new FormatFault(
        'CSV_HEADER_DUPLICATE',
        `Column ${repeated + 1} of the header has a name that occurs before.`,
        line,
      );
    }
    const wanted = columns.map(({ column, name }) => column.source ?? name);
    const missing = wanted.find((name) => !names.includes(name));
    if (missing !== undefined) {
      throw new FormatFault('CSV_HEADER_MISMATCH', `The header has no column "${missing}".`, line);
    }
    const unknown = names.findIndex((name) => !wanted.includes(name as string));
    if (unknown >= 0 && layout.unknown === 'reject') {
      throw new FormatFault('CSV_HEADER_MISMATCH', `Column ${unknown + 1} of the header is none of the layout.`, line);
    }
    width = names.length;
    places = wanted.map((name) => names.indexOf(name));
  }

  function finish(): RecordsSummary {
    if (places === undefined) {
      throw new FormatFault('CSV_HEADER_MISSING', 'The file has no row that could be its header.', 1);
    }
    const { accepted, rejected } = collector;
    return { records: accepted + rejected, accepted, rejected, lines, declaredCount: null, totals: [] };
  }

  return { push, finish };
}

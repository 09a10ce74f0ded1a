/**
 * Records of fixed width, with or without line ends, with header and trailer told by a type field.
 *
 * 1. A record of the wrong length or type, or with a bad column, is rejected alone. What makes the whole file doubtful is thrown: a header or
 *    trailer that is missing, misplaced or wrong, and a record with packed or binary columns that does not end where it should, because
 *    any byte in it may look like a line end.
 * 2. The trailer's count is compared with all records but header and trailer, rejected ones included; totals with all whose value reads.
 */
import type { RecordColumn } from '#shared/definitions/routes/record-column-schema.ts';
import type { FixedRecords } from '#shared/definitions/routes/records-schema.ts';
import { isBlankOrMarks } from '../end-marks.ts';
import { FormatFault } from '../format-fault.ts';
import { ColumnFault, type CompiledColumn, compileColumns } from './compile-column.ts';
import { ControlTotals } from './control-totals.ts';
import { framed, hasBinaryColumns, hasLineEnds } from './fixed-framing.ts';
import { columnFault, type FixedRecord, type RecordCollector, recordFault } from './record-collector.ts';
import type { EncodingCodec } from './record-encoding.ts';
import type { RecordFault, RecordsSummary, RecordValue, RecordValues } from './record-item.ts';
import type { RecordParser } from './record-parser.ts';

interface Reading {
  readonly values: RecordValues;
  readonly faults: RecordFault[] | undefined;
}

export function fixedRecords(
  layout: FixedRecords,
  columns: readonly CompiledColumn[],
  codec: EncodingCodec,
  collector: RecordCollector,
): RecordParser {
  const { recordLength, typeField } = layout;
  const compile = (group: readonly RecordColumn[] | undefined) => compileColumns(group ?? [], 'fixed', codec);
  const headerColumns = compile(layout.header?.columns);
  const trailerColumns = compile(layout.trailer?.columns);
  const totals = new ControlTotals(layout.trailer?.totals ?? []);
  const isOfCharacters = codec.encoding === 'utf-8' && layout.positions !== 'bytes';
  const characters = new Characters();
  const { needsDecoding } = codec;
  const typeOf = (type: string | undefined) => type?.trimEnd();
  const types = {
    header: typeOf(layout.header?.type),
    trailer: typeOf(layout.trailer?.type),
    detail: typeOf(typeField?.detail),
  };
  const details = () => collector.accepted + collector.rejected;
  let lines = 0;
  let declaredCount: RecordValue = null;
  let trailerLine = 0;
  const hasBinary = hasBinaryColumns(layout);
  const padding: FixedRecord[] = [];

  /** Whether it is the first. */
  function begin(line: number): boolean {
    if (trailerLine > 0) {
      const message = `Line ${line} is after the trailer of line ${trailerLine}.`;
      throw new FormatFault('FIXED_AFTER_TRAILER', message, line);
    }
    const isFirst = lines === 0;
    lines = line;
    return isFirst;
  }

  /** A record of which nothing can be read, not even its type. */
  function damaged(line: number, fault: RecordFault, raw: Buffer, isCut = false): void {
    if (begin(line) && types.header !== undefined) throw new FormatFault(fault.code, fault.message, line);
    totals.unreadable();
    collector.broken(line, fault, raw, isCut);
  }

  /** Whole records of blanks or marks may be the padding of the last block: known only by what comes after them. */
  function withoutPadding(given: FixedRecord): void {
    if (padding.length < MOST_PADDING && isPaddingStart(given.units) && isBlankOrMarks(given.units))
      padding.push(given);
    else {
      flushPadding();
      record(given);
    }
  }

  function afterPadding(...damage: Parameters<typeof damaged>): void {
    flushPadding();
    damaged(...damage);
  }

  function flushPadding(): void {
    for (const held of padding.splice(0)) record(held);
  }

  /**
   * After the trailer all of it is padding. Without one it may be records: blanks and what a line end follows without values, zero bytes of
   * binary zeros.
   */
  function dropPadding(): void {
    if (trailerLine > 0) padding.length = 0;
    const isAnyRecord = hasBinary || hasLineEnds(layout, codec);
    const isRecord = ({ units }: FixedRecord) => isAnyRecord || (isUnmarked(units) && units.length === recordLength);
    const last = padding.findLastIndex(isRecord);
    padding.length = last + 1;
    flushPadding();
  }

  function record(given: FixedRecord): void {
    const record = isOfCharacters ? decoded(given) : given;
    if (record === undefined) {
      const fault = recordFault('FIXED_ENCODING', 'The record holds bytes that are not UTF-8.');
      damaged(given.line, fault, codec.toBytes(given.units));
      return;
    }
    const { units, line } = record;
    const isFirst = begin(line);
    const type = typeField === undefined ? types.detail : typeAt(units, typeField.from - 1, typeField.length);
    const isHeader = type !== undefined && type === types.header;
    if (isFirst && types.header !== undefined && !isHeader) {
      throw new FormatFault('FIXED_HEADER_MISSING', 'The first record is not the header.', line);
    }
    if (isHeader && !isFirst) {
      throw new FormatFault('FIXED_HEADER_MISPLACED', `Line ${line} is a second header.`, line);
    }
    const raw = () => codec.toBytes(given.units);
    const lengthFault = faultOfLength(units);
    if (isHeader) {
      const values = readWhole(record, headerColumns, lengthFault, 'header');
      collector.add({ type: 'header', line, values, raw: raw() });
    } else if (type !== undefined && type === types.trailer) {
      const values = readWhole(record, trailerColumns, lengthFault, 'trailer');
      trailerLine = line;
      endWith(values, line);
      collector.add({ type: 'trailer', line, values, raw: raw() });
    } else if (lengthFault !== undefined) {
      totals.unreadable();
      collector.broken(line, lengthFault, raw());
    } else if (type !== types.detail) {
      totals.unreadable();
      const at = typeField?.from;
      collector.broken(
        line,
        recordFault('FIXED_RECORD_TYPE', 'The record is not of one of the declared types.', at),
        raw(),
      );
    } else {
      const { values, faults } = read(record, columns);
      totals.add(values);
      collector.row(line, values, faults, raw);
    }
  }

  function decoded(given: FixedRecord): FixedRecord | undefined {
    const units = codec.decodeValue(given.units);
    return units === undefined ? undefined : { ...given, units };
  }

  function typeAt(units: string, from: number, length: number): string {
    return slice(units, from, length).trimEnd();
  }

  function slice(units: string, from: number, length: number): string {
    return isOfCharacters ? characters.slice(units, from, length) : units.slice(from, from + length);
  }

  function faultOfLength(units: string): RecordFault | undefined {
    const length = isOfCharacters ? characters.lengthOf(units) : units.length;
    if (length === recordLength) return undefined;
    if (length > recordLength) {
      const message = `The record has ${length} positions and not ${recordLength}.`;
      return recordFault('FIXED_LONG', message, recordLength + 1);
    }
    const mayBeShort = hasLineEnds(layout, codec) || layout.recordFormat !== 'f';
    if (layout.shortLines === 'pad' && mayBeShort) return undefined;
    const cut = columns.find(({ start, length: width }) => start + width > length);
    return recordFault(
      'FIXED_SHORT',
      `The record has ${length} positions and not ${recordLength}.`,
      length + 1,
      cut?.name,
    );
  }

  function read({ units, bytes, at }: FixedRecord, group: readonly CompiledColumn[]): Reading {
    const values: Record<string, RecordValue> = {};
    let faults: RecordFault[] | undefined;
    for (const compiled of group) {
      let got: RecordValue | ColumnFault;
      if (compiled.readBytes !== undefined)
        got = endsBefore(compiled, units.length) ? beyondEnd(compiled, units.length) : compiled.readBytes(bytes, at);
      else {
        const field = slice(units, compiled.start, compiled.length);
        const text = needsDecoding && !isOfCharacters ? codec.decodeValue(field) : field;
        got = text === undefined ? compiled.encodingFault : compiled.readText(text);
      }
      if (got instanceof ColumnFault) {
        faults ??= [];
        faults.push(columnFault(compiled, got, shown(compiled, units, bytes, at)));
      } else values[compiled.name] = got;
    }
    return { values, faults };
  }

  function endsBefore({ start, length }: CompiledColumn, recordUnits: number): boolean {
    return start + length > recordUnits;
  }

  /** Of a column whose bytes would be those of the next record. */
  function beyondEnd({ start, column, missingFault, name }: CompiledColumn, recordUnits: number): ColumnFault | null {
    if (start < recordUnits) return new ColumnFault('FIXED_SHORT', `The record ends within the column ${name}.`);
    return column.required ? missingFault : null;
  }

  function shown(compiled: CompiledColumn, units: string, bytes: Buffer, at: number): string {
    if (compiled.readBytes === undefined) return slice(units, compiled.start, compiled.length);
    const from = at + compiled.start;
    return `0x${bytes.toString('hex', from, from + compiled.length)}`;
  }

  function readWhole(
    record: FixedRecord,
    group: readonly CompiledColumn[],
    lengthFault: RecordFault | undefined,
    what: string,
  ): RecordValues {
    const { values, faults } = lengthFault === undefined ? read(record, group) : { values: {}, faults: [lengthFault] };
    const fault = faults?.[0];
    if (fault === undefined) return values;
    throw new FormatFault(fault.code, `The ${what} in line ${record.line} is wrong. ${fault.message}`, record.line);
  }

  function endWith(values: RecordValues, line: number): void {
    const { trailer, header } = layout;
    totals.declare(values);
    if (trailer?.count === undefined) return;
    declaredCount = values[trailer.count] ?? null;
    const counted = details() + (trailer.countOf === 'all-records' ? (header === undefined ? 1 : 2) : 0);
    if (Number(declaredCount) === counted && declaredCount !== null) return;
    const message = `The trailer in line ${line} counts ${declaredCount ?? 'no'} records, the file has ${counted}.`;
    throw new FormatFault('FIXED_TRAILER_COUNT', message, line);
  }

  function finish(): RecordsSummary {
    dropPadding();
    if (lines === 0 && types.header !== undefined) {
      throw new FormatFault('FIXED_HEADER_MISSING', 'The file has no record that could be its header.', 1);
    }
    if (types.trailer !== undefined && trailerLine === 0) {
      throw new FormatFault('FIXED_TRAILER_MISSING', 'The file ends without its trailer.', lines + 1);
    }
    const compared = totals.compare();
    const wrong = compared.find((total) => total.isCompared && !total.isEqual);
    if (wrong !== undefined) {
      const message = `The trailer's ${wrong.column} is not the sum of ${wrong.sumOf} (${wrong.sum}).`;
      throw new FormatFault('FIXED_TRAILER_TOTAL', message, trailerLine);
    }
    return {
      records: details(),
      accepted: collector.accepted,
      rejected: collector.rejected,
      lines,
      declaredCount: declaredCount === null ? null : String(declaredCount),
      totals: compared.map(({ isEqual: _isEqual, ...total }) => total),
    };
  }

  const push = framed(layout, codec, { record: withoutPadding, damaged: afterPadding, isFull: () => collector.isFull });
  return { push, finish };
}

/** More of them are not padding of a block: the longest has 32,760 bytes. */
const MOST_PADDING = 32_760;

/** What nearly every record is not, seen at its first character. */
function isPaddingStart(units: string): boolean {
  const code = units.charCodeAt(0);
  return code === 32 || code === 0x1a || code === 0;
}

function isUnmarked(units: string): boolean {
  return !units.includes('\u001a') && !units.includes('\0');
}

const SURROGATE = /[\ud800-\udfff]/;

/** A text by its characters, of which some are two units. They are found once a record: each of its columns asks for them. */
class Characters {
  #text = '';
  /** Where each begins, and the end; undefined where each is one unit. */
  #starts: Uint32Array | undefined;

  lengthOf(text: string): number {
    const starts = this.#startsOf(text);
    return starts === undefined ? text.length : starts.length - 1;
  }

  slice(text: string, from: number, length: number): string {
    const starts = this.#startsOf(text);
    if (starts === undefined) return text.slice(from, from + length);
    const last = starts.length - 1;
    return text.slice(starts[Math.min(from, last)], starts[Math.min(from + length, last)]);
  }

  #startsOf(text: string): Uint32Array | undefined {
    if (text !== this.#text) {
      this.#text = text;
      this.#starts = SURROGATE.test(text) ? startsOfCharacters(text) : undefined;
    }
    return this.#starts;
  }
}

function startsOfCharacters(text: string): Uint32Array {
  const starts = new Uint32Array(text.length + 1);
  let count = 0;
  for (let at = 0; at < text.length; at += (text.codePointAt(at) as number) > 0xffff ? 2 : 1) {
    starts[count] = at;
    count += 1;
  }
  starts[count] = text.length;
  return starts.subarray(0, count + 1);
}

/**
 * Records of NDJSON: an object per line. A bad line is rejected alone; blank lines are not records; the key `reject_reason` is not a part of a
 * record, so that a corrected rejects file is taken as it is.
 */
import { REASON_COLUMN } from '#shared/definitions/routes/record-column-schema.ts';
import type { NdjsonRecords } from '#shared/definitions/routes/records-schema.ts';
import { EndMarks } from '../end-marks.ts';
import { ColumnFault, type CompiledColumn, type Read } from './compile-column.ts';
import { MOST_DIGITS } from './decimal-text.ts';
import { type JsonMember, parseJsonRecord } from './parse-json-record.ts';
import { columnFault, type RecordCollector, recordFault } from './record-collector.ts';
import type { EncodingCodec } from './record-encoding.ts';
import { type RecordFault, type RecordValue, shownValue } from './record-item.ts';
import type { RecordParser } from './record-parser.ts';
import { LineSplitter } from './split-lines.ts';

const BLANKS = /^[ \t]*$/;
const ABSENT: JsonMember = { kind: 'null', text: '' };
const NUMBER_TYPES: ReadonlySet<string> = new Set(['integer', 'decimal']);

export function ndjsonRecords(
  layout: NdjsonRecords,
  columns: readonly CompiledColumn[],
  codec: EncodingCodec,
  collector: RecordCollector,
): RecordParser {
  const splitter = new LineSplitter(Math.floor(layout.maxRecordBytes / codec.unitBytes), codec.isEbcdic);
  const marks = new EndMarks(codec.isEbcdic);
  const known = new Set([...columns.map(({ column, name }) => column.source ?? name), REASON_COLUMN]);

  function* push(piece: Buffer, isLast: boolean): Generator<void> {
    for (const { text, line, isCut } of splitter.push(marks.without(codec.toUnits(piece), isLast), isLast)) {
      if (isCut) {
        const message = `The line is longer than ${layout.maxRecordBytes} bytes.`;
        collector.broken(line, recordFault('JSON_LINE_TOO_LONG', message), codec.toBytes(text), true);
      } else if (!BLANKS.test(text)) record(text, line);
      if (collector.isFull) yield;
    }
  }

  function record(units: string, line: number): void {
    const raw = () => codec.toBytes(units);
    const text = codec.decodeValue(units);
    if (text === undefined) {
      const message = `The line holds bytes that are not ${codec.encoding}.`;
      collector.broken(line, recordFault('JSON_ENCODING', message), raw());
      return;
    }
    const parsed = parseJsonRecord(text);
    if (!parsed.ok) {
      collector.broken(line, recordFault(parsed.code, parsed.message, parsed.position), raw());
      return;
    }
    const values: Record<string, RecordValue> = {};
    let faults: RecordFault[] | undefined;
    for (const compiled of columns) {
      const member = parsed.members.get(compiled.column.source ?? compiled.name) ?? ABSENT;
      const got = read(compiled, member);
      if (got instanceof ColumnFault) {
        faults ??= [];
        faults.push(columnFault(compiled, got, member.text));
      } else values[compiled.name] = got;
    }
    if (layout.unknown === 'reject' && parsed.members.size > 0) {
      for (const key of parsed.members.keys()) {
        if (known.has(key)) continue;
        faults ??= [];
        const message = 'The object has a key that the layout does not name.';
        faults.push({ code: 'JSON_UNKNOWN_KEY', message, value: shownValue(key, undefined) });
        break;
      }
    }
    collector.row(line, values, faults, raw);
  }

  return {
    push,
    finish: () => {
      const { accepted, rejected } = collector;
      const lines = splitter.lines;
      return { records: accepted + rejected, accepted, rejected, lines, declaredCount: null, totals: [] };
    },
  };
}

/** Texts may hold numbers, dates and booleans; a number is never taken for a text, which would lose how it was written. */
function read(compiled: CompiledColumn, member: JsonMember): Read {
  const { type, name } = compiled.column;
  switch (member.kind) {
    case 'null':
    case 'string':
      return compiled.readText(member.text);
    case 'boolean':
      if (type === 'boolean') return compiled.readText(member.text);
      break;
    case 'number':
      if (!NUMBER_TYPES.has(type)) break;
      if (isPlainNumber(member.text)) return compiled.readText(asWritten(member.text, compiled));
      return new ColumnFault('JSON_NUMBER', `The column ${name} has an exponent or over ${MOST_DIGITS} digits.`);
    case 'nested':
      break;
  }
  return new ColumnFault('COLUMN_TYPE', `The column ${name} is a ${type} and its value a JSON ${jsonName(member)}.`);
}

/** JSON's own numbers have a point, whatever the texts of the column have. */
function asWritten(number: string, { column }: CompiledColumn): string {
  return column.decimalMark === ',' ? number.replace('.', ',') : number;
}

function isPlainNumber(text: string): boolean {
  return !/[eE]/.test(text) && text.replace(/[-.]/g, '').length <= MOST_DIGITS;
}

function jsonName({ kind }: JsonMember): string {
  return kind === 'nested' ? 'object or array' : kind;
}

/**
 * A column's rules, compiled once: from the text or bytes of a field to its value, or to the first rule that it breaks.
 *
 * 1. A fault never shows the value; who reports it does, masked.
 * 2. A good value costs no allocation but itself: this runs for every field of every record.
 */

import { readAddress } from '#shared/campaigns/mail-address.ts';
import { compileLinearPattern } from '#shared/definitions/linear-pattern.ts';
import { timeZoneSchema } from '#shared/definitions/name-schemas.ts';
import type { RecordColumn } from '#shared/definitions/routes/record-column-schema.ts';
import type { RecordsLayout } from '#shared/definitions/routes/records-schema.ts';
import type { ErrorCode } from '#shared/errors.ts';
import { compileDateFormat } from './date-format.ts';
import { compareDecimals, MOST_DIGITS, parseDecimal } from './decimal-text.ts';
import { readBinary, readPacked, readZoned, zonedSigns } from './host-numbers.ts';
import type { EncodingCodec } from './record-encoding.ts';
import type { RecordValue } from './record-item.ts';
import { writtenNumber } from './written-number.ts';

export class ColumnFault {
  readonly code: ErrorCode;
  readonly message: string;

  constructor(code: ErrorCode, message: string) {
    this.code = code;
    this.message = message;
  }
}

export type Read = RecordValue | ColumnFault;

export interface CompiledColumn {
  readonly column: RecordColumn;
  readonly name: string;
  /** From 0; fixed width only. */
  readonly start: number;
  readonly length: number;
  readonly readText: (text: string) => Read;
  /** Packed and binary: from the bytes of a record that begins at `from`. */
  readonly readBytes: ((bytes: Buffer, from: number) => Read) | undefined;
  readonly encodingFault: ColumnFault;
  readonly missingFault: ColumnFault;
}

type Rule = (value: string) => ColumnFault | undefined;

export const CODE_PREFIX = { csv: 'CSV', fixed: 'FIXED', ndjson: 'JSON' } as const;

export function compileColumns(
  columns: readonly RecordColumn[],
  format: RecordsLayout['format'],
  codec: EncodingCodec,
) {
  return columns.map((column) => compileColumn(column, format, codec));
}

function compileColumn(column: RecordColumn, format: RecordsLayout['format'], codec: EncodingCodec): CompiledColumn {
  const prefix = CODE_PREFIX[format];
  const named = (what: string) => `The column ${column.name} ${what}.`;
  const missing = new ColumnFault('COLUMN_REQUIRED', named('has no value'));
  const noValue = column.required ? missing : null;
  const rules = compileRules(column, named);
  const parse = parserOf(column, format, named, codec);
  const trim = column.type === 'text' ? trimmer(column.trim ?? (format === 'fixed' ? 'right' : 'none')) : trimBoth;
  const nullValues = new Set(column.nullValues ?? []);
  const nul = new ColumnFault(`${prefix}_NUL`, named('holds a NUL character'));

  function checked(value: RecordValue | ColumnFault): Read {
    if (typeof value !== 'string') return value;
    for (const rule of rules) {
      const fault = rule(value);
      if (fault !== undefined) return fault;
    }
    return value;
  }

  function readText(text: string): Read {
    let trimmed = trim(text);
    if (trimmed.includes('\0')) {
      // Low-values all over are how COBOL leaves a field that nobody filled.
      if (format !== 'fixed' || !isAll(trimmed, 0)) return nul;
      trimmed = '';
    }
    if (trimmed === '' || (nullValues.size > 0 && nullValues.has(trimmed))) return noValue;
    return checked(parse(trimmed));
  }

  const length = column.length ?? 0;
  return {
    column,
    name: column.name,
    start: (column.from ?? 1) - 1,
    length,
    readText,
    readBytes: bytesReader(column, noValue, checked, named, codec.isEbcdic),
    encodingFault: new ColumnFault(`${prefix}_ENCODING`, named('holds bytes that the encoding does not know')),
    missingFault: missing,
  };
}

function bytesReader(
  column: RecordColumn,
  noValue: ColumnFault | null,
  checked: (value: Read) => Read,
  named: (what: string) => string,
  isEbcdic: boolean,
): CompiledColumn['readBytes'] {
  const start = (column.from ?? 1) - 1;
  const length = column.length ?? 0;
  const decimals = column.decimals ?? 0;
  if (column.type === 'packed') {
    const bad = new ColumnFault('FIXED_PACKED', named('is not a packed decimal'));
    const blank = isEbcdic ? 0x40 : 0x20;
    return (bytes, from) => {
      const value = readPacked(bytes, from + start, length, decimals);
      if (value !== undefined) return checked(value);
      const first = bytes[from + start];
      if (first !== 0 && first !== blank) return bad;
      for (let at = 1; at < length; at++) if (bytes[from + start + at] !== first) return bad;
      return noValue;
    };
  }
  if (column.type === 'binary') {
    const form = { isSigned: column.signed !== false, isLittle: column.byteOrder === 'little' };
    return (bytes, from) => checked(readBinary(bytes, from + start, length, decimals, form));
  }
  return undefined;
}

function parserOf(
  column: RecordColumn,
  format: RecordsLayout['format'],
  named: (what: string) => string,
  codec: EncodingCodec,
): (text: string) => Read {
  const wrong = (what: string) => new ColumnFault('COLUMN_TYPE', named(`is not a ${what}`));
  switch (column.type) {
    case 'integer': {
      const fault = wrong(`whole number of at most ${MOST_DIGITS} digits`);
      return numberParser(column, 0, fault);
    }
    case 'decimal': {
      const decimals = column.decimals ?? 18;
      const fault = wrong(`number with at most ${decimals} digits after the point`);
      return numberParser(column, decimals, fault);
    }
    case 'zoned': {
      const fault = new ColumnFault(format === 'fixed' ? 'FIXED_ZONED' : 'COLUMN_TYPE', named('is not a zoned number'));
      const signs = zonedSigns(codec, column.overpunch ?? 'ibm');
      return (text) => {
        if (text.length > MOST_DIGITS + 1) return fault;
        return readZoned(text, column.sign ?? 'trailing', column.decimals ?? 0, signs) ?? fault;
      };
    }
    case 'boolean': {
      const fault = wrong('boolean (true, false, yes, no, Y, N, 1, 0)');
      return (text) => BOOLEANS.get(text.toLowerCase()) ?? fault;
    }
    case 'date': {
      const format = compileDateFormat(column.format ?? 'yyyy-MM-dd', column.pivotYear);
      const fault = new ColumnFault(
        'COLUMN_DATE',
        named(`is not a date in the format ${column.format ?? 'yyyy-MM-dd'}`),
      );
      return (text) => (format.ok ? format.toIso(text) : undefined) ?? fault;
    }
    case 'email':
      return (text) => {
        const read = readAddress(text);
        return read.ok ? read.address : new ColumnFault(read.code, named(read.what));
      };
    case 'time-zone': {
      const unknown = new ColumnFault('ZONE_UNKNOWN', named('is not a time zone such as Europe/Berlin'));
      return (text) => (timeZoneSchema.safeParse(text).success ? text : unknown);
    }
    default:
      return (text) => text;
  }
}

function numberParser(column: RecordColumn, decimals: number, fault: ColumnFault): (text: string) => Read {
  const written = writtenNumber(column);
  if (written === undefined) return (text) => parseDecimal(text, decimals) ?? fault;
  return (text) => {
    const plain = written(text);
    return (plain === undefined ? undefined : parseDecimal(plain, decimals)) ?? fault;
  };
}

const BOOLEANS: ReadonlyMap<string, boolean> = new Map([
  ...['true', 'yes', 'y', '1'].map((text) => [text, true] as const),
  ...['false', 'no', 'n', '0'].map((text) => [text, false] as const),
]);

function compileRules(column: RecordColumn, named: (what: string) => string): Rule[] {
  const rules: Rule[] = [];
  const add = (code: ErrorCode, what: string, isBroken: (value: string) => boolean) => {
    const fault = new ColumnFault(code, named(what));
    rules.push((value) => (isBroken(value) ? fault : undefined));
  };
  const { minLength, maxLength, pattern, min, max } = column;
  if (minLength !== undefined) {
    add('COLUMN_LENGTH', `has less than ${minLength} characters`, (value) => charactersOf(value) < minLength);
  }
  if (maxLength !== undefined) {
    const isLonger = (value: string) => value.length > maxLength && charactersOf(value) > maxLength;
    add('COLUMN_LENGTH', `has more than ${maxLength} characters`, isLonger);
  }
  if (column.enum !== undefined) {
    const allowed = new Set(column.enum);
    add('COLUMN_ENUM', 'is not one of the allowed values', (value) => !allowed.has(value));
  }
  if (pattern !== undefined) {
    const compiled = compileLinearPattern(pattern);
    add('COLUMN_PATTERN', 'does not fit its pattern', (value) => !compiled.ok || !compiled.matches(value));
  }
  if (column.signed === false && column.type !== 'binary') {
    add('COLUMN_RANGE', 'is negative', (value) => value.startsWith('-'));
  }
  const compare = column.type === 'date' ? compareDates : compareDecimals;
  if (min !== undefined) add('COLUMN_RANGE', `is less than ${min}`, (value) => compare(value, min) < 0);
  if (max !== undefined) add('COLUMN_RANGE', `is greater than ${max}`, (value) => compare(value, max) > 0);
  return rules;
}

/** A bound without a time is that whole day. */
function compareDates(value: string, bound: string): number {
  const part = value.slice(0, bound.length);
  return part < bound ? -1 : part > bound ? 1 : 0;
}

function charactersOf(text: string): number {
  let count = 0;
  for (const _character of text) count += 1;
  return count;
}

const BLANK = 32;

function trimmer(side: 'both' | 'left' | 'right' | 'none'): (text: string) => string {
  if (side === 'none') return (text) => (isAll(text, BLANK) ? '' : text);
  const isLeft = side !== 'right';
  const isRight = side !== 'left';
  return (text) => {
    let from = 0;
    let to = text.length;
    if (isRight) while (to > 0 && text.charCodeAt(to - 1) === BLANK) to -= 1;
    if (isLeft) while (from < to && text.charCodeAt(from) === BLANK) from += 1;
    return from === 0 && to === text.length ? text : text.slice(from, to);
  };
}

const trimBoth = trimmer('both');

function isAll(text: string, code: number): boolean {
  for (let at = 0; at < text.length; at++) if (text.charCodeAt(at) !== code) return false;
  return true;
}

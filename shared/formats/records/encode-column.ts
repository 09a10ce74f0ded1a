/** The bytes of a value in a fixed-width column: what reading gives back as the same value. Null is blanks. */

import type { RecordColumn } from '#shared/definitions/routes/record-column-schema.ts';
import { LongshoreError } from '#shared/errors.ts';
import { compileDateFormat } from './date-format.ts';
import { decimalsOf, scaled } from './decimal-text.ts';
import { writeBinary, writePacked, writeZoned } from './host-numbers.ts';
import type { EncodingCodec } from './record-encoding.ts';
import type { RecordValue } from './record-item.ts';

/** @throws LongshoreError `COLUMN_LENGTH` when the value does not fit. */
export function encodeColumn(column: RecordColumn, value: RecordValue, codec: EncodingCodec): Buffer {
  const length = column.length ?? 0;
  if (value === null) return codec.encodeText(' '.repeat(length));
  if (column.type === 'binary') {
    const form = { isSigned: column.signed !== false, isLittle: column.byteOrder === 'little' };
    return writeBinary(unitsOf(column, String(value)), length, form);
  }
  if (column.type === 'packed' || column.type === 'zoned') {
    const units = unitsOf(column, String(value));
    const isNegative = units < 0n;
    const digits = String(isNegative ? -units : units);
    const sign = column.sign ?? 'trailing';
    const places = column.type === 'packed' ? length * 2 - 1 : length - (sign.endsWith('separate') ? 1 : 0);
    if (digits.length > places) throw tooLong(column);
    if (column.type === 'packed') return writePacked(isNegative, digits, length);
    return codec.encodeText(writeZoned(isNegative, digits.padStart(places, '0'), sign, codec));
  }
  const plain = column.type === 'date' ? dateText(column, String(value)) : String(value);
  const text = column.decimalMark === ',' ? plain.replace('.', ',') : plain;
  const isNumber = column.type === 'integer' || column.type === 'decimal';
  const padded = isNumber ? text.padStart(length) : text.padEnd(length);
  if (padded.length > length) throw tooLong(column);
  return codec.encodeText(padded);
}

function unitsOf(column: RecordColumn, value: string): bigint {
  const scale = column.decimals ?? 0;
  if (decimalsOf(value) > scale) throw tooLong(column);
  return scaled(value, scale);
}

function dateText(column: RecordColumn, iso: string): string {
  const format = compileDateFormat(column.format ?? 'yyyy-MM-dd', column.pivotYear);
  return format.ok ? format.fromIso(iso) : iso;
}

function tooLong(column: RecordColumn): LongshoreError {
  return new LongshoreError('COLUMN_LENGTH', `A value does not fit into the column ${column.name}.`);
}

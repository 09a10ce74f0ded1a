/** How a CSV file is written: what routes declare, and what the reader goes by. */
import { z } from 'zod';
import { type Encoding, encodingSchema } from '#shared/definitions/routes/encoding-schema.ts';
import { maxRecordBytesSchema } from '#shared/definitions/routes/max-record-bytes.ts';

const oneCharacter = z.string().refine((value) => value.length === 1 && !/[\r\n\0\ufeff]/.test(value), {
  error: 'must be one character, not a line break',
});

export const csvDialectSchema = {
  delimiter: oneCharacter.default(','),
  /** Doubled inside a quoted field, as in RFC 4180. */
  quote: oneCharacter.default('"'),
  /** A byte order mark at the beginning wins over this. */
  encoding: encodingSchema.default('utf-8'),
  maxRecordBytes: maxRecordBytesSchema,
};

export interface CsvDialect {
  readonly delimiter: string;
  readonly quote: string;
  readonly encoding: Encoding;
  readonly maxRecordBytes: number;
}

export function differingDelimiters(dialect: { readonly delimiter: string; readonly quote: string }): boolean {
  return dialect.delimiter !== dialect.quote;
}

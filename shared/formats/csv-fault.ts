/** The CSV parser's errors as faults with a code of ours. Its own messages quote the file's contents, and are not passed on. */
import type { CsvError } from 'csv-parse';
import type { ErrorCode } from '#shared/errors.ts';
import { FormatFault } from './format-fault.ts';

const CODES: Readonly<Record<string, ErrorCode>> = {
  CSV_QUOTE_NOT_CLOSED: 'CSV_QUOTE',
  CSV_INVALID_CLOSING_QUOTE: 'CSV_QUOTE',
  INVALID_OPENING_QUOTE: 'CSV_QUOTE',
  CSV_NON_TRIMABLE_CHAR_AFTER_CLOSING_QUOTE: 'CSV_QUOTE',
  CSV_MAX_RECORD_SIZE: 'CSV_RECORD_TOO_LONG',
};

/** The error itself when it is none of the parser's. `line`: where the record began. */
export function csvFaultOf(error: unknown, line: number): unknown {
  const code = CODES[(error as CsvError).code];
  if (code === undefined || error instanceof FormatFault) return error;
  const what =
    code === 'CSV_QUOTE' ? 'has a quote that is not closed or stands out of place' : 'is longer than allowed';
  return new FormatFault(code, `The record that begins at line ${line} ${what}.`, line);
}

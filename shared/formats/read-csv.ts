/**
 * Reads CSV (RFC 4180) as a stream: the header, then each row with its line.
 *
 * 1. Memory is bounded by one record, whose length is bounded.
 * 2. A row with the wrong number of columns is told and the reading goes on; what makes all after it doubtful (an open quote,
 *    a NUL, a foreign encoding, a record without end) is thrown as `FormatFault`.
 * 3. Values stay the text that they are. Blank lines are no rows.
 */
import { pipeline, Readable } from 'node:stream';
import { type Info, parse } from 'csv-parse';
import type { ErrorCode } from '#shared/errors.ts';
import type { CsvDialect } from './csv-dialect.ts';
import { csvFaultOf } from './csv-fault.ts';
import { decodeText } from './decode-text.ts';

export type CsvItem =
  | { readonly type: 'header'; readonly names: readonly string[] }
  /** `line`: where the row begins, from 1. */
  | { readonly type: 'row'; readonly line: number; readonly values: readonly string[] }
  | { readonly type: 'rejected'; readonly line: number; readonly code: ErrorCode; readonly message: string };

/** @throws FormatFault when the file cannot be read on; whatever `source` throws comes through unchanged. */
export async function* readCsv(source: AsyncIterable<Uint8Array>, dialect: CsvDialect): AsyncGenerator<CsvItem> {
  // Noted by the parser as it goes: when it fails, the rows that nobody has fetched yet are gone.
  let parsedLines = 0;
  const parser = parse({
    delimiter: dialect.delimiter,
    quote: dialect.quote,
    escape: dialect.quote,
    max_record_size: dialect.maxRecordBytes,
    // The longer one first, or CR LF would count as two.
    record_delimiter: ['\r\n', '\n', '\r'],
    relax_column_count: true,
    info: true,
    on_record: (record, context) => {
      parsedLines = context.lines;
      return record;
    },
  });
  // The loop below gets the error of either side; the callback keeps it from being thrown a second time.
  pipeline(Readable.from(decodeText(source, dialect.encoding)), parser, () => {});
  let header: readonly string[] | undefined;
  let lastLine = 0;
  try {
    for await (const { record, info } of parser as AsyncIterable<{ record: string[]; info: Info }>) {
      const line = lastLine + 1;
      lastLine = info.lines;
      if (record.length === 1 && record[0] === '') continue;
      if (header === undefined) {
        header = record;
        yield { type: 'header', names: header };
      } else if (record.length !== header.length) {
        const message = `Line ${line} has ${record.length} ${record.length === 1 ? 'column' : 'columns'} and not ${header.length}.`;
        yield { type: 'rejected', line, code: 'CSV_COLUMN_COUNT', message };
      } else {
        yield { type: 'row', line, values: record };
      }
    }
  } catch (error) {
    throw csvFaultOf(error, parsedLines + 1);
  }
}

/**
 * CSV to NDJSON: one object per row, its keys the header's names, its values the texts as they are (`007` stays `"007"`).
 *
 * 1. Rows in = records out + rejected; each rejected row is told with line and reason.
 * 2. Objects are written as text and never built, so that a column named `__proto__` is a column like any other.
 */
import { checkCsvHeader } from './check-csv-header.ts';
import type { CsvDialect } from './csv-dialect.ts';
import { FormatFault } from './format-fault.ts';
import { readCsv } from './read-csv.ts';

interface RejectedRow {
  readonly line: number;
  readonly code: string;
  readonly message: string;
}

export interface NdjsonCounts {
  recordsIn: number;
  recordsOut: number;
  readonly rejected: RejectedRow[];
}

/** Bytes given on at a time. */
const PIECE_BYTES = 65_536;

/** `counts` is filled in as the rows go by. @throws FormatFault. */
export async function* csvToNdjson(
  source: AsyncIterable<Uint8Array>,
  options: CsvDialect & { readonly maxRejected: number },
  counts: NdjsonCounts,
): AsyncGenerator<Uint8Array> {
  let keys: readonly string[] = [];
  let text = '';
  for await (const item of readCsv(source, options)) {
    if (item.type === 'header') {
      const fault = checkCsvHeader(item.names, {});
      if (fault !== undefined) throw fault;
      keys = item.names.map((name) => JSON.stringify(name));
      continue;
    }
    counts.recordsIn += 1;
    if (item.type === 'rejected') {
      counts.rejected.push({ line: item.line, code: item.code, message: item.message });
      if (counts.rejected.length > options.maxRejected) throw tooManyRejected(counts.rejected, options.maxRejected);
      continue;
    }
    counts.recordsOut += 1;
    text += `{${item.values.map((value, index) => `${keys[index]}:${JSON.stringify(value)}`).join(',')}}\n`;
    if (text.length >= PIECE_BYTES) {
      yield Buffer.from(text);
      text = '';
    }
  }
  if (text !== '') yield Buffer.from(text);
}

function tooManyRejected(rejected: readonly RejectedRow[], allowed: number): FormatFault {
  const first = rejected[0];
  const message = `More than ${allowed} rows were rejected, the first at line ${first?.line}: ${first?.message}`;
  return new FormatFault('CSV_TOO_MANY_REJECTED', message, first?.line);
}

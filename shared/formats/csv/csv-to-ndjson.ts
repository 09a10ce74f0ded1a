/**
 * CSV to NDJSON: one object per row, its keys the header's names, its values the texts as they are (`007` stays `"007"`).
 *
 * 1. Rows in = records out + rejected; each rejected row is told with line and reason.
 * 2. A header of long names over rows of nothing is refused as an archive bomb is: by how much comes out of what went in.
 * 3. Objects are written as text and never built, so that a column named `__proto__` is a column like any other.
 */

import { FormatFault } from '#shared/formats/format-fault.ts';
import { checkCsvHeader } from './check-csv-header.ts';
import type { CsvDialect } from './csv-dialect.ts';
import { type CsvItem, readCsvRows } from './read-csv-rows.ts';

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
const MOST_EXPANSION = 200;
const EXPANSION_COUNTS_FROM_BYTES = 10_000_000;

/** `counts` is filled in as the rows go by. @throws FormatFault. */
export async function* csvToNdjson(
  source: AsyncIterable<Uint8Array>,
  options: CsvDialect & { readonly maxRejected: number },
  counts: NdjsonCounts,
): AsyncGenerator<Uint8Array> {
  let keys: readonly string[] = [];
  let text = '';
  let bytesIn = 0;
  let bytesOut = 0;
  async function* counted(): AsyncGenerator<Uint8Array> {
    for await (const piece of source) {
      bytesIn += piece.length;
      yield piece;
    }
  }

  function take(item: CsvItem): void {
    if (item.type === 'header') {
      const fault = checkCsvHeader(item.names, {});
      if (fault !== undefined) throw fault;
      keys = item.names.map((name) => JSON.stringify(name));
      return;
    }
    counts.recordsIn += 1;
    if (item.type === 'rejected') {
      counts.rejected.push({ line: item.line, code: item.code, message: item.message });
      if (counts.rejected.length > options.maxRejected) throw tooManyRejected(counts.rejected, options.maxRejected);
      return;
    }
    counts.recordsOut += 1;
    text += `{${item.values.map((value, index) => `${keys[index]}:${JSON.stringify(value)}`).join(',')}}\n`;
  }

  for await (const items of readCsvRows(counted(), options)) {
    for (const item of items) {
      take(item);
      if (text.length < PIECE_BYTES) continue;
      const piece = Buffer.from(text);
      text = '';
      bytesOut += piece.length;
      if (bytesOut > EXPANSION_COUNTS_FROM_BYTES && bytesOut > bytesIn * MOST_EXPANSION) {
        const message = `The rows become more than ${MOST_EXPANSION} times as long with the names of the header.`;
        throw new FormatFault('ARCHIVE_BOMB', message);
      }
      yield piece;
    }
  }
  if (text !== '') yield Buffer.from(text);
}

function tooManyRejected(rejected: readonly RejectedRow[], allowed: number): FormatFault {
  const first = rejected[0];
  const message = `More than ${allowed} rows were rejected, the first at line ${first?.line}: ${first?.message}`;
  return new FormatFault('CSV_TOO_MANY_REJECTED', message, first?.line);
}

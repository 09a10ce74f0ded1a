/**
 * CSV to NDJSON: one object per row, its keys the header's names, its values the texts as they are (`007` stays `"007"`).
 *
 * 1. Rows in = records out + rejected; each rejected row is told with line and reason. A file of which every row is rejected is refused.
 * 2. A header of long names over rows of nothing is refused as an archive bomb is: by how much comes out of what went in.
 * 3. Objects are written as text and never built, so that a column named `__proto__` is a column like any other.
 * 4. A long object is given on in pieces: names of a hundred thousand columns, or control characters, make it several times as long as its row.
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
/** Of a value, turned into JSON at a time. */
const SLICE_CHARACTERS = 8_192;
const MOST_EXPANSION = 200;
const EXPANSION_COUNTS_FROM_BYTES = 10_000_000;

/** `counts` is filled in as the rows go by. @throws FormatFault. */
export async function* csvToNdjson(
  source: AsyncIterable<Uint8Array>,
  options: CsvDialect & { readonly maxRejected: number },
  counts: NdjsonCounts,
): AsyncGenerator<Uint8Array> {
  let keys: readonly string[] = [];
  let lengthOfKeys = 0;
  let text = '';
  let bytesIn = 0;
  let bytesOut = 0;
  async function* counted(): AsyncGenerator<Uint8Array> {
    for await (const piece of source) {
      bytesIn += piece.length;
      yield piece;
    }
  }

  /** The values of a row that is to be written in pieces. */
  function take(item: CsvItem): readonly string[] | undefined {
    if (item.type === 'header') {
      const fault = checkCsvHeader(item.names, {});
      if (fault !== undefined) throw fault;
      keys = item.names.map((name, index) => `${index === 0 ? '{' : ','}${JSON.stringify(name)}:`);
      lengthOfKeys = keys.reduce((sum, key) => sum + key.length, 0);
      return undefined;
    }
    counts.recordsIn += 1;
    if (item.type === 'rejected') {
      counts.rejected.push({ line: item.line, code: item.code, message: item.message });
      if (counts.rejected.length > options.maxRejected) throw tooManyRejected(counts.rejected, options.maxRejected);
      return undefined;
    }
    counts.recordsOut += 1;
    const { values } = item;
    let length = lengthOfKeys;
    for (const value of values) length += value.length;
    if (length > SLICE_CHARACTERS) return values;
    for (let index = 0; index < values.length; index++) text += `${keys[index]}${JSON.stringify(values[index])}`;
    text += '}\n';
    return undefined;
  }

  function flush(): Buffer {
    const piece = Buffer.from(text);
    text = '';
    bytesOut += piece.length;
    if (bytesOut > EXPANSION_COUNTS_FROM_BYTES && bytesOut > bytesIn * MOST_EXPANSION) {
      const message = `The rows become more than ${MOST_EXPANSION} times as long with the names of the header.`;
      throw new FormatFault('ARCHIVE_BOMB', message);
    }
    return piece;
  }

  function* inSlices(values: readonly string[]): Generator<Buffer> {
    for (let index = 0; index < values.length; index++) {
      text += keys[index];
      for (const slice of jsonSlices(values[index] as string)) {
        text += slice;
        if (text.length >= PIECE_BYTES) yield flush();
      }
    }
    text += '}\n';
  }

  for await (const items of readCsvRows(counted(), options)) {
    for (const item of items) {
      const long = take(item);
      if (long !== undefined) yield* inSlices(long);
      if (text.length >= PIECE_BYTES) yield flush();
    }
  }
  if (counts.recordsOut === 0 && counts.recordsIn > 0) throw allRejected(counts.rejected);
  if (text !== '') yield flush();
}

/** The JSON of a text, a slice of it at a time, none of which ends within a surrogate pair. */
function* jsonSlices(value: string): Generator<string> {
  if (value.length <= SLICE_CHARACTERS) {
    yield JSON.stringify(value);
    return;
  }
  yield '"';
  for (let from = 0; from < value.length; ) {
    const isPairCut = value.charCodeAt(from + SLICE_CHARACTERS - 1) >> 10 === 0x36;
    const to = from + SLICE_CHARACTERS - (isPairCut ? 1 : 0);
    yield JSON.stringify(value.slice(from, to)).slice(1, -1);
    from = to;
  }
  yield '"';
}

/** However many the route allows: what nothing is left of is not what was agreed on. */
function allRejected([first]: readonly RejectedRow[]): FormatFault {
  const message = `Every row was rejected, the first at line ${first?.line}: ${first?.message}`;
  return new FormatFault('CSV_TOO_MANY_REJECTED', message, first?.line);
}

function tooManyRejected(rejected: readonly RejectedRow[], allowed: number): FormatFault {
  const first = rejected[0];
  const message = `More than ${allowed} rows were rejected, the first at line ${first?.line}: ${first?.message}`;
  return new FormatFault('CSV_TOO_MANY_REJECTED', message, first?.line);
}

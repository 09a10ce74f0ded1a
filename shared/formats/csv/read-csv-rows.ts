/**
 * Reads CSV as a stream: the header, then each row with its line, in batches. The same reading as that of record routes (`CsvRowScan`), without columns.
 *
 * 1. Memory is bounded by one record, whose length is bounded, and the event loop gets its turn whatever the file holds.
 * 2. A row with the wrong number of columns, a quote out of place or too many bytes is rejected and reading continues; what makes all after it doubtful (an
 *    open quote, a NUL, bytes of another encoding) is thrown as `FormatFault`.
 * 3. Values stay the text that they are.
 */

import { isEbcdic } from '#shared/definitions/routes/encoding-schema.ts';
import type { ErrorCode } from '#shared/errors.ts';
import { decodeText } from '#shared/formats/decode-text.ts';
import { eventLoopTurns } from '#shared/formats/event-loop-turns.ts';
import { FormatFault } from '#shared/formats/format-fault.ts';
import { inPieces } from '#shared/formats/records/source-pieces.ts';
import type { CsvDialect } from './csv-dialect.ts';
import { CsvRowScan } from './csv-row-scan.ts';

export type CsvItem =
  | { readonly type: 'header'; readonly line: number; readonly names: readonly string[]; readonly text: string }
  | { readonly type: 'row'; readonly line: number; readonly values: readonly string[]; readonly text: string }
  | {
      readonly type: 'rejected';
      readonly line: number;
      readonly code: ErrorCode;
      readonly message: string;
      /** As it was written; its beginning only when `isCut`. */
      readonly text: string;
      readonly isCut: boolean;
    };

/** Fields that are gathered before somebody has to take them. */
const MOST_FIELDS_HELD = 16_384;

/** @throws FormatFault when the file cannot be read on; whatever `source` throws comes through unchanged. */
export function readCsvRows(source: AsyncIterable<Uint8Array>, dialect: CsvDialect) {
  return rowsOf(inPieces(source), dialect);
}

async function* rowsOf(pieces: AsyncIterable<Uint8Array>, dialect: CsvDialect): AsyncGenerator<readonly CsvItem[]> {
  let items: CsvItem[] = [];
  let fields = 0;
  let width: number | undefined;
  const add = (item: CsvItem, weight: number) => {
    items.push(item);
    fields += weight;
  };
  const scan = new CsvRowScan(
    { ...dialect, hasNel: isEbcdic(dialect.encoding), longest: dialect.maxRecordBytes },
    {
      isFull: () => fields >= MOST_FIELDS_HELD,
      row(line, values, text) {
        if (width === undefined) {
          width = values.length;
          add({ type: 'header', line, names: values, text }, width);
        } else if (values.length === width) add({ type: 'row', line, values, text }, width);
        else {
          const message = `Line ${line} has ${values.length} ${values.length === 1 ? 'column' : 'columns'} and not ${width}.`;
          add({ type: 'rejected', line, code: 'CSV_COLUMN_COUNT', message, text, isCut: false }, 1);
        }
      },
      broken(line, { code, message }, text, isCut) {
        if (width === undefined) throw new FormatFault(code, message, line);
        add({ type: 'rejected', line, code, message, text, isCut }, 1);
      },
    },
  );
  const turn = eventLoopTurns();
  let hasFailed = false;

  async function* pushed(text: string, isLast: boolean): AsyncGenerator<readonly CsvItem[]> {
    let fault: unknown;
    const scanning = scan.push(text, isLast);
    for (let isDone = false; !isDone; ) {
      try {
        isDone = scanning.next().done === true;
      } catch (error) {
        fault = error;
        hasFailed = true;
        isDone = true;
      }
      const taken = items;
      items = [];
      fields = 0;
      // What came before a fault is given on before it is thrown.
      if (taken.length > 0) yield taken;
      await turn();
    }
    if (fault !== undefined) throw fault;
  }

  try {
    for await (const text of decodeText(pieces, dialect.encoding)) yield* pushed(text, false);
  } catch (error) {
    // The decoder's: the rows before the bad bytes may still be unread.
    if (error instanceof FormatFault && !hasFailed) yield* pushed('', false);
    throw error;
  }
  yield* pushed('', true);
}

/** A longer header is refused: no reader takes one. */
export const LONGEST_HEADER_BYTES = 262_144;

/** The first row of a file, of which `source` has at least the beginning: what comes after it cannot fail it. Undefined when there is none. */
export async function readCsvHeader(
  source: AsyncIterable<Uint8Array>,
  dialect: CsvDialect,
): Promise<readonly string[] | undefined> {
  const maxRecordBytes = Math.min(dialect.maxRecordBytes, LONGEST_HEADER_BYTES);
  for await (const [first] of rowsOf(byLine(inPieces(source)), { ...dialect, maxRecordBytes })) {
    if (first?.type === 'header') return first.names;
  }
  return undefined;
}

/** Line by line costs time; no header has so many line breaks within its quotes. */
const MOST_SINGLE_LINES = 64;

async function* byLine(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let lines = 0;
  for await (const piece of source) {
    let from = 0;
    for (let at = piece.indexOf(0x0a); at >= 0 && lines < MOST_SINGLE_LINES; at = piece.indexOf(0x0a, from)) {
      yield piece.subarray(from, at + 1);
      from = at + 1;
      lines += 1;
    }
    if (from < piece.length) yield piece.subarray(from);
  }
}

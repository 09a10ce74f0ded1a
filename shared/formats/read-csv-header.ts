/**
 * The first record of a CSV file, and nothing of the rest.
 *
 * 1. What stands after the header cannot fail it, however the bytes are cut: the first lines are decoded one by one, until it is whole.
 */
import { parse } from 'csv-parse/sync';
import type { CsvDialect } from './csv-dialect.ts';
import { csvFaultOf } from './csv-fault.ts';
import { decodeText } from './decode-text.ts';
import { FormatFault } from './format-fault.ts';

/** A header is parsed in one go: a longer one would hold the event loop. */
export const LONGEST_HEADER_BYTES = 262_144;

/** Undefined when there are blank lines only. @throws FormatFault. */
export async function readCsvHeader(
  source: AsyncIterable<Uint8Array>,
  dialect: CsvDialect,
): Promise<string[] | undefined> {
  let text = '';
  let triedLength = 0;
  try {
    for await (const piece of decodeText(byLine(source), dialect.encoding)) {
      text += piece;
      // Doubling keeps the work linear for a header whose quote is closed only much later, or never.
      if (text.length < triedLength * 2) continue;
      const header = firstRecord(wholeLines(text), dialect, false);
      if (header !== undefined) return header;
      triedLength = text.length;
    }
  } catch (error) {
    const header = error instanceof FormatFault ? firstRecord(wholeLines(text), dialect, false) : undefined;
    if (header !== undefined) return header;
    throw error;
  }
  return firstRecord(text, dialect, true);
}

function firstRecord(text: string, dialect: CsvDialect, isAll: boolean): string[] | undefined {
  try {
    const records: string[][] = parse(text, {
      delimiter: dialect.delimiter,
      quote: dialect.quote,
      escape: dialect.quote,
      max_record_size: Math.min(dialect.maxRecordBytes, LONGEST_HEADER_BYTES),
      record_delimiter: ['\r\n', '\n', '\r'],
      skip_empty_lines: true,
      to: 1,
    });
    return records[0];
  } catch (error) {
    if (!isAll && (error as { code?: unknown }).code === 'CSV_QUOTE_NOT_CLOSED') return undefined;
    throw csvFaultOf(error, 1);
  }
}

function wholeLines(text: string): string {
  return text.slice(0, Math.max(text.lastIndexOf('\n'), text.lastIndexOf('\r')) + 1);
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

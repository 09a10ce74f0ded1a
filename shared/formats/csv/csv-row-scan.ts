/**
 * The rows of a CSV text, given piece by piece: the one reading of CSV, whatever becomes of the rows.
 *
 * 1. A quote out of place or too many bytes break their own row, and reading continues at the next line. A quote that is not closed, or closed some
 *    lines later, is thrown: all after it is doubtful.
 * 2. Rows without any text (blank lines, and the delimiters alone that spreadsheets leave behind) are not rows, and yet are counted as lines. Nor
 *    are a last line of blanks that no line end follows, and Excel's first line `sep=`.
 * 3. It yields between two rows when the sink says that it is full, so that no piece makes a long slice of work.
 */

import { recordFault } from '#shared/formats/records/record-collector.ts';
import type { RecordFault } from '#shared/formats/records/record-item.ts';
import { FormatFault } from '../format-fault.ts';
import { CsvRecordScanner, countLineEnds, MOST_FIELDS } from './csv-record-scanner.ts';

export interface CsvForm {
  readonly delimiter: string;
  readonly quote: string;
  readonly hasNel: boolean;
  /** In characters of the text. */
  readonly longest: number;
  /** The same for people. */
  readonly maxRecordBytes: number;
}

export interface CsvRowSink {
  /** `text`: the row as it was written. */
  row(line: number, fields: readonly string[], text: string): void;
  /** `text`: its beginning only when `isCut`. */
  broken(line: number, fault: RecordFault, text: string, isCut: boolean): void;
  /** Whether somebody should take what was found before there is more. */
  isFull(): boolean;
}

export class CsvRowScan {
  /** Lines so far. */
  lines = 0;
  readonly #form: CsvForm;
  readonly #sink: CsvRowSink;
  #rest = '';
  /** Until the rest has grown to it, scanning again would find nothing new. */
  #enough = 0;
  #isSkipping = false;

  constructor(form: CsvForm, sink: CsvRowSink) {
    this.#form = form;
    this.#sink = sink;
  }

  /** An empty piece: what came so far is scanned at once. @throws FormatFault when the text cannot be read on. */
  *push(piece: string, isLast: boolean): Generator<void> {
    const text = this.#rest + piece;
    this.#rest = text;
    if (text.length < this.#enough && !isLast && piece !== '') return;
    this.#enough = 0;
    const scanner = new CsvRecordScanner(text, this.#form);
    let from = 0;
    while (from < text.length) {
      const next = this.#isSkipping ? this.#skip(scanner, text, from, isLast) : this.#take(scanner, text, from, isLast);
      if (next < 0) break;
      from = next;
      if (this.#sink.isFull()) yield;
    }
    this.#rest = this.#isSkipping && from >= text.length ? '' : text.slice(from);
  }

  /** To the end of a line that was told already; negative when more text is needed. */
  #skip(scanner: CsvRecordScanner, text: string, from: number, isLast: boolean): number {
    const end = scanner.lineEnd(from);
    if (end < 0) return text.length;
    if (!isLast && scanner.isHalfEnd(end)) return end === from ? -1 : end;
    this.#isSkipping = false;
    return scanner.after(end);
  }

  /** Where the next row begins; negative when more text is needed. */
  #take(scanner: CsvRecordScanner, text: string, from: number, isLast: boolean): number {
    const { longest, hasNel } = this.#form;
    const found = scanner.scan(from, isLast);
    if (found.type === 'open') return this.#needMore(text.length - from);
    const line = this.lines + 1;
    if (found.type === 'record') {
      this.lines += found.isOneLine ? 1 : 1 + countLineEnds(text.slice(from, found.end), hasNel);
      this.#row(line, found.fields, text.slice(from, found.end), isLast && found.end === text.length);
      return scanner.after(found.end);
    }
    if (found.type === 'too-long') {
      const message = `The record that begins at line ${line} is longer than ${this.#form.maxRecordBytes} bytes.`;
      if (found.isQuoted) throw new FormatFault('CSV_RECORD_TOO_LONG', message, line);
      const beginning = text.slice(from, from + longest);
      this.#sink.broken(line, recordFault('CSV_RECORD_TOO_LONG', message), beginning, true);
      this.lines += 1 + countLineEnds(beginning, hasNel);
      this.#isSkipping = true;
      return from + beginning.length;
    }
    const message = `The record that begins at line ${line} has a quote that is not closed or is in the wrong place.`;
    if (!found.isOneLine) throw new FormatFault('CSV_QUOTE', message, line);
    const end = scanner.lineEnd(found.at);
    if (end < 0 && !isLast && text.length - from <= longest) return this.#needMore(text.length - from);
    const stop = end < 0 ? text.length : end;
    const isCut = stop - from > longest;
    this.lines += 1;
    this.#sink.broken(line, recordFault('CSV_QUOTE', message), text.slice(from, isCut ? from + longest : stop), isCut);
    this.#isSkipping = true;
    return stop;
  }

  /** Doubling keeps the work linear. */
  #needMore(length: number): -1 {
    this.#enough = Math.min(length * 2, this.#form.longest + 3);
    return -1;
  }

  #row(line: number, fields: readonly string[], text: string, isUnended: boolean): void {
    const { delimiter } = this.#form;
    if (text.length === (fields.length - 1) * delimiter.length) return;
    if (isUnended && fields.length === 1 && text.trimStart() === '') return;
    if (line === 1) {
      const declared = /^sep=(.)$/i.exec(text)?.[1];
      if (declared === delimiter) return;
      if (declared !== undefined) throw delimiterFault(declared, 'The first line says that the columns are', line);
    }
    if (fields.length <= MOST_FIELDS) {
      this.#sink.row(line, fields, text);
      return;
    }
    const message = `The row has more than ${MOST_FIELDS} columns.`;
    this.#sink.broken(line, recordFault('CSV_COLUMN_COUNT', message), text, false);
  }
}

export function delimiterFault(delimiter: string, what: string, line: number): FormatFault {
  const shown = delimiter === '\t' ? 'a tab' : `"${delimiter}"`;
  return new FormatFault('CSV_DELIMITER', `${what} separated by ${shown}.`, line);
}

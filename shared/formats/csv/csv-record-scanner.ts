/**
 * Where the next record of a CSV text ends, and its fields (RFC 4180; LF, CR LF or CR, in EBCDIC also NEL).
 *
 * 1. A quote out of place spoils its own record as long as that is on one line. Past a line break nobody can say what belongs to
 *    what, and the scan tells so.
 * 2. A record over the bound is told after as many characters, whether or not its end was seen.
 * 3. A record has at most `MOST_FIELDS` fields and one more, which stands for all others.
 */
import { isHalfLineEnd, isLineEnd, LineEnds, lineEndLength } from '#shared/formats/records/split-lines.ts';

/** As many as a spreadsheet has; a record of delimiters alone would fill the memory with fields. */
export const MOST_FIELDS = 16_384;

export type CsvScan =
  | { readonly type: 'record'; readonly fields: readonly string[]; readonly end: number; readonly isOneLine: boolean }
  /** More text is needed. */
  | { readonly type: 'open' }
  /** `isQuoted`: within quotes, so that nothing after it can be told apart. */
  | { readonly type: 'too-long'; readonly isQuoted: boolean }
  /** `at`: where the quote stands. */
  | { readonly type: 'quote'; readonly at: number; readonly isOneLine: boolean };

export class CsvRecordScanner {
  readonly #text: string;
  readonly #delimiter: string;
  readonly #quote: string;
  readonly #hasNel: boolean;
  readonly #longest: number;
  readonly #ends: LineEnds;
  #nextQuote = -2;

  constructor(text: string, form: { delimiter: string; quote: string; hasNel: boolean; longest: number }) {
    this.#text = text;
    this.#delimiter = form.delimiter;
    this.#quote = form.quote;
    this.#hasNel = form.hasNel;
    this.#longest = form.longest;
    this.#ends = new LineEnds(text, form.hasNel);
  }

  scan(from: number, isLast: boolean): CsvScan {
    if (this.#nextQuote !== -1 && this.#nextQuote < from) this.#nextQuote = this.#text.indexOf(this.#quote, from);
    const lineEnd = this.#ends.next(from);
    const end = lineEnd < 0 ? this.#text.length : lineEnd;
    if (this.#nextQuote >= 0 && this.#nextQuote < end) return this.#scanQuoted(from, isLast);
    if (end - from > this.#longest) return { type: 'too-long', isQuoted: false };
    if (!isLast && (lineEnd < 0 || this.isHalfEnd(lineEnd))) return { type: 'open' };
    return {
      type: 'record',
      fields: this.#text.slice(from, end).split(this.#delimiter, MOST_FIELDS + 1),
      end,
      isOneLine: true,
    };
  }

  /** Past the line end that begins at `end`. */
  after(end: number): number {
    return end >= this.#text.length ? end : end + lineEndLength(this.#text, end, this.#hasNel);
  }

  /** The next line end, or -1. */
  lineEnd(from: number): number {
    return this.#ends.next(from);
  }

  /** Whether the text was cut within a line end. */
  isHalfEnd(end: number): boolean {
    return isHalfLineEnd(this.#text, end, this.#hasNel);
  }

  #scanQuoted(from: number, isLast: boolean): CsvScan {
    const text = this.#text;
    const bound = from + this.#longest;
    const fields: string[] = [];
    let isOneLine = true;
    let at = from;
    for (;;) {
      if (at > bound) return { type: 'too-long', isQuoted: false };
      let field: string;
      if (text[at] === this.#quote) {
        const closing = this.#closingQuote(at, isLast, bound);
        if (closing === 'open') return { type: 'open' };
        if (closing === 'too-long') return { type: 'too-long', isQuoted: true };
        if (closing === 'never') return { type: 'quote', at, isOneLine: false };
        const inside = text.slice(at + 1, closing);
        field = inside.includes(this.#quote) ? undoubled(inside, this.#quote) : inside;
        isOneLine &&= !hasLineEnd(inside, this.#hasNel);
        at = closing + 1;
        if (at > bound) return { type: 'too-long', isQuoted: false };
        if (at < text.length && text[at] !== this.#delimiter && !isLineEnd(text, at, this.#hasNel)) {
          return { type: 'quote', at, isOneLine };
        }
      } else {
        const start = at;
        while (
          at < text.length &&
          at <= bound &&
          text[at] !== this.#delimiter &&
          text[at] !== this.#quote &&
          !isLineEnd(text, at, this.#hasNel)
        ) {
          at += 1;
        }
        if (at > bound) return { type: 'too-long', isQuoted: false };
        if (text[at] === this.#quote) return { type: 'quote', at, isOneLine };
        field = text.slice(start, at);
      }
      if (at >= text.length && !isLast) return { type: 'open' };
      if (fields.length <= MOST_FIELDS) fields.push(field);
      if (at < text.length && text[at] === this.#delimiter) at += 1;
      else break;
    }
    if (!isLast && this.isHalfEnd(at)) return { type: 'open' };
    return { type: 'record', fields, end: at, isOneLine };
  }

  /** Of the field whose opening quote is at `opening`. */
  #closingQuote(opening: number, isLast: boolean, bound: number): number | 'open' | 'too-long' | 'never' {
    const text = this.#text;
    let at = opening + 1;
    for (;;) {
      at = text.indexOf(this.#quote, at);
      if (at > bound || (at < 0 && text.length > bound)) return 'too-long';
      if (at < 0) return isLast ? 'never' : 'open';
      // The next character tells a closing quote from a doubled one.
      if (at === text.length - 1 && !isLast) return 'open';
      if (text[at + 1] !== this.#quote) return at;
      at += 2;
    }
  }
}

/** Of a text of quotes alone, all their places at once would take fifty times as much memory as the text. */
const SLICE_CHARACTERS = 8_192;

/** `text` has each quote twice, as it is within quotes. */
function undoubled(text: string, quote: string): string {
  let single = '';
  for (let from = 0; from < text.length; ) {
    let to = Math.min(from + SLICE_CHARACTERS, text.length);
    let run = to;
    while (run > from && text[run - 1] === quote) run -= 1;
    if ((to - run) % 2 === 1) to += 1;
    single += text
      .slice(from, to)
      .split(quote + quote)
      .join(quote);
    from = to;
  }
  return single;
}

function hasLineEnd(text: string, hasNel: boolean): boolean {
  return text.includes('\n') || text.includes('\r') || (hasNel && text.includes('\u0085'));
}

export function countLineEnds(text: string, hasNel: boolean): number {
  const ends = new LineEnds(text, hasNel);
  let count = 0;
  for (let at = ends.next(0); at >= 0; ) {
    count += 1;
    at = ends.next(at + lineEndLength(text, at, hasNel));
  }
  return count;
}

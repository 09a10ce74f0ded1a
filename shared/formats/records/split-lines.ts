/**
 * Text in pieces to lines, ended by LF, CR LF or CR, in EBCDIC also by NEL.
 *
 * 1. A line over the bound is given as its beginning, marked, and the rest of it is passed over without being kept.
 * 2. How the text was cut into pieces makes no difference.
 */

export interface SplitLine {
  readonly text: string;
  /** From 1. */
  readonly line: number;
  readonly isCut: boolean;
}

export class LineSplitter {
  /** Lines so far. */
  lines = 0;
  #rest = '';
  /** In the middle of a line whose beginning was given already. */
  #isSkipping = false;
  readonly #longest: number;
  readonly #hasNel: boolean;

  constructor(longest: number, hasNel: boolean) {
    this.#longest = longest;
    this.#hasNel = hasNel;
  }

  *push(piece: string, isLast: boolean): Generator<SplitLine> {
    const text = this.#rest + piece;
    const ends = new LineEnds(text, this.#hasNel);
    let from = 0;
    for (;;) {
      const end = ends.next(from);
      // A CR at the end may be half of a CR LF.
      if (end < 0 || (end === text.length - 1 && text[end] === '\r' && !isLast)) break;
      if (!this.#isSkipping) yield this.#lineOf(text, from, end);
      this.#isSkipping = false;
      from = end + (text[end] === '\r' && text[end + 1] === '\n' ? 2 : 1);
    }
    this.#rest = text.slice(from);
    const overlong = this.#rest.length > this.#longest + 1;
    if (this.#isSkipping) this.#rest = this.#rest.endsWith('\r') ? '\r' : '';
    else if (overlong || (isLast && this.#rest !== '')) {
      yield this.#lineOf(text, from, text.length);
      this.#isSkipping = true;
      this.#rest = this.#rest.endsWith('\r') && !isLast ? '\r' : '';
    }
  }

  #lineOf(text: string, from: number, end: number): SplitLine {
    this.lines += 1;
    const isCut = end - from > this.#longest;
    return { text: text.slice(from, isCut ? from + this.#longest : end), line: this.lines, isCut };
  }
}

/** The next line end of a text, each kind looked for once only. */
export class LineEnds {
  readonly #text: string;
  readonly #hasNel: boolean;
  #lf = -2;
  #cr = -2;
  #nel = -2;

  constructor(text: string, hasNel: boolean) {
    this.#text = text;
    this.#hasNel = hasNel;
  }

  /** -1 when there is none. */
  next(from: number): number {
    if (this.#lf !== -1 && this.#lf < from) this.#lf = this.#text.indexOf('\n', from);
    if (this.#cr !== -1 && this.#cr < from) this.#cr = this.#text.indexOf('\r', from);
    if (!this.#hasNel) return earlier(this.#lf, this.#cr);
    if (this.#nel !== -1 && this.#nel < from) this.#nel = this.#text.indexOf('\u0085', from);
    return earlier(earlier(this.#lf, this.#cr), this.#nel);
  }
}

function earlier(a: number, b: number): number {
  if (a < 0) return b;
  return b < 0 || a < b ? a : b;
}

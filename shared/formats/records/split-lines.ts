/**
 * Text in pieces to lines, ended by LF, CR LF or CR, in EBCDIC also by NEL, CR NEL or NEL LF.
 *
 * 1. A line over the bound is given as its beginning, marked, and the rest of it is passed over without being kept.
 * 2. How the text was cut into pieces makes no difference.
 * 3. A long line is looked through once, in however many pieces it comes.
 */

export interface SplitLine {
  readonly text: string;
  /** From 1. */
  readonly line: number;
  readonly isCut: boolean;
  /** False for the last line of a text that does not end with a line end, and for a beginning. */
  readonly isEnded: boolean;
}

export class LineSplitter {
  /** Lines so far. */
  lines = 0;
  /** Grown by appending alone: to look at a character of it would copy all of it, for each piece again. */
  #rest = '';
  /** Whether the last character of the rest may be half of a line end. */
  #isHalf = false;
  /** In the middle of a line whose beginning was given already. */
  #isSkipping = false;
  readonly #longest: number;
  readonly #hasNel: boolean;

  constructor(longest: number, hasNel: boolean) {
    this.#longest = longest;
    this.#hasNel = hasNel;
  }

  *push(piece: string, isLast: boolean): Generator<SplitLine> {
    // The rest has a line end only as its last character, where that may be half of one.
    const isOpen = this.#rest !== '' && !this.#isHalf;
    if (isOpen && !isLast && new LineEnds(piece, this.#hasNel).next(0) < 0) {
      yield* this.#keep(this.#rest + piece, piece, isLast);
      return;
    }
    const text = this.#rest + piece;
    const ends = new LineEnds(text, this.#hasNel);
    let from = 0;
    for (;;) {
      const end = ends.next(from);
      if (end < 0 || (!isLast && isHalfLineEnd(text, end, this.#hasNel))) break;
      if (!this.#isSkipping) yield this.#lineOf(text, from, end, true);
      this.#isSkipping = false;
      from = end + lineEndLength(text, end, this.#hasNel);
    }
    const rest = text.slice(from);
    yield* this.#keep(rest, rest, isLast);
  }

  /** `rest`: what comes after the last line end. `end`: a piece of it that ends as it does. */
  *#keep(rest: string, end: string, isLast: boolean): Generator<SplitLine> {
    this.#rest = rest;
    this.#isHalf = !isLast && isHalfLineEnd(end, end.length - 1, this.#hasNel);
    const half = this.#isHalf ? end.slice(-1) : '';
    if (this.#isSkipping) this.#rest = half;
    else if (rest.length > this.#longest + 1 || (isLast && rest !== '')) {
      yield this.#lineOf(rest, 0, rest.length, false);
      this.#isSkipping = true;
      this.#rest = half;
    }
  }

  #lineOf(text: string, from: number, end: number, isEnded: boolean): SplitLine {
    this.lines += 1;
    const isCut = end - from > this.#longest;
    return { text: text.slice(from, isCut ? from + this.#longest : end), line: this.lines, isCut, isEnded };
  }
}

/** Of the line end that begins at `at`. CR LF counts once, and so do CR NEL and NEL LF, which programs write that translate one of the two. */
export function lineEndLength(text: string, at: number, hasNel: boolean): 1 | 2 {
  const first = text.charCodeAt(at);
  const second = text.charCodeAt(at + 1);
  if (first === CR) return second === LF || (hasNel && second === NEL) ? 2 : 1;
  return hasNel && first === NEL && second === LF ? 2 : 1;
}

export function isLineEnd(text: string, at: number, hasNel: boolean): boolean {
  const code = text.charCodeAt(at);
  return code === LF || code === CR || (hasNel && code === NEL);
}

/** Whether the text ends at `at` with what may be the first half of a line end. */
export function isHalfLineEnd(text: string, at: number, hasNel: boolean): boolean {
  if (at !== text.length - 1) return false;
  const code = text.charCodeAt(at);
  return code === CR || (hasNel && code === NEL);
}

const LF = 10;
const CR = 13;
const NEL = 0x85;

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

/**
 * What transfer programs leave at the end of a text: end-of-file marks (0x1A of CP/M, DOS and IND$FILE, SUB in EBCDIC) and the NUL, mark or blank padding of a
 * last block, line ends among them.
 *
 * 1. Only at the very end: when anything else follows, all of it is content, however the text was cut into pieces.
 * 2. NULs that no content precedes are not padding, but a file whose bytes were never written.
 */

/** A last block is shorter; more than this is content. */
const MOST_HELD = 1_048_576;

/** Low-values in a last record, which its line end makes one: padding has none behind it. */
const NUL_OF_A_LINE = /^\0[\0 ]*[\r\n\u0085]/;

export class EndMarks {
  #held = '';
  #hasContent = false;
  readonly #isPadding: (code: number) => boolean;

  constructor(hasNel: boolean) {
    this.#isPadding = (code) => isBlankOrMark(code) || code === 10 || code === 13 || (hasNel && code === 0x85);
  }

  /** The text so far without what may turn out to be the end. */
  without(piece: string, isLast: boolean): string {
    let at = piece.length;
    while (at > 0 && this.#isPadding(piece.charCodeAt(at - 1))) at -= 1;
    if (at > 0 || this.#held === '') {
      const before = this.#held;
      while (at < piece.length && !isMark(piece.charCodeAt(at))) at += 1;
      this.#held = piece.slice(at);
      piece = before + piece.slice(0, at);
    } else {
      this.#held += piece;
      piece = '';
    }
    this.#hasContent ||= piece !== '';
    const isEnd = !NUL_OF_A_LINE.test(this.#held) && (this.#hasContent || !this.#held.includes('\0'));
    const isPadding = isLast ? isEnd : this.#held.length <= MOST_HELD;
    if (isPadding) return piece;
    const released = piece + this.#held;
    this.#held = '';
    return released;
  }
}

function isMark(code: number): boolean {
  return code === 0x1a || code === 0;
}

function isBlankOrMark(code: number): boolean {
  return code === 32 || isMark(code);
}

/** Blanks and marks from one end to the other. */
export function isBlankOrMarks(text: string): boolean {
  for (let at = 0; at < text.length; at++) if (!isBlankOrMark(text.charCodeAt(at))) return false;
  return true;
}

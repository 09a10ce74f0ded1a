/**
 * The elements of one list of a JSON document, as texts, while the document comes in pieces.
 *
 * 1. Memory is bounded by one element and by what is around the list.
 * 2. What is around the list is checked as its own document, in which the list is empty; the elements are checked by whoever takes them.
 * 3. An element that is too long is given as its beginning, and the rest of it is passed over.
 */
import { FormatFault } from '#shared/formats/format-fault.ts';

export interface ListElement {
  readonly text: string;
  /** Where it begins, from 1. */
  readonly line: number;
  readonly isCut: boolean;
}

const IN_TEXT = /["\\]/g;
const OUTSIDE_TEXT = /["[\]{},:]/g;
const MOST_AROUND = 1_048_576;

export class JsonListSplitter {
  readonly #path: readonly string[];
  readonly #longest: number;
  /** The document without the elements. */
  #around = '';
  /** Of what is around: the key that each open object is at. */
  readonly #keys: (string | undefined)[] = [];
  #lastText = '';
  #textBegan = 0;
  #state: 'before' | 'in-list' | 'after' = 'before';
  #isInText = false;
  #isEscaped = false;
  /** Within an element. */
  #depth = 0;
  #element = '';
  #isCut = false;
  #elements = 0;
  #line = 1;
  #elementLine = 1;

  constructor(path: readonly string[], longest: number) {
    this.#path = path;
    this.#longest = longest;
  }

  /** @throws FormatFault */
  *push(piece: string): Generator<ListElement> {
    let from = 0;
    let at = 0;
    if (this.#isEscaped && piece !== '') {
      this.#isEscaped = false;
      at = 1;
    }
    for (;;) {
      const pattern = this.#isInText ? IN_TEXT : OUTSIDE_TEXT;
      pattern.lastIndex = at;
      const found = pattern.exec(piece);
      if (found === null) break;
      const character = found[0];
      at = found.index + 1;
      if (this.#isInText) {
        if (character === '\\') {
          this.#isEscaped = at >= piece.length;
          at += 1;
        } else this.#endText(piece, from, at);
        continue;
      }
      if (this.#state === 'in-list') {
        const isEnd = this.#depth === 0 && (character === ',' || character === ']');
        if (!isEnd) this.#within(character);
        else {
          this.#keep(piece.slice(from, found.index));
          yield* this.#endElement(character === ']');
          from = found.index + (character === ']' ? 0 : 1);
        }
      } else if (this.#isListBegun(character, at - from)) {
        this.#keep(piece.slice(from, at));
        from = at;
        this.#state = 'in-list';
        this.#elementLine = this.#line;
      }
    }
    this.#keep(piece.slice(from));
  }

  /** @throws FormatFault when the document is not whole, or has no list at the path. */
  finish(): void {
    if (this.#state === 'in-list' || this.#isInText)
      throw new FormatFault('JSON_TRUNCATED', 'The file ends before its list does.', this.#line);
    try {
      JSON.parse(this.#around);
    } catch {
      throw new FormatFault('JSON_SYNTAX', 'The file, apart from its records, is not a JSON document.', this.#line);
    }
    if (this.#state === 'before') {
      const place = this.#path.length === 0 ? 'is not a list' : `has no list at ${this.#path.join('.')}`;
      throw new FormatFault('JSON_NO_RECORDS', `The document ${place}.`);
    }
  }

  #within(character: string): void {
    if (character === '"') this.#isInText = true;
    else if (character === '{' || character === '[') this.#depth += 1;
    else if (character === '}' || character === ']') this.#depth -= 1;
    if (this.#depth < 0) throw new FormatFault('JSON_SYNTAX', 'A bracket has no counterpart.', this.#line);
  }

  /** `ahead`: characters up to here that are not kept yet. */
  #isListBegun(character: string, ahead: number): boolean {
    switch (character) {
      case '"':
        this.#isInText = true;
        this.#textBegan = this.#around.length + ahead - 1;
        return false;
      case ':':
        if (this.#keys.length > 0) this.#keys[this.#keys.length - 1] = this.#lastText;
        return false;
      case '[': {
        const isList = this.#state === 'before' && this.#isAtPath();
        if (!isList) this.#keys.push(undefined);
        return isList;
      }
      case '{':
        this.#keys.push(undefined);
        return false;
      case ',':
        return false;
      default:
        this.#keys.pop();
        return false;
    }
  }

  #isAtPath(): boolean {
    return this.#keys.length === this.#path.length && this.#path.every((key, index) => this.#keys[index] === key);
  }

  #endText(piece: string, from: number, at: number): void {
    this.#isInText = false;
    if (this.#state !== 'before') return;
    const ahead = Math.max(0, this.#textBegan - this.#around.length);
    const written = this.#around.slice(this.#textBegan) + piece.slice(from + ahead, at);
    try {
      this.#lastText = JSON.parse(written) as string;
    } catch {
      throw new FormatFault('JSON_SYNTAX', 'A text has a control character or a wrong escape.', this.#line);
    }
  }

  /** What was looked at goes to where it belongs. */
  #keep(text: string): void {
    if (text === '') return;
    if (this.#state === 'in-list') {
      if (this.#element.trim() === '') {
        this.#elementLine = this.#line + countLines(text.slice(0, text.length - text.trimStart().length));
      }
      const room = this.#longest + 1 - this.#element.length;
      if (room > 0) this.#element = (this.#element + text.slice(0, room)).replace(/^\s+/, '');
      this.#isCut ||= text.trimEnd().length > room;
    } else {
      this.#around += text;
      if (this.#around.length > MOST_AROUND)
        throw new FormatFault('JSON_LINE_TOO_LONG', 'What is around the records is too long.', this.#line);
    }
    this.#line += countLines(text);
  }

  *#endElement(isLast: boolean): Generator<ListElement> {
    const text = this.#element.trimEnd();
    const isEmptyList = isLast && this.#elements === 0 && text === '';
    if (!isEmptyList) {
      if (text === '') throw new FormatFault('JSON_SYNTAX', 'The list has a comma without a record.', this.#line);
      this.#elements += 1;
      const isCut = this.#isCut || text.length > this.#longest;
      yield { text: isCut ? text.slice(0, this.#longest) : text, line: this.#elementLine, isCut };
    }
    this.#element = '';
    this.#isCut = false;
    if (isLast) this.#state = 'after';
  }
}

function countLines(text: string): number {
  let count = 0;
  for (let at = text.indexOf('\n'); at >= 0; at = text.indexOf('\n', at + 1)) count += 1;
  return count;
}

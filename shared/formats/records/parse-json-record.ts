/**
 * One line of NDJSON: an object whose members are texts, numbers, booleans or null; deeper values are checked and not kept.
 *
 * 1. Numbers keep their digits: nothing goes through floating point.
 * 2. Depth and number of keys are bounded, so that no line can exhaust stack or memory; `__proto__` and repeated keys are refused, since readers disagree on what they mean.
 * 3. Names go into a Map and never into an object.
 */
import type { ErrorCode } from '#shared/errors.ts';

export type JsonMember =
  | { readonly kind: 'string' | 'number'; readonly text: string }
  | { readonly kind: 'boolean'; readonly text: 'true' | 'false' }
  | { readonly kind: 'null' | 'nested'; readonly text: '' };

export type JsonRecord =
  | { readonly ok: true; readonly members: ReadonlyMap<string, JsonMember> }
  /** `position`: in the line, from 1. */
  | { readonly ok: false; readonly code: ErrorCode; readonly message: string; readonly position: number };

const DEEPEST = 64;
const MOST_KEYS = 10_000;
const NUMBER = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y;
const LITERAL = /true|false|null/y;
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is refused
const SPECIAL = /[\\\u0000-\u001f]/;

class JsonFault extends Error {
  readonly code: ErrorCode;
  readonly position: number;

  constructor(code: ErrorCode, message: string, at: number) {
    super(message);
    this.code = code;
    this.position = at + 1;
  }
}

export function parseJsonRecord(text: string): JsonRecord {
  try {
    const reader = new JsonReader(text);
    return { ok: true, members: reader.readRecord() };
  } catch (error) {
    if (!(error instanceof JsonFault)) throw error;
    return { ok: false, code: error.code, message: error.message, position: error.position };
  }
}

class JsonReader {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  readRecord(): Map<string, JsonMember> {
    const members = new Map<string, JsonMember>();
    this.#skipBlanks();
    if (this.#text[this.#at] !== '{') {
      throw new JsonFault('JSON_NOT_OBJECT', 'The line does not begin with an object.', this.#at);
    }
    this.#readObject(1, members);
    this.#skipBlanks();
    if (this.#at < this.#text.length) throw this.#wrong('There is content after the object.');
    return members;
  }

  #readValue(depth: number): JsonMember {
    switch (this.#text[this.#at]) {
      case '"':
        return { kind: 'string', text: this.#readString() };
      case '{':
        this.#readObject(depth + 1, undefined);
        return NESTED;
      case '[':
        this.#readArray(depth + 1);
        return NESTED;
      default:
        return this.#readPlain();
    }
  }

  #readPlain(): JsonMember {
    const number = this.#match(NUMBER);
    if (number !== undefined) return { kind: 'number', text: number };
    const literal = this.#match(LITERAL);
    if (literal === 'true' || literal === 'false') return { kind: 'boolean', text: literal };
    if (literal === 'null') return NULL;
    throw this.#wrong('There is no value where one has to be.');
  }

  /** `members`: where they are kept. */
  #readObject(depth: number, members: Map<string, JsonMember> | undefined): void {
    this.#enter(depth);
    this.#skipBlanks();
    if (this.#take('}')) return;
    let first: string | undefined;
    // Made for the second key: a line may have a hundred thousand objects of one.
    let others: Set<string> | undefined;
    do {
      this.#skipBlanks();
      const start = this.#at;
      if (this.#text[start] !== '"') throw this.#wrong('There is no key where one has to be.');
      const key = this.#readString();
      if (key === '__proto__') throw new JsonFault('JSON_KEY_REFUSED', 'The key "__proto__" is not taken.', start);
      if (key === first || others?.has(key)) {
        throw new JsonFault('JSON_DUPLICATE_KEY', 'An object has the same key twice.', start);
      }
      if (others !== undefined && others.size + 1 === MOST_KEYS) {
        throw new JsonFault('JSON_TOO_MANY_KEYS', `An object has more than ${MOST_KEYS} keys.`, start);
      }
      if (first === undefined) first = key;
      else {
        others ??= new Set();
        others.add(key);
      }
      this.#skipBlanks();
      if (!this.#take(':')) throw this.#wrong('A key is not followed by ":".');
      this.#skipBlanks();
      const value = this.#readValue(depth);
      members?.set(key, value);
      this.#skipBlanks();
    } while (this.#take(','));
    if (!this.#take('}')) throw this.#wrong('An object is not closed.');
  }

  #readArray(depth: number): void {
    this.#enter(depth);
    this.#skipBlanks();
    if (this.#take(']')) return;
    do {
      this.#skipBlanks();
      this.#readValue(depth);
      this.#skipBlanks();
    } while (this.#take(','));
    if (!this.#take(']')) throw this.#wrong('An array is not closed.');
  }

  #enter(depth: number): void {
    if (depth > DEEPEST) {
      throw new JsonFault('JSON_DEPTH', `Values are nested more than ${DEEPEST} deep.`, this.#at);
    }
    this.#at += 1;
  }

  #readString(): string {
    const text = this.#text;
    const start = this.#at + 1;
    let end = text.indexOf('"', start);
    while (end >= 0 && isEscaped(text, start, end)) end = text.indexOf('"', end + 1);
    if (end < 0) throw new JsonFault('JSON_TRUNCATED', 'The line ends within a text.', text.length);
    this.#at = end + 1;
    const inside = text.slice(start, end);
    if (!SPECIAL.test(inside)) return inside;
    const value = unescaped(text.slice(start - 1, end + 1));
    if (value === undefined) {
      throw new JsonFault('JSON_SYNTAX', 'A text holds a control character or a wrong escape.', start);
    }
    if (!value.isWellFormed()) {
      throw new JsonFault('JSON_SURROGATE', 'A text holds half of a surrogate pair.', start);
    }
    return value;
  }

  #match(pattern: RegExp): string | undefined {
    const start = this.#at;
    pattern.lastIndex = start;
    if (!pattern.test(this.#text)) return undefined;
    this.#at = pattern.lastIndex;
    return this.#text.slice(start, this.#at);
  }

  #take(character: string): boolean {
    if (this.#text[this.#at] !== character) return false;
    this.#at += 1;
    return true;
  }

  #skipBlanks(): void {
    for (;;) {
      const code = this.#text.charCodeAt(this.#at);
      if (code !== 32 && code !== 9 && code !== 10 && code !== 13) return;
      this.#at += 1;
    }
  }

  #wrong(message: string): JsonFault {
    if (this.#at < this.#text.length) return new JsonFault('JSON_SYNTAX', message, this.#at);
    return new JsonFault('JSON_TRUNCATED', 'The line ends before its object does.', this.#at);
  }
}

const NESTED: JsonMember = { kind: 'nested', text: '' };
const NULL: JsonMember = { kind: 'null', text: '' };

/** Whether an odd number of backslashes is before `at`. */
function isEscaped(text: string, start: number, at: number): boolean {
  let slashes = 0;
  while (at - 1 - slashes >= start && text[at - 1 - slashes] === '\\') slashes += 1;
  return slashes % 2 === 1;
}

function unescaped(quoted: string): string | undefined {
  try {
    return JSON.parse(quoted) as string;
  } catch {
    return undefined;
  }
}

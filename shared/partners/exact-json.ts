/**
 * JSON of partners, with every number as the partner wrote it: what is handed on to the next call must not pass through floating point.
 *
 * A number that JavaScript holds exactly, and would write the same way, is a number; any other is an `ExactNumber`.
 */

declare global {
  interface JSON {
    rawJSON(text: string): unknown;
  }
}

export class ExactNumber {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }

  toString(): string {
    return this.text;
  }

  toJSON(): unknown {
    return JSON.rawJSON(this.text);
  }
}

type Reviver = (key: string, value: unknown, context: { readonly source?: string }) => unknown;

/** What begins like a number that is not a small integer; it may be in a text, which costs the slower way and no more. */
const MAY_BE_INEXACT = /(?:^|[:[,])\s*(?:-0|-?\d+[.eE]|-?\d{16})/;

/** @throws SyntaxError */
export function parseExactJson(text: string): unknown {
  if (!MAY_BE_INEXACT.test(text)) return JSON.parse(text);
  const exact: Reviver = (_key, value, { source }) =>
    typeof value === 'number' && source !== undefined && String(value) !== source ? new ExactNumber(source) : value;
  return JSON.parse(text, exact as Parameters<typeof JSON.parse>[1]);
}

/**
 * Regular expressions that tenants write, on an engine whose time grows linearly with the text.
 *
 * 1. No pattern, however nested, can stall the event loop: RE2 knows no backtracking, hence no backreferences and look-arounds.
 */
import { createRequire } from 'node:module';

/** Loaded at first use: processes that only describe definitions need none. */
const require = createRequire(import.meta.url);

/** Bounds the compiled program, which repetition such as `{1000}` multiplies. */
const LONGEST_PATTERN = 512;

export type LinearPattern = { readonly ok: true; readonly matches: (text: string) => boolean };
export type PatternFault = { readonly ok: false; readonly message: string };

/** A pattern that has to match the whole text. */
export function compileLinearPattern(source: string, longest = LONGEST_PATTERN): LinearPattern | PatternFault {
  if (source.length > longest) {
    return { ok: false, message: `the pattern is longer than ${longest} characters` };
  }
  try {
    const { RE2JS } = require('re2js') as typeof import('re2js');
    const compiled = RE2JS.compile(source, RE2JS.DOTALL);
    return { ok: true, matches: (text) => compiled.testExact(text) };
  } catch (error) {
    return {
      ok: false,
      message: `the pattern cannot be used: ${error instanceof Error ? error.message : String(error)}`,
    };
  }
}

/**
 * Regular expressions that tenants write, on an engine whose time grows linearly with the text.
 *
 * 1. No pattern, however nested, can stall the event loop: RE2 has no backtracking, hence no backreferences and look-arounds.
 * 2. Linear is not little: each character of a text can cost as many steps as the pattern has instructions, and repetition such as `{1000}`
 *    multiplies those. Both are bounded, so that a name takes at most about 200 ms, and a long text under a second.
 */
import { createRequire } from 'node:module';

/** Loaded at first use: processes that only describe definitions need none. */
const require = createRequire(import.meta.url);

const LONGEST_PATTERN = 512;
/** Two times `{0,1000}`. */
const MOST_INSTRUCTIONS = 4_100;
/** Of one text. A pattern of 30 instructions takes 133,000 characters. */
const MOST_STEPS = 4_000_000;

export type LinearPattern = { readonly ok: true; readonly matches: (text: string) => boolean };
export type PatternFault = { readonly ok: false; readonly message: string };

/** A pattern that has to match the whole text; a text that is too long for it does not. */
export function compileLinearPattern(source: string, longest = LONGEST_PATTERN): LinearPattern | PatternFault {
  if (source.length > longest) {
    return { ok: false, message: `the pattern is longer than ${longest} characters` };
  }
  try {
    const { RE2JS } = require('re2js') as typeof import('re2js');
    const compiled = RE2JS.compile(source, RE2JS.DOTALL);
    const instructions = compiled.programSize();
    if (instructions > MOST_INSTRUCTIONS)
      return { ok: false, message: 'the pattern repeats too much: counts in braces are multiplied and added up' };
    const longestText = Math.floor(MOST_STEPS / instructions);
    return { ok: true, matches: (text) => text.length <= longestText && compiled.testExact(text) };
  } catch (error) {
    return {
      ok: false,
      message: `the pattern cannot be used: ${error instanceof Error ? error.message : String(error)}`,
    };
  }
}

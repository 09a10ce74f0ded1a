/** Text from outside, made safe to show: what a terminal or a chat would obey, hide or turn round is spelled out. */

/** Control and format characters (direction, no width), private use, lone surrogates, separators of lines and paragraphs. */
const UNPRINTABLE = /[\p{Cc}\p{Cf}\p{Co}\p{Cs}\p{Zl}\p{Zp}]/u;
const EACH_UNPRINTABLE = new RegExp(UNPRINTABLE, 'gu');

export function hasUnprintable(text: string): boolean {
  return UNPRINTABLE.test(text);
}

/** ESC as `\u{1b}`. */
export function visibleText(text: string): string {
  return text.replace(EACH_UNPRINTABLE, (character) => `\\u{${character.codePointAt(0)?.toString(16)}}`);
}

const LONGEST_WORDS = 200;
/** What is not assigned, too. */
const UNPRINTABLE_WORDS = /[\p{C}\p{Zl}\p{Zp}]+/gu;

/** What another server said, for a message of ours: short, and in one line. */
export function printableWords(text: string, longest = LONGEST_WORDS): string {
  return text.replace(UNPRINTABLE_WORDS, ' ').slice(0, longest).toWellFormed();
}

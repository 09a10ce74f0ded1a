/**
 * Text from outside, such as the name of a file, made harmless before a person reads it in a chat or a mail.
 *
 * 1. Control characters, and those that turn or hide text, are shown, not obeyed.
 * 2. It mentions nobody and links nowhere: what would is broken by a space of no width.
 */

const UNSEEN = /[\p{Cc}\p{Cf}\p{Co}\p{Cs}\p{Zl}\p{Zp}]/gu;
const BREAK = '\u200b';

export function plainText(text: string, maxLength: number): string {
  const cut = text.length > maxLength ? `${text.slice(0, maxLength).toWellFormed()}…` : text;
  return cut
    .replace(UNSEEN, (character) => `\\u{${character.codePointAt(0)?.toString(16)}}`)
    .replaceAll('@', `@${BREAK}`)
    .replaceAll('://', `:${BREAK}//`)
    .replaceAll(/\bwww\./gi, (start) => `${start.slice(0, -1)}${BREAK}.`)
    .replaceAll(/\b(mailto|tel):/gi, `$1${BREAK}:`);
}

/**
 * Text from outside, such as the name of a file, made harmless before a person reads it in a chat or a mail.
 *
 * 1. Control characters, and those that turn or hide text, are shown, not obeyed.
 * 2. It mentions nobody and links nowhere: what would is broken by a space of no width.
 */
import { visibleText } from '#shared/text/visible-text.ts';

const BREAK = '\u200b';

export function plainText(text: string, maxLength: number): string {
  const cut = text.length > maxLength ? `${text.slice(0, maxLength).toWellFormed()}…` : text;
  return visibleText(cut)
    .replaceAll('@', `@${BREAK}`)
    .replaceAll('://', `:${BREAK}//`)
    .replaceAll(/\bwww\./gi, (start) => `${start.slice(0, -1)}${BREAK}.`)
    .replaceAll(/\b(mailto|tel):/gi, `$1${BREAK}:`);
}

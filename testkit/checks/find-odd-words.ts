/** Words that native readers stumble over, with the ones to use: the word list of CONTRIBUTING.md, applied to text that users read. */

export const WORD_LIST: readonly (readonly [not: string, but: string, pattern: RegExp])[] = [
  ['told', 'reported, notified', /\btold\b/i],
  ['stands, stand', 'is, waits', /(?<!\b(?:work|landing)[ -])\bstands?\b(?!-| for\b)/i],
  ['lies, lie', 'is in', /\b(?:lies?) (?:in|under|at|by|there)\b/i],
  ['anew', 'again', /\banew\b/i],
  ['whoever', 'the worker that, anyone who', /\bwhoever\b/i],
  ['is no X', 'is not an X', /(?<!\bthere )\b(?:is|are) no (?!longer\b|more\b)/i],
  ['knows no X', 'has no X, does not support X', /\bknows? no\b/i],
  ['by itself', 'automatically, alone', /\bby (?:itself|themselves)\b/i],
  ['of its own', 'its own, a separate', /\bof (?:its|their) own\b/i],
  ['taken up', 'retried, continued', /\b(?:taken|taking) up\b/i],
  ['beside', 'next to, in addition to', /\bbeside\b/i],
  ['lately, of late', 'recently', /\b(?:lately|of late)\b/i],
  ["a person's word", 'operator action', /\b(?:person|operator)['’]s word\b/i],
  ['goes on', 'continues', /(?<!\*)\b(?:goes|go|going) on\b/i],
  ['what became of', 'what happened to', /\bwhat (?:became|becomes|came|comes) of\b/i],
  ['is away', 'is down, cannot be reached', /\b(?:is|are) away\b/i],
  ['at one look', 'at a glance', /\bat one look\b/i],
  ['is carried', 'is processed, delivered', /\b(?:is|are|was|were|be|being|not) carried\b(?! out\b)/i],
  ['is none of', 'is not one of, is not in', /\b(?:is|are) none of\b/i],
];

export function findOddWords(text: string): string[] {
  return text
    .split('\n')
    .flatMap((line) =>
      WORD_LIST.filter(([, , pattern]) => pattern.test(line)).map(([word]) => `${word}: ${line.trim().slice(0, 160)}`),
    );
}

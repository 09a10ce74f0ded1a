/**
 * What one entry of a listing in XML may take. A parser holds a text, a comment or a tag back until it ends, and the tags that are open; a server
 * whose reply has no end would take all memory with any of them.
 */

/** In characters, with everything that is between two entries. */
const LONGEST_ENTRY = 1_048_576;
const DEEPEST = 64;

export interface EntryBound {
  /** An entry ended, or something else that is not a part of one. */
  ended(): void;
  /** With each tag that opens, since what is done for one grows with those that are open, and after each piece of the reply. */
  check(depth: number): void;
}

export function boundEntries(parser: { readonly position: number }, refuse: () => never): EntryBound {
  let began = 0;
  return {
    ended() {
      began = parser.position;
    },
    check(depth) {
      if (depth > DEEPEST || parser.position - began > LONGEST_ENTRY) refuse();
    },
  };
}

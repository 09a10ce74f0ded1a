/**
 * The one form of an object key that may be read, written and shown: at every edge where a key comes in, and for every target.
 *
 * A key that could mean another place to a file system, or read as something else to a person, is refused and not repaired.
 */

const LONGEST_KEY_BYTES = 1_024;
/**
 * C0, DEL and C1 controls, the line and paragraph separators and lone surrogates forge lines in logs and listings; marks of text
 * direction and the byte order mark make a name read as another one.
 */
export const UNSAFE_IN_NAMES = /[\p{Cc}\p{Cs}\u2028\u2029\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]/u;
/**
 * Nothing shows them, so that two names look the same. The joiners U+200C and U+200D and the variation selectors are not among them: scripts
 * and emoji need them.
 */
const INVISIBLE =
  /\u034f|[\u00ad\u115f\u1160\u17b4\u17b5\u180e\u200b\u2060-\u2065\u206a-\u206f\u3164\uffa0\ufff0-\ufffb\u{e0000}-\u{e00ff}]/u;

/** What of a single name another program or a person would take for something else; undefined when nothing. */
export function faultOfName(name: string): string | undefined {
  if (name.startsWith('-')) return 'begins with "-", which programs take for an option';
  // Windows leaves out what is behind the last letter.
  if (/^\s*\.{1,2}\s*$/u.test(name)) return 'is "." or ".." with blanks';
  if (INVISIBLE.test(name)) return 'has a character that nothing shows';
  return undefined;
}

export type CanonicalKey =
  | { readonly ok: true; readonly key: string }
  | { readonly ok: false; readonly message: string };

/** Empty segments are dropped. `within`: a prefix that ends in `/` and that the key may not leave; any key when absent. */
export function canonicalKey(given: string, within?: string): CanonicalKey {
  const key = given.replace(/\/{2,}/g, '/').replace(/^\//, '');
  if (key === '' || key.endsWith('/')) return refuse('the key is empty or ends in "/"');
  if (UNSAFE_IN_NAMES.test(key))
    return refuse('the key has a control character or a mark that changes the text direction');
  if (key.includes('\\')) return refuse('the key has a backslash');
  if (key.split('/').some((segment) => segment === '.' || segment === '..'))
    return refuse('the key has a "." or ".." segment');
  for (const segment of key.split('/')) {
    const fault = faultOfName(segment);
    if (fault !== undefined) return refuse(`a name in the key ${fault}`);
  }
  if (Buffer.byteLength(key) > LONGEST_KEY_BYTES) return refuse(`the key is longer than ${LONGEST_KEY_BYTES} bytes`);
  if (within !== undefined && !key.startsWith(within)) return refuse(`the key does not begin with "${within}"`);
  return { ok: true, key };
}

function refuse(message: string): CanonicalKey {
  return { ok: false, message };
}

/** The one form of a key that a template gave, or the reason why it may not be used. */

const LONGEST_KEY_BYTES = 1_024;
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is refused
const FORBIDDEN = /[\u0000-\u001f\u007f\\\u200e\u200f\u202a-\u202e\u2066-\u2069]/;

export type CanonicalKey =
  | { readonly ok: true; readonly key: string }
  | { readonly ok: false; readonly message: string };

/** `within`: a prefix that ends in `/` and that the key may not leave; any key when absent. */
export function canonicalKey(rendered: string, within?: string): CanonicalKey {
  const key = rendered
    .trim()
    .replace(/\/{2,}/g, '/')
    .replace(/^\//, '');
  if (key === '' || key.endsWith('/')) return refuse('the key is empty or ends in "/"');
  if (FORBIDDEN.test(key)) return refuse('the key holds a control character, a backslash or a text-direction mark');
  if (key.split('/').some((segment) => segment === '.' || segment === '..'))
    return refuse('the key holds a "." or ".." segment');
  if (Buffer.byteLength(key) > LONGEST_KEY_BYTES) return refuse(`the key is longer than ${LONGEST_KEY_BYTES} bytes`);
  if (within !== undefined && !key.startsWith(within)) return refuse(`the key has to begin with "${within}"`);
  return { ok: true, key };
}

function refuse(message: string): CanonicalKey {
  return { ok: false, message };
}

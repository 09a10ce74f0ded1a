/**
 * The mailbox of a `From` or `Reply-To` header, out of what a definition says: `Name <address>` or an address. Pure.
 *
 * Amazon SES takes names of ASCII alone: others are MIME encoded-words (RFC 2047). A comma in a name that is not quoted would begin a second
 * mailbox (RFC 5322, section 3.4).
 */

export interface Mailbox {
  /** Empty when there is none. */
  readonly name: string;
  readonly address: string;
}

const NAMED = /^\s*([^<>]*?)\s*<([^<>]+)>\s*$/;
/** Of RFC 5322 `atext`, and the blanks between atoms. */
const ATOMS = /^[A-Za-z0-9!#$%&'*+/=?^_`{|}~ -]*$/;
const QUOTED = /^"(?:[^"\\]|\\.)*"$/;
/** An encoded-word has 75 characters at most: 12 of them around the base64 of 45 bytes. */
const WORD_BYTES = 45;

export function readMailbox(text: string): Mailbox {
  const [, name = '', address = text] = NAMED.exec(text) ?? [];
  return { name: QUOTED.test(name) ? name.slice(1, -1).replace(/\\(.)/gu, '$1') : name, address: address.trim() };
}

export function writeMailbox({ name, address }: Mailbox): string {
  return name === '' ? address : `${writeName(name)} <${address}>`;
}

function writeName(name: string): string {
  if (/[^\x20-\x7e]/.test(name)) return encodedWords(name);
  return ATOMS.test(name) ? name : `"${name.replace(/["\\]/g, '\\$&')}"`;
}

/** No character is divided: each word is read for itself. */
function encodedWords(name: string): string {
  const words: string[] = [];
  let word = '';
  for (const character of name) {
    if (Buffer.byteLength(word + character) > WORD_BYTES) {
      words.push(word);
      word = '';
    }
    word += character;
  }
  return [...words, word].map((each) => `=?UTF-8?B?${Buffer.from(each).toString('base64')}?=`).join(' ');
}

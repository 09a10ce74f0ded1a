/**
 * The JSON in a reply, whatever surrounds it: byte order marks, other encodings than UTF-8, padding with NUL, and the guards against being
 * loaded as a script (`)]}',`, `for(;;);`).
 */
import type { HttpReply } from '#shared/http/http-client.ts';
import { parseExactJson } from './exact-json.ts';

/** Undefined when the body is not JSON. */
export function readReply({ body, headers }: Pick<HttpReply, 'body' | 'headers'>): unknown {
  const text = decodeText(body, headers['content-type'])
    .replace(/^\ufeff+/, '')
    .replace(SCRIPT_GUARD, '');
  try {
    return parseExactJson(withoutPadding(text));
  } catch {
    return undefined;
  }
}

const SCRIPT_GUARD = /^\s*(?:\)\]\}',?|(?:while\s*\(1\)|for\s*\(;;\));|\{\}\s*&&)/;

const PADDING = '\0 \t\r\n';

/** By hand: a pattern for the end of a text is tried at each run of blanks in it, which costs their square. */
function withoutPadding(text: string): string {
  let end = text.length;
  while (end > 0 && PADDING.includes(text.charAt(end - 1))) end -= 1;
  return text.slice(0, end);
}

/** For nearly all replies: to make one costs more than to decode a short reply. */
const UTF_8 = new TextDecoder('utf-8');

function decodeText(body: Buffer, contentType: string | string[] | undefined): string {
  const [, named = 'utf-8'] = /;\s*charset="?([\w.:-]+)"?/i.exec(String(contentType ?? '')) ?? [];
  const label = marked(body) ?? named;
  try {
    return label === 'utf-8' ? UTF_8.decode(body) : new TextDecoder(label).decode(body);
  } catch {
    // A name that nobody knows; nearly all JSON is UTF-8 (RFC 8259, 8.1).
    return body.toString('utf8');
  }
}

/** A mark says more than a header; so do the NULs between the characters of UTF-16, as JSON begins with two of ASCII (RFC 4627, 3). */
function marked([first, second, third, fourth]: Buffer): string | undefined {
  if (first === 0xfe && second === 0xff) return 'utf-16be';
  if (first === 0xff && second === 0xfe) return 'utf-16le';
  if (first === 0xef && second === 0xbb && third === 0xbf) return 'utf-8';
  if (first === 0 && second && third === 0 && fourth) return 'utf-16be';
  return first && second === 0 && third && fourth === 0 ? 'utf-16le' : undefined;
}

/**
 * The JSON in a reply, whatever surrounds it: byte order marks, other encodings than UTF-8, padding with NUL, and the guard against being
 * loaded as a script (`)]}',`).
 */
import type { HttpReply } from '#shared/http/http-client.ts';
import { parseExactJson } from './exact-json.ts';

/** Undefined when the body is not JSON. */
export function readReply({ body, headers }: Pick<HttpReply, 'body' | 'headers'>): unknown {
  const text = decodeText(body, headers['content-type'])
    .replace(/^\ufeff+/, '')
    .replace(/^\s*\)\]\}',?/, '')
    .replace(/[\0\s]+$/, '');
  try {
    return parseExactJson(text);
  } catch {
    return undefined;
  }
}

function decodeText(body: Buffer, contentType: string | string[] | undefined): string {
  const [, named = 'utf-8'] = /;\s*charset="?([\w.:-]+)"?/i.exec(String(contentType ?? '')) ?? [];
  const label = marked(body) ?? named;
  try {
    return new TextDecoder(label).decode(body);
  } catch {
    // A name that nobody knows; nearly all JSON is UTF-8 (RFC 8259, 8.1).
    return body.toString('utf8');
  }
}

/** A mark says more than a header. */
function marked(body: Buffer): string | undefined {
  if (body[0] === 0xfe && body[1] === 0xff) return 'utf-16be';
  if (body[0] === 0xff && body[1] === 0xfe) return 'utf-16le';
  return body[0] === 0xef && body[1] === 0xbb && body[2] === 0xbf ? 'utf-8' : undefined;
}

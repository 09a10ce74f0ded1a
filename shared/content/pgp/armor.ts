/**
 * The binary of an armored message (RFC 9580, 6), as a stream.
 *
 * 1. Memory is flat: the library keeps lines of any length, any number of headers, and all that follows the first `=`.
 * 2. The checksum is not looked at, as the standard wants it: what matters is signed, or has a code.
 */
import { FormatFault } from '#shared/formats/format-fault.ts';

const BEGINNING = /^\s*-----BEGIN PGP/;
const HEAD = /^\s*-----BEGIN PGP MESSAGE-----[ \t]*\r?\n(?:[^\r\n:]+:[^\r\n]*\r?\n)*[ \t]*\r?\n/;
const LONGEST_HEAD = 8_192;
const NOT_BASE64 = /[^A-Za-z0-9+/]/;
const END = /^={0,2}\s*(?:=[A-Za-z0-9+/]{4}\s*)?-----END PGP MESSAGE-----\s*$/;
const LONGEST_END = 256;

/** Whether these bytes begin an armored text of any kind. */
export function isArmored(beginning: Uint8Array): boolean {
  return BEGINNING.test(Buffer.from(beginning).toString('latin1'));
}

/** @throws FormatFault `PGP_SYNTAX`, `PGP_TRUNCATED`; what `source` throws */
export async function* readArmored(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let head = '';
  let isInHead = true;
  let rest = '';
  let end = '';
  for await (const { buffer, byteOffset, byteLength } of source) {
    let text = Buffer.from(buffer, byteOffset, byteLength).toString('latin1');
    if (isInHead) {
      head += text;
      const [found] = HEAD.exec(head.slice(0, LONGEST_HEAD)) ?? [];
      if (found === undefined) {
        if (head.length >= LONGEST_HEAD) throw malformed();
        continue;
      }
      isInHead = false;
      text = head.slice(found.length);
    }
    if (end === '') {
      const stop = text.search(/[=-]/);
      const body = stop < 0 ? text : text.slice(0, stop);
      const quads = rest + body.replaceAll(/[\r\n\t ]+/g, '');
      if (NOT_BASE64.test(quads)) throw malformed();
      rest = quads.slice(quads.length - (quads.length % 4));
      if (quads.length > rest.length) yield Buffer.from(quads.slice(0, quads.length - rest.length), 'base64');
      if (stop < 0) continue;
      text = text.slice(stop);
    }
    end += text;
    if (end.length > LONGEST_END) throw malformed();
  }
  if (isInHead || rest.length === 1) throw malformed();
  if (!END.test(end)) throw end.includes('-----END') ? malformed() : truncated();
  if (rest !== '') yield Buffer.from(rest, 'base64');
}

function malformed(): FormatFault {
  return new FormatFault('PGP_SYNTAX', 'The file is not a PGP message.');
}

function truncated(): FormatFault {
  return new FormatFault('PGP_TRUNCATED', 'The message is not whole.');
}

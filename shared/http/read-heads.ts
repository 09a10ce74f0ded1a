/**
 * The heads of replies, as a recipient must take them, for undici's parser, which is stricter.
 *
 * 1. `100 Continue` unasked ends its connection there. Servers and gateways send it, a client must be able to read past it (RFC 9110, 15.2),
 *    and the request may well have been done. 101 is not an interim reply: the connection speaks another protocol.
 * 2. A header on several lines is one on a line (RFC 9112, 5.2), one length said twice is a length (RFC 9110, 8.6), and `identity` encodes
 *    nothing (RFC 2616, 3.6).
 *
 * A reply begins after a write: undici writes a request in one go, and nothing while its reply comes.
 */
import type { Socket } from 'node:net';

const REPLY = /^HTTP\/1\.[01] /;
const INTERIM = /^HTTP\/1\.1 1(?!01)/;
/** As many bytes as it takes to know. */
const KNOWN_AFTER = 'HTTP/1.1 1xx'.length;
const BARE_LINE_END = /[^\r]\n/;
const NOTHING = Buffer.alloc(0);
const END_OF_HEAD = '\r\n\r\n';
/** Of one head; a longer one is undici's to refuse. */
const MOST_HEAD_BYTES = 16_384;

export function readHeads(socket: Socket): void {
  const { read, write } = socket;
  /** What has come of the reply's head so far; undefined once it was given out. */
  let head: Buffer | undefined;
  socket.write = ((...given: Parameters<typeof write>) => {
    head = NOTHING;
    return write.apply(socket, given);
  }) as typeof write;
  socket.read = (size) => {
    const chunk: Buffer | null = read.call(socket, size);
    if (head === undefined || chunk === null) return chunk;
    head = head.length === 0 ? chunk : Buffer.concat([head, chunk]);
    for (;;) {
      if (head.length < KNOWN_AFTER) return null;
      const start = head.toString('latin1', 0, KNOWN_AFTER);
      if (!REPLY.test(start)) break;
      const end = head.indexOf(END_OF_HEAD);
      if (end < 0) {
        if (head.length > MOST_HEAD_BYTES || BARE_LINE_END.test(head.toString('latin1'))) break;
        return null;
      }
      if (!INTERIM.test(start)) {
        head = withPlainHead(head, end);
        break;
      }
      head = head.subarray(end + END_OF_HEAD.length);
    }
    const last = head;
    head = undefined;
    return last;
  };
}

/** One look at nearly every head. */
const MAY_BE_ODD = /\n[ \t]|\ncontent-length:[^\r]*(?:,|\r\ncontent-length:)|\ntransfer-encoding:[ \t]*identity/i;
const FOLD = /\r\n[ \t]+/g;
const LENGTH_TWICE = /\r\ncontent-length:[ \t]*(\d+)(?:[ \t]*(?:,|\r\ncontent-length:)[ \t]*\1)+[ \t]*(?=\r\n)/i;
const IDENTITY = /\r\ntransfer-encoding:[ \t]*identity[ \t]*(?=\r\n)/i;

function withPlainHead(reply: Buffer, end: number): Buffer {
  const given = reply.toString('latin1', 0, end + 2);
  if (!MAY_BE_ODD.test(given)) return reply;
  const unfolded = given.replace(FOLD, ' ');
  const plain = unfolded.replace(LENGTH_TWICE, '\r\nContent-Length: $1').replace(IDENTITY, '');
  return plain === given ? reply : Buffer.concat([Buffer.from(plain, 'latin1'), reply.subarray(end + 2)]);
}

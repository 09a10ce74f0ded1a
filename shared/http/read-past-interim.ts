/**
 * Keeps interim replies from undici, which ends a connection that sends `100 Continue` unasked. Servers and gateways do, a client must be able
 * to read past it (RFC 9110, 15.2), and the request may well have been done. 101 is no interim reply: the connection speaks another protocol.
 *
 * A reply begins after a write: undici writes a request in one go, and nothing while its reply comes.
 */
import type { Socket } from 'node:net';

const INTERIM = /^HTTP\/1\.1 1(?!01)/;
/** As many bytes as it takes to know. */
const KNOWN_AFTER = 'HTTP/1.1 1xx'.length;
const END_OF_HEAD = '\r\n\r\n';
/** Of one head; a longer one is undici's to refuse. */
const MOST_HEAD_BYTES = 16_384;

export function readPastInterim(socket: Socket): void {
  const { read, write } = socket;
  /** What has come of the reply's head so far; undefined once it is known to be the last one. */
  let head: Buffer | undefined;
  socket.write = ((...given: Parameters<typeof write>) => {
    head = Buffer.alloc(0);
    return write.apply(socket, given);
  }) as typeof write;
  socket.read = (size) => {
    const chunk: Buffer | null = read.call(socket, size);
    if (head === undefined || chunk === null) return chunk;
    head = Buffer.concat([head, chunk]);
    for (;;) {
      if (head.length < KNOWN_AFTER) return null;
      if (!INTERIM.test(head.toString('latin1', 0, KNOWN_AFTER))) break;
      const end = head.indexOf(END_OF_HEAD);
      if (end < 0 && head.length <= MOST_HEAD_BYTES) return null;
      if (end < 0) break;
      head = head.subarray(end + END_OF_HEAD.length);
    }
    const last = head;
    head = undefined;
    return last;
  };
}

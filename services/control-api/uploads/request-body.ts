/**
 * The body of a request as it comes, for routes that take files.
 *
 * 1. Nothing of it is asked for before the handler reads: a client that sent `Expect: 100-continue` keeps its bytes until then.
 * 2. Only time spent waiting for the sender counts; a slow store is not the sender's fault.
 * 3. Of a body that is refused a little is read, so that the answer arrives, then the connection is closed.
 */
import type { FastifyReply, FastifyRequest } from 'fastify';
import { LongshoreError } from '#shared/errors.ts';

/** What is left of a refused body is read for so long: without it the sender may meet a reset before the answer. */
const LEFTOVER_MS = 5_000;

export async function* readBody(
  request: FastifyRequest,
  reply: FastifyReply,
  stallMs: number,
): AsyncGenerator<Uint8Array> {
  const { raw } = request;
  if (raw.headers.expect?.toLowerCase() === '100-continue') reply.raw.writeContinue();
  const pieces = raw[Symbol.asyncIterator]() as AsyncIterator<Buffer>;
  for (;;) {
    let timer: NodeJS.Timeout | undefined;
    const stalled = new Promise<never>((_, reject) => {
      timer = setTimeout(
        () => reject(new LongshoreError('UPLOAD_STALLED', `No byte arrived for ${stallMs / 1_000} s.`)),
        stallMs,
      );
    });
    try {
      const { done, value } = await Promise.race([pieces.next(), stalled]);
      if (done === true) return;
      yield value;
    } finally {
      clearTimeout(timer);
    }
  }
}

export function closeAfterAnswer(request: FastifyRequest, reply: FastifyReply): void {
  const { raw } = request;
  if (raw.complete) return;
  reply.header('connection', 'close');
  raw.on('error', () => undefined);
  raw.resume();
  const timer = setTimeout(() => raw.destroy(), LEFTOVER_MS);
  raw.once('close', () => clearTimeout(timer));
}

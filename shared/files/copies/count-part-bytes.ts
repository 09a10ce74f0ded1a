/**
 * Counts the bytes of a part on its way, so that a slow line and one that stands still can be told apart while it is not finished.
 *
 * A body is sent in slices when its signing is done: each goes out when the line has taken the one before it, up to what the system's
 * buffers hold.
 */
import { Readable } from 'node:stream';
import type { S3Client } from '@aws-sdk/client-s3';
import type { ReadStream } from './copy-part.ts';
import type { PlannedPart } from './plan-parts.ts';

/** Of the part so far; begins again at 0, or where it was broken off, when it is repeated. */
type OnBytes = (bytes: number) => void;

/** Smaller ones cost more of the processor's time than they show. */
const SLICE_BYTES = 256 * 1024;

export function countRead(read: ReadStream, part: PlannedPart, onBytes: OnBytes): ReadStream {
  return (address, options) => ({
    [Symbol.asyncIterator]() {
      const pieces = read(address, options)[Symbol.asyncIterator]();
      let bytes = (options.range?.first ?? part.first) - part.first;
      return {
        async next() {
          const piece = await pieces.next();
          if (piece.done !== true) {
            bytes += piece.value.length;
            onBytes(bytes);
          }
          return piece;
        },
        return: async (value: unknown) => (await pieces.return?.(value)) ?? { done: true, value },
      };
    },
  });
}

/** `client`, telling of the bytes of parts that it sends from memory. */
export function countSent(client: S3Client, onBytes: OnBytes): S3Client {
  const send = (command: CommandToSend, ...options: unknown[]): unknown => {
    command.middlewareStack.add(
      (next) => async (args) => {
        const request = args.request as { readonly body?: unknown };
        if (!(request.body instanceof Uint8Array)) return await next(args);
        // A copy, since the SDK may send the same request again.
        const sliced = Object.assign(Object.create(Object.getPrototypeOf(request)), request, {
          body: slices(request.body, onBytes),
        });
        return await next({ ...args, request: sliced });
      },
      { name: 'countSent', step: 'deserialize', priority: 'low' },
    );
    return client.send(command as Parameters<S3Client['send']>[0], ...(options as []));
  };
  return Object.create(client, { send: { value: send } });
}

type CommandToSend = Pick<Parameters<S3Client['send']>[0], 'middlewareStack'>;

function slices(body: Uint8Array, onBytes: OnBytes): Readable {
  let at = 0;
  return new Readable({
    highWaterMark: 1,
    read() {
      onBytes(at);
      if (at === body.length) {
        this.push(null);
        return;
      }
      const slice = body.subarray(at, at + SLICE_BYTES);
      at += slice.length;
      this.push(slice);
    },
  });
}

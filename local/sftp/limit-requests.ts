/**
 * Bounds the requests that an S3 client has under way; those beyond wait in a queue.
 *
 * The queue is in front of the SDK's own deadlines. Without it a request that waits for one of the client's sockets fails at the
 * connect deadline, and a burst of uploads is refused although the store works.
 */

import { Readable } from 'node:stream';
import { finished } from 'node:stream/promises';
import type { S3Client } from '@aws-sdk/client-s3';
import pLimit from 'p-limit';

/** `maxRequests` must be less than the client's sockets. A body counts until it is read or destroyed. */
export function limitRequests(client: S3Client, maxRequests: number): void {
  const limit = pLimit(maxRequests);
  client.middlewareStack.add(
    (next) => (args) => {
      const { promise, resolve, reject } = Promise.withResolvers<Awaited<ReturnType<typeof next>>>();
      void limit(async () => {
        try {
          const result = await next(args);
          resolve(result);
          const { Body: body } = result.output as { Body?: unknown };
          if (body instanceof Readable) await finished(body).catch(() => undefined);
        } catch (error) {
          reject(error);
        }
      });
      return promise;
    },
    { step: 'initialize', name: 'limitRequests', priority: 'high', override: true },
  );
}

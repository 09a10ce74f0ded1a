/**
 * Bounds the requests that an S3 client has under way; those beyond wait in their own line.
 *
 * 1. The line is in front of the SDK's deadlines. A request that waits for a socket instead fails at the connect deadline, and a burst is refused
 *    although the store works.
 * 2. A request counts until the head of its reply. Bodies do not count, and no socket is waited for: who reads a body while writing another
 *    object would wait for itself.
 */
import type { S3Client } from '@aws-sdk/client-s3';
import pLimit from 'p-limit';

export function limitRequests(client: S3Client, maxRequests: number): void {
  const limit = pLimit(maxRequests);
  client.middlewareStack.add((next) => (args) => limit(() => next(args)), {
    step: 'initialize',
    name: 'limitRequests',
    priority: 'high',
    override: true,
  });
}

/** What is added to an S3 client's requests: a count of them, and a bound on those under way. */
import type { S3Client } from '@aws-sdk/client-s3';
import pLimit from 'p-limit';
import { Counter, type Registry } from 'prom-client';

export function createS3RequestCounter(registry: Registry): Counter<'operation'> {
  return new Counter({
    name: 'longshore_s3_requests_total',
    help: 'Requests sent to the object store.',
    labelNames: ['operation'] as const,
    registers: [registry],
  });
}

/** Counts requests as they go out, repeated ones too: the benchmark's budget per file is about these. */
export function countRequests(client: S3Client, requests: Counter<'operation'>): void {
  client.middlewareStack.add(
    (next, context) => (args) => {
      requests.inc({ operation: (context.commandName ?? 'Unknown').replace(/Command$/, '') });
      return next(args);
    },
    // After the SDK's own repetition, so that each try counts.
    { name: 'countRequests', step: 'finalizeRequest', priority: 'low', override: true },
  );
}

/**
 * Bounds the requests that a client has under way; those beyond wait in a line.
 *
 * 1. The line is in front of the SDK's deadlines. A request that waits for a socket instead fails at the connect deadline, and a burst is refused
 *    although the store works.
 * 2. A request counts until the head of its reply. Bodies do not count, and no socket is waited for: a caller that reads one body while it writes
 *    another object would wait for itself.
 */
export function limitRequests(client: S3Client, maxRequests: number): void {
  const limit = pLimit(maxRequests);
  client.middlewareStack.add((next) => (args) => limit(() => next(args)), {
    step: 'initialize',
    name: 'limitRequests',
    priority: 'high',
    override: true,
  });
}

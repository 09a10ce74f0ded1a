/** Counts requests to the store as they go out, repeated ones too: the benchmark's budget per file is about these. */
import type { S3Client } from '@aws-sdk/client-s3';
import type { Counter } from 'prom-client';

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

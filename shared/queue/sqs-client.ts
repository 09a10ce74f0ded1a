/**
 * The SQS client of a process.
 *
 * 1. Every request has a deadline: the SDK only warns of a passed `requestTimeout` unless told to throw.
 * 2. The endpoint comes from the SDK's own `AWS_ENDPOINT_URL_SQS`, never from a queue's URL, whose host a compatible server may
 *    fill with a name that resolves nowhere.
 * 3. Requests are counted where they leave, repeats included.
 */
import { SQSClient, type SQSClientConfig } from '@aws-sdk/client-sqs';
import type { QueueMetrics } from '#shared/queue/queue-metrics.ts';
import { RequestSha256 } from '#shared/runtime/request-sha256.ts';
import { trimClient } from '#shared/runtime/trim-client.ts';

export type { SQSClient };

export interface SqsClientOptions {
  readonly region: string;
  /** For one try; must exceed the long-poll wait. Default 10 s. */
  readonly requestTimeoutMs?: number;
  /** Sockets: each poller holds one nearly all the time, senders and acknowledgements take a few. Default 25. */
  readonly maxSockets?: number;
  readonly metrics?: QueueMetrics;
  /** For tests and tools; services take both from the environment. */
  readonly endpoint?: string;
  readonly credentials?: NonNullable<SQSClientConfig['credentials']>;
}

export function createSqsClient({
  region,
  requestTimeoutMs = 10_000,
  maxSockets = 25,
  metrics,
  endpoint,
  credentials,
}: SqsClientOptions): SQSClient {
  const client = new SQSClient({
    region,
    sha256: RequestSha256,
    useQueueUrlAsEndpoint: false,
    // Not `adaptive`: its one limiter per client lets throttled polls hold back the deletes of what was handled already.
    retryMode: 'standard',
    // Batch requests and polls repeat and back off on their own; more tries here would multiply with theirs.
    maxAttempts: 2,
    requestHandler: {
      connectionTimeout: 3_000,
      requestTimeout: requestTimeoutMs,
      throwOnRequestTimeout: true,
      socketTimeout: requestTimeoutMs,
      httpAgent: { keepAlive: true, maxSockets },
      httpsAgent: { keepAlive: true, maxSockets },
    },
    ...(endpoint === undefined ? {} : { endpoint }),
    ...(credentials === undefined ? {} : { credentials }),
  });
  trimClient(client);
  if (metrics !== undefined) countRequests(client, metrics);
  return client;
}

function countRequests(client: SQSClient, metrics: QueueMetrics): void {
  client.middlewareStack.add(
    (next, context) => (args) => {
      const operation = String(context.commandName ?? 'unknown').replace(/Command$/, '');
      const { QueueUrl } = args.input as { QueueUrl?: string };
      metrics.sqsRequests.inc({ queue: QueueUrl?.split('/').at(-1) ?? '', operation });
      return next(args);
    },
    // Low priority in the finalize step is behind the SDK's retry middleware, so that repeats are seen too.
    { step: 'finalizeRequest', priority: 'low', name: 'countSqsRequests' },
  );
}

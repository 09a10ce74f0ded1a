/**
 * The event bridge of one-machine mode, in place of EventBridge: from the journals of the S3 server and the SFTP gateway to
 * the landing queue.
 *
 * It keeps nothing of its own: what is not sent is in the journals, and a new process continues where the old one died.
 */
import type { SQSClient } from '@aws-sdk/client-sqs';
import { resolveQueueUrls } from '#shared/queue/queue-urls.ts';
import type { Health } from '#shared/runtime/health/operations-server.ts';
import type { Logger } from '#shared/runtime/logger.ts';
import type { EventRule } from './event-rule.ts';
import type { EventSource } from './event-source.ts';
import { forwardEvents } from './forward-events.ts';
import { type BridgeMetrics, createBridgeMetrics } from './metrics.ts';
import { sendToQueue } from './send-to-queue.ts';

export interface EventBridgeOptions {
  /** Their journals are the caller's to close, after `stop`. */
  readonly sources: readonly EventSource[];
  readonly rule: EventRule;
  readonly client: SQSClient;
  readonly queueName: string;
  readonly logger: Logger;
  readonly metrics?: BridgeMetrics;
}

export interface EventBridge {
  readonly metrics: BridgeMetrics;
  /** Whether the queue can be reached. */
  readiness(): Promise<Health>;
  /** Idempotent; resolves when no send is under way any more. */
  stop(): Promise<void>;
}

/** Sends give up on the look-up well before their own deadline. */
const LOOK_UP_TIMEOUT_MS = 3_000;

export function startEventBridge(options: EventBridgeOptions): EventBridge {
  const { sources, client, queueName, logger, metrics = createBridgeMetrics() } = options;
  const controller = new AbortController();
  let knownUrl: Promise<string> | undefined;

  function queueUrl(): Promise<string> {
    knownUrl ??= resolveQueueUrls({ client, names: [queueName], timeoutMs: LOOK_UP_TIMEOUT_MS }).then(
      (urls) => urls[queueName]!,
    );
    knownUrl.catch(() => {
      knownUrl = undefined;
    });
    return knownUrl;
  }

  const send = sendToQueue({ client, queueUrl, logger });
  const loops = sources.map((source) =>
    forwardEvents({ source, rule: options.rule, send, metrics, logger, signal: controller.signal }),
  );
  return {
    metrics,
    readiness: () =>
      queueUrl().then(
        () => ({ ok: true, detail: 'ready' }),
        () => ({ ok: false, detail: `the queue ${queueName} cannot be reached` }),
      ),
    async stop() {
      controller.abort();
      await Promise.all(loops);
    },
  };
}

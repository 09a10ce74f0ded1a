/** The counts of every queue and of its dead-letter queue, asked side by side. */

import { type QueueDepth, readQueueDepth } from '#shared/queue/queue-depth.ts';
import { resolveQueueUrls } from '#shared/queue/queue-urls.ts';
import type { SQSClient } from '#shared/queue/sqs-client.ts';
import { deadLetterQueueName, QUEUE_IDS, type QueueId, queueName } from '#shared/runtime/config/resource-names.ts';

export type QueueDepths = readonly { readonly queue: QueueId; readonly main: QueueDepth; readonly dead: QueueDepth }[];

export interface QueueAddresses {
  readonly main: Readonly<Record<QueueId, string>>;
  readonly dead: Readonly<Record<QueueId, string>>;
}

/** @throws LongshoreError `DEPENDENCY_UNAVAILABLE` when a queue's address is not known in time. */
export async function resolveQueues(client: SQSClient, prefix: string): Promise<QueueAddresses> {
  const nameOf = { main: queueName, dead: deadLetterQueueName };
  const names = QUEUE_IDS.flatMap((queue) => [nameOf.main(prefix, queue), nameOf.dead(prefix, queue)]);
  const urls = await resolveQueueUrls({ client, names });
  const byQueue = (name: typeof queueName) =>
    Object.fromEntries(QUEUE_IDS.map((queue) => [queue, urls[name(prefix, queue)]])) as Record<QueueId, string>;
  return { main: byQueue(nameOf.main), dead: byQueue(nameOf.dead) };
}

/** @throws the SDK's error when a queue does not answer in time. */
export async function readQueueDepths(
  client: SQSClient,
  addresses: QueueAddresses,
  queues: readonly QueueId[],
): Promise<QueueDepths> {
  return await Promise.all(
    queues.map(async (queue) => {
      const [main, dead] = await Promise.all([
        readQueueDepth({ client, queueUrl: addresses.main[queue] }),
        readQueueDepth({ client, queueUrl: addresses.dead[queue] }),
      ]);
      return { queue, main, dead };
    }),
  );
}

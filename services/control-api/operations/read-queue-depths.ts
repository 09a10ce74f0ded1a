/** The counts of every queue and of its dead-letter queue, asked side by side. */

import { LongshoreError } from '#shared/errors.ts';
import { type QueueDepth, readQueueDepth } from '#shared/queue/queue-depth.ts';
import { lookUpQueue, type QueueUrl } from '#shared/queue/queue-urls.ts';
import type { SQSClient } from '#shared/queue/sqs-client.ts';
import { deadLetterQueueName, QUEUE_IDS, type QueueId, queueName } from '#shared/runtime/config/resource-names.ts';

export type QueueDepths = readonly { readonly queue: QueueId; readonly main: QueueDepth; readonly dead: QueueDepth }[];

export interface QueueAddresses {
  readonly main: Readonly<Record<QueueId, QueueUrl>>;
  readonly dead: Readonly<Record<QueueId, QueueUrl>>;
}

/** Asked for when they are first needed: most of the API does without the queues. */
export function lookUpQueues(client: SQSClient, prefix: string): QueueAddresses {
  const byQueue = (name: typeof queueName) =>
    Object.fromEntries(QUEUE_IDS.map((queue) => [queue, lookUpQueue(client, name(prefix, queue))])) as Record<
      QueueId,
      QueueUrl
    >;
  return { main: byQueue(queueName), dead: byQueue(deadLetterQueueName) };
}

/** @throws LongshoreError `DEPENDENCY_UNAVAILABLE` when a queue does not answer in time. */
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
  ).catch((cause: unknown) => {
    throw new LongshoreError('DEPENDENCY_UNAVAILABLE', 'The queues do not answer.', { cause });
  });
}

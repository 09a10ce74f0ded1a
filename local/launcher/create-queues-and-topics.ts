/** Makes the fleet's queues with their DLQs, and its topics. Changes nothing where they are there. */
import type { AwsCredentials } from '#local/launcher/keys.ts';
import { createQueues } from '#shared/queue/create-queues.ts';
import { createSqsClient } from '#shared/queue/sqs-client.ts';
import { createSnsClient, createTopics } from '#shared/queue/topics.ts';

export interface CreateQueuesAndTopicsOptions {
  readonly endpoint: string;
  readonly region: string;
  readonly credentials: AwsCredentials;
  readonly prefix: string;
}

export async function createQueuesAndTopics({ prefix, ...server }: CreateQueuesAndTopicsOptions): Promise<void> {
  const [sqs, sns] = [createSqsClient(server), createSnsClient(server)];
  try {
    await Promise.all([createQueues({ client: sqs, prefix }), createTopics({ client: sns, prefix })]);
  } finally {
    sqs.destroy();
    sns.destroy();
  }
}

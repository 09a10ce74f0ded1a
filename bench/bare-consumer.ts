/** sqs-consumer as it comes, in its fastest form: a batch handler, batch deletes, 10 messages per request. The yardstick. */
import { Consumer } from 'sqs-consumer';
import type { createSqsClient } from '#shared/queue/sqs-client.ts';

export interface BareConsumerOptions {
  readonly client: ReturnType<typeof createSqsClient>;
  readonly queueUrl: string;
  readonly handle: (n: number) => Promise<void>;
}

/** Starts it; the returned function stops it. */
export function startBareConsumer({ client, queueUrl, handle }: BareConsumerOptions): () => void {
  const consumer = Consumer.create({
    queueUrl,
    sqs: client,
    batchSize: 10,
    waitTimeSeconds: 1,
    handleMessageBatch: async (messages) => {
      await Promise.all(messages.map(({ Body = '{}' }) => handle((JSON.parse(Body) as { n: number }).n)));
      return messages;
    },
  });
  consumer.on('error', (error) => console.error(error));
  consumer.start();
  return () => consumer.stop();
}

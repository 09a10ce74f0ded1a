/** Sends bodies as they are to a queue, past the fleet's own senders: what a stranger, or an older version, would send. */
import { randomUUID } from 'node:crypto';
import { SendMessageBatchCommand, type SQSClient } from '@aws-sdk/client-sqs';

const BATCH_SIZE = 10;

/** On FIFO queues each body has its own group. */
export async function sendBodies(sqs: SQSClient, queueUrl: string, bodies: readonly string[]): Promise<void> {
  const isFifo = queueUrl.endsWith('.fifo');
  for (let first = 0; first < bodies.length; first += BATCH_SIZE) {
    const Entries = bodies.slice(first, first + BATCH_SIZE).map((MessageBody, index) => ({
      Id: String(index),
      MessageBody,
      ...(isFifo && { MessageGroupId: randomUUID(), MessageDeduplicationId: randomUUID() }),
    }));
    const { Failed = [] } = await sqs.send(new SendMessageBatchCommand({ QueueUrl: queueUrl, Entries }));
    if (Failed.length > 0) throw new Error(`the queue refused ${JSON.stringify(Failed)}`);
  }
}

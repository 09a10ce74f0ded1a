/**
 * A queue's approximate counts.
 *
 * They are hints, never a decision's only ground: Amazon SQS is eventually right, and fauxqs brings a message whose visibility or
 * delay has ended into `visible` only when someone receives.
 */
import { GetQueueAttributesCommand, type SQSClient } from '@aws-sdk/client-sqs';
import { type QueueUrl, urlOf } from '#shared/queue/queue-urls.ts';

export interface QueueDepth {
  readonly visible: number;
  readonly inFlight: number;
  readonly delayed: number;
}

/** @throws the SDK's error when the queue does not answer within `deadlineMs` (default 5 s). */
export async function readQueueDepth({
  client,
  queueUrl,
  deadlineMs = 5_000,
}: {
  readonly client: SQSClient;
  readonly queueUrl: QueueUrl;
  readonly deadlineMs?: number;
}): Promise<QueueDepth> {
  const { Attributes = {} } = await client.send(
    new GetQueueAttributesCommand({
      QueueUrl: await urlOf(queueUrl),
      AttributeNames: [
        'ApproximateNumberOfMessages',
        'ApproximateNumberOfMessagesNotVisible',
        'ApproximateNumberOfMessagesDelayed',
      ],
    }),
    { abortSignal: AbortSignal.timeout(deadlineMs) },
  );
  return {
    visible: Number(Attributes.ApproximateNumberOfMessages ?? 0),
    inFlight: Number(Attributes.ApproximateNumberOfMessagesNotVisible ?? 0),
    delayed: Number(Attributes.ApproximateNumberOfMessagesDelayed ?? 0),
  };
}

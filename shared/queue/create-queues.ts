/**
 * Creates the queues and their DLQs, or brings existing ones to the present settings. On AWS the CDK app does this.
 *
 * Idempotent: CreateQueue names only what cannot change, since it refuses an existing queue with other attributes; the rest is set.
 */
import {
  CreateQueueCommand,
  GetQueueAttributesCommand,
  SetQueueAttributesCommand,
  type SQSClient,
} from '@aws-sdk/client-sqs';
import { LongshoreError } from '#shared/errors.ts';
import { DEAD_LETTER_SETTINGS, QUEUE_SETTINGS, type QueueSettings } from '#shared/queue/queue-settings.ts';
import {
  deadLetterQueueName,
  isFifo,
  MAX_RECEIVE_COUNT,
  QUEUE_IDS,
  type QueueId,
  queueName,
} from '#shared/runtime/config/resource-names.ts';

const DEADLINE_MS = 10_000;

export interface CreatedQueue {
  readonly url: string;
  readonly arn: string;
  readonly deadLetterUrl: string;
  readonly deadLetterArn: string;
}

export interface CreateQueuesOptions {
  readonly client: SQSClient;
  readonly prefix: string;
  /** Other settings for single queues. */
  readonly settings?: Partial<Record<QueueId, Partial<QueueSettings>>>;
}

/** @throws the SDK's error when the server refuses or does not answer. */
export async function createQueues({
  client,
  prefix,
  settings = {},
}: CreateQueuesOptions): Promise<Record<QueueId, CreatedQueue>> {
  const pairs = await Promise.all(
    QUEUE_IDS.map(async (queue) => {
      const fifo = isFifo(queue);
      const deadLetter = await createQueue(client, deadLetterQueueName(prefix, queue), fifo, DEAD_LETTER_SETTINGS);
      const created = await createQueue(
        client,
        queueName(prefix, queue),
        fifo,
        { ...QUEUE_SETTINGS[queue], ...settings[queue] },
        { deadLetterTargetArn: deadLetter.arn, maxReceiveCount: MAX_RECEIVE_COUNT },
      );
      return [queue, { ...created, deadLetterUrl: deadLetter.url, deadLetterArn: deadLetter.arn }] as const;
    }),
  );
  return Object.fromEntries(pairs) as Record<QueueId, CreatedQueue>;
}

async function createQueue(
  client: SQSClient,
  name: string,
  fifo: boolean,
  { visibilityTimeoutSeconds, retentionSeconds }: QueueSettings,
  redrivePolicy?: { readonly deadLetterTargetArn: string; readonly maxReceiveCount: number },
): Promise<{ url: string; arn: string }> {
  const abortSignal = AbortSignal.timeout(DEADLINE_MS);
  const { QueueUrl: url } = await client.send(
    new CreateQueueCommand({ QueueName: name, ...(fifo ? { Attributes: { FifoQueue: 'true' } } : {}) }),
    { abortSignal },
  );
  const { Attributes } = await client.send(
    new GetQueueAttributesCommand({ QueueUrl: url, AttributeNames: ['QueueArn'] }),
    { abortSignal },
  );
  const arn = Attributes?.QueueArn;
  if (url === undefined || arn === undefined) {
    throw new LongshoreError('DEPENDENCY_UNAVAILABLE', `The queue ${name} was created but not described.`);
  }
  await client.send(
    new SetQueueAttributesCommand({
      QueueUrl: url,
      Attributes: {
        VisibilityTimeout: String(visibilityTimeoutSeconds),
        MessageRetentionPeriod: String(retentionSeconds),
        ...(redrivePolicy === undefined ? {} : { RedrivePolicy: JSON.stringify(redrivePolicy) }),
      },
    }),
    { abortSignal },
  );
  return { url, arn };
}

/**
 * What subscribers of the topics `success` and `failure` receive: a queue subscribed to both, read to its end.
 *
 * Delivery is at least once, so repeats are told by the event's id, as subscribers are asked to do.
 */
import { type SNSClient, SubscribeCommand } from '@aws-sdk/client-sns';
import {
  CreateQueueCommand,
  DeleteMessageBatchCommand,
  GetQueueAttributesCommand,
  ReceiveMessageCommand,
  type SQSClient,
} from '@aws-sdk/client-sqs';
import type { z } from 'zod';
import { publishedEvent } from '#shared/messages/published-event.ts';
import { createTopics } from '#shared/queue/topics.ts';

export type Notice = z.output<typeof publishedEvent>;

export interface NoticeInbox {
  /** Everything received since the start, by event id; takes what is in the queue first. */
  read(): Promise<ReadonlyMap<string, Notice>>;
}

export async function openNoticeInbox(clients: {
  sqs: SQSClient;
  sns: SNSClient;
  prefix: string;
}): Promise<NoticeInbox> {
  const { sqs, sns, prefix } = clients;
  const { QueueUrl } = await sqs.send(new CreateQueueCommand({ QueueName: `${prefix}-notices-of-test` }));
  const { Attributes } = await sqs.send(new GetQueueAttributesCommand({ QueueUrl, AttributeNames: ['QueueArn'] }));
  const topics = await createTopics({ client: sns, prefix });
  for (const TopicArn of [topics.success, topics.failure]) {
    const Endpoint = Attributes?.QueueArn;
    await sns.send(
      new SubscribeCommand({ TopicArn, Protocol: 'sqs', Endpoint, Attributes: { RawMessageDelivery: 'true' } }),
    );
  }

  const notices = new Map<string, Notice>();
  async function read(): Promise<ReadonlyMap<string, Notice>> {
    for (;;) {
      const { Messages = [] } = await sqs.send(new ReceiveMessageCommand({ QueueUrl, MaxNumberOfMessages: 10 }));
      if (Messages.length === 0) return notices;
      for (const { Body = '' } of Messages) {
        const notice = publishedEvent.parse(JSON.parse(Body));
        notices.set(notice.id, notice);
      }
      const Entries = Messages.map(({ ReceiptHandle }, index) => ({ Id: String(index), ReceiptHandle }));
      await sqs.send(new DeleteMessageBatchCommand({ QueueUrl, Entries }));
    }
  }
  return { read };
}

/** A message as a handler sees it. */
import type { Message, MessageSystemAttributeName } from '@aws-sdk/client-sqs';

export interface Received<Payload> {
  readonly message: Payload;
  readonly messageId: string;
  /** The body as it came. */
  readonly body: string;
  /** 1 at the first delivery. */
  readonly receiveCount: number;
  readonly sentAt: Date;
  /** FIFO queues only. */
  readonly groupId: string | undefined;
  readonly deduplicationId: string | undefined;
  /** String message attributes, e.g. trace context. */
  readonly attributes: Readonly<Record<string, string>>;
}

/** What `describeReceived` reads, to be asked for with each receive. */
export const SYSTEM_ATTRIBUTES: MessageSystemAttributeName[] = [
  'ApproximateReceiveCount',
  'SentTimestamp',
  'MessageGroupId',
  'MessageDeduplicationId',
];

export function describeReceived(message: Message): Omit<Received<never>, 'message'> {
  const { Attributes = {}, MessageAttributes = {} } = message;
  return {
    messageId: message.MessageId ?? '',
    body: message.Body ?? '',
    receiveCount: Number(Attributes.ApproximateReceiveCount ?? 1),
    sentAt: new Date(Number(Attributes.SentTimestamp ?? 0)),
    groupId: Attributes.MessageGroupId,
    deduplicationId: Attributes.MessageDeduplicationId,
    attributes: Object.fromEntries(
      Object.entries(MessageAttributes).flatMap(([name, { StringValue }]) =>
        StringValue === undefined ? [] : [[name, StringValue]],
      ),
    ),
  };
}

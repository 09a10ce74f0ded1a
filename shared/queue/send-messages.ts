import type { SQSClient } from '@aws-sdk/client-sqs';
import type { MessageDefinition, MessageOf } from '#shared/queue/define-message.ts';

export interface SendEntry<Message> {
  readonly message: Message;
  /** Required on FIFO queues, at most 128 characters; on standard queues SQS uses it for fair sharing. */
  readonly groupId?: string;
  /** Required on FIFO queues. The same id within 5 minutes is accepted and never delivered. */
  readonly deduplicationId?: string;
  /** Standard queues only, at most 900. */
  readonly delaySeconds?: number;
  /** String attributes, e.g. trace context. */
  readonly attributes?: Readonly<Record<string, string>>;
}

export type SendResult =
  | { readonly ok: true; readonly messageId: string }
  | { readonly ok: false; readonly retryable: boolean; readonly reason: string };

export interface Sender<Message> {
  /** One result per entry, in the same order; never rejects. */
  send(entries: readonly SendEntry<Message>[]): Promise<SendResult[]>;
  /** Resolves when nothing is on its way any more. */
  flush(): Promise<void>;
}

export interface SenderOptions<Definitions extends readonly MessageDefinition[]> {
  readonly client: SQSClient;
  readonly queueUrl: string;
  readonly fifo: boolean;
  readonly messages: Definitions;
}

export declare function createSender<const Definitions extends readonly MessageDefinition[]>(
  options: SenderOptions<Definitions>,
): Sender<MessageOf<Definitions[number]>>;

/**
 * Sends typed messages to one queue.
 *
 * 1. `send` calls that run side by side share requests: up to 10 entries or 1 MiB, after 5 ms at the latest.
 * 2. Every entry has its own result. One that is not `ok` may still have been sent (a reply can be lost): the row that caused it
 *    stays due, and the receiver bears a second message.
 * 3. A queue that answers nothing costs a `send` about 10 s, however many entries it has.
 * 4. FIFO queues have one request under way at a time, or two of one group could overtake each other.
 */
import { SendMessageBatchCommand, type SendMessageBatchRequestEntry, type SQSClient } from '@aws-sdk/client-sqs';
import { createBatchSender } from '#shared/queue/batch-request.ts';
import type { MessageDefinition, MessageOf } from '#shared/queue/define-message.ts';
import { type QueueUrl, urlOf } from '#shared/queue/queue-urls.ts';

/** Amazon SQS: the limit of a message and of a whole batch, attributes included (SendMessageBatch). */
const MAX_BATCH_BYTES = 1_048_576;

export interface SendEntry<Message> {
  readonly message: Message;
  /** FIFO queues: required, see `messageGroupId`. Standard queues: a fair-queue tenant on AWS, refused by some other servers. */
  readonly groupId?: string | undefined;
  /** Required on FIFO queues. The same id within 5 minutes is accepted and never delivered. */
  readonly deduplicationId?: string | undefined;
  /** Standard queues only, 0 to 900. */
  readonly delaySeconds?: number | undefined;
  /** String attributes, e.g. trace context. */
  readonly attributes?: Readonly<Record<string, string>> | undefined;
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

/** The types a queue carries, or `'raw'`: bodies are sent as they are, e.g. from a DLQ back to its queue. */
type SenderMessages = readonly MessageDefinition[] | 'raw';

type SenderMessage<Messages extends SenderMessages> = Messages extends readonly MessageDefinition[]
  ? MessageOf<Messages[number]>
  : string;

export interface SenderOptions<Messages extends SenderMessages> {
  readonly client: SQSClient;
  readonly queueUrl: QueueUrl;
  readonly fifo: boolean;
  readonly messages: Messages;
  /** Default 5. */
  readonly lingerMs?: number;
}

type WireEntry = Omit<SendMessageBatchRequestEntry, 'Id'>;

export function createSender<const Messages extends SenderMessages>({
  client,
  queueUrl,
  fifo,
  messages,
  lingerMs = 5,
}: SenderOptions<Messages>): Sender<SenderMessage<Messages>> {
  const encode = messages === 'raw' ? sendAsIs : encoderOf(messages);
  const requests = createBatchSender<WireEntry>({
    lingerMs,
    concurrency: fifo ? 1 : 4,
    maxBytes: MAX_BATCH_BYTES,
    sizeOf: sizeInBytes,
    request: async (batch, abortSignal) =>
      await client.send(
        new SendMessageBatchCommand({
          QueueUrl: await urlOf(queueUrl),
          Entries: batch.map(({ id, entry }) => ({ ...entry, Id: id })),
        }),
        { abortSignal },
      ),
  });

  async function sendOne(entry: SendEntry<SenderMessage<Messages>>): Promise<SendResult> {
    const wire = toWire(entry, encode, fifo);
    if ('reason' in wire) return wire;
    const outcome = await requests.add(wire);
    return outcome.ok ? { ok: true, messageId: outcome.messageId ?? '' } : outcome;
  }

  return {
    send: (entries) => Promise.all(entries.map(sendOne)),
    flush: () => requests.flush(),
  };
}

type Encode = (message: string | { readonly type: string }) => string | Extract<SendResult, { ok: false }>;

const sendAsIs: Encode = (message) => message as string;

function encoderOf(messages: readonly MessageDefinition[]): Encode {
  const definitions = new Map(messages.map((definition) => [definition.name, definition]));
  return (message) => {
    const { type } = message as { readonly type: string };
    const definition = definitions.get(type);
    if (definition === undefined) return refused(`${type} is not a message of this queue`);
    try {
      return definition.encode({ ...(message as object), type });
    } catch (error) {
      return refused(`${type} does not fit its schema: ${String(error)}`);
    }
  };
}

function toWire(
  { message, groupId, deduplicationId, delaySeconds, attributes }: SendEntry<string | { readonly type: string }>,
  encode: Encode,
  fifo: boolean,
): WireEntry | Extract<SendResult, { ok: false }> {
  if (fifo && (groupId === undefined || deduplicationId === undefined)) {
    return refused('a FIFO queue needs groupId and deduplicationId');
  }
  const body = encode(message);
  if (typeof body !== 'string') return body;
  const wire: WireEntry = {
    MessageBody: body,
    MessageGroupId: groupId,
    MessageDeduplicationId: fifo ? deduplicationId : undefined,
    DelaySeconds: fifo ? undefined : delaySeconds,
    MessageAttributes: attributes && toWireAttributes(attributes),
  };
  return sizeInBytes(wire) > MAX_BATCH_BYTES ? refused(`the message is over ${MAX_BATCH_BYTES} bytes`) : wire;
}

function refused(reason: string): { ok: false; retryable: boolean; reason: string } {
  return { ok: false, retryable: false, reason };
}

function toWireAttributes(attributes: Readonly<Record<string, string>>): WireEntry['MessageAttributes'] {
  return Object.fromEntries(
    Object.entries(attributes).map(([name, value]) => [name, { DataType: 'String', StringValue: value }]),
  );
}

function sizeInBytes({ MessageBody = '', MessageAttributes = {} }: WireEntry): number {
  let sizeBytes = Buffer.byteLength(MessageBody);
  for (const [name, { DataType = '', StringValue = '' }] of Object.entries(MessageAttributes)) {
    sizeBytes += Buffer.byteLength(name) + Buffer.byteLength(DataType) + Buffer.byteLength(StringValue);
  }
  return sizeBytes;
}

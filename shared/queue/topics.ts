/**
 * The SNS topics: creating them, and publishing to them in batches.
 *
 * 1. `publish` calls that run side by side share requests of up to 10 entries or 256 KiB, one topic each.
 * 2. Every entry has its own result, since PublishBatch answers 200 with `Failed` entries. One that is not `ok` may still have been
 *    published: subscribers tell repeats by the event's id.
 */
import {
  CreateTopicCommand,
  PublishBatchCommand,
  type PublishBatchRequestEntry,
  SNSClient,
  type SNSClientConfig,
} from '@aws-sdk/client-sns';
import { LongshoreError } from '#shared/errors.ts';
import { type BatchSender, createBatchSender, type EntryOutcome } from '#shared/queue/batch-request.ts';
import { askUntilKnown } from '#shared/runtime/ask-until-known.ts';
import { TOPIC_IDS, type TopicId, topicName } from '#shared/runtime/config/resource-names.ts';
import { RequestSha256 } from '#shared/runtime/request-sha256.ts';
import { trimClient } from '#shared/runtime/trim-client.ts';

/** Amazon SNS: the limit of a message and of a whole batch (PublishBatch). */
const MAX_BATCH_BYTES = 262_144;
const DEADLINE_MS = 10_000;

export interface SnsClientOptions {
  readonly region: string;
  /** For tests and tools; services take both from the environment (`AWS_ENDPOINT_URL_SNS`). */
  readonly endpoint?: string;
  readonly credentials?: NonNullable<SNSClientConfig['credentials']>;
}

export function createSnsClient({ region, endpoint, credentials }: SnsClientOptions): SNSClient {
  return trimClient(
    new SNSClient({
      region,
      sha256: RequestSha256,
      maxAttempts: 2,
      requestHandler: {
        connectionTimeout: 3_000,
        requestTimeout: DEADLINE_MS,
        throwOnRequestTimeout: true,
        socketTimeout: DEADLINE_MS,
      },
      ...(endpoint === undefined ? {} : { endpoint }),
      ...(credentials === undefined ? {} : { credentials }),
    }),
  );
}

/** Resolves to the topics' ARNs. CreateTopic gives the ARN of an existing topic too, so this also looks topics up. */
export async function createTopics({
  client,
  prefix,
}: {
  readonly client: SNSClient;
  readonly prefix: string;
}): Promise<Record<TopicId, string>> {
  const pairs = await Promise.all(
    TOPIC_IDS.map(async (topic) => {
      const { TopicArn } = await client.send(new CreateTopicCommand({ Name: topicName(prefix, topic) }), {
        abortSignal: AbortSignal.timeout(DEADLINE_MS),
      });
      if (TopicArn === undefined) throw new LongshoreError('DEPENDENCY_UNAVAILABLE', `The topic ${topic} has no ARN.`);
      return [topic, TopicArn] as const;
    }),
  );
  return Object.fromEntries(pairs) as Record<TopicId, string>;
}

/** Those below `beginning`, such as `arn:aws:sns:us-east-1:111122223333:`: SNS is not asked. */
export function topicArnsBelow(beginning: string, prefix: string): Record<TopicId, string> {
  const pairs = TOPIC_IDS.map((topic) => [topic, beginning + topicName(prefix, topic)] as const);
  return Object.fromEntries(pairs) as Record<TopicId, string>;
}

export interface TopicEntry {
  readonly topic: TopicId;
  readonly message: string;
  /** String attributes, for subscribers' filter policies. */
  readonly attributes?: Readonly<Record<string, string>>;
}

export interface TopicPublisher {
  /** One result per entry, in the same order; never rejects. */
  publish(entries: readonly TopicEntry[]): Promise<EntryOutcome[]>;
}

export function createTopicPublisher({
  client,
  topicArns,
}: {
  readonly client: SNSClient;
  /** Looked up at the first publish, and again until they are known, where they are not given. */
  readonly topicArns: Readonly<Record<TopicId, string>> | (() => Promise<Readonly<Record<TopicId, string>>>);
}): TopicPublisher {
  const arnsOf = typeof topicArns === 'function' ? askUntilKnown(topicArns) : async () => topicArns;
  const senders = new Map(
    TOPIC_IDS.map((topic) => [topic, createTopicSender(client, async () => (await arnsOf())[topic])] as const),
  );
  return {
    publish: (entries) => Promise.all(entries.map((entry) => publishOne(senders.get(entry.topic), entry))),
  };
}

function createTopicSender(client: SNSClient, arnOf: () => Promise<string>): BatchSender<TopicEntry> {
  return createBatchSender({
    lingerMs: 5,
    concurrency: 4,
    maxBytes: MAX_BATCH_BYTES,
    sizeOf: sizeInBytes,
    deadlineMs: DEADLINE_MS,
    request: async (batch, abortSignal) =>
      await client.send(
        new PublishBatchCommand({
          TopicArn: await arnOf(),
          PublishBatchRequestEntries: batch.map(({ id, entry }) => toWire(id, entry)),
        }),
        { abortSignal },
      ),
  });
}

async function publishOne(sender: BatchSender<TopicEntry> | undefined, entry: TopicEntry): Promise<EntryOutcome> {
  if (sender === undefined) return { ok: false, retryable: false, reason: `${entry.topic} is not a topic` };
  if (sizeInBytes(entry) > MAX_BATCH_BYTES)
    return { ok: false, retryable: false, reason: 'the message is over 256 KiB' };
  return sender.add(entry);
}

function toWire(id: string, { message, attributes = {} }: TopicEntry): PublishBatchRequestEntry {
  return {
    Id: id,
    Message: message,
    MessageAttributes: Object.fromEntries(
      Object.entries(attributes).map(([name, value]) => [name, { DataType: 'String', StringValue: value }]),
    ),
  };
}

function sizeInBytes({ message, attributes = {} }: TopicEntry): number {
  return Object.entries(attributes).reduce(
    (sizeBytes, [name, value]) => sizeBytes + Buffer.byteLength(name) + Buffer.byteLength(value) + 'String'.length,
    Buffer.byteLength(message),
  );
}

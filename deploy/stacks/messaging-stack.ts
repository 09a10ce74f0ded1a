/**
 * Queues with their DLQs, and topics, by the names and settings of the code.
 *
 * 1. Names, receives before a DLQ, visibility and retention are those of `shared/config` and `shared/queue`.
 * 2. A DLQ takes from its own queue alone; what is not sent over TLS is refused.
 */
import { Duration } from 'aws-cdk-lib';
import { Topic } from 'aws-cdk-lib/aws-sns';
import * as sqs from 'aws-cdk-lib/aws-sqs';
import type { Construct } from 'constructs';
import { DEAD_LETTER_SETTINGS, QUEUE_SETTINGS, type QueueSettings } from '#shared/queue/queue-settings.ts';
import {
  deadLetterQueueName,
  isFifo,
  MAX_RECEIVE_COUNT,
  QUEUE_IDS,
  type QueueId,
  queueName,
  TOPIC_IDS,
  type TopicId,
  topicName,
} from '#shared/runtime/config/resource-names.ts';
import { type Fleet, FleetStack } from './fleet-stack.ts';
import type { NetworkStack } from './network-stack.ts';

export interface QueuePair {
  readonly main: sqs.Queue;
  readonly dead: sqs.Queue;
}

export class MessagingStack extends FleetStack {
  readonly queues: Readonly<Record<QueueId, QueuePair>>;
  readonly topics: Readonly<Record<TopicId, Topic>>;
  readonly #network: NetworkStack;

  constructor(scope: Construct, fleet: Fleet, network: NetworkStack) {
    super(scope, 'messaging', fleet);
    this.#network = network;
    this.queues = Object.fromEntries(QUEUE_IDS.map((id) => [id, this.#createPair(id)])) as Record<QueueId, QueuePair>;
    this.topics = Object.fromEntries(TOPIC_IDS.map((id) => [id, this.#createTopic(id)])) as Record<TopicId, Topic>;
  }

  #createPair(id: QueueId): QueuePair {
    const { prefix } = this.fleet;
    const name = queueName(prefix, id);
    const dead = new sqs.Queue(this, `${id}-dlq`, {
      ...this.#queueProps(id, deadLetterQueueName(prefix, id), DEAD_LETTER_SETTINGS),
      redriveAllowPolicy: {
        redrivePermission: sqs.RedrivePermission.BY_QUEUE,
        // By its name: the queue names its DLQ already, and two resources cannot wait for each other.
        sourceQueues: [sqs.Queue.fromQueueArn(this, `${id}-source`, this.queueArn(name))],
      },
    });
    const main = new sqs.Queue(this, id, {
      ...this.#queueProps(id, name, QUEUE_SETTINGS[id]),
      deadLetterQueue: { queue: dead, maxReceiveCount: MAX_RECEIVE_COUNT },
    });
    return { main, dead };
  }

  #queueProps(id: QueueId, queueName: string, settings: QueueSettings): sqs.QueueProps {
    return {
      queueName,
      visibilityTimeout: Duration.seconds(settings.visibilityTimeoutSeconds),
      retentionPeriod: Duration.seconds(settings.retentionSeconds),
      encryption: sqs.QueueEncryption.KMS,
      encryptionMasterKey: this.#network.key,
      // Fewer calls of KMS than the default of 5 minutes gives, at 1,000,000 files a day.
      dataKeyReuse: Duration.hours(1),
      enforceSSL: true,
      removalPolicy: this.removalPolicy,
      ...(isFifo(id) && {
        fifo: true,
        // High throughput: each group is ordered on its own.
        deduplicationScope: sqs.DeduplicationScope.MESSAGE_GROUP,
        fifoThroughputLimit: sqs.FifoThroughputLimit.PER_MESSAGE_GROUP_ID,
      }),
    };
  }

  #createTopic(id: TopicId): Topic {
    return new Topic(this, `${id}-topic`, {
      topicName: topicName(this.fleet.prefix, id),
      masterKey: this.#network.key,
      enforceSSL: true,
    });
  }
}

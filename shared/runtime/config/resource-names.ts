/** Names of queues, buckets and topics: one prefix from the configuration, so that several fleets share an account. */
import { LANES, type Lane } from '#shared/definitions/lanes.ts';

/**
 * `platinum-steps`, `bronze-steps`: short steps of those lanes, as `partner-steps` is of the standard one. `platinum-work`: long steps of that
 * lane, as `work` is of the others. `mail-events`: what the mail service
 * reports, so that no file waits behind the mails of a campaign. `landing-overflow`: events of a flood, which the ingestor puts there so that
 * those of the lane platinum are not behind them.
 */
export type QueueId =
  | 'landing'
  | 'landing-overflow'
  | 'ingest'
  | 'work'
  | 'platinum-work'
  | 'partner-steps'
  | 'platinum-steps'
  | 'bronze-steps'
  | 'mail-events';
/**
 * `staging` holds a job's intermediate objects; nothing in it outlives its job by more than the lifecycle rule's days. `evidence` gets the lines of
 * the audit.
 */
export type BucketId = 'landing' | 'staging' | 'delivered' | 'archive' | 'outbound' | 'evidence';
/** `notices`: the notices for tenants' `sns` channels. */
export type TopicId = 'events' | 'success' | 'failure' | 'notices';

export const QUEUE_IDS: readonly QueueId[] = [
  'landing',
  'landing-overflow',
  'ingest',
  'work',
  'platinum-work',
  'partner-steps',
  'platinum-steps',
  'bronze-steps',
  'mail-events',
];
/** Of short steps, by lane. */
export const STEP_QUEUES = {
  platinum: 'platinum-steps',
  standard: 'partner-steps',
  bronze: 'bronze-steps',
} as const satisfies Record<Lane, QueueId>;
/** Of long steps, by lane. */
export const LONG_QUEUES = {
  platinum: 'platinum-work',
  standard: 'work',
  bronze: 'work',
} as const satisfies Record<Lane, QueueId>;
export type StepQueue = (typeof STEP_QUEUES)[Lane];
export type LongQueue = (typeof LONG_QUEUES)[Lane];
export type WorkQueue = StepQueue | LongQueue;
/** In the order in which they are served. */
export const STEP_QUEUE_IDS: readonly StepQueue[] = LANES.map((lane) => STEP_QUEUES[lane]);
export const LONG_QUEUE_IDS: readonly LongQueue[] = [...new Set(LANES.map((lane) => LONG_QUEUES[lane]))];
export const WORK_QUEUE_IDS: readonly WorkQueue[] = [...STEP_QUEUE_IDS, ...LONG_QUEUE_IDS];
/** What arrives there has no row yet. */
export const ARRIVAL_QUEUES: ReadonlySet<QueueId> = new Set(['landing', 'landing-overflow', 'mail-events']);
export const BUCKET_IDS: readonly BucketId[] = ['landing', 'staging', 'delivered', 'archive', 'outbound', 'evidence'];
export const TOPIC_IDS: readonly TopicId[] = ['events', 'success', 'failure', 'notices'];

/** Receives before SQS moves a message to its DLQ; the same for every queue. */
export const MAX_RECEIVE_COUNT = 3;

export function isFifo(queue: QueueId): boolean {
  return queue === 'ingest' || isLong(queue);
}

export function isLong(queue: QueueId): queue is LongQueue {
  return LONG_QUEUE_IDS.some((id) => id === queue);
}

/** `longshore-ingest.fifo`; FIFO names must end in `.fifo` (Amazon SQS, CreateQueue). */
export function queueName(prefix: string, queue: QueueId): string {
  return `${prefix}-${queue}${isFifo(queue) ? '.fifo' : ''}`;
}

/** A FIFO queue's DLQ must be FIFO too, hence `longshore-ingest-dlq.fifo`. */
export function deadLetterQueueName(prefix: string, queue: QueueId): string {
  return `${prefix}-${queue}-dlq${isFifo(queue) ? '.fifo' : ''}`;
}

export function bucketName(prefix: string, bucket: BucketId): string {
  return `${prefix}-${bucket}`;
}

export function bucketNames(prefix: string): Readonly<Record<BucketId, string>> {
  return Object.fromEntries(BUCKET_IDS.map((id) => [id, bucketName(prefix, id)])) as Record<BucketId, string>;
}

export function topicName(prefix: string, topic: TopicId): string {
  return `${prefix}-${topic}`;
}

/**
 * Buckets, and the way of their events to the queue `landing`.
 *
 * 1. All versioned, encrypted, TLS only, closed to the public, with access logs; uploads that nobody ends are aborted after a week.
 * 2. What happened in landing goes to the queue, whole; what cannot be delivered there is kept in its own queue, and an archive
 *    of the events can be replayed.
 * 3. A home's buckets are copied to its standby, whose rules stay silent until it is brought to work: a replica's events are nobody's.
 */
import { Duration } from 'aws-cdk-lib';
import * as events from 'aws-cdk-lib/aws-events';
import { SqsQueue } from 'aws-cdk-lib/aws-events-targets';
import * as s3 from 'aws-cdk-lib/aws-s3';
import * as sqs from 'aws-cdk-lib/aws-sqs';
import type { Construct } from 'constructs';
import { LANDING_EVENTS } from '#shared/messages/landing-events.ts';
import { BUCKET_IDS, type BucketId, bucketName } from '#shared/runtime/config/resource-names.ts';
import { BucketReplication, copiesTo } from '../storage/bucket-replication.ts';
import { MalwareProtection } from '../storage/malware-protection.ts';
import { acknowledge } from './acknowledge.ts';
import { publicName } from './failover-name.ts';
import { type Fleet, FleetStack } from './fleet-stack.ts';
import type { MessagingStack } from './messaging-stack.ts';
import type { NetworkStack } from './network-stack.ts';

const UNFINISHED_UPLOAD_DAYS = 7;
const PREFLIGHT_SECONDS = 3_600;
/** Intermediate objects: nothing outlives its job by more. */
const STAGING_DAYS = 7;
/** Of objects that were overwritten or deleted: time to notice, and for the other region to follow. */
const NONCURRENT_DAYS = 30;
/** Twice what reconciliation looks back. */
export const REPLICA_DAYS = 14;
const TRANSFER_EVENTS = [
  'File Upload',
  'File Rename',
  'File Download',
  'File Delete',
  'Directory Create',
  'Directory Delete',
].flatMap((what) => [`SFTP Server ${what} Completed`, `SFTP Server ${what} Failed`]);
/** Those that leave something in landing. */
const UPLOAD_EVENTS = TRANSFER_EVENTS.filter((name) => /Upload|Rename Completed/.test(name));
const PATHS = ['file-path', 'renamed-file-path', 'original-file-path', 'directory-path'];

export class StorageStack extends FleetStack {
  readonly buckets: Readonly<Record<BucketId, s3.Bucket>>;
  /** Events that EventBridge could not put into `landing`. */
  readonly undeliveredEvents: sqs.Queue;
  /** Events of what partners uploaded to a standby that is not brought to work. */
  readonly strayUploads: sqs.Queue | undefined;
  /** From landing and from the SFTP server. */
  readonly rules: readonly events.Rule[];
  readonly #network: NetworkStack;

  constructor(scope: Construct, fleet: Fleet, parts: { network: NetworkStack; messaging: MessagingStack }) {
    super(scope, 'storage', fleet);
    this.#network = parts.network;
    const accessLogs = this.#createAccessLogs();
    this.buckets = Object.fromEntries(BUCKET_IDS.map((id) => [id, this.#createBucket(id, accessLogs)])) as Record<
      BucketId,
      s3.Bucket
    >;
    const to = copiesTo(this);
    if (to !== undefined) new BucketReplication(this, { buckets: this.buckets, key: this.#network.key, to });
    if (fleet.settings.malwareProtection)
      new MalwareProtection(this, { bucket: this.buckets.landing, key: this.#network.key });
    this.undeliveredEvents = this.#createEventQueue('UndeliveredEvents', 'undelivered-events');
    acknowledge(this.undeliveredEvents, { SQS3: 'It is a dead-letter queue itself: the one of the rules’ targets.' });
    this.rules = this.#sendEventsTo(parts.messaging.queues.landing.main);
    this.strayUploads = fleet.role === 'standby' ? this.#keepStrayUploads() : undefined;
  }

  #createAccessLogs(): s3.Bucket {
    const bucket = new s3.Bucket(this, 'AccessLogs', {
      bucketName: `${this.fleet.prefix}-access-logs`,
      // The service that writes access logs has no key of ours.
      encryption: s3.BucketEncryption.S3_MANAGED,
      enforceSSL: true,
      blockPublicAccess: s3.BlockPublicAccess.BLOCK_ALL,
      objectOwnership: s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
      lifecycleRules: [{ expiration: Duration.days(this.size.logRetentionDays) }],
      removalPolicy: this.removalPolicy,
    });
    acknowledge(bucket, { S1: 'It is where access logs go; its own would be written to itself, without end.' });
    return bucket;
  }

  #createBucket(id: BucketId, accessLogs: s3.Bucket): s3.Bucket {
    const bucket = new s3.Bucket(this, id, {
      bucketName: bucketName(this.fleet.prefix, id),
      versioned: true,
      encryption: s3.BucketEncryption.KMS,
      encryptionKey: this.#network.key,
      // One data key for the bucket: without it each object is a call of KMS.
      bucketKeyEnabled: true,
      enforceSSL: true,
      minimumTLSVersion: 1.2,
      blockPublicAccess: s3.BlockPublicAccess.BLOCK_ALL,
      objectOwnership: s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
      serverAccessLogsBucket: accessLogs,
      serverAccessLogsPrefix: `${id}/`,
      metrics: [{ id: 'EntireBucket' }],
      lifecycleRules: this.#lifecycleOf(id),
      removalPolicy: this.removalPolicy,
      ...(id === 'archive' && this.#archiveLock()),
    });
    if (id === 'landing') {
      // The portal's pages put parts by presigned URLs.
      bucket.addCorsRule({
        allowedOrigins: [`https://${publicName(this.fleet, 'api')}`],
        allowedMethods: [s3.HttpMethods.PUT],
        allowedHeaders: ['content-type', 'x-amz-*'],
        exposedHeaders: ['etag', 'x-amz-checksum-crc64nvme'],
        maxAge: PREFLIGHT_SECONDS,
      });
      // The plain property: CDK's own way brings a function that needs rights on every bucket.
      (bucket.node.defaultChild as s3.CfnBucket).notificationConfiguration = {
        eventBridgeConfiguration: { eventBridgeEnabled: true },
      };
    }
    return bucket;
  }

  #lifecycleOf(id: BucketId): s3.LifecycleRule[] {
    const always: s3.LifecycleRule = {
      id: 'unfinished uploads and old versions',
      abortIncompleteMultipartUploadAfter: Duration.days(UNFINISHED_UPLOAD_DAYS),
      noncurrentVersionExpiration: Duration.days(NONCURRENT_DAYS),
    };
    if (id === 'staging') return [always, { id: 'staging', expiration: Duration.days(STAGING_DAYS) }];
    // Replicas: deletions by version are not replicated, and what the home has delivered would be kept here for ever.
    if (id === 'landing' && this.fleet.role === 'standby')
      return [always, { id: 'replicas', expiration: Duration.days(REPLICA_DAYS) }];
    if (id !== 'archive') return [always];
    const infrequent = { storageClass: s3.StorageClass.INTELLIGENT_TIERING, transitionAfter: Duration.days(0) };
    // Retention and legal holds are the sweeper's; of what it deletes, the copies of a standby are not told.
    const expiration = this.fleet.role === 'standby' ? { expiration: Duration.days(this.size.archiveDays) } : {};
    return [always, { id: 'archive', ...expiration, transitions: [infrequent] }];
  }

  #archiveLock(): Pick<s3.BucketProps, 'objectLockEnabled' | 'objectLockDefaultRetention'> {
    const { archiveLockDays } = this.fleet.settings;
    if (archiveLockDays === undefined) return {};
    const objectLockDefaultRetention = s3.ObjectLockRetention.compliance(Duration.days(archiveLockDays));
    return { objectLockEnabled: true, objectLockDefaultRetention };
  }

  #sendEventsTo(landing: sqs.Queue): events.Rule[] {
    const bucket = bucketName(this.fleet.prefix, 'landing');
    const pattern: events.EventPattern = {
      source: ['aws.s3'],
      detailType: ['Object Created'],
      detail: { bucket: { name: [bucket] } },
    };
    const target = new SqsQueue(landing, {
      deadLetterQueue: this.undeliveredEvents,
      maxEventAge: Duration.hours(2),
      retryAttempts: 185,
    });
    const landed = new events.Rule(this, 'Landed', {
      ruleName: `${this.fleet.prefix}-landed`,
      description: 'Objects created in landing',
      enabled: this.isActive,
      eventPattern: pattern,
      targets: [target],
    });
    const transferred = new events.Rule(this, 'Transferred', {
      ruleName: `${this.fleet.prefix}-transferred`,
      description: 'What SFTP sessions did: uploads that ended, failed or were renamed, downloads and the rest',
      enabled: this.isActive,
      eventPattern: this.#transfersTo([bucket, bucketName(this.fleet.prefix, 'outbound')], TRANSFER_EVENTS),
      targets: [target],
    });
    new events.CfnArchive(this, 'Archive', {
      archiveName: `${this.fleet.prefix}-landed`,
      sourceArn: this.formatArn({ service: 'events', resource: 'event-bus', resourceName: 'default' }),
      eventPattern: { source: pattern.source, 'detail-type': pattern.detailType, detail: pattern.detail },
      retentionDays: 14,
    });
    return [landed, transferred];
  }

  /** The path begins with the bucket's name: another fleet's server may be of the same account. */
  #transfersTo(buckets: readonly string[], detailType: string[]): events.EventPattern {
    const paths = events.Match.anyOf(...buckets.map((bucket) => events.Match.prefix(`/${bucket}/`)));
    return { source: ['aws.transfer'], detailType, detail: { $or: PATHS.map((path) => ({ [path]: paths })) } };
  }

  /**
   * While a home's door does not answer for some minutes, its name leads to the other region's, and what is uploaded there nobody
   * processes: partners were told that it arrived. The events say which files these are.
   */
  #keepStrayUploads(): sqs.Queue {
    const queue = this.#createEventQueue('StrayUploads', 'stray-uploads');
    acknowledge(queue, { SQS3: 'Nobody receives from it: it is a list for operators, which raises an alarm.' });
    new events.Rule(this, 'Strayed', {
      ruleName: `${this.fleet.prefix}-strayed`,
      description: 'SFTP uploads to a standby that is not brought to work',
      eventPattern: this.#transfersTo([bucketName(this.fleet.prefix, 'landing')], UPLOAD_EVENTS),
      targets: [new SqsQueue(queue, { deadLetterQueue: this.undeliveredEvents })],
    });
    return queue;
  }

  #createEventQueue(id: string, name: string): sqs.Queue {
    return new sqs.Queue(this, id, {
      queueName: `${this.fleet.prefix}-${name}`,
      retentionPeriod: Duration.days(14),
      encryption: sqs.QueueEncryption.KMS,
      encryptionMasterKey: this.#network.key,
      enforceSSL: true,
    });
  }
}

/** Those that the rule sends are those that the ingestor reads; mail events come by a rule of the mail service: docs/guides/campaigns.md. */
export const SENT_EVENTS = ['Object Created', ...TRANSFER_EVENTS];
export const READ_EVENTS: readonly string[] = LANDING_EVENTS.map(({ name }) => name).filter(
  (name) => name !== 'other' && name !== 'mail event',
);

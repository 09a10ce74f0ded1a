/** The policy of a service's task role, out of what `service-access.ts` says it touches. Nothing else is in it. */
import { PolicyStatement } from 'aws-cdk-lib/aws-iam';
import { type BucketId, bucketName, QUEUE_IDS, TOPIC_IDS, topicName } from '#shared/runtime/config/resource-names.ts';
import type { ObjectUse, ServiceAccess } from './service-access.ts';

export interface ResourceArns {
  readonly prefix: string;
  readonly partition: string;
  readonly queueArn: (queue: string, isDeadLetter: boolean) => string;
  readonly topicArn: (name: string) => string;
  /** The fleet's own that the service is given. */
  readonly ownSecretArns: readonly string[];
  /** By whose sessions those of tenants are read. */
  readonly tenantSecretsRoleArn: string;
  readonly keyArn: string;
  readonly connectArn: (user: string) => string;
  /** The task may name no other. */
  readonly tasksArn: string;
  /** Buckets of others that routes deliver to. */
  readonly externalBuckets: readonly string[];
  readonly externalKeys: readonly string[];
  /** Domains that mails of campaigns come from, and their configuration sets; none when there are no campaigns. */
  readonly mailArns: readonly string[];
}

/** Amazon SQS and S3, "Actions, resources, and condition keys". */
const TAKE = ['sqs:ReceiveMessage', 'sqs:DeleteMessage', 'sqs:ChangeMessageVisibility', 'sqs:GetQueueUrl'];
const SEND = ['sqs:SendMessage', 'sqs:GetQueueUrl'];
const COUNT = ['sqs:GetQueueAttributes', 'sqs:GetQueueUrl'];

interface ObjectActions {
  readonly objects: readonly string[];
  readonly bucket: readonly string[];
}

const OBJECT_ACTIONS: Readonly<Record<ObjectUse, ObjectActions>> = {
  // Without ListBucket an absent object is a 403, which reads as a fault of rights.
  read: { objects: ['s3:GetObject', 's3:GetObjectVersion'], bucket: ['s3:ListBucket'] },
  'read-tags': { objects: ['s3:GetObjectTagging', 's3:GetObjectVersionTagging'], bucket: [] },
  write: { objects: ['s3:PutObject', 's3:AbortMultipartUpload', 's3:ListMultipartUploadParts'], bucket: [] },
  'delete-version': { objects: ['s3:DeleteObjectVersion'], bucket: [] },
  'list-versions': { objects: [], bucket: ['s3:ListBucketVersions'] },
  'list-uploads': { objects: [], bucket: ['s3:ListBucketMultipartUploads'] },
  'list-parts': { objects: ['s3:ListMultipartUploadParts'], bucket: [] },
  restore: { objects: ['s3:RestoreObject'], bucket: [] },
  'abort-upload': { objects: ['s3:AbortMultipartUpload'], bucket: [] },
};

export function taskPolicy(access: ServiceAccess, arns: ResourceArns): PolicyStatement[] {
  const usesQueues = access.takes.length + access.sends.length > 0 || access.counts;
  const usesObjects = Object.keys(access.objects).length > 0;
  return [
    allow('Database', ['rds-db:connect'], [arns.connectArn(access.databaseUser)]),
    allow('Take', TAKE, [
      ...access.takes.map((queue) => arns.queueArn(queue, false)),
      ...(access.takesDeadLetters ? QUEUE_IDS.map((queue) => arns.queueArn(queue, true)) : []),
    ]),
    allow(
      'Send',
      SEND,
      access.sends.map((queue) => arns.queueArn(queue, false)),
    ),
    allow(
      'Count',
      COUNT,
      access.counts ? QUEUE_IDS.flatMap((queue) => [arns.queueArn(queue, false), arns.queueArn(queue, true)]) : [],
    ),
    allow(
      'Publish',
      ['sns:Publish'],
      access.publishes ? TOPIC_IDS.map((topic) => arns.topicArn(topicName(arns.prefix, topic))) : [],
    ),
    ...objectStatements(access, arns),
    allow('Mails', ['ses:SendEmail', 'ses:SendBulkEmail'], access.sendsMails ? arns.mailArns : []),
    // It has no resource.
    allow('MailAccount', ['ses:GetAccount'], access.sendsMails && arns.mailArns.length > 0 ? ['*'] : []),
    allow('OwnSecrets', ['secretsmanager:GetSecretValue'], access.readsSecrets ? arns.ownSecretArns : []),
    allow(
      'TenantSecrets',
      ['sts:AssumeRole', 'sts:TagSession'],
      access.readsSecrets ? [arns.tenantSecretsRoleArn] : [],
    ),
    allow('Key', ['kms:Decrypt', 'kms:GenerateDataKey'], usesQueues || usesObjects ? [arns.keyArn] : []),
    allow(
      'ScaleInProtection',
      ['ecs:GetTaskProtection', 'ecs:UpdateTaskProtection'],
      access.protectsItself ? [arns.tasksArn] : [],
    ),
  ].filter((statement) => statement !== undefined);
}

function objectStatements({ objects }: ServiceAccess, arns: ResourceArns): (PolicyStatement | undefined)[] {
  const bucketArn = (name: string) => `arn:${arns.partition}:s3:::${name}`;
  const uses = Object.entries(objects) as [BucketId, readonly ObjectUse[]][];
  const own = uses.flatMap(([bucket, kinds]) => {
    const arn = bucketArn(bucketName(arns.prefix, bucket));
    const actions = (part: keyof ObjectActions) => [...new Set(kinds.flatMap((kind) => OBJECT_ACTIONS[kind][part]))];
    const name = bucket[0]?.toUpperCase() + bucket.slice(1);
    return [
      allow(`${name}Objects`, actions('objects'), [`${arn}/*`]),
      allow(`${name}Bucket`, actions('bucket'), [arn]),
    ];
  });
  const delivers = objects.delivered?.includes('write') ?? false;
  const external = delivers ? arns.externalBuckets.map(bucketArn) : [];
  const deliver = (['read', 'write', 'delete-version', 'list-versions'] as const).map((kind) => OBJECT_ACTIONS[kind]);
  return [
    ...own,
    allow(
      'ExternalObjects',
      deliver.flatMap(({ objects: actions }) => actions),
      external.map((arn) => `${arn}/*`),
    ),
    allow(
      'ExternalBuckets',
      deliver.flatMap(({ bucket }) => bucket),
      external,
    ),
    allow('ExternalKeys', ['kms:Decrypt', 'kms:GenerateDataKey'], delivers ? arns.externalKeys : []),
  ];
}

function allow(sid: string, actions: readonly string[], resources: readonly string[]): PolicyStatement | undefined {
  if (actions.length === 0 || resources.length === 0) return undefined;
  return new PolicyStatement({ sid, actions: [...actions], resources: [...resources] });
}

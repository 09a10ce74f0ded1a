/** Makes what the fleet stands on: queues with their DLQs, topics, versioned buckets. Changes nothing where they are there. */
import { CreateBucketCommand, PutBucketVersioningCommand, type S3Client, S3ServiceException } from '@aws-sdk/client-s3';
import type { AwsCredentials } from '#local/launcher/keys.ts';
import { BUCKET_IDS, bucketName } from '#shared/config/resource-names.ts';
import { createS3Client } from '#shared/files/s3-client.ts';
import { createQueues } from '#shared/queue/create-queues.ts';
import { createSqsClient } from '#shared/queue/sqs-client.ts';
import { createSnsClient, createTopics } from '#shared/queue/topics.ts';

export interface ResourceEndpoint {
  readonly endpoint: string;
  readonly region: string;
  readonly credentials: AwsCredentials;
  readonly prefix: string;
}

export async function createQueuesAndTopics({ prefix, ...server }: ResourceEndpoint): Promise<void> {
  const [sqs, sns] = [createSqsClient(server), createSnsClient(server)];
  try {
    await Promise.all([createQueues({ client: sqs, prefix }), createTopics({ client: sns, prefix })]);
  } finally {
    sqs.destroy();
    sns.destroy();
  }
}

/** A file's identity is its version id, so every bucket is versioned. */
export async function createBuckets({ prefix, ...server }: ResourceEndpoint): Promise<void> {
  const client = createS3Client({ LONGSHORE_S3_PATH_STYLE: true, ...server });
  try {
    await Promise.all(BUCKET_IDS.map((bucket) => createBucket(client, bucketName(prefix, bucket))));
  } finally {
    client.destroy();
  }
}

async function createBucket(client: S3Client, name: string): Promise<void> {
  try {
    await client.send(new CreateBucketCommand({ Bucket: name }));
  } catch (error) {
    const isThere = error instanceof S3ServiceException && error.name === 'BucketAlreadyOwnedByYou';
    if (!isThere) throw error;
  }
  await client.send(new PutBucketVersioningCommand({ Bucket: name, VersioningConfiguration: { Status: 'Enabled' } }));
}

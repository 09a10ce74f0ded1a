/** One bucket, and its copy in the other region. */
import * as cw from 'aws-cdk-lib/aws-cloudwatch';
import { type BucketId, bucketName } from '#shared/runtime/config/resource-names.ts';
import { copiesTo, REPLICATION_MINUTES, REPLICATION_RULE } from '../storage/bucket-replication.ts';
import { type AlarmScope, awsMetric } from './alarm-scope.ts';

export function watchBucket(scope: AlarmScope, bucket: BucketId): void {
  const { bucketName: name } = scope.parts.storage.buckets[bucket];
  scope.raise(
    {
      id: 'store-errors',
      runbook: 'aws.md#store-errors',
      reason: `Requests to the bucket ${bucket} are throttled or fail.`,
      metric: awsMetric('AWS/S3', '5xxErrors', { BucketName: name, FilterId: 'EntireBucket' }, cw.Stats.SUM),
      limit: 0,
      minutes: 5,
    },
    `-${bucket}`,
  );
  const to = copiesTo(scope.stack);
  if (to !== undefined) watchReplication(scope, bucket, to);
}

/** Shown where the source is. */
function watchReplication(scope: AlarmScope, bucket: BucketId, to: string): void {
  const dimensions = {
    SourceBucket: bucketName(scope.stack.fleet.prefix, bucket),
    DestinationBucket: bucketName(to, bucket),
    RuleId: REPLICATION_RULE,
  };
  scope.raise(
    {
      id: 'replication-failed',
      runbook: 'aws.md#replication-failed',
      reason: `Objects of the bucket ${bucket} were not copied to the other region.`,
      metric: awsMetric('AWS/S3', 'OperationsFailedReplication', dimensions, cw.Stats.SUM),
      limit: 0,
      minutes: 1,
    },
    `-${bucket}`,
  );
  scope.raise(
    {
      id: 'replication-late',
      runbook: 'aws.md#replication-late',
      reason: `Copies of the bucket ${bucket} come to the other region more than ${REPLICATION_MINUTES} minutes late.`,
      metric: awsMetric('AWS/S3', 'ReplicationLatency', dimensions, cw.Stats.MAXIMUM),
      limit: REPLICATION_MINUTES * 60,
      minutes: 5,
    },
    `-${bucket}`,
  );
}

/** Where evidence is kept: written by a service of AWS alone, and read by auditors. */
import { Duration } from 'aws-cdk-lib';
import * as s3 from 'aws-cdk-lib/aws-s3';
import type { Construct } from 'constructs';
import { acknowledge } from '../stacks/acknowledge.ts';
import type { FleetStack } from '../stacks/fleet-stack.ts';

const AUDIT_DAYS = 400;

export interface AuditBucketOptions {
  readonly scope: Construct;
  readonly name: string;
  /** In production nobody deletes what it holds, not the root user either, until its time is over. */
  readonly isLocked: boolean;
  /** Why its own accesses are not logged. */
  readonly unlogged: string;
}

export function createAuditBucket(
  { fleet, size, removalPolicy }: FleetStack,
  { scope, name, isLocked, unlogged }: AuditBucketOptions,
): s3.Bucket {
  const bucket = new s3.Bucket(scope, 'Bucket', {
    bucketName: `${fleet.prefix}-${name}`,
    versioned: true,
    encryption: s3.BucketEncryption.S3_MANAGED,
    enforceSSL: true,
    minimumTLSVersion: 1.2,
    blockPublicAccess: s3.BlockPublicAccess.BLOCK_ALL,
    lifecycleRules: [{ expiration: Duration.days(AUDIT_DAYS), noncurrentVersionExpiration: Duration.days(1) }],
    ...(isLocked &&
      size.isKept && { objectLockDefaultRetention: s3.ObjectLockRetention.compliance(Duration.days(AUDIT_DAYS)) }),
    removalPolicy,
  });
  acknowledge(bucket, { S1: unlogged });
  return bucket;
}

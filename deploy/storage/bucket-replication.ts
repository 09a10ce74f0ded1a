/**
 * A home's buckets are copied to its standby, within minutes, with metrics that say so; those of a standby that was brought to work to its home,
 * when that is back. Rows name objects by their version ids, which only replication keeps.
 *
 * 1. Whoever made an object copies it: S3 does not replicate replicas, so that both ways at once make no circle.
 * 2. What was not copied when it was written, such as all that a standby wrote before its home was back, is copied by jobs of S3 Batch
 *    Replication, whose role is here.
 *
 * To buckets and with a key that are known by name: the stacks of two regions cannot refer to each other.
 */
import { CfnOutput } from 'aws-cdk-lib';
import * as iam from 'aws-cdk-lib/aws-iam';
import type { IKey } from 'aws-cdk-lib/aws-kms';
import type * as s3 from 'aws-cdk-lib/aws-s3';
import { Construct } from 'constructs';
import { BUCKET_IDS, type BucketId, bucketName } from '#shared/runtime/config/resource-names.ts';
import { allowWithWildcards } from '../stacks/acknowledge.ts';
import { type FleetStack, standbyPrefix } from '../stacks/fleet-stack.ts';

/** What S3 promises of its Replication Time Control. */
export const REPLICATION_MINUTES = 15;
export const REPLICATION_RULE = 'standby';

/** Whose buckets those of this fleet are copied to, by their prefix; undefined while they are not. */
export function copiesTo({ fleet, isHome }: FleetStack): string | undefined {
  const { home, prefix, role, settings } = fleet;
  if (settings.homes.length < 2) return undefined;
  if (isHome) return standbyPrefix(prefix);
  return role === 'activated' && settings.returning ? home.prefix : undefined;
}

export interface BucketReplicationProps {
  readonly buckets: Readonly<Record<BucketId, s3.Bucket>>;
  readonly key: IKey;
  /** Of the buckets that get the copies. */
  readonly to: string;
}

export class BucketReplication extends Construct {
  constructor(stack: FleetStack, { buckets, key, to: prefix }: BucketReplicationProps) {
    super(stack, 'Replication');
    const other = stack.fleet.settings.homes.find(({ region }) => region !== stack.fleet.region)?.region ?? '';
    const keyAlias = stack.formatArn({ service: 'kms', region: other, resource: 'alias', resourceName: prefix });
    const role = new iam.Role(this, 'Role', { assumedBy: new iam.ServicePrincipal('s3.amazonaws.com') });
    const own = BUCKET_IDS.map((id) => buckets[id].bucketArn);
    const copies = BUCKET_IDS.map((id) => `arn:${stack.partition}:s3:::${bucketName(prefix, id)}/*`);
    const reason = 'Every object of the named buckets is copied; the key abroad is named by its alias.';
    const allow = (actions: string[], resources: string[], conditions?: Record<string, unknown>) =>
      allowWithWildcards(role, [new iam.PolicyStatement({ actions, resources, conditions })], reason);
    allow(['s3:GetReplicationConfiguration', 's3:ListBucket'], own);
    allow(
      ['s3:GetObjectVersionForReplication', 's3:GetObjectVersionAcl', 's3:GetObjectVersionTagging'],
      own.map((arn) => `${arn}/*`),
    );
    if (stack.fleet.settings.archiveLockDays !== undefined)
      allow(['s3:GetObjectRetention', 's3:GetObjectLegalHold'], [`${buckets.archive.bucketArn}/*`]);
    allow(['s3:ReplicateObject', 's3:ReplicateDelete', 's3:ReplicateTags'], copies);
    allow(['kms:Decrypt'], [key.keyArn]);
    // With bucket keys S3 asks for a data key abroad.
    allow(
      ['kms:Encrypt', 'kms:GenerateDataKey*', 'kms:ReEncrypt*'],
      [stack.formatArn({ service: 'kms', region: other, resource: 'key', resourceName: '*' })],
      {
        'ForAnyValue:StringEquals': { 'kms:ResourceAliases': `alias/${prefix}` },
      },
    );
    this.#admitJobs(stack, own, reason);
    for (const id of BUCKET_IDS) {
      const cfn = buckets[id].node.defaultChild as s3.CfnBucket;
      cfn.replicationConfiguration = {
        role: role.roleArn,
        rules: [
          {
            id: REPLICATION_RULE,
            priority: 1,
            status: 'Enabled',
            filter: { prefix: '' },
            deleteMarkerReplication: { status: 'Enabled' },
            sourceSelectionCriteria: { sseKmsEncryptedObjects: { status: 'Enabled' } },
            destination: {
              bucket: `arn:${stack.partition}:s3:::${bucketName(prefix, id)}`,
              encryptionConfiguration: { replicaKmsKeyId: keyAlias },
              // Within 15 minutes, with metrics that say so: the recovery point.
              replicationTime: { status: 'Enabled', time: { minutes: REPLICATION_MINUTES } },
              metrics: { status: 'Enabled', eventThreshold: { minutes: REPLICATION_MINUTES } },
            },
          },
        ],
      };
    }
  }

  /** Amazon S3, "Configuring IAM policies for Batch Replication", with a manifest that S3 makes. */
  #admitJobs(stack: FleetStack, buckets: readonly string[], reason: string): void {
    const role = new iam.Role(this, 'Jobs', {
      description: 'Copies what was not copied when it was written',
      assumedBy: new iam.ServicePrincipal('batchoperations.s3.amazonaws.com', {
        conditions: { StringEquals: { 'aws:SourceAccount': stack.account } },
      }),
    });
    const ofBuckets = ['s3:GetReplicationConfiguration', 's3:PutInventoryConfiguration'];
    const objects = buckets.map((arn) => `${arn}/*`);
    allowWithWildcards(
      role,
      [
        new iam.PolicyStatement({ actions: ofBuckets, resources: [...buckets] }),
        new iam.PolicyStatement({ actions: ['s3:InitiateReplication'], resources: objects }),
      ],
      reason,
    );
    new CfnOutput(stack, 'CopyJobsRole', { value: role.roleArn });
  }
}

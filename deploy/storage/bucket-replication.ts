/**
 * A home's buckets are copied to its standby, within minutes, with metrics that say so.
 *
 * To buckets and with a key that are known by name: the stacks of two regions cannot refer to each other.
 */
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

export interface BucketReplicationProps {
  readonly buckets: Readonly<Record<BucketId, s3.Bucket>>;
  readonly key: IKey;
}

export class BucketReplication extends Construct {
  constructor(stack: FleetStack, { buckets, key }: BucketReplicationProps) {
    super(stack, 'Replication');
    const other = stack.fleet.settings.homes.find(({ region }) => region !== stack.fleet.region)?.region ?? '';
    const prefix = standbyPrefix(stack.fleet.prefix);
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
}

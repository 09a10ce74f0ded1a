/**
 * CloudTrail: who read and wrote which object, and who changed what in the account.
 *
 * 1. Objects are those of every bucket of the fleets in this region, of the standby that is here too: it may be brought to work.
 * 2. Events of IAM appear in one region alone: the trail of the first home records all regions, the other one its own.
 */
import * as cloudtrail from 'aws-cdk-lib/aws-cloudtrail';
import type { IKey } from 'aws-cdk-lib/aws-kms';
import * as s3 from 'aws-cdk-lib/aws-s3';
import { Construct } from 'constructs';
import { BUCKET_IDS, bucketName } from '#shared/runtime/config/resource-names.ts';
import { type FleetStack, standbyPrefix } from '../stacks/fleet-stack.ts';
import { createAuditBucket } from './audit-bucket.ts';

export interface AccessTrailProps {
  readonly key: IKey;
  readonly managementEvents: boolean;
  readonly dataEvents: boolean;
}

export class AccessTrail extends Construct {
  constructor(stack: FleetStack, { key, managementEvents, dataEvents }: AccessTrailProps) {
    super(stack, 'AccessTrail');
    const { fleet } = stack;
    const seesAllRegions = managementEvents && fleet.home === fleet.settings.homes[0];
    const trail = new cloudtrail.Trail(this, 'Trail', {
      trailName: fleet.prefix,
      bucket: createAuditBucket(stack, {
        scope: this,
        name: 'audit',
        isLocked: true,
        unlogged: 'It holds the trail of all access itself.',
      }),
      encryptionKey: key,
      isMultiRegionTrail: seesAllRegions,
      includeGlobalServiceEvents: seesAllRegions,
      managementEvents: managementEvents ? cloudtrail.ReadWriteType.ALL : cloudtrail.ReadWriteType.NONE,
      enableFileValidation: true,
    });
    if (!dataEvents) return;
    const here = fleet.settings.homes.map(({ prefix, region }) =>
      region === fleet.region ? prefix : standbyPrefix(prefix),
    );
    const buckets = here.flatMap((prefix) => BUCKET_IDS.map((id) => bucketName(prefix, id)));
    trail.addS3EventSelector(
      buckets.map((name) => ({ bucket: s3.Bucket.fromBucketName(this, name, name) })),
      // Those have their own selector: said twice, they would be paid for twice.
      { includeManagementEvents: false },
    );
  }
}

/** What an account may have already, hence by choice: CloudTrail with data events, Config, GuardDuty. */

import { Duration } from 'aws-cdk-lib';
import * as cloudtrail from 'aws-cdk-lib/aws-cloudtrail';
import * as config from 'aws-cdk-lib/aws-config';
import { CfnDetector } from 'aws-cdk-lib/aws-guardduty';
import * as iam from 'aws-cdk-lib/aws-iam';
import * as s3 from 'aws-cdk-lib/aws-s3';
import type { Construct } from 'constructs';
import { BUCKET_IDS } from '#shared/runtime/config/resource-names.ts';
import { acknowledge, allowWithWildcards } from './acknowledge.ts';
import { type Fleet, FleetStack } from './fleet-stack.ts';
import type { NetworkStack } from './network-stack.ts';
import type { StorageStack } from './storage-stack.ts';

const KEPT_DAYS = 400;

export class AuditStack extends FleetStack {
  constructor(scope: Construct, fleet: Fleet, parts: { network: NetworkStack; storage: StorageStack }) {
    super(scope, 'audit', fleet);
    const { audit } = fleet.settings;
    const needsBucket = audit.cloudTrailDataEvents || audit.config;
    const bucket = needsBucket ? this.#createBucket() : undefined;
    if (audit.cloudTrailDataEvents && bucket !== undefined) this.#createTrail(bucket, parts);
    if (audit.config && bucket !== undefined) this.#recordConfiguration(bucket);
    if (audit.guardDuty) {
      new CfnDetector(this, 'GuardDuty', {
        enable: true,
        features: [{ name: 'S3_DATA_EVENTS', status: 'ENABLED' }],
      });
    }
  }

  #createBucket(): s3.Bucket {
    const bucket = new s3.Bucket(this, 'Trail', {
      bucketName: `${this.fleet.prefix}-audit`,
      versioned: true,
      encryption: s3.BucketEncryption.S3_MANAGED,
      enforceSSL: true,
      blockPublicAccess: s3.BlockPublicAccess.BLOCK_ALL,
      lifecycleRules: [{ expiration: Duration.days(KEPT_DAYS) }],
      removalPolicy: this.removalPolicy,
    });
    acknowledge(bucket, { S1: 'It holds the trail of all access itself.' });
    return bucket;
  }

  /** Every read and write of an object, by whom. */
  #createTrail(bucket: s3.Bucket, { network, storage }: { network: NetworkStack; storage: StorageStack }): void {
    const trail = new cloudtrail.Trail(this, 'Objects', {
      trailName: this.fleet.prefix,
      bucket,
      encryptionKey: network.key,
      isMultiRegionTrail: false,
      includeGlobalServiceEvents: false,
      managementEvents: cloudtrail.ReadWriteType.NONE,
      enableFileValidation: true,
    });
    trail.addS3EventSelector(BUCKET_IDS.map((id) => ({ bucket: storage.buckets[id] })));
  }

  #recordConfiguration(bucket: s3.Bucket): void {
    const role = new iam.Role(this, 'ConfigRole', {
      assumedBy: new iam.ServicePrincipal('config.amazonaws.com'),
      managedPolicies: [iam.ManagedPolicy.fromAwsManagedPolicyName('service-role/AWS_ConfigRole')],
    });
    allowWithWildcards(
      role,
      [new iam.PolicyStatement({ actions: ['s3:PutObject'], resources: [bucket.arnForObjects('AWSLogs/*')] })],
      'Files of Config have names that Config makes.',
    );
    role.addToPolicy(new iam.PolicyStatement({ actions: ['s3:GetBucketAcl'], resources: [bucket.bucketArn] }));
    acknowledge(role, {
      'IAM4[Policy::arn:<AWS::Partition>:iam::aws:policy/service-role/AWS_ConfigRole]':
        'The policy that AWS keeps for Config: it reads the configuration of every kind of resource.',
    });
    new config.CfnConfigurationRecorder(this, 'Recorder', {
      roleArn: role.roleArn,
      recordingGroup: { allSupported: true, includeGlobalResourceTypes: true },
    });
    new config.CfnDeliveryChannel(this, 'Channel', { s3BucketName: bucket.bucketName });
  }
}

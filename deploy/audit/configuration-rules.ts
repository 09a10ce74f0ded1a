/**
 * AWS Config: how every resource was configured and when, and rules about those of the fleet.
 *
 * 1. Rules look at what has the fleet's tag: an account may have other things. Those that run by the clock look at the whole account.
 * 2. Resource types that exist once for all regions are recorded by the first home alone.
 */
import * as config from 'aws-cdk-lib/aws-config';
import * as iam from 'aws-cdk-lib/aws-iam';
import type * as s3 from 'aws-cdk-lib/aws-s3';
import { Construct } from 'constructs';
import { acknowledge, allowWithWildcards } from '../stacks/acknowledge.ts';
import { type FleetStack, standbyPrefix } from '../stacks/fleet-stack.ts';
import { createAuditBucket } from './audit-bucket.ts';

const { ManagedRuleIdentifiers: IDS } = config;

/** By what they ask; of AWS Config's "List of Managed Rules". */
export const CONFIGURATION_RULES = {
  encryption: [
    IDS.S3_BUCKET_SERVER_SIDE_ENCRYPTION_ENABLED,
    IDS.S3_BUCKET_SSL_REQUESTS_ONLY,
    IDS.RDS_STORAGE_ENCRYPTED,
    IDS.SNS_ENCRYPTED_KMS,
    IDS.CMK_BACKING_KEY_ROTATION_ENABLED,
  ],
  logging: [
    IDS.S3_BUCKET_LOGGING_ENABLED,
    IDS.RDS_LOGGING_ENABLED,
    IDS.ELB_LOGGING_ENABLED,
    IDS.WAFV2_LOGGING_ENABLED,
    IDS.VPC_FLOW_LOGS_ENABLED,
    IDS.CLOUD_TRAIL_ENABLED,
    IDS.ECS_TASK_DEFINITION_LOG_CONFIGURATION,
  ],
  notifications: [IDS.S3_EVENT_NOTIFICATIONS_ENABLED],
  'public access': [
    IDS.S3_BUCKET_LEVEL_PUBLIC_ACCESS_PROHIBITED,
    IDS.S3_BUCKET_PUBLIC_READ_PROHIBITED,
    IDS.S3_BUCKET_PUBLIC_WRITE_PROHIBITED,
    IDS.RDS_INSTANCE_PUBLIC_ACCESS_CHECK,
    IDS.RDS_SNAPSHOTS_PUBLIC_PROHIBITED,
  ],
  recovery: [IDS.S3_BUCKET_VERSIONING_ENABLED, IDS.RDS_CLUSTER_DELETION_PROTECTION_ENABLED],
} as const;

/** Config runs these by the clock, without a scope. */
const WHOLE_ACCOUNT: ReadonlySet<string> = new Set([
  IDS.CMK_BACKING_KEY_ROTATION_ENABLED,
  IDS.CLOUD_TRAIL_ENABLED,
  IDS.VPC_FLOW_LOGS_ENABLED,
  IDS.WAFV2_LOGGING_ENABLED,
]);

export class ConfigurationRules extends Construct {
  readonly names: readonly string[];

  constructor(stack: FleetStack, { landing }: { landing: s3.IBucket }) {
    super(stack, 'Configuration');
    const { fleet } = stack;
    const bucket = createAuditBucket(stack, {
      scope: this,
      name: 'configuration',
      // Config does not deliver to a bucket whose objects are locked by default.
      isLocked: false,
      unlogged: 'Config alone writes it, and the trail records who reads it.',
    });
    const recorder = new config.CfnConfigurationRecorder(this, 'Recorder', {
      roleArn: this.#createRole(bucket).roleArn,
      recordingGroup: {
        allSupported: true,
        includeGlobalResourceTypes: fleet.home === fleet.settings.homes[0],
      },
    });
    const channel = new config.CfnDeliveryChannel(this, 'Channel', { s3BucketName: bucket.bucketName });
    const prefixes = fleet.settings.homes.map(({ prefix, region }) =>
      region === fleet.region ? prefix : standbyPrefix(prefix),
    );
    const rules = Object.entries(CONFIGURATION_RULES).flatMap(([question, identifiers]) =>
      identifiers.map((identifier) => {
        const scope = this.#scopeOf(identifier, { fleet: fleet.prefix, landing });
        const rule = new config.ManagedRule(this, identifier, {
          identifier,
          configRuleName: `${fleet.prefix}-${identifier.toLowerCase().replaceAll('_', '-')}`,
          description: `${question}, of ${prefixes.join(' and ')}`,
          ...(scope !== undefined && { ruleScope: scope }),
        });
        // Config refuses rules before it records.
        rule.node.addDependency(recorder, channel);
        return rule;
      }),
    );
    this.names = rules.map(({ configRuleName }) => configRuleName);
  }

  /** The one bucket whose events the fleet rests on; of others they are nobody's. */
  #scopeOf(identifier: string, { fleet, landing }: { fleet: string; landing: s3.IBucket }) {
    if (WHOLE_ACCOUNT.has(identifier)) return undefined;
    if (identifier !== IDS.S3_EVENT_NOTIFICATIONS_ENABLED) return config.RuleScope.fromTag('fleet', fleet);
    return config.RuleScope.fromResource(config.ResourceType.S3_BUCKET, landing.bucketName);
  }

  #createRole(bucket: s3.Bucket): iam.Role {
    const role = new iam.Role(this, 'Role', {
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
    return role;
  }
}

/**
 * Snapshots that somebody with every right in the account cannot delete: a vault and a plan of AWS Backup, by choice.
 *
 * 1. Taken where the fleet works now. A standby has vault, role and plan, so that a failover adds the selection alone.
 * 2. A copy goes to one vault: that of another account in the same region, or of this account in another one (AWS Backup copies a cluster
 *    to both at once for nobody).
 */
import { Duration } from 'aws-cdk-lib';
import * as backup from 'aws-cdk-lib/aws-backup';
import { Schedule } from 'aws-cdk-lib/aws-events';
import * as iam from 'aws-cdk-lib/aws-iam';
import type { Construct } from 'constructs';
import type { BucketId } from '#shared/runtime/config/resource-names.ts';
import { EventNotices, field } from '../alarms/event-notices.ts';
import type { DeploySettings } from '../settings.ts';
import { acknowledge } from './acknowledge.ts';
import type { DataStack } from './data-stack.ts';
import { type Fleet, FleetStack } from './fleet-stack.ts';
import type { NetworkStack } from './network-stack.ts';
import type { StorageStack } from './storage-stack.ts';
import type { TelemetryStack } from './telemetry-stack.ts';

export interface BackupParts {
  readonly network: NetworkStack;
  readonly data: DataStack;
  readonly storage: StorageStack;
  readonly telemetry: TelemetryStack;
  readonly settings: NonNullable<DeploySettings['backup']>;
}

/** What cannot be had again from elsewhere; outbound and staging are made from these. */
const KEPT_BUCKETS: readonly BucketId[] = ['landing', 'archive', 'delivered', 'evidence'];
/** AWS Backup, "Vault lock": the least time in which compliance mode can still be taken back. */
const GRACE = Duration.days(3);
const MANAGED_POLICIES = ['AWSBackupServiceRolePolicyForBackup', 'AWSBackupServiceRolePolicyForS3Backup'];

export class BackupStack extends FleetStack {
  constructor(scope: Construct, fleet: Fleet, { network, data, storage, telemetry, settings }: BackupParts) {
    super(scope, 'backup', fleet);
    const kept = Duration.days(settings.days);
    const backupVault = new backup.BackupVault(this, 'Vault', {
      backupVaultName: fleet.prefix,
      encryptionKey: network.key,
      ...(settings.isLocked && { lockConfiguration: { minRetention: kept, changeableFor: GRACE } }),
      removalPolicy: this.removalPolicy,
    });
    const copyTo = settings.copyTo?.[fleet.region];
    const plan = new backup.BackupPlan(this, 'Plan', {
      backupPlanName: fleet.prefix,
      backupVault,
      backupPlanRules: [
        new backup.BackupPlanRule({
          ruleName: 'daily',
          scheduleExpression: Schedule.cron({ hour: '3', minute: '0' }),
          startWindow: Duration.hours(1),
          completionWindow: Duration.hours(12),
          deleteAfter: kept,
          ...(copyTo !== undefined && {
            copyActions: [
              {
                destinationBackupVault: backup.BackupVault.fromBackupVaultArn(this, 'Copies', copyTo),
                deleteAfter: kept,
              },
            ],
          }),
        }),
      ],
    });
    const role = this.#createRole();
    this.#reportFailures(telemetry);
    if (!this.isActive) return;
    plan.addSelection('Fleet', {
      backupSelectionName: fleet.prefix,
      role,
      disableDefaultBackupPolicy: true,
      resources: [
        data.cluster.clusterArn,
        ...(settings.buckets ? KEPT_BUCKETS.map((id) => storage.buckets[id].bucketArn) : []),
      ].map((arn) => backup.BackupResource.fromArn(arn)),
    });
  }

  #createRole(): iam.Role {
    const names = MANAGED_POLICIES.map((name) => (name.includes('S3') ? name : `service-role/${name}`));
    const role = new iam.Role(this, 'Role', {
      description: 'Takes the snapshots of the fleet, and copies them',
      assumedBy: new iam.ServicePrincipal('backup.amazonaws.com'),
      managedPolicies: names.map((name) => iam.ManagedPolicy.fromAwsManagedPolicyName(name)),
    });
    for (const name of names)
      acknowledge(role, {
        [`IAM4[Policy::arn:<AWS::Partition>:iam::aws:policy/${name}]`]:
          'The policy that AWS keeps for AWS Backup; the plan says what it is used for.',
      });
    return role;
  }

  /** Snapshots that nobody misses before the day they are needed. */
  #reportFailures(telemetry: TelemetryStack): void {
    new EventNotices(this, telemetry.topics, 'ticket').add({
      name: 'backup-failed',
      pattern: {
        source: ['aws.backup'],
        detailType: ['Backup Job State Change', 'Copy Job State Change'],
        detail: { state: ['FAILED', 'ABORTED', 'EXPIRED'] },
      },
      text: `AWS Backup, ${field('$.region')}: ${field('$.detail-type')} to ${field('$.detail.state')}`,
      runbook: 'aws.md#backup-failed',
    });
  }
}

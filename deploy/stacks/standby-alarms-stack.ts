/** What a standby watches of itself: how far its database is behind, which Aurora shows here alone, and files that came to the wrong door. */
import { Duration } from 'aws-cdk-lib';
import * as cw from 'aws-cdk-lib/aws-cloudwatch';
import type { Construct } from 'constructs';
import { raiseAlarm } from '../alarms/raise-alarm.ts';
import { reportDeployments } from '../alarms/watch-platform.ts';
import type { DataStack } from './data-stack.ts';
import { type Fleet, FleetStack } from './fleet-stack.ts';
import type { StorageStack } from './storage-stack.ts';
import type { TelemetryStack } from './telemetry-stack.ts';

export interface StandbyParts {
  readonly data: DataStack;
  readonly storage: StorageStack;
  readonly telemetry: TelemetryStack;
}

export class StandbyAlarmsStack extends FleetStack {
  constructor(scope: Construct, fleet: Fleet, { data, storage, telemetry }: StandbyParts) {
    super(scope, 'alarms', fleet);
    // Its role is there before a failover, in which nothing of IAM is made.
    reportDeployments(this, telemetry.topics.ticket);
    raiseAlarm(this, telemetry.topics, {
      id: 'standby-behind',
      severity: 'page',
      runbook: 'aws.md#standby-behind',
      reason: 'The standby’s database is more than a minute behind, or does not say: so much would be lost.',
      metric: data.cluster.metric('AuroraGlobalDBRPOLag', { statistic: cw.Stats.MAXIMUM, period: Duration.minutes(1) }),
      limit: 60_000,
      minutes: 5,
      silence: cw.TreatMissingData.BREACHING,
    });
    if (storage.strayUploads === undefined) return;
    raiseAlarm(this, telemetry.topics, {
      id: 'stray-uploads',
      runbook: 'aws.md#stray-uploads',
      reason: 'Partners uploaded files to the standby, which processes none: their name leads there.',
      metric: storage.strayUploads.metricApproximateNumberOfMessagesVisible({ period: Duration.minutes(1) }),
      limit: 0,
      minutes: 1,
      severity: 'page',
    });
  }
}

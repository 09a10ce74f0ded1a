/** What a standby watches of itself: how far its database is behind, which Aurora shows here alone, and files that came to the wrong door. */
import * as cw from 'aws-cdk-lib/aws-cloudwatch';
import type { Construct } from 'constructs';
import { MINUTE } from '../alarms/alarm-scope.ts';
import { raiseAlarm } from '../alarms/raise-alarm.ts';
import { reportDeployments, watchReceivers } from '../alarms/watch-platform.ts';
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
    reportDeployments(this, telemetry.topics);
    watchReceivers(telemetry.topics, (options, suffix) => void raiseAlarm(this, telemetry.topics, options, suffix));
    raiseAlarm(this, telemetry.topics, {
      id: 'standby-behind',
      severity: 'page',
      runbook: 'aws.md#standby-behind',
      reason: 'The standby’s database is more than a minute behind, or does not say: so much would be lost.',
      metric: data.cluster.metric('AuroraGlobalDBRPOLag', { statistic: cw.Stats.MAXIMUM, period: MINUTE }),
      limit: 60_000,
      minutes: 5,
      silence: cw.TreatMissingData.BREACHING,
    });
    if (storage.strayUploads === undefined) return;
    raiseAlarm(this, telemetry.topics, {
      id: 'stray-uploads',
      runbook: 'aws.md#stray-uploads',
      reason: 'Partners uploaded files to the standby, which processes none: their name leads there.',
      metric: new cw.MathExpression({
        expression: 'FILL(strayed, 0) + FILL(undelivered, 0)',
        usingMetrics: {
          strayed: storage.strayUploads.metricApproximateNumberOfMessagesVisible({ period: MINUTE }),
          undelivered: storage.undeliveredEvents.metricApproximateNumberOfMessagesVisible({ period: MINUTE }),
        },
        period: MINUTE,
      }),
      limit: 0,
      minutes: 1,
      severity: 'page',
    });
  }
}

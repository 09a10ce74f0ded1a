/** What a standby watches of itself: how far its database is behind. Aurora shows that in the follower's region alone. */
import { Duration } from 'aws-cdk-lib';
import * as cw from 'aws-cdk-lib/aws-cloudwatch';
import type { Construct } from 'constructs';
import { raiseAlarm } from '../alarms/raise-alarm.ts';
import type { DataStack } from './data-stack.ts';
import { type Fleet, FleetStack } from './fleet-stack.ts';
import type { TelemetryStack } from './telemetry-stack.ts';

export class StandbyAlarmsStack extends FleetStack {
  constructor(scope: Construct, fleet: Fleet, { data, telemetry }: { data: DataStack; telemetry: TelemetryStack }) {
    super(scope, 'alarms', fleet);
    raiseAlarm(this, telemetry.alarmTopic, {
      id: 'standby-behind',
      runbook: 'aws.md#standby-behind',
      reason: 'The standby’s database is more than a minute behind, or does not say: so much would be lost.',
      metric: data.cluster.metric('AuroraGlobalDBRPOLag', { statistic: cw.Stats.MAXIMUM, period: Duration.minutes(1) }),
      limit: 60_000,
      minutes: 5,
      silence: cw.TreatMissingData.BREACHING,
    });
  }
}

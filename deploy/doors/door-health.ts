/**
 * Whether a home answers behind private doors: Route 53's checkers cannot come in, so that they look at an alarm.
 *
 * The control API is taken for its region: its tasks are healthy only while the database answers, and the names of all doors follow it.
 */
import { Duration } from 'aws-cdk-lib';
import * as cw from 'aws-cdk-lib/aws-cloudwatch';
import type { ApplicationTargetGroup } from 'aws-cdk-lib/aws-elasticloadbalancingv2';
import { Construct } from 'constructs';
import type { FleetStack } from '../stacks/fleet-stack.ts';

export const doorAlarmName = (prefix: string): string => `${prefix}-no-door`;

export class DoorHealth extends Construct {
  constructor(stack: FleetStack, targets: ApplicationTargetGroup) {
    super(stack, 'DoorHealth');
    new cw.Alarm(this, 'NoDoor', {
      alarmName: doorAlarmName(stack.fleet.prefix),
      alarmDescription:
        'No task of the control API is healthy: names lead to the standby. Calls nobody; other alarms do.',
      metric: targets.metrics.healthyHostCount({ statistic: cw.Stats.MAXIMUM, period: Duration.minutes(1) }),
      threshold: 1,
      evaluationPeriods: 3,
      comparisonOperator: cw.ComparisonOperator.LESS_THAN_THRESHOLD,
      treatMissingData: cw.TreatMissingData.BREACHING,
    });
  }
}

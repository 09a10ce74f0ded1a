/** An alarm that calls the topic of its severity, also when it is over. */
import * as cw from 'aws-cdk-lib/aws-cloudwatch';
import { SnsAction } from 'aws-cdk-lib/aws-cloudwatch-actions';
import type { FleetStack } from '../stacks/fleet-stack.ts';
import type { Severity, Topics } from './severity.ts';

/** What every alarm says: why somebody is called, and where to read what to do. */
interface AlarmFacts {
  readonly id: string;
  /** What is wrong for whom, in a sentence. */
  readonly reason: string;
  /** Page and anchor of its section under docs/operations/alerts/, e.g. `work.md#work-stands`. */
  readonly runbook: string;
}

export interface AlarmOptions extends AlarmFacts {
  readonly metric: cw.IMetric;
  /** The alarm is raised above it. */
  readonly limit: number;
  /** For how long. */
  readonly minutes?: number;
  /** Of the metric. */
  readonly periodMinutes?: number;
  /** `ticket` unless said. */
  readonly severity?: Severity;
  /** What silence means; nothing wrong unless said. */
  readonly silence?: cw.TreatMissingData;
}

export function raiseAlarm(
  stack: FleetStack,
  topics: Topics,
  { metric, limit, minutes = 3, periodMinutes = 1, severity = 'ticket', silence, ...facts }: AlarmOptions,
  suffix = '',
): cw.Alarm {
  const id = facts.id + suffix;
  const alarm = new cw.Alarm(stack, id, {
    alarmName: `${stack.fleet.prefix}-${id}`,
    alarmDescription: describeAlarm(facts),
    metric,
    threshold: limit,
    evaluationPeriods: minutes / periodMinutes,
    comparisonOperator: cw.ComparisonOperator.GREATER_THAN_THRESHOLD,
    treatMissingData: silence ?? cw.TreatMissingData.NOT_BREACHING,
    // A home that is fenced is silent on purpose.
    actionsEnabled: stack.fleet.role !== 'fenced',
  });
  const action = new SnsAction(topics[severity]);
  alarm.addAlarmAction(action);
  alarm.addOkAction(action);
  return alarm;
}

/** Relative to the repository, as every installation has a checkout. */
const describeAlarm = ({ reason, runbook }: AlarmFacts): string =>
  `${reason} What to do: docs/operations/alerts/${runbook}`;

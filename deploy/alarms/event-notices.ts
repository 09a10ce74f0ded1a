/** What AWS reports by an event and by no metric, to the topics behind which people are; what cannot be sent there raises an alarm. */
import * as cw from 'aws-cdk-lib/aws-cloudwatch';
import * as events from 'aws-cdk-lib/aws-events';
import { SnsTopic } from 'aws-cdk-lib/aws-events-targets';
import * as iam from 'aws-cdk-lib/aws-iam';
import { Construct } from 'constructs';
import { acknowledge } from '../stacks/acknowledge.ts';
import type { FleetStack } from '../stacks/fleet-stack.ts';
import { awsMetric } from './alarm-scope.ts';
import { raiseAlarm } from './raise-alarm.ts';
import { OTHER, type Severity, type Topics } from './severity.ts';

export interface EventNotice {
  readonly name: string;
  readonly pattern: events.EventPattern;
  /** With fields of the event, see `field`. */
  readonly text: string;
  /** Page and anchor of its section under docs/operations/alerts/. */
  readonly runbook: string;
}

/** Of the event, such as `$.detail.title`. */
export const field = (path: string): string => events.EventField.fromPath(path);

export class EventNotices extends Construct {
  readonly #stack: FleetStack;
  readonly #topics: Topics;
  readonly #severity: Severity;
  readonly #role: iam.Role;

  constructor(stack: FleetStack, topics: Topics, severity: Severity) {
    super(stack, 'EventNotices');
    this.#stack = stack;
    this.#topics = topics;
    this.#severity = severity;
    this.#role = new iam.Role(this, 'Role', {
      description: 'Sends what AWS reports to the topic of alarms',
      assumedBy: new iam.ServicePrincipal('events.amazonaws.com', {
        conditions: { StringEquals: { 'aws:SourceAccount': stack.account } },
      }),
    });
    acknowledge(this.#role, {
      'IAM5[Action::kms:GenerateDataKey*]': 'The two actions of this name, with the one key of the topic.',
    });
  }

  add({ name, pattern, text, runbook }: EventNotice): void {
    const ruleName = `${this.#stack.fleet.prefix}-${name}`;
    new events.Rule(this, name, {
      ruleName,
      description: `Reports of ${name}, to people`,
      eventPattern: pattern,
      targets: [
        new SnsTopic(this.#topics[this.#severity], {
          role: this.#role,
          message: events.RuleTargetInput.fromText(`${text}. What to do: docs/operations/alerts/${runbook}`),
        }),
      ],
    });
    raiseAlarm(
      this.#stack,
      this.#topics,
      {
        id: 'report-undelivered',
        runbook: 'aws.md#report-undelivered',
        reason: `EventBridge could not send a report of ${name} to the topic of alarms.`,
        metric: awsMetric('AWS/Events', 'FailedInvocations', { RuleName: ruleName }, cw.Stats.SUM),
        limit: 0,
        minutes: 1,
        // By the other topic: this one may be what fails.
        severity: OTHER[this.#severity],
      },
      `-${name}`,
    );
  }
}

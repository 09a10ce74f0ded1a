/** What AWS reports by an event and by no metric, to the topics behind which people are. */
import * as events from 'aws-cdk-lib/aws-events';
import { SnsTopic } from 'aws-cdk-lib/aws-events-targets';
import * as iam from 'aws-cdk-lib/aws-iam';
import type { ITopic } from 'aws-cdk-lib/aws-sns';
import { Construct } from 'constructs';
import { acknowledge } from '../stacks/acknowledge.ts';
import type { FleetStack } from '../stacks/fleet-stack.ts';

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
  readonly #prefix: string;
  readonly #topic: ITopic;
  readonly #role: iam.Role;

  constructor(stack: FleetStack, topic: ITopic) {
    super(stack, 'EventNotices');
    this.#prefix = stack.fleet.prefix;
    this.#topic = topic;
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
    new events.Rule(this, name, {
      ruleName: `${this.#prefix}-${name}`,
      description: `Reports of ${name}, to people`,
      eventPattern: pattern,
      targets: [
        new SnsTopic(this.#topic, {
          role: this.#role,
          message: events.RuleTargetInput.fromText(`${text}. What to do: docs/operations/alerts/${runbook}`),
        }),
      ],
    });
  }
}

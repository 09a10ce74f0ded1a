/**
 * What campaigns need of Amazon SES: the domains that mails come from, and what happens to each mail on its way to the queue `mail-events`.
 *
 * 1. Each domain signs by DKIM and has its own MAIL FROM; the records for its zone are outputs, since the zone is the tenant's: two for each
 *    domain, as a stack has 200 at most.
 * 2. Two configuration sets, with and without opens and clicks: a sender names them in `configurationSet` and `trackingSet`.
 * 3. Events of these sets alone come to the queue; what cannot be delivered there is kept for two weeks, and an alarm says so.
 */
import { CfnOutput, Duration } from 'aws-cdk-lib';
import * as events from 'aws-cdk-lib/aws-events';
import { SqsQueue } from 'aws-cdk-lib/aws-events-targets';
import * as ses from 'aws-cdk-lib/aws-ses';
import * as sqs from 'aws-cdk-lib/aws-sqs';
import type { Construct } from 'constructs';
import { raiseAlarm } from '../alarms/raise-alarm.ts';
import { acknowledge } from './acknowledge.ts';
import { type Fleet, FleetStack } from './fleet-stack.ts';
import type { MessagingStack } from './messaging-stack.ts';
import type { TelemetryStack } from './telemetry-stack.ts';

export interface MailParts {
  readonly messaging: MessagingStack;
  readonly telemetry: TelemetryStack;
  readonly domains: readonly string[];
}

/** What happens to every mail. */
const REPORTED = [
  ses.EmailSendingEvent.SEND,
  ses.EmailSendingEvent.REJECT,
  ses.EmailSendingEvent.DELIVERY,
  ses.EmailSendingEvent.DELIVERY_DELAY,
  ses.EmailSendingEvent.BOUNCE,
  ses.EmailSendingEvent.COMPLAINT,
  ses.EmailSendingEvent.RENDERING_FAILURE,
];
const TRACKED = [...REPORTED, ses.EmailSendingEvent.OPEN, ses.EmailSendingEvent.CLICK];

export const configurationSetNames = (prefix: string) =>
  [`${prefix}-campaigns`, `${prefix}-campaigns-tracked`] as const;

export class MailStack extends FleetStack {
  constructor(scope: Construct, fleet: Fleet, { messaging, telemetry, domains }: MailParts) {
    super(scope, 'mail', fleet);
    const [plain, tracked] = configurationSetNames(fleet.prefix);
    const defaultSet = this.#createSet('Campaigns', plain, REPORTED);
    this.#createSet('CampaignsTracked', tracked, TRACKED);
    for (const [index, domain] of domains.entries()) this.#createIdentity(`Domain${index + 1}`, domain, defaultSet);
    const undelivered = new sqs.Queue(this, 'Undelivered', {
      queueName: `${fleet.prefix}-undelivered-mail-events`,
      retentionPeriod: Duration.days(14),
      encryption: sqs.QueueEncryption.SQS_MANAGED,
      enforceSSL: true,
    });
    acknowledge(undelivered, { SQS3: 'It is a dead-letter queue itself: the one of the rule’s target.' });
    raiseAlarm(this, telemetry.topics, {
      id: 'mail-events-undelivered',
      runbook: 'aws.md#mail-events-undelivered',
      reason: 'EventBridge could not put a report of a mail into the queue mail-events.',
      metric: undelivered.metricApproximateNumberOfMessagesVisible({ period: Duration.minutes(1) }),
      limit: 0,
      minutes: 1,
    });
    new events.Rule(this, 'Reported', {
      ruleName: `${fleet.prefix}-mail-events`,
      description: 'What happens to mails of campaigns',
      enabled: this.isActive,
      eventPattern: {
        source: ['aws.ses'],
        detail: { mail: { tags: { 'ses:configuration-set': [plain, tracked] } } },
      },
      targets: [
        new SqsQueue(messaging.queues['mail-events'].main, {
          deadLetterQueue: undelivered,
          maxEventAge: Duration.hours(24),
          retryAttempts: 185,
        }),
      ],
    });
  }

  #createSet(id: string, configurationSetName: string, reported: ses.EmailSendingEvent[]): ses.ConfigurationSet {
    const set = new ses.ConfigurationSet(this, id, {
      configurationSetName,
      tlsPolicy: ses.ConfigurationSetTlsPolicy.REQUIRE,
      reputationMetrics: true,
      suppressionReasons: ses.SuppressionReasons.BOUNCES_AND_COMPLAINTS,
    });
    set.addEventDestination('Events', {
      destination: ses.EventDestination.eventBus(events.EventBus.fromEventBusName(this, `${id}Bus`, 'default')),
      events: reported,
    });
    return set;
  }

  #createIdentity(id: string, domain: string, configurationSet: ses.ConfigurationSet): void {
    const identity = new ses.EmailIdentity(this, id, {
      identity: ses.Identity.domain(domain),
      mailFromDomain: `bounces.${domain}`,
      mailFromBehaviorOnMxFailure: ses.MailFromBehaviorOnMxFailure.REJECT_MESSAGE,
      configurationSet,
    });
    const records = identity.dkimRecords.map(({ name, value }) => `${name} CNAME ${value}`);
    new CfnOutput(this, `${id}Dkim`, { value: records.join('; ') });
    new CfnOutput(this, `${id}MailFrom`, {
      value: `bounces.${domain} MX 10 feedback-smtp.${this.region}.amazonses.com; TXT "v=spf1 include:amazonses.com ~all"`,
    });
  }
}

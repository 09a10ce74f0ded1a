/** Where metrics go and alarms call: a workspace of Amazon Managed Prometheus, and the topics behind which people are. */
import { CfnWorkspace } from 'aws-cdk-lib/aws-aps';
import { PolicyStatement, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import type { IKey } from 'aws-cdk-lib/aws-kms';
import { LogGroup } from 'aws-cdk-lib/aws-logs';
import { Topic } from 'aws-cdk-lib/aws-sns';
import { EmailSubscription, UrlSubscription } from 'aws-cdk-lib/aws-sns-subscriptions';
import type { Construct } from 'constructs';
import { PAGED_BY_CLOUDWATCH, type Severity } from '../alarms/severity.ts';
import type { DeploySettings } from '../settings.ts';
import { type Fleet, FleetStack } from './fleet-stack.ts';
import type { NetworkStack } from './network-stack.ts';

type Receivers = Pick<DeploySettings['alarms'], 'emails' | 'urls'>;

export class TelemetryStack extends FleetStack {
  readonly workspace: CfnWorkspace;
  /** By how urgent it is: `page` wakes somebody, `ticket` waits for the morning. */
  readonly topics: Readonly<Record<Severity, Topic>>;
  readonly #key: IKey;

  constructor(scope: Construct, fleet: Fleet, { key }: NetworkStack) {
    super(scope, 'telemetry', fleet);
    this.#key = key;
    const { alarms } = fleet.settings;
    this.topics = {
      page: this.#createTopic('Alarms', 'alarms', alarms),
      ticket: this.#createTopic('Tickets', 'tickets', alarms.tickets ?? alarms),
    };
    const logs = new LogGroup(this, 'PrometheusLogs', {
      logGroupName: `/aws/vendedlogs/${fleet.prefix}/prometheus`,
      retention: this.size.logRetentionDays,
      encryptionKey: key,
      removalPolicy: this.removalPolicy,
    });
    this.workspace = new CfnWorkspace(this, 'Workspace', {
      alias: fleet.prefix,
      kmsKeyArn: key.keyArn,
      loggingConfiguration: { logGroupArn: logs.logGroupArn },
      alertManagerDefinition: this.#alertManager(),
    });
  }

  #createTopic(id: string, name: string, { emails, urls }: Receivers): Topic {
    const topic = new Topic(this, id, {
      topicName: `${this.fleet.prefix}-${name}`,
      masterKey: this.#key,
      enforceSSL: true,
    });
    topic.addToResourcePolicy(
      new PolicyStatement({
        sid: 'AlarmsOfThisAccount',
        principals: ['cloudwatch', 'aps'].map((service) => new ServicePrincipal(`${service}.amazonaws.com`)),
        actions: ['sns:Publish', 'sns:GetTopicAttributes'],
        resources: [topic.topicArn],
        conditions: { StringEquals: { 'aws:SourceAccount': this.account } },
      }),
    );
    for (const email of emails) topic.addSubscription(new EmailSubscription(email));
    for (const url of urls) topic.addSubscription(new UrlSubscription(url));
    return topic;
  }

  /** Pages that CloudWatch raises as well go nowhere from here: one incident is one call. */
  #alertManager(): string {
    const receiver = (severity: Severity) => [
      `    - name: ${severity}`,
      '      sns_configs:',
      `        - topic_arn: ${this.topics[severity].topicArn}`,
      '          sigv4:',
      `            region: ${this.region}`,
      '          subject: "{{ .CommonLabels.alertname }}"',
      '          message: "{{ range .Alerts }}{{ .Annotations.summary }}. What to do: {{ .Annotations.runbook }}\\n{{ end }}"',
    ];
    return [
      'alertmanager_config: |',
      '  route:',
      '    receiver: ticket',
      '    group_by: [alertname]',
      '    repeat_interval: 4h',
      '    routes:',
      `      - matchers: ['alertname=~"${PAGED_BY_CLOUDWATCH.join('|')}"']`,
      '        receiver: cloudwatch',
      `      - matchers: ['severity="page"']`,
      '        receiver: page',
      '  receivers:',
      '    - name: cloudwatch',
      ...receiver('page'),
      ...receiver('ticket'),
      '',
    ].join('\n');
  }
}

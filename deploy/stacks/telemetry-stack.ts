/** Where metrics go and alarms call: a workspace of Amazon Managed Prometheus, and the topic behind which people are. */
import { CfnWorkspace } from 'aws-cdk-lib/aws-aps';
import { PolicyStatement, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import { LogGroup } from 'aws-cdk-lib/aws-logs';
import { Topic } from 'aws-cdk-lib/aws-sns';
import { EmailSubscription, UrlSubscription } from 'aws-cdk-lib/aws-sns-subscriptions';
import type { Construct } from 'constructs';
import { type Fleet, FleetStack } from './fleet-stack.ts';
import type { NetworkStack } from './network-stack.ts';

export class TelemetryStack extends FleetStack {
  readonly workspace: CfnWorkspace;
  readonly alarmTopic: Topic;

  constructor(scope: Construct, fleet: Fleet, { key }: NetworkStack) {
    super(scope, 'telemetry', fleet);
    this.alarmTopic = new Topic(this, 'Alarms', {
      topicName: `${fleet.prefix}-alarms`,
      masterKey: key,
      enforceSSL: true,
    });
    this.alarmTopic.addToResourcePolicy(
      new PolicyStatement({
        sid: 'AlarmsOfThisAccount',
        principals: ['cloudwatch', 'aps'].map((name) => new ServicePrincipal(`${name}.amazonaws.com`)),
        actions: ['sns:Publish', 'sns:GetTopicAttributes'],
        resources: [this.alarmTopic.topicArn],
        conditions: { StringEquals: { 'aws:SourceAccount': this.account } },
      }),
    );
    for (const email of fleet.settings.alarms.emails) this.alarmTopic.addSubscription(new EmailSubscription(email));
    for (const url of fleet.settings.alarms.urls) this.alarmTopic.addSubscription(new UrlSubscription(url));
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

  #alertManager(): string {
    return [
      'alertmanager_config: |',
      '  route:',
      '    receiver: people',
      '    group_by: [alertname]',
      '    repeat_interval: 4h',
      '  receivers:',
      '    - name: people',
      '      sns_configs:',
      `        - topic_arn: ${this.alarmTopic.topicArn}`,
      '          sigv4:',
      `            region: ${this.region}`,
      '          subject: "{{ .CommonLabels.alertname }}"',
      '          message: "{{ range .Alerts }}{{ .Annotations.summary }}. What to do: {{ .Annotations.runbook }}\\n{{ end }}"',
      '',
    ].join('\n');
  }
}

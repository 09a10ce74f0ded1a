/** The dashboard that is looked at when an alarm calls. */
import { Duration } from 'aws-cdk-lib';
import * as cw from 'aws-cdk-lib/aws-cloudwatch';
import { QUEUE_IDS } from '#shared/runtime/config/resource-names.ts';
import { oldestAge } from '../services/scaling-signals.ts';
import { type AlarmScope, awsMetric, MINUTE } from './alarm-scope.ts';
import { ADMITTED, depthOf, waitingRows } from './queue-metrics.ts';

export function createDashboard(scope: AlarmScope, alarms: cw.Alarm[]): void {
  const { prefix } = scope.stack.fleet;
  const { services, data, api } = scope.parts;
  const graph = (title: string, left: cw.IMetric[], right: cw.IMetric[] = []) =>
    new cw.GraphWidget({ title, left, right, width: 12, height: 6 });
  const deployed = [...Object.entries(services.services), ...Object.entries(services.lanes)];
  const cpu = deployed.map(([label, service]) => service.metricCpuUtilization({ label, period: MINUTE }));
  const memory = deployed.map(([label, service]) => service.metricMemoryUtilization({ label, period: MINUTE }));
  const tasks = deployed.map(([label]) =>
    awsMetric(
      'ECS/ContainerInsights',
      'RunningTaskCount',
      { ClusterName: prefix, ServiceName: label },
      cw.Stats.AVERAGE,
    ).with({ label }),
  );
  const waiting = ADMITTED.map((queue) => waitingRows(scope, queue));
  new cw.Dashboard(scope.stack, 'Dashboard', {
    dashboardName: prefix,
    defaultInterval: Duration.hours(3),
    widgets: [
      [new cw.AlarmStatusWidget({ title: 'Alarms', alarms: alarms, width: 24, height: 5 })],
      [
        graph(
          'Messages in queues',
          QUEUE_IDS.map((queue) => depthOf(scope, queue)),
          waiting,
        ),
        graph(
          'Oldest (s)',
          QUEUE_IDS.map((queue) => oldestAge(prefix, queue).with({ label: queue })),
        ),
      ],
      [graph('Tasks', tasks), graph('Processor and memory (%)', cpu, memory)],
      [
        graph(
          'Database',
          [data.cluster.metricDatabaseConnections({ period: MINUTE })],
          [data.cluster.metricACUUtilization({ period: MINUTE })],
        ),
        graph(
          'Control API',
          [api.loadBalancer.metrics.requestCount({ period: MINUTE })],
          [api.targets.metrics.targetResponseTime({ statistic: 'p95', period: MINUTE })],
        ),
      ],
    ],
  });
}

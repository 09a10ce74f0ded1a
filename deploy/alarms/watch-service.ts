/** One service: its tasks, the leases that they hold, and what they depend on. */
import * as cw from 'aws-cdk-lib/aws-cloudwatch';
import type * as ecs from 'aws-cdk-lib/aws-ecs';
import type { ServiceName } from '../services/service-catalogue.ts';
import { type AlarmScope, MINUTE } from './alarm-scope.ts';
import { QUEUE_SERVICES, TASK_METRICS, taskMetric } from './task-metrics.ts';

type QueueService = (typeof QUEUE_SERVICES)[number];

/** Copies take what there is; that they are late is seen by the age of their rows. */
const FILLS_ITS_PROCESSOR = 'large-file-worker';

export function watchService(scope: AlarmScope, name: ServiceName): void {
  watchTasks(scope, name, scope.parts.services.services[name]);
  const withQueue = QUEUE_SERVICES.find((each) => each === name);
  if (withQueue === undefined) return;
  watchDependencies(scope, withQueue);
  watchLeases(scope, withQueue);
}

export function watchTasks(scope: AlarmScope, name: string, service: ecs.FargateService): void {
  const reason = (what: string) => `Tasks of ${name} use more than 80 % of their ${what}.`;
  if (name !== FILLS_ITS_PROCESSOR) {
    scope.raise(
      {
        id: 'task-processor',
        runbook: 'processes.md#processor-busy',
        reason: reason('processor'),
        metric: service.metricCpuUtilization({ period: MINUTE }),
        limit: 80,
        minutes: 10,
      },
      `-${name}`,
    );
  }
  scope.raise(
    {
      id: 'task-memory',
      runbook: 'processes.md#memory-high',
      reason: reason('memory'),
      metric: service.metricMemoryUtilization({ period: MINUTE }),
      limit: 80,
      minutes: 5,
    },
    `-${name}`,
  );
}

function watchDependencies(scope: AlarmScope, service: QueueService): void {
  scope.raise(
    {
      id: 'dependency-faults',
      runbook: 'processes.md#dependency-faults',
      reason: `Requests of ${service} to S3 or SQS are throttled or time out, all the time.`,
      metric: taskMetric(scope.stack.fleet.prefix, 'longshore_dependency_faults_total', {
        service,
        statistic: cw.Stats.SUM,
        periodMinutes: 2,
      }),
      limit: 0,
      minutes: 10,
      periodMinutes: 2,
    },
    `-${service}`,
  );
  scope.raise(
    {
      id: 'database-late',
      runbook: 'processes.md#database-answers-late',
      reason: `Statements of ${service} wait for the database: its connections are taken, or it is slow.`,
      metric: taskMetric(scope.stack.fleet.prefix, 'longshore_database_answer_seconds', {
        service,
        statistic: cw.Stats.MAXIMUM,
      }),
      limit: 1,
      minutes: 5,
    },
    `-${service}`,
  );
}

function watchLeases(scope: AlarmScope, service: QueueService): void {
  const names = TASK_METRICS.filter(
    ({ name, services }) => name.endsWith('leases_lost_total') && services.includes(service),
  ).map(({ name }) => name);
  scope.raise(
    {
      id: 'leases-lost',
      runbook: 'messages.md#leases-lost',
      reason: `Tasks of ${service} lose more than one lease a minute: they are too slow to keep what they hold.`,
      metric: new cw.MathExpression({
        expression: names.map((_, index) => `FILL(lost_${index}, 0)`).join(' + '),
        usingMetrics: Object.fromEntries(
          names.map((name, index) => [
            `lost_${index}`,
            taskMetric(scope.stack.fleet.prefix, name, { service, statistic: cw.Stats.SUM }),
          ]),
        ),
        period: MINUTE,
      }),
      limit: 1,
      minutes: 10,
    },
    `-${service}`,
  );
}

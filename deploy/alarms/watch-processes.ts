/** Tasks, what they depend on, and the database. */
import * as cw from 'aws-cdk-lib/aws-cloudwatch';
import { SERVICES } from '../services/service-catalogue.ts';
import { databaseConnections } from '../sizes.ts';
import { type AlarmScope, MINUTE } from './alarm-scope.ts';
import { QUEUE_SERVICES, taskMetric } from './task-metrics.ts';

export function watchDependencies(scope: AlarmScope): void {
  for (const service of QUEUE_SERVICES) {
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
}

/** Copies take what there is; that they are late is seen by the age of their rows. */
const FILLS_ITS_PROCESSOR = 'large-file-worker';

export function watchTasks(scope: AlarmScope): void {
  for (const { name } of SERVICES) {
    const service = scope.parts.services.services[name];
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
}

export function watchDatabase(scope: AlarmScope): void {
  const { cluster } = scope.parts.data;
  scope.raise({
    id: 'database-connections',
    severity: 'page',
    runbook: 'processes.md#database-connections-high',
    reason: 'Four fifths of the database’s connections are taken.',
    metric: cluster.metricDatabaseConnections({ statistic: cw.Stats.MAXIMUM, period: MINUTE }),
    limit: Math.floor(databaseConnections(scope.stack.size) * 0.8),
  });
  scope.raise({
    id: 'database-capacity',
    runbook: 'aws.md#database-at-its-largest',
    reason: 'The database has grown to nine tenths of its largest size.',
    metric: cluster.metricACUUtilization({ period: MINUTE }),
    limit: 90,
    minutes: 10,
  });
}

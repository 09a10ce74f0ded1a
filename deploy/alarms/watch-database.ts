/** The database: its connections and its size. */
import * as cw from 'aws-cdk-lib/aws-cloudwatch';
import { databaseConnections } from '../sizes.ts';
import { type AlarmScope, MINUTE } from './alarm-scope.ts';

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

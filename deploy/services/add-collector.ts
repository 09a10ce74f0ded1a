/** The collector next to a service: a container of its task, which reads its metrics. */
import { Duration } from 'aws-cdk-lib';
import * as ecs from 'aws-cdk-lib/aws-ecs';
import * as iam from 'aws-cdk-lib/aws-iam';
import { fleetNamespace } from '../alarms/fleet-gauges.ts';
import { cloudWatchMetricsOf } from '../alarms/task-metrics.ts';
import type { FleetStack } from '../stacks/fleet-stack.ts';
import type { TelemetryStack } from '../stacks/telemetry-stack.ts';
import { collectorConfiguration } from './collector-configuration.ts';
import { type FleetTask, USER } from './fleet-task.ts';

export const COLLECTOR_MEMORY_MIB = 128;

export interface CollectorPlace {
  readonly service: string;
  /** Where the service shows its metrics. */
  readonly port: number;
  readonly image: ecs.ContainerImage;
  readonly telemetry: TelemetryStack;
}

export function addCollector(
  stack: FleetStack,
  { definition, logs }: FleetTask,
  { service, port, image, telemetry: { workspace } }: CollectorPlace,
): void {
  const configuration = collectorConfiguration({
    service,
    port,
    region: stack.region,
    remoteWriteUrl: `${workspace.attrPrometheusEndpoint}api/v1/remote_write`,
    namespace: fleetNamespace(stack.fleet.prefix),
    logGroupName: logs.logGroupName,
  });
  definition.addContainer('collector', {
    image,
    essential: false,
    // Without it one fault would end the metrics of the task for the rest of its life.
    enableRestartPolicy: true,
    restartAttemptPeriod: Duration.minutes(1),
    environment: { AOT_CONFIG_CONTENT: stack.toJsonString(configuration) },
    memoryLimitMiB: COLLECTOR_MEMORY_MIB,
    logging: ecs.LogDrivers.awsLogs({ logGroup: logs, streamPrefix: 'collector' }),
    readonlyRootFilesystem: true,
    user: USER,
  });
  definition.addToTaskRolePolicy(
    new iam.PolicyStatement({ sid: 'Metrics', actions: ['aps:RemoteWrite'], resources: [workspace.attrArn] }),
  );
  if (cloudWatchMetricsOf(service).length === 0) return;
  definition.addToTaskRolePolicy(
    new iam.PolicyStatement({
      sid: 'CloudWatchMetrics',
      actions: ['logs:CreateLogStream', 'logs:PutLogEvents', 'logs:DescribeLogStreams'],
      resources: [logs.logGroupArn],
    }),
  );
}

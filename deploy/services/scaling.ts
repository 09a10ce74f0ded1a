/**
 * `shared/scaling/scaling-policy.ts` in the words of Application Auto Scaling.
 *
 * 1. Backlog per task: visible messages and waiting rows over running tasks, tracked at what one task clears in time. CDK's own
 *    `scaleToTrackCustomMetric` refuses metric math, hence the plain resource.
 * 2. Without tasks the backlog itself is the value: nothing is divided by zero, and one message is enough to start one.
 * 3. The oldest age adds half of the tasks at once, whatever the counts say.
 */
import { Duration, type Stack } from 'aws-cdk-lib';
import * as scaling from 'aws-cdk-lib/aws-applicationautoscaling';
import { Alarm, ComparisonOperator, Metric, Stats, TreatMissingData } from 'aws-cdk-lib/aws-cloudwatch';
import { ApplicationScalingAction } from 'aws-cdk-lib/aws-cloudwatch-actions';
import type { FargateService } from 'aws-cdk-lib/aws-ecs';
import { type QueueId, queueName } from '#shared/config/resource-names.ts';
import { backlogPerTask, LATE_GROWTH } from '#shared/scaling/scaling-policy.ts';
import { type ScaledService, SERVICE_OBJECTIVES } from '#shared/scaling/service-capacities.ts';
import { fleetGauge } from '../alarms/fleet-gauges.ts';

export interface ScalingOptions {
  readonly name: ScaledService;
  readonly service: FargateService;
  readonly clusterName: string;
  readonly prefix: string;
  readonly queue: QueueId;
  readonly vcpu: number;
  readonly minTasks: number;
  readonly maxTasks: number;
}

const GROW_COOLDOWN_SECONDS = 30;
const SHRINK_COOLDOWN_SECONDS = 180;

/** Only `work` and `partner-steps` have an admission window, and so rows that wait before it. */
const hasAdmission = (queue: QueueId): boolean => queue === 'work' || queue === 'partner-steps';

export function addScaling(stack: Stack, options: ScalingOptions): void {
  const { name, service, clusterName, minTasks, maxTasks } = options;
  const target = new scaling.ScalableTarget(stack, `${name}-target`, {
    serviceNamespace: scaling.ServiceNamespace.ECS,
    scalableDimension: 'ecs:service:DesiredCount',
    resourceId: `service/${clusterName}/${service.serviceName}`,
    minCapacity: minTasks,
    maxCapacity: Math.max(minTasks, maxTasks),
  });
  trackBacklog(stack, target, options);
  growWhenLate(stack, target, options);
}

function trackBacklog(stack: Stack, target: scaling.ScalableTarget, options: ScalingOptions): void {
  const { name, prefix, queue, clusterName, service, vcpu } = options;
  const { capacity, wantedLatencySeconds } = SERVICE_OBJECTIVES[name];
  const gaugeName = 'longshore_open_rows';
  const gauge = fleetGauge(prefix, gaugeName, { queue, state: 'waiting for admission' });
  const dimensionsOf = (dimensions: Record<string, unknown>) =>
    Object.entries(dimensions).map(([key, value]) => ({ name: key, value: String(value) }));
  new scaling.CfnScalingPolicy(stack, `${name}-backlog`, {
    policyName: `${prefix}-${name}-backlog-per-task`,
    policyType: 'TargetTrackingScaling',
    scalingTargetId: target.scalableTargetId,
    targetTrackingScalingPolicyConfiguration: {
      targetValue: backlogPerTask(capacity, vcpu, wantedLatencySeconds),
      scaleOutCooldown: GROW_COOLDOWN_SECONDS,
      scaleInCooldown: SHRINK_COOLDOWN_SECONDS,
      customizedMetricSpecification: {
        metrics: [
          {
            id: 'visible',
            returnData: false,
            metricStat: {
              stat: 'Maximum',
              metric: {
                namespace: 'AWS/SQS',
                metricName: 'ApproximateNumberOfMessagesVisible',
                dimensions: [{ name: 'QueueName', value: queueName(prefix, queue) }],
              },
            },
          },
          ...(hasAdmission(queue)
            ? [
                {
                  id: 'waiting',
                  returnData: false,
                  metricStat: {
                    stat: 'Maximum',
                    metric: {
                      namespace: gauge.namespace,
                      metricName: gaugeName,
                      dimensions: dimensionsOf(gauge.dimensions ?? {}),
                    },
                  },
                },
              ]
            : []),
          {
            id: 'tasks',
            returnData: false,
            metricStat: {
              stat: 'Average',
              metric: {
                namespace: 'ECS/ContainerInsights',
                metricName: 'RunningTaskCount',
                dimensions: [
                  { name: 'ClusterName', value: clusterName },
                  { name: 'ServiceName', value: service.serviceName },
                ],
              },
            },
          },
          {
            id: 'backlog',
            expression: hasAdmission(queue) ? 'FILL(visible, 0) + FILL(waiting, 0)' : 'FILL(visible, 0)',
            returnData: false,
          },
          {
            id: 'per_task',
            label: 'backlog per task',
            expression: 'IF(FILL(tasks, 0) > 0, backlog / FILL(tasks, 1), backlog)',
            returnData: true,
          },
        ],
      },
    },
  });
}

function growWhenLate(stack: Stack, target: scaling.ScalableTarget, { name, prefix, queue }: ScalingOptions): void {
  const { oldestAgeSeconds } = SERVICE_OBJECTIVES[name];
  const grow = new scaling.StepScalingAction(stack, `${name}-late`, {
    scalingTarget: target,
    adjustmentType: scaling.AdjustmentType.PERCENT_CHANGE_IN_CAPACITY,
    minAdjustmentMagnitude: 1,
    cooldown: Duration.seconds(GROW_COOLDOWN_SECONDS * 2),
  });
  grow.addAdjustment({ adjustment: LATE_GROWTH * 100, lowerBound: 0 });
  const alarm = new Alarm(stack, `${name}-age`, {
    alarmName: `${prefix}-scale-${name}-late`,
    alarmDescription: `Adds tasks to ${name}: something has waited for more than ${oldestAgeSeconds} s. Calls nobody.`,
    metric: oldestAge(prefix, queue),
    threshold: oldestAgeSeconds,
    evaluationPeriods: 1,
    comparisonOperator: ComparisonOperator.GREATER_THAN_THRESHOLD,
    treatMissingData: TreatMissingData.NOT_BREACHING,
  });
  alarm.addAlarmAction(new ApplicationScalingAction(grow));
}

/**
 * CloudWatch's age of a message counts those in flight, so that one long copy would look like a stuck queue: for work and steps the age
 * is that of the oldest row that is due, from the database.
 */
export function oldestAge(prefix: string, queue: QueueId): Metric {
  if (hasAdmission(queue)) return fleetGauge(prefix, 'longshore_oldest_due_seconds', { queue });
  return new Metric({
    namespace: 'AWS/SQS',
    metricName: 'ApproximateAgeOfOldestMessage',
    dimensionsMap: { QueueName: queueName(prefix, queue) },
    statistic: Stats.MAXIMUM,
    period: Duration.minutes(1),
  });
}

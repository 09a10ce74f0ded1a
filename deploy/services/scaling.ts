/**
 * `shared/scaling/scaling-policy.ts` in the words of Application Auto Scaling, with the readings and rests of `fargate-scaling.ts`.
 *
 * 1. Backlog per task (visible messages and waiting rows over running tasks) is tracked at what one task clears in time, arrivals per task
 *    at what it does. CDK's own `scaleToTrackCustomMetric` refuses metric math, hence the plain resource.
 * 2. Without tasks the backlog itself is the value: nothing is divided by zero, and one message is enough to start one.
 * 3. The oldest age adds half of the tasks at once, whatever the counts say.
 * 4. Tracking only grows. Letting go is its own step, so that its pace is known: a tenth, after readings in which a tenth fewer would
 *    have done. What is not reported lets nothing go.
 * 5. Known hours raise the least number, and their end sets it back.
 */
import { Duration, type Stack, TimeZone } from 'aws-cdk-lib';
import * as scaling from 'aws-cdk-lib/aws-applicationautoscaling';
import {
  Alarm,
  ComparisonOperator,
  type IMetric,
  MathExpression,
  type Metric,
  TreatMissingData,
} from 'aws-cdk-lib/aws-cloudwatch';
import { ApplicationScalingAction } from 'aws-cdk-lib/aws-cloudwatch-actions';
import type { FargateService } from 'aws-cdk-lib/aws-ecs';
import { Role } from 'aws-cdk-lib/aws-iam';
import { LongshoreError } from '#shared/errors.ts';
import type { QueueId } from '#shared/runtime/config/resource-names.ts';
import { FARGATE_SCALING } from '#shared/scaling/fargate-scaling.ts';
import { LATE_GROWTH, type ScalingPolicy } from '#shared/scaling/scaling-policy.ts';
import { policyOf, type ScaledService } from '#shared/scaling/service-capacities.ts';
import { readClock, type ScheduledMinimum } from '../scheduled-minimums.ts';
import { hasMore, oldestAge, READING, type Signal, type Signals, signalsOf } from './scaling-signals.ts';

export interface ScalingOptions {
  readonly name: ScaledService;
  /** Its own where several run the same code. */
  readonly deployedName: string;
  readonly service: FargateService;
  readonly clusterName: string;
  readonly prefix: string;
  readonly queue: QueueId;
  readonly vcpu: number;
  readonly minTasks: number;
  readonly maxTasks: number;
  readonly scheduledMinimums: readonly ScheduledMinimum[];
}

/** @throws LongshoreError `CONFIG_INVALID` for a scheduled minimum beyond the bounds. */
export function addScaling(stack: Stack, options: ScalingOptions): void {
  const { name, deployedName, service, clusterName, minTasks } = options;
  const maxTasks = Math.max(minTasks, options.maxTasks);
  const policy = policyOf(name, {
    vcpu: options.vcpu,
    minTasks,
    maxTasks,
    largestShrink: FARGATE_SCALING.largestShrink,
  });
  const target = new scaling.ScalableTarget(stack, `${deployedName}-target`, {
    serviceNamespace: scaling.ServiceNamespace.ECS,
    scalableDimension: 'ecs:service:DesiredCount',
    resourceId: `service/${clusterName}/${service.serviceName}`,
    minCapacity: minTasks,
    maxCapacity: maxTasks,
    role: Role.fromRoleArn(stack, `${deployedName}-scaler`, scalerArn(stack)),
  });
  const signals = signalsOf(options);
  const backlog = hasMore(options.queue) ? 'FILL(visible, 0) + FILL(waiting, 0)' : 'FILL(visible, 0)';
  track(stack, target, options, {
    name: 'backlog',
    targetValue: policy.backlogPerTask,
    signals: [signals.visible, ...(signals.waiting === undefined ? [] : [signals.waiting]), signals.tasks],
    expression: backlog,
  });
  track(stack, target, options, {
    name: 'arrivals',
    targetValue: policy.arrivalsPerTask,
    signals: [signals.sent, signals.tasks],
    expression: `FILL(sent, 0) / ${FARGATE_SCALING.readingSeconds}`,
  });
  growWhenLate(stack, target, options, policy);
  letGoWhenQuiet(stack, target, options, { policy, signals, backlog });
  for (const minimum of options.scheduledMinimums) raiseLeast(target, minimum, { name, minTasks, maxTasks });
}

/** Application Auto Scaling's own role for ECS, which it makes with the first target of an account. */
function scalerArn(stack: Stack): string {
  const resourceName =
    'aws-service-role/ecs.application-autoscaling.amazonaws.com/AWSServiceRoleForApplicationAutoScaling_ECSService';
  return stack.formatArn({ service: 'iam', region: '', resource: 'role', resourceName });
}

interface Tracked {
  readonly name: 'backlog' | 'arrivals';
  /** Of one task. */
  readonly targetValue: number;
  readonly signals: readonly Signal[];
  /** Of all tasks. */
  readonly expression: string;
}

function track(
  stack: Stack,
  target: scaling.ScalableTarget,
  { deployedName: service, prefix }: ScalingOptions,
  { name, targetValue, signals, expression }: Tracked,
): void {
  new scaling.CfnScalingPolicy(stack, `${service}-${name}`, {
    policyName: `${prefix}-${service}-${name}-per-task`,
    policyType: 'TargetTrackingScaling',
    scalingTargetId: target.scalableTargetId,
    targetTrackingScalingPolicyConfiguration: {
      targetValue,
      scaleOutCooldown: FARGATE_SCALING.growCooldownSeconds,
      disableScaleIn: true,
      customizedMetricSpecification: {
        metrics: [
          ...signals.map(({ id, metric }) => ({ id, returnData: false, metricStat: statOf(stack, metric) })),
          { id: name, expression, returnData: false },
          {
            id: 'per_task',
            label: `${name} per task`,
            expression: `IF(FILL(tasks, 0) > 0, ${name} / FILL(tasks, 1), ${name})`,
            returnData: true,
          },
        ],
      },
    },
  });
}

/** As Application Auto Scaling has it: the statistic under its long name, the period always a minute. */
function statOf(stack: Stack, metric: Metric): scaling.CfnScalingPolicy.TargetTrackingMetricStatProperty {
  const { namespace, metricName, statistic, dimensions = {} } = metric;
  return {
    stat: statistic,
    metric: {
      namespace,
      metricName,
      dimensions: Object.entries(dimensions).map(([name, value]) => ({ name, value: stack.resolve(value) })),
    },
  };
}

function growWhenLate(
  stack: Stack,
  target: scaling.ScalableTarget,
  { deployedName: name, prefix, queue }: ScalingOptions,
  { oldestAgeSeconds }: ScalingPolicy,
): void {
  const grow = new scaling.StepScalingAction(stack, `${name}-late`, {
    scalingTarget: target,
    adjustmentType: scaling.AdjustmentType.PERCENT_CHANGE_IN_CAPACITY,
    minAdjustmentMagnitude: 1,
    cooldown: Duration.seconds(FARGATE_SCALING.lateCooldownSeconds),
  });
  grow.addAdjustment({ adjustment: LATE_GROWTH * 100, lowerBound: 0 });
  const alarm = new Alarm(stack, `${name}-age`, {
    alarmName: `${prefix}-scale-${name}-late`,
    alarmDescription: `Adds tasks to ${name}: something has waited for more than ${oldestAgeSeconds} s. Calls nobody.`,
    metric: oldestAge(prefix, queue),
    threshold: oldestAgeSeconds,
    evaluationPeriods: FARGATE_SCALING.lateReadings,
    comparisonOperator: ComparisonOperator.GREATER_THAN_THRESHOLD,
    treatMissingData: TreatMissingData.NOT_BREACHING,
  });
  alarm.addAlarmAction(new ApplicationScalingAction(grow));
}

function letGoWhenQuiet(
  stack: Stack,
  target: scaling.ScalableTarget,
  { deployedName: name, prefix, queue }: ScalingOptions,
  { policy, signals, backlog }: { policy: ScalingPolicy; signals: Signals; backlog: string },
): void {
  const { readingSeconds, largestShrink, quietReadings, shrinkCooldownSeconds } = FARGATE_SCALING;
  const math = (expression: string, usingMetrics: Record<string, IMetric>) =>
    new MathExpression({ expression, usingMetrics, period: READING });
  const { visible, waiting, sent, tasks } = signals;
  // A gauge that was never set is not reported; all others are, or nobody knows.
  const waits = math(`(${backlog.replace('FILL(visible, 0)', 'visible')}) / ${policy.backlogPerTask}`, {
    visible: visible.metric,
    ...(waiting !== undefined && { waiting: waiting.metric }),
  });
  const comes = math(`sent / ${readingSeconds * policy.arrivalsPerTask}`, { sent: sent.metric });
  const step = math(`IF(tasks * ${largestShrink} > 1, tasks * ${largestShrink}, 1)`, { tasks: tasks.metric });
  const isLate = `FILL(age, 0) > ${policy.oldestAgeSeconds}`;
  const spare = math(`IF(${isLate}, -1, tasks - step - IF(waits > comes, waits, comes))`, {
    age: oldestAge(prefix, queue),
    tasks: tasks.metric,
    step,
    waits,
    comes,
  });
  const letGo = new scaling.StepScalingAction(stack, `${name}-spare`, {
    scalingTarget: target,
    adjustmentType: scaling.AdjustmentType.PERCENT_CHANGE_IN_CAPACITY,
    minAdjustmentMagnitude: 1,
    cooldown: Duration.seconds(shrinkCooldownSeconds),
  });
  letGo.addAdjustment({ adjustment: -largestShrink * 100, lowerBound: 0 });
  const alarm = new Alarm(stack, `${name}-quiet`, {
    alarmName: `${prefix}-scale-${name}-quiet`,
    alarmDescription: `Takes tasks from ${name}: fewer would do for what waits and what comes. Calls nobody.`,
    metric: spare,
    threshold: 0,
    evaluationPeriods: quietReadings,
    comparisonOperator: ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD,
    treatMissingData: TreatMissingData.NOT_BREACHING,
  });
  alarm.addAlarmAction(new ApplicationScalingAction(letGo));
}

function raiseLeast(
  target: scaling.ScalableTarget,
  { name: window, days, from, until, timeZone, tasks }: ScheduledMinimum,
  { name, minTasks, maxTasks }: { name: ScaledService; minTasks: number; maxTasks: number },
): void {
  const least = tasks[name];
  if (least === undefined) return;
  if (least < minTasks || least > maxTasks) {
    throw new LongshoreError(
      'CONFIG_INVALID',
      `The scheduled minimum ${window} wants ${least} tasks of ${name}, which has ${minTasks} to ${maxTasks}.`,
    );
  }
  const at = (time: string) => {
    const { hour, minute } = readClock(time);
    return scaling.Schedule.cron({ hour: String(hour), minute: String(minute), weekDay: days.join(',') });
  };
  const zone = TimeZone.of(timeZone);
  target.scaleOnSchedule(`${window}-from`, { schedule: at(from), timeZone: zone, minCapacity: least });
  target.scaleOnSchedule(`${window}-until`, { schedule: at(until), timeZone: zone, minCapacity: minTasks });
}

/** What scaling reads of a service: what waits, what comes, how many tasks there are, and how old the oldest of it is. */
import { Duration } from 'aws-cdk-lib';
import { Metric, Stats } from 'aws-cdk-lib/aws-cloudwatch';
import type { FargateService } from 'aws-cdk-lib/aws-ecs';
import {
  LONG_QUEUES,
  type QueueId,
  queueName,
  STEP_QUEUES,
  WORK_QUEUE_IDS,
} from '#shared/runtime/config/resource-names.ts';
import { FARGATE_SCALING } from '#shared/scaling/fargate-scaling.ts';
import { fleetGauge } from '../alarms/fleet-gauges.ts';

export interface SignalOptions {
  readonly prefix: string;
  readonly queue: QueueId;
  readonly clusterName: string;
  readonly service: FargateService;
}

export const READING = Duration.seconds(FARGATE_SCALING.readingSeconds);
const WAITING_GAUGE = 'longshore_open_rows';
const VISIBLE = 'ApproximateNumberOfMessagesVisible';

/** Only queues of work have an admission window, and so rows that wait before it. */
const hasAdmission = (queue: QueueId): boolean => WORK_QUEUE_IDS.some((id) => id === queue);
/** What waits elsewhere for the same tasks: rows, or the events of a flood. */
export const hasMore = (queue: QueueId): boolean => queue === 'landing' || hasAdmission(queue);

/** A metric under the name that expressions have for it. */
export interface Signal {
  readonly id: string;
  readonly metric: Metric;
}

export type Signals = Readonly<Record<'visible' | 'sent' | 'tasks', Signal>> & { readonly waiting?: Signal };

export function signalsOf({ prefix, queue, clusterName, service }: SignalOptions): Signals {
  const ofQueue = (id: string, metricName: string, statistic: string, of: QueueId = queue): Signal => ({
    id,
    metric: new Metric({
      namespace: 'AWS/SQS',
      metricName,
      dimensionsMap: { QueueName: queueName(prefix, of) },
      statistic,
      period: READING,
    }),
  });
  const tasks = new Metric({
    namespace: 'ECS/ContainerInsights',
    metricName: 'RunningTaskCount',
    dimensionsMap: { ClusterName: clusterName, ServiceName: service.serviceName },
    statistic: Stats.AVERAGE,
    period: READING,
  });
  // A task takes steps of all lanes, and an alarm has room for one gauge.
  const takesLanes = queue === STEP_QUEUES.standard || queue === LONG_QUEUES.standard;
  const state = takesLanes ? 'waiting in all lanes' : 'waiting for admission';
  const waiting =
    queue === 'landing'
      ? ofQueue('waiting', VISIBLE, Stats.MAXIMUM, 'landing-overflow')
      : { id: 'waiting', metric: fleetGauge(prefix, WAITING_GAUGE, { queue, state }) };
  return {
    visible: ofQueue('visible', VISIBLE, Stats.MAXIMUM),
    sent: ofQueue('sent', 'NumberOfMessagesSent', Stats.SUM),
    tasks: { id: 'tasks', metric: tasks },
    ...(hasMore(queue) && { waiting }),
  };
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
    period: READING,
  });
}

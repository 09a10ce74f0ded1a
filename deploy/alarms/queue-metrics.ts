/** How much waits for a queue: in it, and as rows that are not let in yet. */
import * as cw from 'aws-cdk-lib/aws-cloudwatch';
import { type QueueId, WORK_QUEUE_IDS } from '#shared/runtime/config/resource-names.ts';
import { type AlarmScope, MINUTE } from './alarm-scope.ts';
import { fleetGauge } from './fleet-gauges.ts';

/** Queues with an admission window. */
export const ADMITTED: readonly QueueId[] = WORK_QUEUE_IDS;

export function depthOf(scope: AlarmScope, queue: QueueId): cw.IMetric {
  return scope.parts.messaging.queues[queue].main.metricApproximateNumberOfMessagesVisible({
    statistic: cw.Stats.MAXIMUM,
    period: MINUTE,
  });
}

/** Of a flood, only a tenant's window is in the queue; the rest waits as rows. */
export function waitingIn(scope: AlarmScope, queue: QueueId): cw.IMetric {
  if (!ADMITTED.some((id) => id === queue)) return depthOf(scope, queue);
  return new cw.MathExpression({
    expression: 'FILL(visible, 0) + FILL(waiting, 0)',
    usingMetrics: { visible: depthOf(scope, queue), waiting: waitingRows(scope, queue) },
    period: MINUTE,
  });
}

export function waitingRows(scope: AlarmScope, queue: QueueId): cw.IMetric {
  return fleetGauge(scope.stack.fleet.prefix, 'longshore_open_rows', { queue, state: 'waiting for admission' });
}

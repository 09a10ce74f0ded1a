/** One queue: how old and how deep it may be, and whether its dead letters are taken out. */
import * as cw from 'aws-cdk-lib/aws-cloudwatch';
import {
  isLong,
  LONG_QUEUES,
  type QueueId,
  STEP_QUEUE_IDS,
  STEP_QUEUES,
} from '#shared/runtime/config/resource-names.ts';
import type { ScaledService } from '#shared/scaling/service-capacities.ts';
import { oldestAge } from '../services/scaling-signals.ts';
import { SERVICES } from '../services/service-catalogue.ts';
import { clearedPerSecond } from '../task-limits.ts';
import { type AlarmScope, MINUTE } from './alarm-scope.ts';
import { waitingIn } from './queue-metrics.ts';

const OLDEST_SECONDS = 30;
/** What may wait while the other lanes are busy. */
const MAY_WAIT: readonly QueueId[] = [STEP_QUEUES.bronze, 'landing-overflow'];
const OLDEST_OF_THOSE_SECONDS = 3_600;
const CLEARED_WITHIN_SECONDS = 300;

/** The queue that the catalogue names for the service of all lanes. */
function servedWith(queue: QueueId): QueueId {
  if (STEP_QUEUE_IDS.some((id) => id === queue)) return STEP_QUEUES.standard;
  return isLong(queue) ? LONG_QUEUES.standard : queue;
}

export function watchQueue(scope: AlarmScope, queue: QueueId): void {
  scope.raise(
    {
      id: 'dead-letters-waiting',
      runbook: 'messages.md#dead-letters-arrive',
      reason: `Dead letters of ${queue} stay in their queue: the retry-sweeper receives none.`,
      metric: scope.parts.messaging.queues[queue].dead.metricApproximateNumberOfMessagesVisible({
        statistic: cw.Stats.MAXIMUM,
        period: MINUTE,
      }),
      limit: 0,
    },
    `-${queue}`,
  );
  const oldest = MAY_WAIT.includes(queue) ? OLDEST_OF_THOSE_SECONDS : OLDEST_SECONDS;
  scope.raise({
    id: `${queue}-oldest`,
    runbook: 'work.md#work-stands',
    reason: `What came to ${queue} waits for more than ${oldest} s.`,
    metric: oldestAge(scope.stack.fleet.prefix, queue),
    limit: oldest,
  });
  const service = SERVICES.find((entry) => entry.queue === servedWith(queue));
  if (service === undefined) return;
  scope.raise({
    id: `${queue}-depth`,
    runbook: 'work.md#backlog-too-deep',
    reason: `More waits for ${queue} than a usual burst, or than all tasks of ${service.name} clear in five minutes.`,
    metric: waitingIn(scope, queue),
    // What all tasks could clear may be the files of a week: a person wants to know much earlier.
    limit: Math.min(
      scope.stack.fleet.settings.alarms.backlogFiles,
      Math.floor(clearedPerSecond(service.name as ScaledService, scope.stack.size) * CLEARED_WITHIN_SECONDS),
    ),
  });
}

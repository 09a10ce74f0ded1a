/** What came out of queues unhandled, and what does not get to where it is awaited. */
import * as cw from 'aws-cdk-lib/aws-cloudwatch';
import { TOPIC_IDS } from '#shared/runtime/config/resource-names.ts';
import { type AlarmScope, awsMetric, MINUTE } from './alarm-scope.ts';
import { fleetGauge } from './fleet-gauges.ts';
import { taskMetric } from './task-metrics.ts';

/** Of steps that have effects at targets outside. */
const EFFECT_KINDS = ['load', 'post', 'push', 'publish', 'mail'] as const;
export function watchDeadLetters(scope: AlarmScope): void {
  scope.raise({
    id: 'dead-letters-arrive',
    runbook: 'messages.md#dead-letters-arrive',
    reason: 'Messages could not be handled and came to a dead-letter queue.',
    metric: taskMetric(scope.stack.fleet.prefix, 'longshore_dead_letters_total', {
      service: 'retry-sweeper',
      statistic: cw.Stats.SUM,
      periodMinutes: 5,
    }),
    limit: 0,
    minutes: 5,
    periodMinutes: 5,
  });
  scope.raise({
    id: 'parked-dead-letters',
    runbook: 'messages.md#dead-letters-parked',
    reason: 'Messages that nobody could handle wait for a person.',
    metric: fleetGauge(scope.stack.fleet.prefix, 'longshore_parked_dead_letters'),
    limit: 0,
  });
  scope.raise({
    id: 'effects-in-doubt',
    severity: 'page',
    runbook: 'work.md#effects-in-doubt',
    reason: 'Files were sent of which nobody knows whether the target has them.',
    metric: new cw.MathExpression({
      expression: EFFECT_KINDS.map((kind) => `FILL(${kind}, 0)`).join(' + '),
      usingMetrics: Object.fromEntries(
        EFFECT_KINDS.map((kind) => [
          kind,
          fleetGauge(scope.stack.fleet.prefix, 'longshore_effects', { kind, stage: 'UNKNOWN' }),
        ]),
      ),
      period: MINUTE,
    }),
    limit: 0,
  });
  scope.raise({
    id: 'sweeper-silent',
    severity: 'page',
    runbook: 'processes.md#sweeper-silent',
    reason: 'No retry-sweeper has shown its clocks for five minutes: nothing due is woken, no event leaves.',
    metric: fleetGauge(scope.stack.fleet.prefix, 'longshore_outbox_oldest_seconds').with({
      statistic: cw.Stats.SAMPLE_COUNT,
    }),
    // Above every count: only silence raises it.
    limit: 1_000_000,
    minutes: 5,
    silence: cw.TreatMissingData.BREACHING,
  });
  scope.raise({
    id: 'outbox-lag',
    runbook: 'messages.md#outbox-held-back',
    reason: 'Events have waited for their topic for more than a minute.',
    metric: fleetGauge(scope.stack.fleet.prefix, 'longshore_outbox_oldest_seconds'),
    limit: 60,
  });
}

export function watchEvents(scope: AlarmScope): void {
  const { rules, undeliveredEvents } = scope.parts.storage;
  const failed = Object.fromEntries(
    rules.flatMap(({ ruleName: RuleName }, index) =>
      Object.entries({ failed: 'FailedInvocations', aside: 'InvocationsSentToDlq' }).map(([id, name]) => [
        `${id}_${index}`,
        awsMetric('AWS/Events', name, { RuleName }, cw.Stats.SUM),
      ]),
    ),
  );
  scope.raise({
    id: 'events-undelivered',
    severity: 'page',
    runbook: 'aws.md#events-undelivered',
    reason: 'EventBridge could not put an event into the queue landing.',
    metric: new cw.MathExpression({
      expression: [...Object.keys(failed), 'kept'].map((id) => `FILL(${id}, 0)`).join(' + '),
      usingMetrics: {
        ...failed,
        kept: undeliveredEvents.metricApproximateNumberOfMessagesVisible({ period: MINUTE }),
      },
      period: MINUTE,
    }),
    limit: 0,
    minutes: 1,
  });
  for (const topic of TOPIC_IDS) {
    scope.raise(
      {
        id: 'notices-undelivered',
        runbook: 'aws.md#notices-undelivered',
        reason: `A subscriber of the topic ${topic} did not take a notice.`,
        metric: scope.parts.messaging.topics[topic].metricNumberOfNotificationsFailed({ period: MINUTE }),
        limit: 0,
      },
      `-${topic}`,
    );
  }
}

export function watchEvidence(scope: AlarmScope): void {
  scope.raise({
    id: 'evidence-late',
    runbook: 'work.md#evidence-late',
    reason: 'Lines of the audit have not reached the bucket evidence for a quarter of an hour.',
    metric: fleetGauge(scope.stack.fleet.prefix, 'longshore_evidence_lag_seconds'),
    limit: 900,
    minutes: 5,
  });
}

export function watchNotices(scope: AlarmScope): void {
  scope.raise({
    id: 'notices-late',
    runbook: 'messages.md#notices-held-back',
    reason: 'Notices to tenants’ channels have been due for more than two minutes.',
    metric: fleetGauge(scope.stack.fleet.prefix, 'longshore_notices_oldest_due_seconds'),
    limit: 120,
    minutes: 5,
  });
  scope.raise({
    id: 'notices-parked',
    runbook: 'messages.md#notices-parked',
    reason: 'Notices were given up after all their tries and wait for an operator.',
    metric: fleetGauge(scope.stack.fleet.prefix, 'longshore_open_notices', { state: 'parked' }),
    limit: 0,
  });
}

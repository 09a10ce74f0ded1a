/** Files, and the partners and remotes they go through. */
import { Duration } from 'aws-cdk-lib';
import * as cw from 'aws-cdk-lib/aws-cloudwatch';
import { SMALL_FILE_SECONDS } from '#shared/runtime/config/small-file-seconds.ts';
import { type AlarmScope, MINUTE } from './alarm-scope.ts';
import { fleetGauge } from './fleet-gauges.ts';
import { taskMetric, WORKERS } from './task-metrics.ts';

/** Before the end of a remote's certificate. */
const CERTIFICATE_DAYS = 7;
const DAY_SECONDS = 86_400;
/** In five minutes: one bad file of these is not a share. */
const FEW_FILES = 20;

export function watchFiles(scope: AlarmScope): void {
  scope.raise({
    id: 'small-files-slow',
    runbook: 'work.md#small-files-slow',
    reason: `One of twenty small files takes more than ${SMALL_FILE_SECONDS} s from its arrival to its archive.`,
    metric: share(scope, 'longshore_small_files_total', 'pace', { counted: 'late', other: 'in time' }),
    limit: 5,
    minutes: 15,
    periodMinutes: 5,
  });
  scope.raise({
    id: 'files-fail',
    severity: 'page',
    runbook: 'work.md#files-fail',
    reason: 'More than 5 % of the jobs fail that end.',
    metric: share(scope, 'longshore_jobs_total', 'outcome', { counted: 'failed', other: 'succeeded' }),
    limit: 5,
    minutes: 15,
    periodMinutes: 5,
  });
  scope.raise({
    id: 'copies-stalled',
    severity: 'page',
    runbook: 'work.md#copies-stalled',
    reason: 'A copy in parts has moved no byte for a quarter of an hour.',
    metric: fleetGauge(scope.stack.fleet.prefix, 'longshore_copy_still_seconds'),
    limit: 900,
    minutes: 1,
  });
  scope.raise({
    id: 'expiry-overdue',
    runbook: 'work.md#expiry-overdue',
    reason: 'Files or objects whose retention ended more than a day ago are still there.',
    metric: new cw.MathExpression({
      expression: 'MAX([FILL(files, 0), FILL(objects, 0)])',
      usingMetrics: Object.fromEntries(
        ['files', 'objects'].map((what) => [
          what,
          fleetGauge(scope.stack.fleet.prefix, 'longshore_expiry_overdue_seconds', { what }),
        ]),
      ),
      period: MINUTE,
    }),
    limit: DAY_SECONDS,
    minutes: 60,
  });
  scope.raise({
    id: 'breaker-open',
    runbook: 'partners.md#breaker-open',
    reason: 'A partner is let alone since its calls failed.',
    metric: taskMetric(scope.stack.fleet.prefix, 'longshore_record_partner_breaker_open', {
      service: 'partner-worker',
      statistic: cw.Stats.MAXIMUM,
      // It lets a call pass now and then to try: that moment is not a recovery.
      periodMinutes: 5,
    }),
    limit: 0,
    minutes: 10,
    periodMinutes: 5,
  });
}

/** In percent, over all workers, in five minutes; of a handful it says nothing. */
function share(
  scope: AlarmScope,
  name: string,
  label: string,
  { counted, other }: { counted: string; other: string },
): cw.IMetric {
  const sums = WORKERS.flatMap((service, index) =>
    Object.entries({ counted, other }).map(([id, value]) => {
      const options = { service, labels: { [label]: value }, statistic: cw.Stats.SUM, periodMinutes: 5 };
      return [`${id}_${index}`, taskMetric(scope.stack.fleet.prefix, name, options)] as const;
    }),
  );
  const sumOf = (ids: readonly string[]) => ids.map((id) => `FILL(${id}, 0)`).join(' + ');
  const all = sums.map(([id]) => id);
  const those = all.filter((id) => id.startsWith('counted'));
  return new cw.MathExpression({
    expression: `IF(${sumOf(all)} > ${FEW_FILES}, 100 * (${sumOf(those)}) / (${sumOf(all)}), 0)`,
    usingMetrics: Object.fromEntries(sums),
    period: Duration.minutes(5),
  });
}

export function watchRemotes(scope: AlarmScope): void {
  scope.raise({
    id: 'remote-refuses',
    runbook: 'partners.md#remote-refuses',
    reason: 'A remote refused the credentials; nothing is fetched from it or brought to it.',
    metric: fleetGauge(scope.stack.fleet.prefix, 'longshore_remote_breakers_open'),
    limit: 0,
  });
  scope.raise({
    id: 'sources-overdue',
    runbook: 'partners.md#sources-overdue',
    reason: 'A source has not been listed although it is due, or its listing fails again and again.',
    metric: fleetGauge(scope.stack.fleet.prefix, 'longshore_sources_overdue'),
    limit: 0,
    minutes: 15,
  });
  scope.raise({
    id: 'partner-held',
    runbook: 'partners.md#partner-held',
    reason: 'A partner has been paused, or its breaker held open by hand, for more than a day.',
    metric: fleetGauge(scope.stack.fleet.prefix, 'longshore_partner_held_seconds'),
    limit: DAY_SECONDS,
  });
  scope.raise({
    id: 'certificate-ends',
    runbook: 'partners.md#certificate-ends',
    reason: 'The certificate of a remote ends within a week.',
    metric: new cw.MathExpression({
      // Remotes without certificates show nothing.
      expression: `${CERTIFICATE_DAYS} - FILL(days, ${CERTIFICATE_DAYS})`,
      usingMetrics: {
        days: fleetGauge(scope.stack.fleet.prefix, 'longshore_certificate_days').with({ statistic: cw.Stats.MINIMUM }),
      },
      period: MINUTE,
    }),
    limit: 0,
  });
}

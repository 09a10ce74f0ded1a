/** Where tenants and partners come in: the APIs and SFTP. */
import * as cw from 'aws-cdk-lib/aws-cloudwatch';
import { HttpCodeElb, HttpCodeTarget } from 'aws-cdk-lib/aws-elasticloadbalancingv2';
import { FilterPattern, MetricFilter } from 'aws-cdk-lib/aws-logs';
import type { PartnerApisStack } from '../stacks/partner-apis-stack.ts';
import type { SftpLoginsStack } from '../stacks/sftp-logins-stack.ts';
import type { SftpStack } from '../stacks/sftp-stack.ts';
import { type AlarmScope, MINUTE } from './alarm-scope.ts';

export function watchApis(scope: AlarmScope): void {
  const { targets, loadBalancer } = scope.parts.api;
  scope.raise({
    id: 'api-errors',
    severity: 'page',
    runbook: 'doors.md#api-errors',
    reason: 'The control API answers with 5xx, or not at all.',
    metric: new cw.MathExpression({
      expression: 'FILL(target, 0) + FILL(balancer, 0)',
      usingMetrics: {
        target: targets.metrics.httpCodeTarget(HttpCodeTarget.TARGET_5XX_COUNT, { period: MINUTE }),
        balancer: loadBalancer.metrics.httpCodeElb(HttpCodeElb.ELB_5XX_COUNT, { period: MINUTE }),
      },
      period: MINUTE,
    }),
    limit: 5,
  });
  scope.raise({
    id: 'api-latency',
    runbook: 'doors.md#api-slow',
    reason: 'One of twenty requests to the control API takes more than a second.',
    metric: targets.metrics.targetResponseTime({ statistic: 'p95', period: MINUTE }),
    limit: 1,
    minutes: 5,
  });
  if (scope.parts.partnerApis !== undefined) watchPartnerApis(scope, scope.parts.partnerApis);
}

function watchPartnerApis(scope: AlarmScope, { gateway, authorizer }: PartnerApisStack): void {
  scope.raise({
    id: 'partner-api-errors',
    severity: 'page',
    runbook: 'aws.md#gateway-errors',
    reason: 'Partners’ APIs answer with 5xx behind the gateway.',
    metric: gateway.metricServerError({ statistic: cw.Stats.SUM, period: MINUTE }),
    limit: 5,
  });
  scope.raise({
    id: 'partner-api-latency',
    runbook: 'aws.md#gateway-slow',
    reason: 'One of twenty requests to partners’ APIs takes more than five seconds.',
    metric: gateway.metricLatency({ statistic: 'p95', period: MINUTE }),
    limit: 5_000,
    minutes: 5,
  });
  scope.raise({
    id: 'authorizer-throttled',
    severity: 'page',
    runbook: 'aws.md#authorizer-failing',
    reason: 'The authorizer is throttled: calls of partners’ APIs are refused.',
    metric: authorizer.metricThrottles({ period: MINUTE }),
    limit: 0,
  });
  scope.raise({
    id: 'authorizer-slow',
    runbook: 'aws.md#authorizer-failing',
    reason: 'The authorizer takes more than three seconds: the issuer’s keys cannot be read.',
    // A refused token is an error of the function too, so errors say nothing.
    metric: authorizer.metricDuration({ statistic: cw.Stats.MAXIMUM, period: MINUTE }),
    limit: 3_000,
  });
}

export function watchSftp(scope: AlarmScope, { logs }: SftpStack): void {
  const count = (id: string, pattern: string) =>
    new MetricFilter(scope.stack, `sftp-${id}-filter`, {
      logGroup: logs,
      metricNamespace: `Longshore/${scope.stack.fleet.prefix}`,
      metricName: `sftp_${id}`,
      metricValue: '1',
      filterPattern: FilterPattern.literal(pattern),
    }).metric({ statistic: cw.Stats.SUM, period: MINUTE });
  scope.raise({
    id: 'sftp-logins-refused',
    runbook: 'doors.md#logins-refused',
    reason: 'More than five SFTP logins a minute are refused: somebody guesses, or a partner’s key changed.',
    metric: count('auth_failures', '{ $.activity-type = "AUTH_FAILURE" }'),
    limit: 5,
  });
  scope.raise({
    id: 'sftp-session-errors',
    severity: 'page',
    runbook: 'doors.md#uploads-fail',
    reason: 'More than five SFTP sessions a minute end in an error.',
    metric: count('session_errors', '{ ($.activity-type = "ERROR") || ($.activity-type = "PARTIAL_CLOSE") }'),
    limit: 5,
  });
}

export function watchLogins(scope: AlarmScope, { handler }: SftpLoginsStack): void {
  scope.raise({
    id: 'sftp-logins-undecided',
    severity: 'page',
    runbook: 'doors.md#logins-undecided',
    reason: 'SFTP logins fail because the database or the provider of passwords does not answer.',
    // A refused login is not an error of the function.
    metric: handler.metricErrors({ statistic: cw.Stats.SUM, period: MINUTE }),
    limit: 0,
    minutes: 1,
  });
  scope.raise({
    id: 'sftp-logins-throttled',
    runbook: 'doors.md#logins-undecided',
    reason: 'More SFTP logins come at once than the function may decide: some fail.',
    metric: handler.metricThrottles({ statistic: cw.Stats.SUM, period: MINUTE }),
    limit: 0,
  });
}

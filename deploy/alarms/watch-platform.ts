/** What AWS does for the fleet without a request of ours: passwords that change, addresses, certificates, deployments, refusals. */
import { Duration } from 'aws-cdk-lib';
import * as cw from 'aws-cdk-lib/aws-cloudwatch';
import { Match } from 'aws-cdk-lib/aws-events';
import type { FleetStack } from '../stacks/fleet-stack.ts';
import { type AlarmScope, awsMetric, MINUTE } from './alarm-scope.ts';
import { EventNotices, field } from './event-notices.ts';
import { OTHER, SEVERITIES, type Topics } from './severity.ts';

/** A certificate that AWS renews is renewed 60 days before its end. */
const CERTIFICATE_DAYS = 30;
const REFUSALS = 1_000;

export function watchPlatform(scope: AlarmScope): void {
  watchRotation(scope);
  watchAddresses(scope);
  watchFirewall(scope);
  watchCertificates(scope);
  watchReceivers(scope.parts.telemetry.topics, scope.raise);
  reportDeployments(scope.stack, scope.parts.telemetry.topics);
}

function watchRotation(scope: AlarmScope): void {
  const { rotationFunctionName: FunctionName } = scope.parts.data;
  if (FunctionName === undefined) return;
  scope.raise({
    id: 'rotation-failed',
    runbook: 'aws.md#rotation-failed',
    reason: 'The password of the database master could not be changed; the next migration may not sign in.',
    metric: awsMetric('AWS/Lambda', 'Errors', { FunctionName }, cw.Stats.SUM),
    limit: 0,
    minutes: 1,
  });
}

/** A gateway has 55,000 connections to one address at a time. */
function watchAddresses(scope: AlarmScope): void {
  for (const [index, NatGatewayId] of scope.parts.network.natGatewayIds.entries()) {
    scope.raise(
      {
        id: 'nat-exhausted',
        runbook: 'aws.md#nat-exhausted',
        reason: 'A NAT gateway has no port left: calls of partners fail.',
        metric: awsMetric('AWS/NATGateway', 'ErrorPortAllocation', { NatGatewayId }, cw.Stats.SUM),
        limit: 0,
        severity: 'page',
      },
      `-${scope.parts.network.vpc.availabilityZones[index]?.at(-1)}`,
    );
  }
}

function watchFirewall(scope: AlarmScope): void {
  const { prefix, region } = scope.stack.fleet;
  const dimensions = { WebACL: prefix, Region: region, Rule: 'ALL' };
  scope.raise({
    id: 'requests-blocked',
    runbook: 'aws.md#requests-blocked',
    reason: `The firewall refuses more than ${REFUSALS} requests in five minutes: an attack, or a rule that hits a partner.`,
    metric: awsMetric('AWS/WAFV2', 'BlockedRequests', dimensions, cw.Stats.SUM).with({ period: Duration.minutes(5) }),
    limit: REFUSALS,
    minutes: 5,
    periodMinutes: 5,
  });
}

function watchCertificates(scope: AlarmScope): void {
  const certificates = { api: scope.parts.api.certificate, partners: scope.parts.partnerApis?.certificate };
  for (const [name, certificate] of Object.entries(certificates)) {
    if (certificate === undefined) continue;
    scope.raise(
      {
        id: 'door-certificate-ends',
        runbook: 'aws.md#door-certificate-ends',
        reason: `The certificate of ${name} was not renewed and ends within ${CERTIFICATE_DAYS} days.`,
        metric: new cw.MathExpression({
          expression: `${CERTIFICATE_DAYS} - FILL(days, ${CERTIFICATE_DAYS})`,
          usingMetrics: { days: certificate.metricDaysToExpiry({ period: Duration.days(1) }) },
          period: Duration.days(1),
        }),
        limit: 0,
        minutes: 1_440,
        periodMinutes: 1_440,
      },
      `-${name}`,
    );
  }
}

/** Those who are called: an address that nobody confirmed, a pager that refuses. By the other topic, which may have other receivers. */
export function watchReceivers(topics: Topics, raise: AlarmScope['raise']): void {
  for (const severity of SEVERITIES) {
    raise(
      {
        id: 'alarms-undelivered',
        runbook: 'aws.md#alarms-undelivered',
        reason: `A receiver of the topic for a ${severity} did not take what it was sent: somebody was not called.`,
        metric: topics[severity].metricNumberOfNotificationsFailed({ period: MINUTE }),
        limit: 0,
        minutes: 1,
        severity: OTHER[severity],
      },
      `-${severity}`,
    );
  }
}

export function reportDeployments(stack: FleetStack, topics: Topics): void {
  new EventNotices(stack, topics, 'ticket').add({
    name: 'deployment-failed',
    pattern: {
      source: ['aws.ecs'],
      detailType: ['ECS Deployment State Change'],
      detail: { eventName: ['SERVICE_DEPLOYMENT_FAILED'] },
      resources: Match.prefix(
        stack.formatArn({ service: 'ecs', resource: 'service', resourceName: `${stack.fleet.prefix}/` }),
      ),
    },
    text: `ECS, ${field('$.region')}: ${field('$.detail.reason')}`,
    runbook: 'aws.md#deployment-failed',
  });
}

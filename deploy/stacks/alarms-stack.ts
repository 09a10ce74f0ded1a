/**
 * What wakes a person, and the dashboard that is looked at then.
 *
 * 1. Every alarm has a reason, calls the topic of alarms, and names its entry in docs/operations/alerts/README.md.
 * 2. Limits follow from what the services were measured to do, and from the constants of the code.
 */
import { readFileSync } from 'node:fs';
import { Duration } from 'aws-cdk-lib';
import { CfnRuleGroupsNamespace } from 'aws-cdk-lib/aws-aps';
import * as cw from 'aws-cdk-lib/aws-cloudwatch';
import { HttpCodeElb, HttpCodeTarget } from 'aws-cdk-lib/aws-elasticloadbalancingv2';
import { FilterPattern, MetricFilter } from 'aws-cdk-lib/aws-logs';
import type { Construct } from 'constructs';
import { BUCKET_IDS, bucketName, QUEUE_IDS, type QueueId, TOPIC_IDS } from '#shared/runtime/config/resource-names.ts';
import { SMALL_FILE_SECONDS } from '#shared/runtime/config/small-file-seconds.ts';
import type { ScaledService } from '#shared/scaling/service-capacities.ts';
import { fleetGauge } from '../alarms/fleet-gauges.ts';
import { type AlarmOptions, raiseAlarm } from '../alarms/raise-alarm.ts';
import { QUEUE_SERVICES, TASK_METRICS, taskMetric, WORKERS } from '../alarms/task-metrics.ts';
import { oldestAge } from '../services/scaling.ts';
import { SERVICES } from '../services/service-catalogue.ts';
import { databaseConnections } from '../sizes.ts';
import type { ApiStack } from './api-stack.ts';
import type { DataStack } from './data-stack.ts';
import { type Fleet, FleetStack, standbyPrefix } from './fleet-stack.ts';
import type { MessagingStack } from './messaging-stack.ts';
import type { PartnerApisStack } from './partner-apis-stack.ts';
import type { ServicesStack } from './services-stack.ts';
import type { SftpLoginsStack } from './sftp-logins-stack.ts';
import type { SftpStack } from './sftp-stack.ts';
import { REPLICATION_MINUTES, REPLICATION_RULE, type StorageStack } from './storage-stack.ts';
import type { TelemetryStack } from './telemetry-stack.ts';

export interface AlarmedParts {
  readonly data: DataStack;
  readonly messaging: MessagingStack;
  readonly storage: StorageStack;
  readonly services: ServicesStack;
  readonly telemetry: TelemetryStack;
  /** A standby that was brought to work is reached by the other region's server. */
  readonly sftp?: SftpStack;
  readonly logins: SftpLoginsStack;
  readonly api: ApiStack;
  readonly partnerApis?: PartnerApisStack;
}

const RULES = new URL('../prometheus/rules.yaml', import.meta.url);
const MINUTE = Duration.minutes(1);
/** Of steps that have effects at targets outside. */
const EFFECT_KINDS = ['load', 'post', 'push', 'publish', 'mail'] as const;
const OLDEST_SECONDS = 30;
const CLEARED_WITHIN_SECONDS = 300;
/** Before the end of a remote's certificate. */
const CERTIFICATE_DAYS = 7;
/** In five minutes: one bad file of these is no share. */
const FEW_FILES = 20;
/** Queues with an admission window. */
const ADMITTED = ['work', 'partner-steps'] as const satisfies readonly QueueId[];

export class AlarmsStack extends FleetStack {
  readonly #parts: AlarmedParts;
  readonly #alarms: cw.Alarm[] = [];

  constructor(scope: Construct, fleet: Fleet, parts: AlarmedParts) {
    super(scope, 'alarms', fleet);
    this.#parts = parts;
    this.#watchQueues();
    this.#watchDeadLetters();
    this.#watchEvents();
    this.#watchNotices();
    this.#watchFiles();
    this.#watchRemotes();
    this.#watchLeases();
    this.#watchDependencies();
    this.#watchTasks();
    this.#watchDatabase();
    this.#watchStores();
    this.#watchApis();
    if (parts.sftp !== undefined) this.#watchSftp(parts.sftp);
    this.#watchLogins(parts.logins);
    this.#addPrometheusRules();
    this.#createDashboard();
  }

  #raise(options: AlarmOptions, suffix = ''): void {
    this.#alarms.push(raiseAlarm(this, this.#parts.telemetry.alarmTopic, options, suffix));
  }

  #metric(namespace: string, metricName: string, dimensionsMap: Record<string, string>, statistic: string): cw.Metric {
    return new cw.Metric({ namespace, metricName, dimensionsMap, statistic, period: MINUTE });
  }

  #depth(queue: QueueId): cw.IMetric {
    return this.#parts.messaging.queues[queue].main.metricApproximateNumberOfMessagesVisible({
      statistic: cw.Stats.MAXIMUM,
      period: MINUTE,
    });
  }

  /** Of a flood, only a tenant's window is in the queue; the rest waits as rows. */
  #waiting(queue: QueueId): cw.IMetric {
    if (!ADMITTED.some((id) => id === queue)) return this.#depth(queue);
    return new cw.MathExpression({
      expression: 'FILL(visible, 0) + FILL(waiting, 0)',
      usingMetrics: { visible: this.#depth(queue), waiting: this.#waitingRows(queue) },
      period: MINUTE,
    });
  }

  #waitingRows(queue: QueueId): cw.IMetric {
    return fleetGauge(this.fleet.prefix, 'longshore_open_rows', { queue, state: 'waiting for admission' });
  }

  #watchQueues(): void {
    for (const queue of QUEUE_IDS) {
      this.#raise({
        id: `${queue}-oldest`,
        runbook: 'work.md#work-stands',
        reason: `What came to ${queue} waits for more than ${OLDEST_SECONDS} s.`,
        metric: oldestAge(this.fleet.prefix, queue),
        limit: OLDEST_SECONDS,
      });
      const service = SERVICES.find((entry) => entry.queue === queue);
      if (service === undefined) continue;
      this.#raise({
        id: `${queue}-depth`,
        runbook: 'work.md#backlog-too-deep',
        reason: `More waits for ${queue} than a usual burst, or than all tasks of ${service.name} clear in five minutes.`,
        metric: this.#waiting(queue),
        // What all tasks could clear may be the files of a week: a person wants to know much earlier.
        limit: Math.min(
          this.fleet.settings.alarms.backlogFiles,
          Math.floor(this.#parts.services.clearedPerSecond(service.name as ScaledService) * CLEARED_WITHIN_SECONDS),
        ),
      });
    }
  }

  #watchDeadLetters(): void {
    for (const queue of QUEUE_IDS) {
      this.#raise(
        {
          id: 'dead-letters-waiting',
          runbook: 'messages.md#dead-letters-arrive',
          reason: `Dead letters of ${queue} stay in their queue: the retry-sweeper receives none.`,
          metric: this.#parts.messaging.queues[queue].dead.metricApproximateNumberOfMessagesVisible({
            statistic: cw.Stats.MAXIMUM,
            period: MINUTE,
          }),
          limit: 0,
        },
        `-${queue}`,
      );
    }
    this.#raise({
      id: 'dead-letters-arrive',
      runbook: 'messages.md#dead-letters-arrive',
      reason: 'Messages could not be handled and came to a dead-letter queue.',
      metric: taskMetric(this.fleet.prefix, 'longshore_dead_letters_total', {
        service: 'retry-sweeper',
        statistic: cw.Stats.SUM,
        periodMinutes: 5,
      }),
      limit: 0,
      minutes: 5,
      periodMinutes: 5,
    });
    this.#raise({
      id: 'parked-dead-letters',
      runbook: 'messages.md#dead-letters-parked',
      reason: 'Messages that nobody could handle wait for a person.',
      metric: fleetGauge(this.fleet.prefix, 'longshore_parked_dead_letters'),
      limit: 0,
    });
    this.#raise({
      id: 'effects-in-doubt',
      runbook: 'work.md#effects-in-doubt',
      reason: 'Files were sent of which nobody knows whether the target has them.',
      metric: new cw.MathExpression({
        expression: EFFECT_KINDS.map((kind) => `FILL(${kind}, 0)`).join(' + '),
        usingMetrics: Object.fromEntries(
          EFFECT_KINDS.map((kind) => [
            kind,
            fleetGauge(this.fleet.prefix, 'longshore_effects', { kind, stage: 'UNKNOWN' }),
          ]),
        ),
        period: MINUTE,
      }),
      limit: 0,
    });
    this.#raise({
      id: 'sweeper-silent',
      runbook: 'processes.md#sweeper-silent',
      reason: 'No retry-sweeper has shown its clocks for five minutes: nothing due is woken, no event leaves.',
      metric: fleetGauge(this.fleet.prefix, 'longshore_outbox_oldest_seconds').with({
        statistic: cw.Stats.SAMPLE_COUNT,
      }),
      // Above every count: only silence raises it.
      limit: 1_000_000,
      minutes: 5,
      silence: cw.TreatMissingData.BREACHING,
    });
    this.#raise({
      id: 'outbox-lag',
      runbook: 'messages.md#outbox-held-back',
      reason: 'Events have waited for their topic for more than a minute.',
      metric: fleetGauge(this.fleet.prefix, 'longshore_outbox_oldest_seconds'),
      limit: 60,
    });
  }

  #watchEvents(): void {
    const { rules, undeliveredEvents } = this.#parts.storage;
    const failed = Object.fromEntries(
      rules.flatMap(({ ruleName: RuleName }, index) =>
        Object.entries({ failed: 'FailedInvocations', aside: 'InvocationsSentToDlq' }).map(([id, name]) => [
          `${id}_${index}`,
          this.#metric('AWS/Events', name, { RuleName }, cw.Stats.SUM),
        ]),
      ),
    );
    this.#raise({
      id: 'events-undelivered',
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
      this.#raise(
        {
          id: 'notices-undelivered',
          runbook: 'aws.md#notices-undelivered',
          reason: `A subscriber of the topic ${topic} did not take a notice.`,
          metric: this.#parts.messaging.topics[topic].metricNumberOfNotificationsFailed({ period: MINUTE }),
          limit: 0,
        },
        `-${topic}`,
      );
    }
  }

  #watchNotices(): void {
    this.#raise({
      id: 'notices-late',
      runbook: 'messages.md#notices-held-back',
      reason: 'Notices to tenants’ channels have been due for more than two minutes.',
      metric: fleetGauge(this.fleet.prefix, 'longshore_notices_oldest_due_seconds'),
      limit: 120,
      minutes: 5,
    });
    this.#raise({
      id: 'notices-parked',
      runbook: 'messages.md#notices-parked',
      reason: 'Notices were given up after all their tries and wait for an operator.',
      metric: fleetGauge(this.fleet.prefix, 'longshore_open_notices', { state: 'parked' }),
      limit: 0,
    });
  }

  #watchFiles(): void {
    this.#raise({
      id: 'small-files-slow',
      runbook: 'work.md#small-files-slow',
      reason: `One of twenty small files takes more than ${SMALL_FILE_SECONDS} s from its arrival to its archive.`,
      metric: this.#share('longshore_small_files_total', 'pace', { counted: 'late', other: 'in time' }),
      limit: 5,
      minutes: 15,
      periodMinutes: 5,
    });
    this.#raise({
      id: 'files-fail',
      runbook: 'work.md#files-fail',
      reason: 'More than 5 % of the jobs fail that end.',
      metric: this.#share('longshore_jobs_total', 'outcome', { counted: 'failed', other: 'succeeded' }),
      limit: 5,
      minutes: 15,
      periodMinutes: 5,
    });
    this.#raise({
      id: 'copies-stalled',
      runbook: 'work.md#copies-stalled',
      reason: 'A copy in parts has moved no byte for a quarter of an hour.',
      metric: fleetGauge(this.fleet.prefix, 'longshore_copy_still_seconds'),
      limit: 900,
      minutes: 1,
    });
    this.#raise({
      id: 'breaker-open',
      runbook: 'partners.md#breaker-open',
      reason: 'A partner is let alone since its calls failed.',
      metric: taskMetric(this.fleet.prefix, 'longshore_record_partner_breaker_open', {
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
  #share(name: string, label: string, { counted, other }: { counted: string; other: string }): cw.IMetric {
    const sums = WORKERS.flatMap((service, index) =>
      Object.entries({ counted, other }).map(([id, value]) => {
        const options = { service, labels: { [label]: value }, statistic: cw.Stats.SUM, periodMinutes: 5 };
        return [`${id}_${index}`, taskMetric(this.fleet.prefix, name, options)] as const;
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

  #watchRemotes(): void {
    this.#raise({
      id: 'remote-refuses',
      runbook: 'partners.md#remote-refuses',
      reason: 'A remote refused the credentials; nothing is fetched from it or brought to it.',
      metric: fleetGauge(this.fleet.prefix, 'longshore_remote_breakers_open'),
      limit: 0,
    });
    this.#raise({
      id: 'sources-overdue',
      runbook: 'partners.md#sources-overdue',
      reason: 'A source has not been listed although it is due, or its listing fails again and again.',
      metric: fleetGauge(this.fleet.prefix, 'longshore_sources_overdue'),
      limit: 0,
      minutes: 15,
    });
    this.#raise({
      id: 'certificate-ends',
      runbook: 'partners.md#certificate-ends',
      reason: 'The certificate of a remote ends within a week.',
      metric: new cw.MathExpression({
        // Remotes without certificates show nothing.
        expression: `${CERTIFICATE_DAYS} - FILL(days, ${CERTIFICATE_DAYS})`,
        usingMetrics: {
          days: fleetGauge(this.fleet.prefix, 'longshore_certificate_days').with({ statistic: cw.Stats.MINIMUM }),
        },
        period: MINUTE,
      }),
      limit: 0,
    });
  }

  #watchLeases(): void {
    for (const service of QUEUE_SERVICES) {
      const names = TASK_METRICS.filter(
        ({ name, services }) => name.endsWith('leases_lost_total') && services.includes(service),
      ).map(({ name }) => name);
      this.#raise(
        {
          id: 'leases-lost',
          runbook: 'messages.md#leases-lost',
          reason: `Tasks of ${service} lose more than one lease a minute: they are too slow to keep what they hold.`,
          metric: new cw.MathExpression({
            expression: names.map((_, index) => `FILL(lost_${index}, 0)`).join(' + '),
            usingMetrics: Object.fromEntries(
              names.map((name, index) => [
                `lost_${index}`,
                taskMetric(this.fleet.prefix, name, { service, statistic: cw.Stats.SUM }),
              ]),
            ),
            period: MINUTE,
          }),
          limit: 1,
          minutes: 10,
        },
        `-${service}`,
      );
    }
  }

  #watchDependencies(): void {
    for (const service of QUEUE_SERVICES) {
      this.#raise(
        {
          id: 'dependency-faults',
          runbook: 'processes.md#dependency-faults',
          reason: `Requests of ${service} to S3 or SQS are throttled or time out, all the time.`,
          metric: taskMetric(this.fleet.prefix, 'longshore_dependency_faults_total', {
            service,
            statistic: cw.Stats.SUM,
            periodMinutes: 2,
          }),
          limit: 0,
          minutes: 10,
          periodMinutes: 2,
        },
        `-${service}`,
      );
      this.#raise(
        {
          id: 'database-late',
          runbook: 'processes.md#database-answers-late',
          reason: `Statements of ${service} wait for the database: its connections are taken, or it is slow.`,
          metric: taskMetric(this.fleet.prefix, 'longshore_database_answer_seconds', {
            service,
            statistic: cw.Stats.MAXIMUM,
          }),
          limit: 1,
          minutes: 5,
        },
        `-${service}`,
      );
    }
  }

  #watchTasks(): void {
    for (const { name } of SERVICES) {
      const service = this.#parts.services.services[name];
      const reason = (what: string) => `Tasks of ${name} use more than 80 % of their ${what}.`;
      this.#raise(
        {
          id: 'task-processor',
          runbook: 'processes.md#processor-busy',
          reason: reason('processor'),
          metric: service.metricCpuUtilization({ period: MINUTE }),
          limit: 80,
          minutes: 10,
        },
        `-${name}`,
      );
      this.#raise(
        {
          id: 'task-memory',
          runbook: 'processes.md#memory-high',
          reason: reason('memory'),
          metric: service.metricMemoryUtilization({ period: MINUTE }),
          limit: 80,
          minutes: 5,
        },
        `-${name}`,
      );
    }
  }

  #watchDatabase(): void {
    const { cluster } = this.#parts.data;
    this.#raise({
      id: 'database-connections',
      runbook: 'processes.md#database-connections-high',
      reason: 'Four fifths of the database’s connections are taken.',
      metric: cluster.metricDatabaseConnections({ statistic: cw.Stats.MAXIMUM, period: MINUTE }),
      limit: Math.floor(databaseConnections(this.size) * 0.8),
    });
    this.#raise({
      id: 'database-capacity',
      runbook: 'aws.md#database-at-its-largest',
      reason: 'The database has grown to nine tenths of its largest size.',
      metric: cluster.metricACUUtilization({ period: MINUTE }),
      limit: 90,
      minutes: 10,
    });
  }

  #watchStores(): void {
    for (const bucket of BUCKET_IDS) {
      const { bucketName: name } = this.#parts.storage.buckets[bucket];
      this.#raise(
        {
          id: 'store-errors',
          runbook: 'aws.md#store-errors',
          reason: `Requests to the bucket ${bucket} are throttled or fail.`,
          metric: this.#metric('AWS/S3', '5xxErrors', { BucketName: name, FilterId: 'EntireBucket' }, cw.Stats.SUM),
          limit: 0,
          minutes: 5,
        },
        `-${bucket}`,
      );
    }
    if (this.isHome && this.fleet.settings.homes.length === 2) this.#watchReplication();
  }

  /** Shown where the source is. */
  #watchReplication(): void {
    for (const bucket of BUCKET_IDS) {
      const dimensions = {
        SourceBucket: bucketName(this.fleet.prefix, bucket),
        DestinationBucket: bucketName(standbyPrefix(this.fleet.prefix), bucket),
        RuleId: REPLICATION_RULE,
      };
      this.#raise(
        {
          id: 'replication-failed',
          runbook: 'aws.md#replication-failed',
          reason: `Objects of the bucket ${bucket} were not copied to the other region.`,
          metric: this.#metric('AWS/S3', 'OperationsFailedReplication', dimensions, cw.Stats.SUM),
          limit: 0,
          minutes: 1,
        },
        `-${bucket}`,
      );
      this.#raise(
        {
          id: 'replication-late',
          runbook: 'aws.md#replication-late',
          reason: `Copies of the bucket ${bucket} come to the other region more than ${REPLICATION_MINUTES} minutes late.`,
          metric: this.#metric('AWS/S3', 'ReplicationLatency', dimensions, cw.Stats.MAXIMUM),
          limit: REPLICATION_MINUTES * 60,
          minutes: 5,
        },
        `-${bucket}`,
      );
    }
  }

  #watchApis(): void {
    const { targets, loadBalancer } = this.#parts.api;
    this.#raise({
      id: 'api-errors',
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
    this.#raise({
      id: 'api-latency',
      runbook: 'doors.md#api-slow',
      reason: 'One of twenty requests to the control API takes more than a second.',
      metric: targets.metrics.targetResponseTime({ statistic: 'p95', period: MINUTE }),
      limit: 1,
      minutes: 5,
    });
    if (this.#parts.partnerApis !== undefined) this.#watchPartnerApis(this.#parts.partnerApis);
  }

  #watchPartnerApis({ gateway, authorizer }: PartnerApisStack): void {
    this.#raise({
      id: 'partner-api-errors',
      runbook: 'aws.md#gateway-errors',
      reason: 'Partners’ APIs answer with 5xx behind the gateway.',
      metric: gateway.metricServerError({ statistic: cw.Stats.SUM, period: MINUTE }),
      limit: 5,
    });
    this.#raise({
      id: 'partner-api-latency',
      runbook: 'aws.md#gateway-slow',
      reason: 'One of twenty requests to partners’ APIs takes more than five seconds.',
      metric: gateway.metricLatency({ statistic: 'p95', period: MINUTE }),
      limit: 5_000,
      minutes: 5,
    });
    this.#raise({
      id: 'authorizer-throttled',
      runbook: 'aws.md#authorizer-failing',
      reason: 'The authorizer is throttled: calls of partners’ APIs are refused.',
      metric: authorizer.metricThrottles({ period: MINUTE }),
      limit: 0,
    });
    this.#raise({
      id: 'authorizer-slow',
      runbook: 'aws.md#authorizer-failing',
      reason: 'The authorizer takes more than three seconds: the issuer’s keys cannot be read.',
      // A refused token is an error of the function too, so errors say nothing.
      metric: authorizer.metricDuration({ statistic: cw.Stats.MAXIMUM, period: MINUTE }),
      limit: 3_000,
    });
  }

  #watchSftp({ logs }: SftpStack): void {
    const count = (id: string, pattern: string) =>
      new MetricFilter(this, `sftp-${id}-filter`, {
        logGroup: logs,
        metricNamespace: `Longshore/${this.fleet.prefix}`,
        metricName: `sftp_${id}`,
        metricValue: '1',
        filterPattern: FilterPattern.literal(pattern),
      }).metric({ statistic: cw.Stats.SUM, period: MINUTE });
    this.#raise({
      id: 'sftp-logins-refused',
      runbook: 'doors.md#logins-refused',
      reason: 'More than five SFTP logins a minute are refused: somebody guesses, or a partner’s key changed.',
      metric: count('auth_failures', '{ $.activity-type = "AUTH_FAILURE" }'),
      limit: 5,
    });
    this.#raise({
      id: 'sftp-session-errors',
      runbook: 'doors.md#uploads-fail',
      reason: 'More than five SFTP sessions a minute end in an error.',
      metric: count('session_errors', '{ ($.activity-type = "ERROR") || ($.activity-type = "PARTIAL_CLOSE") }'),
      limit: 5,
    });
  }

  #watchLogins({ handler }: SftpLoginsStack): void {
    this.#raise({
      id: 'sftp-logins-undecided',
      runbook: 'doors.md#logins-undecided',
      reason: 'SFTP logins fail because the database or the provider of passwords does not answer.',
      // A refused login is not an error of the function.
      metric: handler.metricErrors({ statistic: cw.Stats.SUM, period: MINUTE }),
      limit: 0,
      minutes: 1,
    });
    this.#raise({
      id: 'sftp-logins-throttled',
      runbook: 'doors.md#logins-undecided',
      reason: 'More SFTP logins come at once than the function may decide: some fail.',
      metric: handler.metricThrottles({ statistic: cw.Stats.SUM, period: MINUTE }),
      limit: 0,
    });
  }

  #addPrometheusRules(): void {
    new CfnRuleGroupsNamespace(this, 'Rules', {
      name: 'longshore',
      workspace: this.#parts.telemetry.workspace.attrArn,
      // The same rules that a Prometheus of one's own takes.
      data: readFileSync(RULES, 'utf8'),
    });
  }

  #createDashboard(): void {
    const { prefix } = this.fleet;
    const { services, data, api } = this.#parts;
    const graph = (title: string, left: cw.IMetric[], right: cw.IMetric[] = []) =>
      new cw.GraphWidget({ title, left, right, width: 12, height: 6 });
    const cpu = SERVICES.map(({ name }) =>
      services.services[name].metricCpuUtilization({ label: name, period: MINUTE }),
    );
    const memory = SERVICES.map(({ name }) =>
      services.services[name].metricMemoryUtilization({ label: name, period: MINUTE }),
    );
    const tasks = SERVICES.map(({ name }) =>
      this.#metric(
        'ECS/ContainerInsights',
        'RunningTaskCount',
        { ClusterName: prefix, ServiceName: name },
        cw.Stats.AVERAGE,
      ).with({ label: name }),
    );
    const waiting = ADMITTED.map((queue) => this.#waitingRows(queue));
    new cw.Dashboard(this, 'Dashboard', {
      dashboardName: prefix,
      defaultInterval: Duration.hours(3),
      widgets: [
        [new cw.AlarmStatusWidget({ title: 'Alarms', alarms: this.#alarms, width: 24, height: 5 })],
        [
          graph(
            'Messages in queues',
            QUEUE_IDS.map((queue) => this.#depth(queue)),
            waiting,
          ),
          graph(
            'Oldest (s)',
            QUEUE_IDS.map((queue) => oldestAge(prefix, queue).with({ label: queue })),
          ),
        ],
        [graph('Tasks', tasks), graph('Processor and memory (%)', cpu, memory)],
        [
          graph(
            'Database',
            [data.cluster.metricDatabaseConnections({ period: MINUTE })],
            [data.cluster.metricACUUtilization({ period: MINUTE })],
          ),
          graph(
            'Control API',
            [api.loadBalancer.metrics.requestCount({ period: MINUTE })],
            [api.targets.metrics.targetResponseTime({ statistic: 'p95', period: MINUTE })],
          ),
        ],
      ],
    });
  }
}

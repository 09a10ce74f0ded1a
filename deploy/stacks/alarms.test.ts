import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Template } from 'aws-cdk-lib/assertions';
import { beforeAll, expect, test } from 'vitest';
import { parse } from 'yaml';
import { BUCKET_IDS, QUEUE_IDS, TOPIC_IDS } from '#shared/runtime/config/resource-names.ts';
import { anchorsOf } from '#testkit/checks/anchors-of.ts';
import { registeredMetrics } from '#testkit/checks/registered-metrics.ts';
import { FLEET_GAUGES } from '../alarms/fleet-gauges.ts';
import { PAGED_BY_CLOUDWATCH } from '../alarms/severity.ts';
import { QUEUE_SERVICES, TASK_METRICS } from '../alarms/task-metrics.ts';
import { collectorConfiguration } from '../services/collector-configuration.ts';
import { SERVICES } from '../services/service-catalogue.ts';
import { readSettings } from '../settings.ts';
import { resourcesOf, synthesise } from '../synthesise-test-bed.ts';

const PREFIX = 'example-ls-east';
const NO_FILES = { counted_0: undefined, other_0: undefined, counted_1: undefined, other_1: undefined };
const read = (path: string) => readFileSync(new URL(path, import.meta.url), 'utf8');
const settings = readSettings(fileURLToPath(new URL('../settings/prod.yaml', import.meta.url)));
let template: Template;
// biome-ignore lint/suspicious/noExplicitAny: a template is JSON of whatever shape its resource has
let alarms: any[];
let telemetry: Template;

beforeAll(() => {
  const templates = synthesise(settings);
  template = templates.get(`${PREFIX}-alarms`)!;
  telemetry = templates.get(`${PREFIX}-telemetry`)!;
  alarms = resourcesOf(template, 'AWS::CloudWatch::Alarm').map(({ Properties }) => Properties);
}, 300_000);

const names = () => alarms.map(({ AlarmName }) => AlarmName.slice(PREFIX.length + 1)).sort();

test('every alarm has a reason, calls somebody, and leads to its section of the runbook', () => {
  for (const { AlarmName, AlarmDescription, AlarmActions, OKActions } of alarms) {
    const [, reason, page, anchor] =
      /^(.{20,}\.) What to do: docs\/operations\/alerts\/([a-z-]+\.md)#([a-z-]+)$/.exec(AlarmDescription) ?? [];
    expect(reason, AlarmName).toBeDefined();
    expect(anchorsOf(read(`../../docs/operations/alerts/${page}`)), AlarmName).toContain(anchor);
    expect(AlarmActions).toHaveLength(1);
    expect(OKActions).toHaveLength(1);
  }
  telemetry.hasResourceProperties('AWS::SNS::Subscription', { Protocol: 'email' });
});

test('whatever can go wrong is watched', () => {
  expect(names()).toEqual(
    [
      ...QUEUE_IDS.flatMap((id) => [`${id}-oldest`, `dead-letters-waiting-${id}`]),
      ...SERVICES.flatMap(({ queue }) => (queue === undefined ? [] : [`${queue}-depth`])),
      ...['platinum-steps-depth', 'bronze-steps-depth', 'platinum-work-depth'],
      ...SERVICES.map(({ name }) => `task-memory-${name}`),
      // Copies take all of a processor.
      ...SERVICES.flatMap(({ name }) => (name === 'large-file-worker' ? [] : [`task-processor-${name}`])),
      ...BUCKET_IDS.flatMap((id) => [`store-errors-${id}`, `replication-failed-${id}`, `replication-late-${id}`]),
      ...TOPIC_IDS.map((id) => `notices-undelivered-${id}`),
      ...QUEUE_SERVICES.flatMap((name) => [
        `leases-lost-${name}`,
        `dependency-faults-${name}`,
        `database-late-${name}`,
      ]),
      'small-files-slow',
      'files-fail',
      'copies-stalled',
      'expiry-overdue',
      'breaker-open',
      'remote-refuses',
      'sources-overdue',
      'partner-held',
      'certificate-ends',
      'notices-late',
      'evidence-late',
      'notices-parked',
      'dead-letters-arrive',
      'parked-dead-letters',
      'effects-in-doubt',
      'sweeper-silent',
      'outbox-lag',
      'events-undelivered',
      'database-connections',
      'database-capacity',
      'api-errors',
      'api-latency',
      'partner-api-errors',
      'partner-api-latency',
      'authorizer-throttled',
      'authorizer-slow',
      'sftp-logins-refused',
      'sftp-logins-throttled',
      'sftp-logins-undecided',
      'sftp-session-errors',
      'rotation-failed',
      ...['nat-exhausted-a', 'nat-exhausted-b', 'nat-exhausted-c'],
      'requests-blocked',
      'alarms-undelivered-page',
      'alarms-undelivered-ticket',
      'report-undelivered-deployment-failed',
      'door-certificate-ends-api',
      'door-certificate-ends-partners',
    ].sort(),
  );
});

test('waiting over 30 s calls, by the age of messages where nothing is long, by that of rows elsewhere', () => {
  const oldest = (id: string) => alarms.find(({ AlarmName }) => AlarmName === `${PREFIX}-${id}-oldest`);
  expect(oldest('landing')).toMatchObject({
    Namespace: 'AWS/SQS',
    MetricName: 'ApproximateAgeOfOldestMessage',
    Threshold: 30,
  });
  expect(oldest('work')).toMatchObject({
    Namespace: `Longshore/${PREFIX}`,
    MetricName: 'longshore_oldest_due_seconds',
    Threshold: 30,
  });
  expect(oldest('platinum-steps')).toMatchObject({ Threshold: 30 });
  expect(oldest('bronze-steps')).toMatchObject({ Threshold: 3_600 });
});

test('a backlog is what stands in the queue and, where there is a window before it, what waits outside', () => {
  const asked = (id: string) => {
    const { MetricName, Metrics = [] } = alarms.find(({ AlarmName }) => AlarmName === `${PREFIX}-${id}-depth`);
    return [
      MetricName,
      ...Metrics.map(
        ({ MetricStat }: { MetricStat?: { Metric: { MetricName: string } } }) => MetricStat?.Metric.MetricName,
      ),
    ]
      .filter((name) => name !== undefined)
      .sort();
  };
  const visible = 'ApproximateNumberOfMessagesVisible';
  expect(asked('landing')).toEqual([visible]);
  expect(asked('ingest')).toEqual([visible]);
  expect(asked('work')).toEqual([visible, 'longshore_open_rows']);
  expect(asked('partner-steps')).toEqual([visible, 'longshore_open_rows']);
});

test('an event of either rule that the queue did not take calls', () => {
  const { Metrics } = alarms.find(({ AlarmName }) => AlarmName === `${PREFIX}-events-undelivered`);
  const read = Metrics.flatMap(({ Id, MetricStat }: { Id: string; MetricStat?: { Metric: { MetricName: string } } }) =>
    MetricStat === undefined ? [] : [{ id: Id, name: MetricStat.Metric.MetricName }],
  );
  expect(read.map(({ name }: { name: string }) => name).sort()).toEqual([
    'ApproximateNumberOfMessagesVisible',
    'FailedInvocations',
    'FailedInvocations',
    'InvocationsSentToDlq',
    'InvocationsSentToDlq',
  ]);
  const { Expression } = Metrics.find(({ Expression: found }: { Expression?: string }) => found !== undefined);
  for (const { id } of read) expect(Expression).toContain(`FILL(${id}, 0)`);
});

test('a silent sweeper is an alarm, although it reports nothing', () => {
  const silent = alarms.find(({ AlarmName }) => AlarmName === `${PREFIX}-sweeper-silent`);
  expect(silent.TreatMissingData).toBe('breaching');
});

test('gauges that CloudWatch is given are shown by the sweeper, with these labels', async () => {
  const known = new Map((await registeredMetrics()).map((metric) => [metric.name, metric]));
  for (const { name, labels } of FLEET_GAUGES) {
    expect(known.get(name), name).toMatchObject({ labels, processes: expect.arrayContaining(['retry-sweeper']) });
  }
});

test('what CloudWatch is given of tasks is shown by them, with these labels', async () => {
  const known = new Map((await registeredMetrics()).map((metric) => [metric.name, metric]));
  for (const { name, labels, services, only } of TASK_METRICS) {
    const metric = known.get(name);
    expect(metric?.processes, name).toEqual(expect.arrayContaining([...services]));
    expect(metric?.labels, name).toEqual(
      expect.arrayContaining([...labels, ...(only === undefined ? [] : [only.label])]),
    );
    expect(metric?.type, name).not.toBe('histogram');
  }
});

test('every alarm on a metric of ours asks for one that a collector gives CloudWatch, by those dimensions', () => {
  const asked = alarms.flatMap(({ AlarmName, Metrics = [], ...alarm }) =>
    [alarm, ...Metrics.map(({ MetricStat }: { MetricStat?: { Metric: unknown } }) => MetricStat?.Metric ?? {})]
      .filter(({ Namespace }) => Namespace === `Longshore/${PREFIX}`)
      .filter(({ MetricName }) => !MetricName.startsWith('sftp_'))
      .map(({ MetricName, Dimensions }) => ({ AlarmName, MetricName, Dimensions })),
  );
  expect(asked.length).toBeGreaterThan(25);
  for (const { AlarmName, MetricName, Dimensions } of asked) {
    const dimensions = new Map<string, string>(
      Dimensions.map(({ Name, Value }: { Name: string; Value: string }) => [Name, Value]),
    );
    const options = { port: 1, region: 'r', remoteWriteUrl: 'u', namespace: 'n', logGroupName: 'l' };
    const { exporters } = collectorConfiguration({ ...options, service: dimensions.get('service') ?? '' }) as {
      readonly exporters: {
        readonly awsemf?: {
          readonly metric_declarations: readonly {
            readonly dimensions: readonly (readonly string[])[];
            readonly metric_name_selectors: readonly string[];
            readonly label_matchers?: readonly { readonly label_names: readonly string[]; readonly regex: string }[];
          }[];
        };
      };
    };
    const given = exporters.awsemf?.metric_declarations.find(({ metric_name_selectors: [selector = ''] }) =>
      new RegExp(selector).test(MetricName),
    );
    expect(
      given?.dimensions.map((one) => [...one].sort()),
      AlarmName,
    ).toEqual([[...dimensions.keys()].sort()]);
    for (const { label_names, regex } of given?.label_matchers ?? []) {
      expect(dimensions.get(label_names[0] ?? ''), AlarmName).toMatch(new RegExp(regex));
    }
  }
});

test('over a twentieth of the small files late calls, in percent and not of a handful', () => {
  const slow = alarms.find(({ AlarmName }) => AlarmName === `${PREFIX}-small-files-slow`);
  expect(slow).toMatchObject({ Threshold: 5, EvaluationPeriods: 3, TreatMissingData: 'notBreaching' });
  const expression = slow.Metrics.find(
    ({ Expression }: { Expression?: string }) => Expression !== undefined,
  ).Expression;
  // As CloudWatch computes it: FILL and IF are arithmetic here.
  const percent = (values: Readonly<Record<string, number | undefined>>): number =>
    Function(
      ...Object.keys(NO_FILES),
      'FILL',
      'IF',
      `return ${expression}`,
    )(
      ...Object.keys(NO_FILES).map((id) => values[id]),
      (value: number | undefined, instead: number) => value ?? instead,
      (condition: boolean, yes: number, no: number) => (condition ? yes : no),
    );
  expect(percent(NO_FILES)).toBe(0);
  expect(percent({ counted_0: 6, other_0: 94 })).toBe(6);
  expect(percent({ counted_0: 1, other_0: 49, counted_1: 4, other_1: 46 })).toBe(5);
  expect(percent({ counted_0: 2, other_0: 3 })).toBe(0);
});

test('docs/operations/alerts/README.md names every alarm and every rule next to each other', () => {
  const page = read('../../docs/operations/alerts/README.md');
  const [, table = ''] = page.split('## On AWS');
  const named = [...table.matchAll(/`([\w<>-]+)`/g)].map(
    ([, name = '']) => new RegExp(`^${name.replaceAll(/<\w+>/g, '[a-z-]+')}$`),
  );
  const rules = [...read('../prometheus/rules.yaml').matchAll(/alert: (\w+)/g)].map(([, name = '']) => name);
  expect(rules.length).toBeGreaterThan(30);
  expect([...names(), ...rules].filter((name) => !named.some((pattern) => pattern.test(name)))).toEqual([]);
});

test('what pages is the pager’s, once; what can wait is not', () => {
  const topicOf = (id: string) =>
    JSON.stringify(alarms.find(({ AlarmName }) => AlarmName === `${PREFIX}-${id}`).AlarmActions);
  expect(topicOf('sweeper-silent')).toMatch(/OutputRefAlarms/);
  expect(topicOf('landing-oldest')).toMatch(/OutputRefTickets/);
  const rules = parse(read('../prometheus/rules.yaml')) as {
    readonly groups: readonly { readonly rules: readonly { readonly alert?: string; readonly labels?: object }[] }[];
  };
  const paging = rules.groups.flatMap((group) =>
    group.rules.flatMap(({ alert, labels }) => (alert && JSON.stringify(labels).includes('page') ? [alert] : [])),
  );
  expect(paging).toEqual(expect.arrayContaining([...PAGED_BY_CLOUDWATCH]));
  const [workspace] = resourcesOf(telemetry, 'AWS::APS::Workspace');
  expect(JSON.stringify(workspace?.Properties.AlertManagerDefinition)).toContain(PAGED_BY_CLOUDWATCH.join('|'));
});

test('people are told what happened and where to read what to do', () => {
  const [workspace] = resourcesOf(telemetry, 'AWS::APS::Workspace');
  const text = JSON.stringify(workspace?.Properties.AlertManagerDefinition);
  const { groups } = parse(read('../prometheus/rules.yaml')) as {
    readonly groups: readonly { readonly rules: readonly { readonly annotations?: Record<string, string> }[] }[];
  };
  const annotations = new Set(
    groups.flatMap(({ rules }) => rules.flatMap((rule) => Object.keys(rule.annotations ?? {}))),
  );
  const named = new Set([...text.matchAll(/\.Annotations\.(\w+)/g)].map(([, name]) => name));
  expect([...named].sort()).toEqual([...annotations].sort());
});

test('the rules of Prometheus are those of the repository, and the dashboard shows every alarm', () => {
  template.hasResourceProperties('AWS::APS::RuleGroupsNamespace', { Data: read('../prometheus/rules.yaml') });
  template.hasResourceProperties('AWS::CloudWatch::Dashboard', { DashboardName: PREFIX });
  telemetry.hasResourceProperties('AWS::APS::Workspace', { Alias: PREFIX });
});

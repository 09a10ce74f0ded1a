import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Template } from 'aws-cdk-lib/assertions';
import { beforeAll, expect, test } from 'vitest';
import { BUCKET_IDS, QUEUE_IDS, TOPIC_IDS } from '#shared/config/resource-names.ts';
import { registeredMetrics } from '../../test/support/registered-metrics.ts';
import { FLEET_GAUGES } from '../alarms/fleet-gauges.ts';
import { SERVICES } from '../services/service-catalogue.ts';
import { readSettings } from '../settings.ts';
import { resourcesOf, synthesise } from '../synthesise-test-bed.ts';

const PREFIX = 'example-ls-dev';
const read = (path: string) => readFileSync(new URL(path, import.meta.url), 'utf8');
const settings = readSettings(fileURLToPath(new URL('../settings/dev.yaml', import.meta.url)));
let template: Template;
// biome-ignore lint/suspicious/noExplicitAny: a template is JSON of whatever shape its resource has
let alarms: any[];
let telemetry: Template;

beforeAll(() => {
  const partnerApis = {
    backendUrl: 'https://partners.example',
    issuer: 'https://login.example/',
    audience: 'partners',
    jwksUrl: 'https://login.example/jwks.json',
    rules: [{ method: 'POST', path: '/validation', scopes: ['rfi.validate'] }],
  };
  const templates = synthesise({ ...settings, partnerApis, alarms: { emails: ['a@longshore.example'], urls: [] } });
  template = templates.get(`${PREFIX}-alarms`)!;
  telemetry = templates.get(`${PREFIX}-telemetry`)!;
  alarms = resourcesOf(template, 'AWS::CloudWatch::Alarm').map(({ Properties }) => Properties);
}, 300_000);

const names = () => alarms.map(({ AlarmName }) => AlarmName.slice(PREFIX.length + 1)).sort();

test('every alarm has a reason, calls somebody, and leads to its section of the runbook', () => {
  const anchors = [...read('../../docs/runbook.md').matchAll(/^### (.+)$/gm)].map(([, heading = '']) =>
    heading.toLowerCase().replaceAll(' ', '-'),
  );
  for (const { AlarmName, AlarmDescription, AlarmActions, OKActions } of alarms) {
    const [, reason, anchor] = /^(.{20,}\.) What to do: docs\/runbook\.md#([a-z-]+)$/.exec(AlarmDescription) ?? [];
    expect(reason, AlarmName).toBeDefined();
    expect(anchors, AlarmName).toContain(anchor);
    expect(AlarmActions).toHaveLength(1);
    expect(OKActions).toHaveLength(1);
  }
  telemetry.hasResourceProperties('AWS::SNS::Subscription', { Protocol: 'email' });
});

test('whatever can go wrong is watched', () => {
  expect(names()).toEqual(
    [
      ...QUEUE_IDS.flatMap((id) => [`${id}-oldest`, `${id}-depth`, `dead-letters-waiting-${id}`]),
      ...SERVICES.flatMap(({ name }) => [`task-processor-${name}`, `task-memory-${name}`]),
      ...BUCKET_IDS.map((id) => `store-errors-${id}`),
      ...TOPIC_IDS.map((id) => `notices-undelivered-${id}`),
      'parked-dead-letters',
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
      'sftp-session-errors',
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

test('the rules of Prometheus are those of the repository, and the dashboard shows every alarm', () => {
  template.hasResourceProperties('AWS::APS::RuleGroupsNamespace', { Data: read('../prometheus/rules.yaml') });
  template.hasResourceProperties('AWS::CloudWatch::Dashboard', { DashboardName: PREFIX });
  telemetry.hasResourceProperties('AWS::APS::Workspace', { Alias: PREFIX });
});

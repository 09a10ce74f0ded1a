/** Lanes with their own tasks: the same image and rights, another queue to scale on, and one share of the database's connections. */
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, test } from 'vitest';
import { queueName } from '#shared/runtime/config/resource-names.ts';
import { readSettings } from '../settings.ts';
import { settingsShape } from '../settings-shape.ts';
import { databaseConnections, FLEET_SIZES } from '../sizes.ts';
import { resourcesOf, synthesise, type Templates } from '../synthesise-test-bed.ts';
import { taskLimits } from '../task-limits.ts';
import { deployedName, deployedServices, SERVICES } from './service-catalogue.ts';

const settings = readSettings(fileURLToPath(new URL('../settings/dev.yaml', import.meta.url)));
const prefix = settings.homes[0]?.prefix ?? '';
const NAMES = ['partner-worker', 'partner-worker-bronze', 'partner-worker-platinum'];
let templates: Templates;

const of = (stack: string, type: string) => {
  const template = templates.get(`${prefix}-${stack}`);
  if (template === undefined) throw new Error(`no stack ${stack}`);
  return resourcesOf(template, type).map(({ Properties }) => Properties);
};

beforeAll(() => {
  templates = synthesise({ ...settings, ownLanes: ['platinum', 'bronze'] });
}, 300_000);

describe('lanes with tasks of their own', () => {
  test('each is a service of the same code, and every lane has exactly one', () => {
    const services = of('services', 'AWS::ECS::Service').map(({ ServiceName }) => ServiceName);
    expect(services.sort()).toEqual([...SERVICES.map(({ name }) => name), ...NAMES.slice(1)].sort());
    const lanes = of('services', 'AWS::ECS::TaskDefinition')
      .filter(({ Family }) => Family.startsWith(`${prefix}-partner-worker`))
      .map(({ Family, ContainerDefinitions: [container] }) => [
        Family.slice(prefix.length + 1),
        container.Command.at(-1),
        container.Environment.find(({ Name }: { Name: string }) => Name === 'LONGSHORE_LANES')?.Value,
      ]);
    expect(lanes.sort()).toEqual([
      ['partner-worker', 'services/partner-worker/main.ts', 'standard'],
      ['partner-worker-bronze', 'services/partner-worker/main.ts', 'bronze'],
      ['partner-worker-platinum', 'services/partner-worker/main.ts', 'platinum'],
    ]);
  });

  test.each([
    ['partner-worker', 'partner-steps'],
    ['partner-worker-platinum', 'platinum-steps'],
    ['partner-worker-bronze', 'bronze-steps'],
  ] as const)('%s scales on %s alone', (name, queue) => {
    const policy = of('services', 'AWS::ApplicationAutoScaling::ScalingPolicy').find(
      ({ PolicyName }) => PolicyName === `${prefix}-${name}-backlog-per-task`,
    );
    const text = JSON.stringify(policy.TargetTrackingScalingPolicyConfiguration);
    expect(text).toContain(queueName(prefix, queue));
    for (const other of ['partner-steps', 'platinum-steps', 'bronze-steps'] as const) {
      if (other !== queue) expect(text).not.toContain(`"${queueName(prefix, other)}"`);
    }
  });

  test('each has a number of tasks of its own', () => {
    const scaled = SERVICES.filter(({ queue }) => queue !== undefined);
    const targets = of('services', 'AWS::ApplicationAutoScaling::ScalableTarget').map(({ ResourceId }) =>
      JSON.stringify(ResourceId),
    );
    expect(new Set(targets).size).toBe(scaled.length + 2);
  });

  test('each may touch what the partner-worker may, and is watched as it is', () => {
    const actionsOf = (name: string) => {
      const id = name.replaceAll('-', '');
      const policies = Object.entries(templates.get(`${prefix}-services`)?.findResources('AWS::IAM::Policy') ?? {});
      return policies
        .filter(([key]) => key.startsWith(`${id}taskDefinitionTaskRole`))
        .flatMap(([, { Properties }]) =>
          Properties.PolicyDocument.Statement.flatMap(({ Action }: { Action: string | string[] }) => Action),
        )
        .sort();
    };
    expect(actionsOf('partner-worker')).not.toEqual([]);
    for (const name of NAMES.slice(1)) expect(actionsOf(name)).toEqual(actionsOf('partner-worker'));
    const alarms = of('alarms', 'AWS::CloudWatch::Alarm').map(({ AlarmName }) => AlarmName);
    for (const name of NAMES)
      expect(alarms).toEqual(
        expect.arrayContaining([`${prefix}-task-memory-${name}`, `${prefix}-task-processor-${name}`]),
      );
  });

  test('saved queries of logs ask their logs too', () => {
    const groups = of('services', 'AWS::Logs::LogGroup').map(({ LogGroupName }) => LogGroupName);
    const asked = new Set(of('evidence', 'AWS::Logs::QueryDefinition').flatMap(({ LogGroupNames }) => LogGroupNames));
    for (const name of NAMES) {
      expect(groups).toContain(`/longshore/${prefix}/${name}`);
      expect(asked).toContain(`/longshore/${prefix}/${name}`);
    }
  });
});

test.each(['dev', 'prod'] as const)('all tasks of a %s fleet fit into the connections of its database', (of) => {
  const size = FLEET_SIZES[of];
  const limits = taskLimits(size, ['platinum', 'bronze']);
  const taken = deployedServices(['platinum', 'bronze']).map((entry) => {
    const env = { DATABASE_URL: 'postgres://u@h/d', AWS_REGION: 'us-east-1', ...entry.variables };
    return (limits[deployedName(entry)] ?? 0) * entry.loadConfig(env).DATABASE_POOL_MAX * entry.pools;
  });
  expect(taken.reduce((sum, each) => sum + each, 0)).toBeLessThanOrEqual(databaseConnections(size));
  for (const name of NAMES) expect(limits[name]).toBeGreaterThanOrEqual(size.tasks['partner-worker'].minTasks);
});

test('standard is not named: its files go to the workers of the others', () => {
  const { ownLanes } = settingsShape.shape;
  expect(ownLanes.safeParse(['standard']).success).toBe(false);
  expect(ownLanes.safeParse(['bronze', 'bronze']).success).toBe(false);
});

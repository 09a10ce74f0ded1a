/** What holds in every template, whatever the settings: of production, of either region's failover, of the longest prefix, of many users. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Match } from 'aws-cdk-lib/assertions';
import { describe, expect, test } from 'vitest';
import { BUCKET_IDS, bucketName } from '#shared/runtime/config/resource-names.ts';
import { buildApp } from './build-app.ts';
import type { ServiceName } from './services/service-catalogue.ts';
import { type DeploySettings, readSettings } from './settings.ts';
import { LONGEST_PREFIX, MOST_DOMAINS } from './settings-shape.ts';
import { FLEET_SIZES } from './sizes.ts';
import { type Resource, resourcesOf, stacksBefore, synthesise, type Templates } from './synthesise-test-bed.ts';
import { taskLimits } from './task-limits.ts';

const DEV = fileURLToPath(new URL('settings/dev.yaml', import.meta.url));
const PROD = fileURLToPath(new URL('settings/prod.yaml', import.meta.url));
const settings = readSettings(PROD);
const SYNTHESIS_MS = 300_000;
const LONGEST = 'a'.repeat(LONGEST_PREFIX);

const VAULTS = Object.fromEntries(
  settings.homes.map(({ region }) => [region, `arn:aws:backup:${region}:999988887777:backup-vault:longshore`]),
);

const FAILED: DeploySettings = {
  ...settings,
  failedOver: 'us-east-1',
  returning: true,
  archiveLockDays: 90,
  malwareProtection: true,
  audit: { ...settings.audit, guardDutyRuntime: true, flowLogs: 'all' },
  backup: { days: 35, isLocked: true, buckets: true, copyTo: VAULTS },
  campaigns: { domains: Array.from({ length: MOST_DOMAINS }, (_, index) => `mail-${index}.globex.example`) },
  homes: settings.homes.map((home, index) => (index === 0 ? { ...home, prefix: LONGEST } : home)),
};

const { partnerApis, ...WITHOUT_PARTNERS } = settings;
const PRIVATE: DeploySettings = {
  ...WITHOUT_PARTNERS,
  doors: 'private',
  homes: settings.homes.map(({ healthCheckers, ...home }) => home),
};

describe.each([
  ['as it is', settings],
  ['after the first home failed, with the longest prefix', FAILED],
  ['with private doors', PRIVATE],
] as const)('%s', (_name, variant) => {
  const templates = () => synthesise(variant);
  const all = () =>
    [...templates()].flatMap(([stack, template]) =>
      Object.entries((template.toJSON().Resources ?? {}) as Record<string, Resource & { DeletionPolicy?: string }>).map(
        ([id, resource]) => ({ stack, id, ...resource }),
      ),
    );
  const ofType = (type: string) => all().filter(({ Type }) => Type === type);

  test(
    'what a failed first deployment leaves does not stop the next one',
    () => {
      const named = all().filter(({ DeletionPolicy }) => DeletionPolicy === 'Retain');
      expect(named.map(({ stack, id }) => `${stack}/${id}`)).toEqual([]);
      expect(all().filter(({ DeletionPolicy }) => DeletionPolicy === 'RetainExceptOnCreate').length).toBeGreaterThan(
        30,
      );
    },
    SYNTHESIS_MS,
  );

  test('no rule of a bucket deletes originals that a hold may keep, and a lock is on the archives if the settings have one', () => {
    const archives = ofType('AWS::S3::Bucket').filter(({ Properties }) => /-archive$/.test(Properties.BucketName));
    expect(archives.length).toBeGreaterThan(1);
    for (const { Properties } of archives)
      expect(Properties.ObjectLockConfiguration?.Rule.DefaultRetention).toEqual(
        variant.archiveLockDays === undefined ? undefined : { Mode: 'COMPLIANCE', Days: variant.archiveLockDays },
      );
    const expiring = archives.filter(({ Properties }) =>
      JSON.stringify(Properties.LifecycleConfiguration).includes('"ExpirationInDays"'),
    );
    // Copies of a standby that is at rest.
    expect(expiring.every(({ Properties }) => Properties.ReplicationConfiguration === undefined)).toBe(true);
    expect(expiring.length).toBeLessThan(archives.length);
  });

  test('no task may go anywhere: every group says where to', () => {
    const anywhere = ofType('AWS::EC2::SecurityGroup').filter(({ Properties }) =>
      (Properties.SecurityGroupEgress ?? []).some(
        ({ CidrIp, IpProtocol }: { CidrIp?: string; IpProtocol: string }) =>
          CidrIp === '0.0.0.0/0' && IpProtocol === '-1',
      ),
    );
    expect(anywhere.map(({ stack, id }) => `${stack}/${id}`)).toEqual([]);
    // EC2 gives a group that has none a rule that lets everything out.
    const ruled = new Set(
      ofType('AWS::EC2::SecurityGroupEgress').map(
        ({ stack, Properties }) => `${stack}/${Properties.GroupId['Fn::GetAtt']?.[0]}`,
      ),
    );
    const silent = ofType('AWS::EC2::SecurityGroup').filter(
      ({ stack, id, Properties }) =>
        (Properties.SecurityGroupEgress ?? []).length === 0 && !ruled.has(`${stack}/${id}`),
    );
    expect(silent.map(({ stack, id }) => `${stack}/${id}`)).toEqual([]);
  });

  test('services of AWS act on behalf of this account alone: on roles, queues, topics, functions and buckets', () => {
    // A role can be passed to these in its own account only, and AWS does not say that they name it.
    const UNNAMED = /^(lambda|backup|s3)\.amazonaws\.com$/;
    const judged = (statement: Statement) =>
      typeof statement.Principal === 'object' &&
      statement.Principal.Service !== undefined &&
      !UNNAMED.test(String(statement.Principal.Service));
    const isBound = ({ Condition = {} }: Statement) => /aws:Source(?:Account|Arn)/.test(JSON.stringify(Condition));
    const trusts = ofType('AWS::IAM::Role').flatMap(({ stack, id, Properties }) =>
      (Properties.AssumeRolePolicyDocument.Statement as Statement[]).map((each) => ({ stack, id, each })),
    );
    const resources = ['SQS::Queue', 'SNS::Topic'].flatMap((type) =>
      ofType(`AWS::${type}Policy`).flatMap(({ stack, id, Properties }) =>
        (Properties.PolicyDocument.Statement as Statement[]).map((each) => ({ stack, id, each })),
      ),
    );
    const found = [...trusts, ...resources].filter(({ each }) => each.Effect === 'Allow' && judged(each));
    expect(found.length).toBeGreaterThan(80);
    expect(found.filter(({ each }) => !isBound(each)).map(({ stack, id }) => `${stack}/${id}`)).toEqual([]);
    const invoking = ofType('AWS::Lambda::Permission').filter(({ Properties }) =>
      /amazonaws/.test(Properties.Principal),
    );
    expect(invoking.length).toBeGreaterThan(1);
    for (const { stack, id, Properties } of invoking)
      expect(Properties.SourceArn ?? Properties.SourceAccount, `${stack}/${id}`).toBeDefined();
    const refusing = new Set(
      ofType('AWS::S3::BucketPolicy')
        .filter(({ Properties }) =>
          Properties.PolicyDocument.Statement.some(({ Sid }: Statement) => Sid === 'ServicesOfThisAccountOnly'),
        )
        .map(({ stack, Properties }) => `${stack}/${Properties.Bucket.Ref}`),
    );
    expect(ofType('AWS::S3::Bucket').filter(({ stack, id }) => !refusing.has(`${stack}/${id}`))).toEqual([]);
  });

  test('nothing is kept for ever by omission: logs end, and what is overwritten or was never finished goes', () => {
    for (const { stack, id, Properties } of ofType('AWS::Logs::LogGroup'))
      expect(Properties, `${stack}/${id}`).toMatchObject({
        RetentionInDays: expect.any(Number),
        KmsKeyId: expect.anything(),
      });
    for (const { stack, id, Properties } of ofType('AWS::S3::Bucket')) {
      const rules = JSON.stringify(Properties.LifecycleConfiguration ?? {});
      expect(rules, `${stack}/${id}`).toMatch(/ExpirationInDays|NoncurrentVersionExpiration|Transitions/);
      if (Properties.VersioningConfiguration !== undefined)
        expect(rules, `${stack}/${id}`).toContain('NoncurrentVersionExpiration');
    }
  });

  test('what ends in a queue of dead letters calls, wherever the fleet works, and stays there for two weeks', () => {
    const watched = JSON.stringify(
      ofType('AWS::CloudWatch::Alarm').map(({ stack, Properties }) => ({ stack, Properties })),
    );
    const last = ofType('AWS::SQS::Queue').filter(({ Properties }) => Properties.RedrivePolicy === undefined);
    expect(last.length).toBeGreaterThan(30);
    const atRest = variant.homes
      .filter(({ region }) => region !== variant.failedOver)
      .map(({ prefix }) => `${prefix}-standby`);
    for (const { stack, id, Properties } of last) {
      expect(Properties.MessageRetentionPeriod, `${stack}/${id}`).toBe(1_209_600);
      const isWatched =
        watched.includes(`${stack}:ExportsOutputFnGetAtt${id}`) || watched.includes(`["${id}","QueueName"]`);
      // No message gets into the queues of a standby at rest.
      if (!atRest.some((prefix) => stack === `${prefix}-messaging`)) expect(isWatched, `${stack}/${id}`).toBe(true);
    }
  });

  test('no event of a rule is lost without a word: its target has a queue of dead letters, or its failures an alarm', () => {
    const alarmed = new Set(
      ofType('AWS::CloudWatch::Alarm').flatMap(({ Properties: { MetricName, Dimensions = [] } }) =>
        MetricName === 'FailedInvocations' ? Dimensions.map(({ Value }: { Value: string }) => Value) : [],
      ),
    );
    const rules = ofType('AWS::Events::Rule').filter(({ Properties }) => Properties.Targets !== undefined);
    expect(rules.length).toBeGreaterThan(10);
    for (const { stack, id, Properties } of rules)
      for (const { DeadLetterConfig } of Properties.Targets)
        expect(DeadLetterConfig !== undefined || alarmed.has(Properties.Name), `${stack}/${id}`).toBe(true);
  });

  test('the default group of every network lets nothing through', () => {
    expect(ofType('Custom::VpcRestrictDefaultSG')).toHaveLength(ofType('AWS::EC2::VPC').length);
  });

  test('behind every name with a health check a group lets the checkers in, and what it asks is served', () => {
    const checked = [...templates()].filter(
      ([, template]) => resourcesOf(template, 'AWS::Route53::HealthCheck').length > 0,
    );
    expect(checked.length).toBeGreaterThan(3);
    const alarms = ofType('AWS::CloudWatch::Alarm').map(({ Properties }) => Properties.AlarmName);
    for (const [stack, template] of checked) {
      const [check] = resourcesOf(template, 'AWS::Route53::HealthCheck');
      const { Type, AlarmIdentifier } = check!.Properties.HealthCheckConfig;
      expect(Type === 'CLOUDWATCH_METRIC', stack).toBe(variant.doors === 'private');
      if (Type === 'CLOUDWATCH_METRIC') expect(alarms, stack).toContain(AlarmIdentifier.Name);
      if (Type === 'CLOUDWATCH_METRIC') continue;
      const groups = resourcesOf(template, 'AWS::EC2::SecurityGroup');
      // A gateway of AWS has no group: all come in.
      if (groups.length === 0) continue;
      const port = check!.Properties.HealthCheckConfig.Port;
      const admitted = groups.flatMap(({ Properties }) => Properties.SecurityGroupIngress ?? []);
      const lists = resourcesOf(template, 'AWS::EC2::SecurityGroupIngress').map(({ Properties }) => Properties);
      expect(
        [...admitted, ...lists].some(
          ({ SourcePrefixListId, FromPort }) => SourcePrefixListId !== undefined && FromPort === port,
        ),
        stack,
      ).toBe(true);
    }
  });

  test('a follower of a secret writes none', () => {
    const standbys = [...templates()].filter(([stack]) => stack.includes('-standby-'));
    expect(standbys.length).toBeGreaterThan(8);
    for (const [stack, template] of standbys)
      expect(resourcesOf(template, 'AWS::SecretsManager::SecretTargetAttachment'), stack).toEqual([]);
  });

  test('a key trusts services on behalf of this account alone', () => {
    const statements = ofType('AWS::KMS::Key').flatMap(({ Properties }) => Properties.KeyPolicy.Statement);
    const services = statements.filter(({ Principal }) => Principal?.Service !== undefined);
    expect(services.length).toBeGreaterThan(3);
    for (const statement of services) expect(statement.Condition, JSON.stringify(statement)).toBeDefined();
  });

  test('nobody uses an endpoint with another account’s credentials', () => {
    const endpoints = ofType('AWS::EC2::VPCEndpoint');
    expect(endpoints.length).toBeGreaterThan(30);
    for (const { Properties, stack, id } of endpoints)
      expect(JSON.stringify(Properties.PolicyDocument?.Statement[0].Condition), `${stack}/${id}`).toContain(
        'aws:PrincipalAccount',
      );
  });

  test('versions of the database are the template’s, its insights are encrypted with the fleet’s key, its password is kept', () => {
    for (const { Properties, stack } of ofType('AWS::RDS::DBInstance')) {
      expect(Properties, stack).toMatchObject({ AutoMinorVersionUpgrade: false });
      expect(Properties.PerformanceInsightsKMSKeyId, stack).toBeDefined();
    }
    const secrets = ofType('AWS::SecretsManager::Secret');
    expect(secrets.length).toBeGreaterThan(3);
    for (const { DeletionPolicy, stack } of secrets) expect(DeletionPolicy, stack).toBe('RetainExceptOnCreate');
  });

  test('no task makes topics: it is given the ARNs of those that there are', () => {
    expect(JSON.stringify(ofType('AWS::IAM::Policy'))).not.toContain('sns:CreateTopic');
    const publishing = ofType('AWS::ECS::TaskDefinition').flatMap(({ Properties }) =>
      Properties.ContainerDefinitions.flatMap(({ Environment = [] }: { Environment?: readonly { Name: string }[] }) =>
        Environment.filter(({ Name }) => Name === 'LONGSHORE_TOPICS_ARN'),
      ),
    );
    // A sweeper of each home and of each standby.
    expect(publishing).toHaveLength(4);
  });

  test('flow logs have what the settings say, of every network', () => {
    const logs = ofType('AWS::EC2::FlowLog').map(({ Properties }) => Properties.TrafficType);
    expect(logs).toHaveLength(ofType('AWS::EC2::VPC').length);
    expect(new Set(logs)).toEqual(new Set([variant.audit.flowLogs === 'all' ? 'ALL' : 'REJECT']));
  });

  test('GuardDuty’s agent comes into tasks only where the settings have it, and every task may pull it then', () => {
    const has = variant.audit.guardDutyRuntime;
    const detectors = ofType('AWS::GuardDuty::Detector');
    expect(detectors.length).toBeGreaterThan(1);
    for (const { Properties } of detectors)
      expect(JSON.stringify(Properties.Features).includes('ECS_FARGATE_AGENT_MANAGEMENT')).toBe(has);
    const pulling = ofType('AWS::IAM::Policy').filter(({ Properties }) =>
      Properties.PolicyDocument.Statement.some(({ Sid }: { Sid?: string }) => Sid === 'GuardDutyAgent'),
    );
    expect(pulling).toHaveLength(has ? ofType('AWS::ECS::TaskDefinition').length : 0);
  });

  test('a role is passed to the service that needs it alone', () => {
    const statements = ofType('AWS::IAM::Policy').flatMap(({ Properties }) => Properties.PolicyDocument.Statement);
    const passing = statements.filter(({ Action }) => [Action].flat().includes('iam:PassRole'));
    expect(passing.length).toBeGreaterThan(0);
    for (const { Condition } of passing)
      expect(Condition).toEqual({ StringEquals: { 'iam:PassedToService': 'ecs-tasks.amazonaws.com' } });
  });

  test('a firewall keeps what it refused, without secrets, and judges no bodies', () => {
    const firewalls = ofType('AWS::WAFv2::WebACL');
    const logs = ofType('AWS::WAFv2::LoggingConfiguration');
    expect(logs.length).toBe(firewalls.length);
    for (const { Properties } of logs)
      expect(
        Properties.RedactedFields.map(({ SingleHeader }: { SingleHeader: { Name: string } }) => SingleHeader.Name),
      ).toContain('authorization');
    for (const { Properties } of firewalls) {
      const groups = Properties.Rules.flatMap(
        ({
          Statement,
        }: {
          Statement: { ManagedRuleGroupStatement?: { Name: string; RuleActionOverrides?: { Name: string }[] } };
        }) => Statement.ManagedRuleGroupStatement ?? [],
      );
      expect(groups.map(({ Name }: { Name: string }) => Name)).toContain('AWSManagedRulesCommonRuleSet');
      const counted = groups.flatMap(({ RuleActionOverrides = [] }) =>
        RuleActionOverrides.map(({ Name }: { Name: string }) => Name),
      );
      expect(counted).toEqual(expect.arrayContaining(['SQLi_BODY', 'SizeRestrictions_BODY']));
    }
  });

  test('an alarm can be raised: its metric is shown under the names that it asks for, and its limit can be passed', () => {
    const metricNames = ofType('AWS::WAFv2::WebACL').map(({ Properties }) => Properties.VisibilityConfig.MetricName);
    const alarms = ofType('AWS::CloudWatch::Alarm').map(({ Properties }) => Properties);
    const firewalls = alarms.flatMap(({ Dimensions = [] }) =>
      Dimensions.filter(({ Name }: { Name: string }) => Name === 'WebACL'),
    );
    expect(firewalls.length).toBeGreaterThan(0);
    for (const { Value } of firewalls) expect(metricNames).toContain(Value);
    const percent = alarms.filter(({ MetricName }) => /Utilization$/.test(MetricName ?? ''));
    expect(percent.length).toBeGreaterThan(10);
    for (const { Threshold, AlarmName } of percent) expect(Threshold, AlarmName).toBeLessThan(100);
    // Above them nothing is ever counted: what comes in a minute, or in all.
    for (const { Threshold, AlarmName, TreatMissingData } of alarms)
      if (TreatMissingData !== 'breaching') expect(Threshold, AlarmName).toBeLessThanOrEqual(100_000);
  });

  test('metrics of a task outlive a fault of their collector, and their stream has a name', () => {
    const collectors = ofType('AWS::ECS::TaskDefinition')
      .flatMap(({ Properties }) => Properties.ContainerDefinitions)
      .filter(({ Name }) => Name === 'collector');
    expect(collectors.length).toBeGreaterThan(20);
    for (const { RestartPolicy, Environment } of collectors) {
      expect(RestartPolicy).toMatchObject({ Enabled: true });
      const { pipelines } = configurationIn(Environment);
      for (const { processors } of Object.values(pipelines)) {
        expect(processors[0]).toBe('memory_limiter');
        expect(processors).toContain('resourcedetection');
      }
    }
  });

  test('the runbook of the gateway reads fields that its log has', () => {
    const runbook = readFileSync(new URL('../docs/operations/alerts/aws.md', import.meta.url), 'utf8');
    const [, section = ''] = /## Gateway errors\n([^#]*)/.exec(runbook) ?? [];
    const fields = [...section.matchAll(/`(\w*[sS]tatus)`/g)].map(([, name]) => name);
    expect(fields.length).toBeGreaterThan(2);
    for (const { Properties } of ofType('AWS::ApiGateway::Stage')) {
      // The backend can refuse whoever is not the gateway.
      expect(Properties.ClientCertificateId).toBeDefined();
      const format = JSON.parse(Properties.AccessLogSetting.Format);
      for (const field of fields) expect(format).toHaveProperty(field!);
    }
  });

  test('names are within their limits', () => {
    const limits = {
      'AWS::ElasticLoadBalancingV2::LoadBalancer': 32,
      'AWS::IAM::Role': 64,
      'AWS::S3::Bucket': 63,
      'AWS::SQS::Queue': 80,
    };
    for (const [type, limit] of Object.entries(limits)) {
      for (const { Properties, stack } of ofType(type)) {
        const name = Properties.Name ?? Properties.RoleName ?? Properties.BucketName ?? Properties.QueueName;
        if (typeof name !== 'string') continue;
        expect(name.length, `${stack}: ${name}`).toBeLessThanOrEqual(limit);
        expect(name, stack).toMatch(/^[a-zA-Z0-9].*[a-zA-Z0-9]$/);
      }
    }
  });

  test('no stack has more than CloudFormation takes, however many domains and users there are', () => {
    for (const [stack, template] of templates()) {
      const { Resources = {}, Outputs = {} } = template.toJSON();
      expect(Object.keys(Resources).length, stack).toBeLessThanOrEqual(500);
      expect(Object.keys(Outputs).length, stack).toBeLessThanOrEqual(200);
      expect(JSON.stringify(template.toJSON()).length, stack).toBeLessThanOrEqual(1_000_000);
    }
    // Users and their keys are rows: none is a resource.
    expect(ofType('AWS::Transfer::User')).toEqual([]);
  });

  test('a backlog calls before it is the load of a day', () => {
    const depths = ofType('AWS::CloudWatch::Alarm').filter(({ Properties }) =>
      String(Properties.AlarmName).endsWith('-depth'),
    );
    expect(depths.length).toBeGreaterThan(3);
    for (const { Properties } of depths) expect(Properties.Threshold).toBeLessThanOrEqual(100_000);
  });

  test('no two networks of a pair overlap, and each is in zones of its own region', () => {
    const cidrs = ofType('AWS::EC2::VPC').map(({ Properties }) => Properties.CidrBlock);
    expect(new Set(cidrs).size).toBe(4);
    for (const { Properties, stack } of ofType('AWS::EC2::Subnet'))
      expect(Properties.AvailabilityZone, stack).toMatch(
        stack.includes('west') !== stack.includes('standby') ? /^us-west-2/ : /^us-east-1/,
      );
  });

  test('how far a standby is behind is watched where Aurora shows it', () => {
    const lags = ofType('AWS::CloudWatch::Alarm').filter(({ Properties }) =>
      String(Properties.AlarmName).endsWith('standby-behind'),
    );
    for (const { stack, Properties } of lags) {
      expect(stack).toMatch(/-standby-alarms$/);
      expect(Properties).toMatchObject({ MetricName: 'AuroraGlobalDBRPOLag', TreatMissingData: 'breaching' });
    }
    expect(lags.length).toBe(variant.failedOver === undefined ? 2 : 1);
  });
});

interface Statement {
  readonly Sid?: string;
  readonly Effect: string;
  readonly Principal?: string | { readonly Service?: unknown };
  readonly Condition?: object;
}

/** What a collector is given, with what is known only at the deployment left out. */
function configurationIn(environment: readonly { readonly Name: string; readonly Value: unknown }[]): {
  readonly pipelines: Readonly<Record<string, { readonly processors: readonly string[] }>>;
} {
  const value = environment.find(({ Name }) => Name === 'AOT_CONFIG_CONTENT')?.Value;
  const parts = typeof value === 'string' ? [value] : (value as { 'Fn::Join': [string, unknown[]] })['Fn::Join'][1];
  const text = parts.map((part) => (typeof part === 'string' ? part : 'unknown')).join('');
  return JSON.parse(text).service;
}

test('a failover asks nothing of IAM, Certificate Manager, Route 53, SES or S3: what they give is there before', () => {
  const RECOVERED_WITHOUT =
    /^AWS::(IAM|CertificateManager|Route53|S3|SES|KMS|SecretsManager|WAFv2|EC2::EIP$|ElasticLoadBalancingV2)/;
  const west = settings.homes[1]!;
  const chosen: DeploySettings = { ...settings, backup: { days: 35, isLocked: true, buckets: true } };
  const failed = synthesise({ ...chosen, failedOver: west.region });
  const before = synthesise(chosen);
  const standby = [...failed].filter(([stack]) => stack.startsWith(`${west.prefix}-standby-`));
  expect(standby.length).toBeGreaterThan(8);
  const idsOf = (template: Templates extends ReadonlyMap<string, infer One> ? One | undefined : never) =>
    Object.entries((template?.toJSON().Resources ?? {}) as Record<string, Resource>)
      .filter(([, { Type }]) => RECOVERED_WITHOUT.test(Type))
      .map(([id]) => id);
  const made = standby.flatMap(([stack, template]) => {
    const known = new Set(idsOf(before.get(stack)));
    return idsOf(template).flatMap((id) => (known.has(id) ? [] : [`${stack}/${id}`]));
  });
  expect(made).toEqual([]);
});

test('snapshots are taken where the fleet works, of the database and the objects, are locked, and go to the other account', () => {
  const templates = synthesise(FAILED);
  const ofBackups = (type: string) =>
    [...templates].flatMap(([stack, template]) =>
      resourcesOf(template, type).map(({ Properties }) => ({ stack, ...Properties })),
    );
  const vaults = ofBackups('AWS::Backup::BackupVault');
  expect(vaults).toHaveLength(4);
  for (const { LockConfiguration } of vaults)
    expect(LockConfiguration).toEqual({ MinRetentionDays: 35, ChangeableForDays: 3 });
  for (const { BackupPlan } of ofBackups('AWS::Backup::BackupPlan'))
    expect(BackupPlan.BackupPlanRule[0]).toMatchObject({
      Lifecycle: { DeleteAfterDays: 35 },
      CopyActions: [
        { DestinationBackupVaultArn: expect.stringContaining(':999988887777:'), Lifecycle: { DeleteAfterDays: 35 } },
      ],
    });
  const selections = ofBackups('AWS::Backup::BackupSelection');
  // The home that failed has none, and its standby has one.
  expect(selections.map(({ stack }) => stack).sort()).toEqual([
    `${LONGEST}-standby-backup`,
    `${settings.homes[1]!.prefix}-backup`,
  ]);
  for (const { BackupSelection } of selections) expect(BackupSelection.Resources).toHaveLength(5);
  const lent = ofBackups('AWS::KMS::Key').filter(({ KeyPolicy }) =>
    KeyPolicy.Statement.some(({ Sid }: { Sid?: string }) => Sid === 'CopiesOfBackups'),
  );
  expect(lent).toHaveLength(4);
});

test('without a choice nothing is backed up twice, and no key is lent', () => {
  const all = JSON.stringify([...synthesise(settings).values()].map((template) => template.toJSON()));
  expect(all).not.toContain('AWS::Backup::');
  expect(all).not.toContain('CopiesOfBackups');
});

test('what a standby wrote is copied to its home, under the same version ids, when that is back and not before', () => {
  const standby = (variant: DeploySettings, prefix: string) =>
    resourcesOf(synthesise(variant).get(`${prefix}-standby-storage`)!, 'AWS::S3::Bucket').map(
      ({ Properties }) => Properties,
    );
  const [east, west] = settings.homes.map(({ prefix }) => prefix);
  for (const prefix of [east!, west!])
    for (const { ReplicationConfiguration } of standby(settings, prefix))
      expect(ReplicationConfiguration).toBeUndefined();
  const copied = standby(FAILED, LONGEST).filter(
    ({ ReplicationConfiguration }) => ReplicationConfiguration !== undefined,
  );
  expect(copied.map(({ BucketName }) => BucketName).sort()).toEqual(
    BUCKET_IDS.map((id) => bucketName(`${LONGEST}-standby`, id)).sort(),
  );
  const homes = resourcesOf(synthesise(FAILED).get(`${LONGEST}-storage`)!, 'AWS::S3::Bucket').map(
    ({ Properties }) => Properties.BucketName,
  );
  for (const { BucketName, ReplicationConfiguration } of copied) {
    const { Bucket, EncryptionConfiguration } = ReplicationConfiguration.Rules[0].Destination;
    const name = BucketName.replace('-standby', '');
    expect(JSON.stringify(Bucket)).toContain(`s3:::${name}"`);
    expect(homes).toContain(name);
    // The key of the home, in its region.
    expect(JSON.stringify(EncryptionConfiguration)).toMatch(new RegExp(`us-east-1.*alias/${LONGEST}"`));
  }
  // Of the other home's standby, which is at rest.
  for (const { ReplicationConfiguration } of standby(FAILED, west!)) expect(ReplicationConfiguration).toBeUndefined();
  const alarms = resourcesOf(synthesise(FAILED).get(`${LONGEST}-standby-alarms`)!, 'AWS::CloudWatch::Alarm');
  const failed = alarms.filter(({ Properties }) => Properties.MetricName === 'OperationsFailedReplication');
  expect(failed).toHaveLength(BUCKET_IDS.length);
});

test('a home that failed is fenced: nothing runs there, and no name leads to it', () => {
  const of = (name: string) => synthesise(FAILED).get(`${LONGEST}-${name}`)!;
  for (const { Properties } of resourcesOf(of('services'), 'AWS::ECS::Service'))
    expect(Properties.DesiredCount).toBe(0);
  of('services').resourceCountIs('AWS::ApplicationAutoScaling::ScalingPolicy', 0);
  for (const { Properties } of resourcesOf(of('storage'), 'AWS::Events::Rule'))
    expect(Properties.State).toBe('DISABLED');
  for (const name of ['sftp', 'api', 'partner-apis']) {
    const primary = resourcesOf(of(name), 'AWS::Route53::RecordSet').find(
      ({ Properties }) => Properties.Failover === 'PRIMARY',
    );
    expect(primary, name).toBeDefined();
    expect(JSON.stringify(primary?.Properties.ResourceRecords), name).not.toContain(`direct.${LONGEST}.`);
  }
  for (const { Properties } of resourcesOf(of('alarms'), 'AWS::CloudWatch::Alarm'))
    expect(Properties.ActionsEnabled).toBe(false);
});

test('what arrives is scanned where files are taken, and nobody but the scanner writes its verdicts', () => {
  const plansOf = (prefix: string) =>
    resourcesOf(synthesise(FAILED).get(`${prefix}-storage`)!, 'AWS::GuardDuty::MalwareProtectionPlan');
  const west = settings.homes[1]!.prefix;
  expect([LONGEST, `${west}-standby`].flatMap(plansOf)).toEqual([]);
  for (const prefix of [west, `${LONGEST}-standby`]) {
    expect(plansOf(prefix)).toMatchObject([{ Properties: { Actions: { Tagging: { Status: 'ENABLED' } } } }]);
    synthesise(FAILED)
      .get(`${prefix}-storage`)!
      .hasResourceProperties('AWS::S3::BucketPolicy', {
        PolicyDocument: {
          Statement: Match.arrayWith([
            Match.objectLike({
              Sid: 'VerdictsAreGuardDutys',
              Effect: 'Deny',
              Principal: { AWS: '*' },
              Condition: { ArnNotEquals: { 'aws:PrincipalArn': Match.anyValue() } },
            }),
          ]),
        },
      });
  }
  // No service may, without the policy either.
  const roles = [...synthesise(FAILED)].filter(([stack]) => stack.endsWith('-services'));
  for (const [stack, template] of roles)
    expect(JSON.stringify(template.toJSON()), stack).not.toMatch(/s3:(?:Put|Delete)Object(?:Version)?Tagging/);
});

test('with private doors nobody comes in from the Internet', () => {
  const all = [...synthesise(PRIVATE).values()];
  const balancers = all.flatMap((template) => resourcesOf(template, 'AWS::ElasticLoadBalancingV2::LoadBalancer'));
  expect(balancers.length).toBeGreaterThan(3);
  for (const { Properties } of balancers) expect(Properties.Scheme).toBe('internal');
  for (const template of all)
    for (const { Properties } of resourcesOf(template, 'AWS::Transfer::Server'))
      expect(Properties.EndpointDetails.AddressAllocationIds).toBeUndefined();
  const checkers = all.flatMap((template) => resourcesOf(template, 'AWS::EC2::SecurityGroupIngress'));
  expect(checkers.filter(({ Properties }) => Properties.SourcePrefixListId !== undefined)).toEqual([]);
});

test('a backend without a public address is reached by a link', () => {
  const arn = (region: string) => `arn:aws:elasticloadbalancing:${region}:111122223333:loadbalancer/net/backend/0123`;
  const loadBalancers = Object.fromEntries(settings.homes.map(({ region }) => [region, arn(region)]));
  const linked = synthesise({ ...settings, partnerApis: { ...settings.partnerApis!, loadBalancers } });
  const gateway = linked.get('example-ls-east-partner-apis')!;
  gateway.hasResourceProperties('AWS::ApiGateway::VpcLink', { TargetArns: [arn('us-east-1')] });
  for (const { Properties } of resourcesOf(gateway, 'AWS::ApiGateway::Method'))
    expect(Properties.Integration.ConnectionType).toBe('VPC_LINK');
});

test('what the guide says of quotas is what the templates need', () => {
  const guide = readFileSync(new URL('../docs/guides/aws-first-deployment.md', import.meta.url), 'utf8');
  const addresses = (prefix: string, of = settings) =>
    [...synthesise(of)]
      .filter(([stack]) => stack.startsWith(`${prefix}-`))
      .flatMap(([, template]) => resourcesOf(template, 'AWS::EC2::EIP')).length;
  // The home's own, with the standby of the other one, in one region.
  const own = addresses('example-ls-west') - addresses('example-ls-west-standby');
  expect(guide).toContain(`| ${own + addresses('example-ls-east-standby')} or more`);
  const { prod } = FLEET_SIZES;
  const processors = Object.entries(taskLimits(prod)).reduce(
    (sum, [name, most]) => sum + (most * prod.tasks[name as ServiceName].cpu) / 1_024,
    0,
  );
  const [, named = '0'] = /`prod`: (\d+) or more to reach every ceiling/.exec(guide) ?? [];
  expect(Number(named)).toBeGreaterThanOrEqual(processors);
  expect(Number(named)).toBeLessThan(processors * 1.2);
});

test('an organisation’s account, boundary and qualifier are in every stack, and every role has the boundary', () => {
  const outdir = mkdtempSync(join(tmpdir(), 'longshore-organisation-'));
  try {
    const app = buildApp(
      {
        ...readSettings(DEV),
        ...{ account: '111122223333', deployment: { permissionsBoundary: 'org-boundary', qualifier: 'orgqual' } },
      },
      { outdir, builtinCloudFormationValidation: false, context: { 'aws:cdk:disable-asset-staging': true } },
    );
    const { stacks } = app.synth();
    expect(stacks.length).toBeGreaterThan(8);
    for (const { environment, template, assumeRoleArn } of stacks) {
      expect(environment.account).toBe('111122223333');
      expect(assumeRoleArn).toContain('cdk-orgqual-');
      for (const [id, { Type, Properties }] of Object.entries((template.Resources ?? {}) as Record<string, Resource>))
        if (Type === 'AWS::IAM::Role')
          expect(JSON.stringify(Properties.PermissionsBoundary), id).toContain(':policy/org-boundary');
    }
  } finally {
    rmSync(outdir, { recursive: true });
  }
});

test('stacks are made in the order in which they need each other', () => {
  const before = (stack: string) => stacksBefore(synthesise(settings), stack);
  expect(before('example-ls-east-storage')).toContain('example-ls-east-standby-storage');
  expect(before('example-ls-east-standby-data')).toContain('example-ls-east-data');
});

test.each([
  ['networks that overlap', (text: string) => text.replace('10.41.0.0/16', '10.40.128.0/17'), 'overlap'],
  [
    'a prefix that ends with a hyphen',
    (text: string) => text.replace('example-ls-east', 'example-ls-'),
    'homes.0.prefix',
  ],
  ['production that calls nobody', (text: string) => text.replace(/alarms:\n(?: {2}.*\n)+/, 'alarms: {}\n'), 'alarms'],
  ['a prefix that begins with a digit', (text: string) => text.replace('example-ls-east', '9bank'), 'homes.0.prefix'],
  [
    'private doors and a gateway of partners',
    (text: string) => `${text.replaceAll(/ +healthCheckers: .*\n/g, '')}\ndoors: private\n`,
    'partnerApis',
  ],
  ['an image by its tag', (text: string) => text.replace(/@sha256:0{63}1/, ''), 'images.node'],
  [
    'a vault for copies in one of two regions',
    (text: string) =>
      `${text}backup:\n  days: 35\n  copyTo: { us-east-1: arn:aws:backup:us-east-1:999988887777:backup-vault:copies }\n`,
    'must name a vault for us-west-2',
  ],
  [
    'an agent in tasks that have no memory for it',
    (text: string) => text.replace('size: prod', 'size: dev').replace(/audit:\n/, 'audit:\n  guardDutyRuntime: true\n'),
    'guardDutyRuntime',
  ],
  ['a return without a failover', (text: string) => `${text}returning: true\n`, 'returning'],
  ['no prefix list', (text: string) => text.replace(/ +healthCheckers: .*1\n/, ''), 'homes.0.healthCheckers'],
])('settings with %s are refused', (_name, spoil, place) => {
  const folder = mkdtempSync(join(tmpdir(), 'longshore-settings-'));
  try {
    const path = join(folder, 'prod.yaml');
    writeFileSync(path, spoil(readFileSync(PROD, 'utf8')));
    expect(() => readSettings(path)).toThrow(place);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

/** The stacks of production in two regions, synthesised once. That cdk-nag found nothing is said by there being templates at all. */
import { fileURLToPath } from 'node:url';
import { Match, type Template } from 'aws-cdk-lib/assertions';
import { beforeAll, describe, expect, test } from 'vitest';
import { DEAD_LETTER_SETTINGS, QUEUE_SETTINGS } from '#shared/queue/queue-settings.ts';
import { MEMORY_VARIABLES, memoryFlags } from '#shared/runtime/config/memory.ts';
import {
  BUCKET_IDS,
  bucketName,
  deadLetterQueueName,
  isFifo,
  MAX_RECEIVE_COUNT,
  QUEUE_IDS,
  queueName,
  TOPIC_IDS,
  topicName,
} from '#shared/runtime/config/resource-names.ts';
import { FARGATE_SCALING } from '#shared/scaling/fargate-scaling.ts';
import { backlogPerTask, messagesPerSecondPerTask } from '#shared/scaling/scaling-policy.ts';
import { type ScaledService, SERVICE_OBJECTIVES } from '#shared/scaling/service-capacities.ts';
import { buildApp } from '../build-app.ts';
import { readQueries } from '../evidence/events-table.ts';
import { LOG_QUERIES } from '../evidence/log-queries.ts';
import { SERVICES, stopTimeoutSeconds } from '../services/service-catalogue.ts';
import { readSettings } from '../settings.ts';
import { FLEET_SIZES } from '../sizes.ts';
import { type Resource, resourcesOf, synthesise, type Templates } from '../synthesise-test-bed.ts';
import { READ_EVENTS, REPLICA_DAYS, SENT_EVENTS } from './storage-stack.ts';

const EAST = 'example-ls-east';
const WEST = 'example-ls-west';
const settings = readSettings(fileURLToPath(new URL('../settings/prod.yaml', import.meta.url)));
let templates: Templates;
/** Seconds on a machine that does nothing else. */
const SYNTHESIS_MS = 300_000;

const stack = (name: string, prefix = EAST): Template => {
  const template = templates.get(`${prefix}-${name}`);
  if (template === undefined) throw new Error(`no stack ${prefix}-${name} among ${[...templates.keys()].join(', ')}`);
  return template;
};

beforeAll(() => {
  templates = synthesise(settings);
}, SYNTHESIS_MS);

describe('mails of campaigns', () => {
  test('every domain of the settings signs, and its mails are reported to the queue of the code', () => {
    for (const EmailIdentity of settings.campaigns?.domains ?? [])
      stack('mail').hasResourceProperties('AWS::SES::EmailIdentity', { EmailIdentity });
    const sets = [`${EAST}-campaigns`, `${EAST}-campaigns-tracked`];
    for (const Name of sets) stack('mail').hasResourceProperties('AWS::SES::ConfigurationSet', { Name });
    stack('mail').hasResourceProperties('AWS::Events::Rule', {
      EventPattern: { source: ['aws.ses'], detail: { mail: { tags: { 'ses:configuration-set': sets } } } },
      State: 'ENABLED',
    });
    stack('mail').resourceCountIs('AWS::SES::ConfigurationSetEventDestination', sets.length);
  });

  test('a report that the queue did not take calls', () => {
    stack('mail').hasResourceProperties('AWS::CloudWatch::Alarm', {
      AlarmName: `${EAST}-mail-events-undelivered`,
      MetricName: 'ApproximateNumberOfMessagesVisible',
      AlarmActions: [Match.anyValue()],
      AlarmDescription: Match.stringLikeRegexp('aws.md#mail-events-undelivered'),
    });
  });
});

describe('evidence', () => {
  test('the table is over the bucket of the sweeper, and its queries are the texts that the tests ask', () => {
    const evidence = stack('evidence');
    evidence.hasResourceProperties('AWS::Glue::Table', {
      TableInput: {
        Name: 'events',
        PartitionKeys: [
          { Name: 'dt', Type: 'string' },
          { Name: 'hour', Type: 'string' },
        ],
        Parameters: { 'projection.enabled': 'true' },
      },
    });
    const queries = resourcesOf(evidence, 'AWS::Athena::NamedQuery').map(({ Properties }) => Properties.QueryString);
    expect(queries.sort()).toEqual(
      readQueries()
        .map(({ text }) => text)
        .sort(),
    );
    expect(queries).toHaveLength(6);
  });

  test('saved queries of logs name log groups that there are', () => {
    const groups = [...templates.values()].flatMap((template) =>
      resourcesOf(template, 'AWS::Logs::LogGroup').map(({ Properties }) => Properties.LogGroupName),
    );
    const asked = resourcesOf(stack('evidence'), 'AWS::Logs::QueryDefinition');
    expect(asked).toHaveLength(LOG_QUERIES.length);
    const unknown = asked
      .flatMap(({ Properties }) => Properties.LogGroupNames)
      .filter((name) => !groups.includes(name));
    expect(unknown).toEqual([]);
  });
});

describe('queues and topics', () => {
  test.each(QUEUE_IDS)('%s and its DLQ have the names and settings of the code', (id) => {
    const fifo = isFifo(id)
      ? { FifoQueue: true, DeduplicationScope: 'messageGroup', FifoThroughputLimit: 'perMessageGroupId' }
      : { FifoQueue: Match.absent() };
    stack('messaging').hasResourceProperties('AWS::SQS::Queue', {
      QueueName: queueName(EAST, id),
      VisibilityTimeout: QUEUE_SETTINGS[id].visibilityTimeoutSeconds,
      MessageRetentionPeriod: QUEUE_SETTINGS[id].retentionSeconds,
      KmsMasterKeyId: Match.anyValue(),
      RedrivePolicy: { maxReceiveCount: MAX_RECEIVE_COUNT, deadLetterTargetArn: Match.anyValue() },
      ...fifo,
    });
    stack('messaging').hasResourceProperties('AWS::SQS::Queue', {
      QueueName: deadLetterQueueName(EAST, id),
      VisibilityTimeout: DEAD_LETTER_SETTINGS.visibilityTimeoutSeconds,
      MessageRetentionPeriod: DEAD_LETTER_SETTINGS.retentionSeconds,
      KmsMasterKeyId: Match.anyValue(),
      RedrivePolicy: Match.absent(),
      RedriveAllowPolicy: { redrivePermission: 'byQueue', sourceQueueArns: [Match.anyValue()] },
      ...fifo,
    });
  });

  test('there are no others, and topics are those of the code', () => {
    const names = resourcesOf(stack('messaging'), 'AWS::SQS::Queue').map(({ Properties }) => Properties.QueueName);
    expect(names.sort()).toEqual(
      QUEUE_IDS.flatMap((id) => [queueName(EAST, id), deadLetterQueueName(EAST, id)]).sort(),
    );
    const topics = resourcesOf(stack('messaging'), 'AWS::SNS::Topic');
    expect(topics.map(({ Properties }) => Properties.TopicName)).toEqual(TOPIC_IDS.map((id) => topicName(EAST, id)));
    expect(topics.every(({ Properties }) => Properties.KmsMasterKeyId !== undefined)).toBe(true);
  });

  test('nothing is sent without TLS', () => {
    for (const type of ['AWS::SQS::QueuePolicy', 'AWS::SNS::TopicPolicy']) {
      const policies = resourcesOf(stack('messaging'), type);
      expect(policies.length).toBeGreaterThanOrEqual(3);
      for (const { Properties } of policies) {
        expect(JSON.stringify(Properties.PolicyDocument)).toContain('"aws:SecureTransport":"false"');
      }
    }
  });
});

describe('buckets and events', () => {
  const bucketOf = (id: (typeof BUCKET_IDS)[number]): Resource =>
    resourcesOf(stack('storage'), 'AWS::S3::Bucket').find(
      ({ Properties }) => Properties.BucketName === bucketName(EAST, id),
    )!;

  test.each(BUCKET_IDS)('%s is versioned, closed, encrypted, logged, and ends forgotten uploads', (id) => {
    const { Properties: bucket } = bucketOf(id);
    expect(bucket.VersioningConfiguration).toEqual({ Status: 'Enabled' });
    expect(Object.values(bucket.PublicAccessBlockConfiguration)).toEqual([true, true, true, true]);
    expect(bucket.BucketEncryption.ServerSideEncryptionConfiguration[0]).toMatchObject({
      BucketKeyEnabled: true,
      ServerSideEncryptionByDefault: { SSEAlgorithm: 'aws:kms' },
    });
    expect(bucket.LoggingConfiguration.LogFilePrefix).toBe(`${id}/`);
    expect(bucket.LifecycleConfiguration.Rules[0].AbortIncompleteMultipartUpload).toEqual({ DaysAfterInitiation: 7 });
    const policies = JSON.stringify(resourcesOf(stack('storage'), 'AWS::S3::BucketPolicy'));
    expect(policies).toContain('"aws:SecureTransport":"false"');
  });

  test('events of landing go to its queue, with a DLQ for what cannot be delivered and an archive to replay', () => {
    expect(SENT_EVENTS.toSorted()).toEqual(READ_EVENTS.toSorted());
    expect(bucketOf('landing').Properties.NotificationConfiguration).toEqual({
      EventBridgeConfiguration: { EventBridgeEnabled: true },
    });
    const rules = resourcesOf(stack('storage'), 'AWS::Events::Rule');
    expect(rules.flatMap(({ Properties }) => Properties.EventPattern['detail-type']).sort()).toEqual(
      SENT_EVENTS.toSorted(),
    );
    for (const { Properties } of rules) {
      expect(Properties.State).toBe('ENABLED');
      expect(Properties.Targets).toHaveLength(1);
      expect(Properties.Targets[0].DeadLetterConfig.Arn).toBeDefined();
      expect(Properties.Targets[0].InputPath ?? Properties.Targets[0].InputTransformer).toBeUndefined();
      expect(JSON.stringify(Properties.EventPattern)).toContain(bucketName(EAST, 'landing'));
    }
    stack('storage').hasResourceProperties('AWS::Events::Archive', { RetentionDays: 14 });
  });
});

test('copies of landing are not kept for ever', () => {
  const rulesOf = (prefix: string) =>
    resourcesOf(stack('storage', prefix), 'AWS::S3::Bucket')
      .filter(({ Properties }) => Properties.BucketName === bucketName(prefix, 'landing'))
      .flatMap(({ Properties }) => Properties.LifecycleConfiguration.Rules);
  // Deletions by version are not replicated.
  expect(rulesOf(`${EAST}-standby`)).toContainEqual(expect.objectContaining({ ExpirationInDays: REPLICA_DAYS }));
  // What partners sent and nobody processed yet stays.
  expect(rulesOf(EAST).filter(({ ExpirationInDays }) => ExpirationInDays !== undefined)).toEqual([]);
});

test('the network leads out for partners alone, and to AWS by endpoints', () => {
  stack('network').resourceCountIs('AWS::EC2::NatGateway', 3);
  const endpoints = resourcesOf(stack('network'), 'AWS::EC2::VPCEndpoint');
  expect(
    endpoints
      .map(({ Properties }) => JSON.stringify(Properties.ServiceName).match(/(?:us-east-1\.|"\.)([a-z0-9.-]+)"/)?.[1])
      .sort(),
  ).toEqual(['aps-workspaces', 'ecr.api', 'ecr.dkr', 'lambda', 'logs', 's3', 'secretsmanager', 'sns', 'sqs', 'sts']);
  expect(endpoints.filter(({ Properties }) => Properties.VpcEndpointType === 'Interface')).toHaveLength(9);
  stack('network').hasResourceProperties('AWS::KMS::Key', { EnableKeyRotation: true });
  stack('network').hasResourceProperties('AWS::EC2::FlowLog', { TrafficType: 'REJECT' });
});

test('the database is encrypted, in several zones, backed up, protected, signed in to by IAM', () => {
  stack('data').hasResourceProperties('AWS::RDS::DBCluster', {
    Engine: 'aurora-postgresql',
    EnableIAMDatabaseAuthentication: true,
    StorageEncrypted: true,
    DeletionProtection: true,
    BackupRetentionPeriod: 14,
    ServerlessV2ScalingConfiguration: { MinCapacity: 2, MaxCapacity: 32 },
    GlobalClusterIdentifier: `${EAST}-global`,
  });
  stack('data').resourceCountIs('AWS::RDS::DBInstance', 2);
  stack('data').allResourcesProperties('AWS::RDS::DBInstance', {
    MonitoringInterval: 60,
    MonitoringRoleArn: Match.anyValue(),
  });
  stack('data').hasResourceProperties('AWS::SecretsManager::RotationSchedule', {
    RotationRules: { ScheduleExpression: 'rate(30 days)' },
  });
});

describe('services', () => {
  const definitions = () =>
    resourcesOf(stack('services'), 'AWS::ECS::TaskDefinition').map(({ Properties }) => Properties);
  const definitionOf = (name: string) => definitions().find(({ Family }) => Family === `${EAST}-${name}`);

  test.each(SERVICES)(
    '$name runs on Graviton, as a numeric user, on a read-only root, with time to drain',
    ({ name, loadConfig, variables }) => {
      const definition = definitionOf(name);
      expect(definition.RuntimePlatform).toEqual({ CpuArchitecture: 'ARM64', OperatingSystemFamily: 'LINUX' });
      for (const container of definition.ContainerDefinitions) {
        expect(container.User).toMatch(/^\d+$/);
        expect(container.ReadonlyRootFilesystem).toBe(true);
      }
      const [container] = definition.ContainerDefinitions;
      expect(container.Command).toEqual(['node', ...memoryFlags(name), `services/${name}/main.ts`]);
      expect(container.LinuxParameters).toMatchObject({ InitProcessEnabled: true, Capabilities: { Drop: ['ALL'] } });
      expect(container.HealthCheck.Command).toEqual(['CMD', 'node', 'deploy/check-health.mjs', '9464']);
      const config = loadConfig({ DATABASE_URL: 'postgres://u@h/d', AWS_REGION: 'us-east-1', ...variables });
      expect(container.StopTimeout).toBe(stopTimeoutSeconds(config));
      expect(container.StopTimeout * 1_000).toBeGreaterThan(config.LONGSHORE_DRAIN_MS);
      // Fargate takes no more.
      expect(container.StopTimeout).toBeLessThanOrEqual(120);
      const environment = Object.fromEntries(
        container.Environment.map(({ Name, Value }: { Name: string; Value: unknown }) => [Name, Value]),
      );
      expect(environment).toMatchObject({
        ...MEMORY_VARIABLES,
        OTEL_EXPORTER_OTLP_ENDPOINT: 'https://traces.internal.example',
        OTEL_TRACES_SAMPLER: 'parentbased_traceidratio',
        OTEL_TRACES_SAMPLER_ARG: '0.05',
      });
      expect(JSON.stringify(environment.DATABASE_URL)).toContain('sslmode=verify-full');
    },
  );

  test('a deployment goes back by itself, waits for the migration, and takes no task away first', () => {
    const services = resourcesOf(stack('services'), 'AWS::ECS::Service');
    expect(services.map(({ Properties }) => Properties.ServiceName).sort()).toEqual(
      SERVICES.map(({ name }) => name).sort(),
    );
    for (const { Properties, DependsOn } of services) {
      expect(Properties.DeploymentConfiguration).toMatchObject({
        DeploymentCircuitBreaker: { Enable: true, Rollback: true },
        MinimumHealthyPercent: 100,
      });
      expect(DependsOn).toContain('Migration');
      expect(Properties.NetworkConfiguration.AwsvpcConfiguration.AssignPublicIp).toBe('DISABLED');
    }
    expect(definitionOf('migration').ContainerDefinitions[0].Command).toEqual(['node', 'services/migration/main.ts']);
  });

  test('large copies keep their task; nobody else asks for that', () => {
    const protecting = Object.entries(stack('services').findResources('AWS::IAM::Policy')).filter(([, policy]) =>
      JSON.stringify(policy).includes('ecs:UpdateTaskProtection'),
    );
    expect(protecting.map(([id]) => id)).toEqual([expect.stringMatching(/^largefileworker/)]);
  });

  const scaled = SERVICES.filter(({ queue }) => queue !== undefined);

  test.each(scaled)(
    '$name scales on its backlog per task, guarded where no task runs, and on age',
    ({ name, queue }) => {
      const policies = resourcesOf(stack('services'), 'AWS::ApplicationAutoScaling::ScalingPolicy').map(
        ({ Properties }) => Properties,
      );
      const policy = policies.find(({ PolicyName }) => PolicyName === `${EAST}-${name}-backlog-per-task`);
      const { CustomizedMetricSpecification: metric, TargetValue } = policy.TargetTrackingScalingPolicyConfiguration;
      expect(TargetValue).toBeGreaterThanOrEqual(1);
      const byId = Object.fromEntries(metric.Metrics.map((each: { Id: string }) => [each.Id, each]));
      expect(byId.visible.MetricStat.Metric.Dimensions).toEqual([
        { Name: 'QueueName', Value: queueName(EAST, queue!) },
      ]);
      expect(byId.per_task).toMatchObject({
        ReturnData: true,
        Expression: 'IF(FILL(tasks, 0) > 0, backlog / FILL(tasks, 1), backlog)',
      });
      expect(metric.Metrics.filter(({ ReturnData }: { ReturnData: boolean }) => ReturnData)).toHaveLength(1);
      expect('waiting' in byId).toBe(queue !== 'ingest');
      if (queue === 'partner-steps' || queue === 'work')
        expect(JSON.stringify(byId.waiting.MetricStat.Metric.Dimensions)).toContain('waiting in all lanes');
      if (queue === 'landing')
        expect(byId.waiting.MetricStat.Metric.Dimensions).toEqual([
          { Name: 'QueueName', Value: queueName(EAST, 'landing-overflow') },
        ]);
      // It only grows: letting go has its own pace.
      expect(policy.TargetTrackingScalingPolicyConfiguration.DisableScaleIn).toBe(true);
      const arrivals = policies.find(({ PolicyName }) => PolicyName === `${EAST}-${name}-arrivals-per-task`);
      expect(arrivals.TargetTrackingScalingPolicyConfiguration).toMatchObject({
        DisableScaleIn: true,
        ScaleOutCooldown: FARGATE_SCALING.growCooldownSeconds,
        TargetValue: messagesPerSecondPerTask(
          SERVICE_OBJECTIVES[name as ScaledService].capacity,
          FLEET_SIZES.prod.tasks[name].cpu / 1_024,
        ),
      });
      stack('services').hasResourceProperties('AWS::CloudWatch::Alarm', { AlarmName: `${EAST}-scale-${name}-late` });
    },
  );

  test.each(scaled)(
    '$name lets a tenth go at the pace that is simulated, and only where everything is reported',
    ({ name }) => {
      const policies = stack('services').findResources('AWS::ApplicationAutoScaling::ScalingPolicy', {
        Properties: { StepScalingPolicyConfiguration: { StepAdjustments: [{ ScalingAdjustment: -10 }] } },
      }) as Record<string, Resource>;
      const alarm = resourcesOf(stack('services'), 'AWS::CloudWatch::Alarm')
        .map(({ Properties }) => Properties)
        .find(({ AlarmName }) => AlarmName === `${EAST}-scale-${name}-quiet`);
      const policy = policies[alarm.AlarmActions[0].Ref];
      expect(policy!.Properties.StepScalingPolicyConfiguration).toMatchObject({
        AdjustmentType: 'PercentChangeInCapacity',
        Cooldown: FARGATE_SCALING.shrinkCooldownSeconds,
        MinAdjustmentMagnitude: 1,
        StepAdjustments: [{ MetricIntervalLowerBound: 0, ScalingAdjustment: -100 * FARGATE_SCALING.largestShrink }],
      });
      expect(alarm).toMatchObject({
        EvaluationPeriods: FARGATE_SCALING.quietReadings,
        ComparisonOperator: 'GreaterThanOrEqualToThreshold',
        Threshold: 0,
        TreatMissingData: 'notBreaching',
      });
      // CloudWatch takes ten at most.
      expect(alarm.Metrics.length).toBeLessThanOrEqual(10);
      const shown = alarm.Metrics.filter(({ ReturnData }: { ReturnData?: boolean }) => ReturnData !== false);
      expect(shown).toEqual([
        expect.objectContaining({
          Expression: `IF(FILL(age, 0) > ${SERVICE_OBJECTIVES[name as ScaledService].oldestAgeSeconds}, -1, tasks - step - IF(waits > comes, waits, comes))`,
        }),
      ]);
    },
  );

  test('letting go weighs what waits and what arrives as the policy does', () => {
    const { capacity, wantedLatencySeconds } = SERVICE_OBJECTIVES['partner-worker'];
    const alarm = resourcesOf(stack('services'), 'AWS::CloudWatch::Alarm')
      .map(({ Properties }) => Properties)
      .find(({ AlarmName }) => AlarmName === `${EAST}-scale-partner-worker-quiet`);
    const expressions = Object.fromEntries(
      alarm.Metrics.map(({ Id, Expression }: Record<string, string>) => [Id, Expression]),
    );
    const perMinute = FARGATE_SCALING.readingSeconds * messagesPerSecondPerTask(capacity, 1);
    expect(expressions).toMatchObject({
      waits: `(visible + FILL(waiting, 0)) / ${backlogPerTask(capacity, 1, wantedLatencySeconds)}`,
      comes: `sent / ${perMinute}`,
      step: 'IF(tasks * 0.1 > 1, tasks * 0.1, 1)',
    });
  });

  test('known hours raise the least number of tasks and set it back, by the clocks of their place', () => {
    const actionsOf = (prefix: string) =>
      resourcesOf(stack('services', prefix), 'AWS::ApplicationAutoScaling::ScalableTarget').flatMap(({ Properties }) =>
        (Properties.ScheduledActions ?? []).map((action: Record<string, unknown>) => ({
          ...action,
          min: (action.ScalableTargetAction as { MinCapacity: number }).MinCapacity,
        })),
      );
    const east = settings.homes[0]!;
    const planned = east.scheduledMinimums.flatMap(({ tasks }) => Object.keys(tasks));
    expect(actionsOf(EAST)).toHaveLength(2 * planned.length);
    const banks = actionsOf(EAST).filter(({ ScheduledActionName }) => /^banks-/.test(String(ScheduledActionName)));
    expect(banks).toEqual(
      expect.arrayContaining([
        expect.objectContaining({
          ScheduledActionName: 'banks-from',
          Schedule: 'cron(50 5 ? * MON,TUE,WED,THU,FRI,SAT,SUN *)',
          Timezone: 'America/New_York',
          min: east.scheduledMinimums[0]!.tasks['partner-worker'],
        }),
        expect.objectContaining({
          ScheduledActionName: 'banks-until',
          Schedule: 'cron(10 6 ? * MON,TUE,WED,THU,FRI,SAT,SUN *)',
          Timezone: 'America/New_York',
          min: FLEET_SIZES.prod.tasks['partner-worker'].minTasks,
        }),
      ]),
    );
    expect(actionsOf(WEST)).toEqual([]);
  });

  test('a scheduled minimum beyond what the database’s connections allow is refused', () => {
    const [east, west] = settings.homes;
    const scheduledMinimums = [{ ...east!.scheduledMinimums[0]!, tasks: { router: 1_000 } }];
    expect(() => buildApp({ ...settings, homes: [{ ...east!, scheduledMinimums }, west!] })).toThrow(
      /scheduled minimum banks wants 1000 tasks of router/,
    );
  });

  test('all tasks together leave a fifth of the database’s connections', () => {
    const targets = resourcesOf(stack('services'), 'AWS::ApplicationAutoScaling::ScalableTarget').map(
      ({ Properties }) => Properties,
    );
    expect(targets).toHaveLength(scaled.length);
    const pool = 4;
    const fixed = 2 * pool + 2 * 2 * pool;
    const most = targets.reduce((sum, { MaxCapacity }) => sum + MaxCapacity * pool, fixed);
    expect(most).toBeLessThanOrEqual(5_000 * 0.8);
    expect(targets.every(({ MaxCapacity, MinCapacity }) => MaxCapacity > MinCapacity)).toBe(true);
  });
});

describe('doors', () => {
  test('SFTP is without SHA-1, and asks the function of logins, which nobody else may call', () => {
    stack('sftp').hasResourceProperties('AWS::Transfer::Server', {
      EndpointType: 'VPC',
      IdentityProviderType: 'AWS_LAMBDA',
      IdentityProviderDetails: { Function: Match.anyValue(), SftpAuthenticationMethods: 'PUBLIC_KEY' },
      Protocols: ['SFTP'],
      SecurityPolicyName: 'TransferSecurityPolicy-2025-03',
      StructuredLogDestinations: [Match.anyValue()],
    });
    stack('sftp').resourceCountIs('AWS::Transfer::User', 0);
    stack('sftp').hasResourceProperties('AWS::Lambda::Permission', {
      Principal: 'transfer.amazonaws.com',
      SourceArn: { 'Fn::GetAtt': [Match.stringLikeRegexp('Server'), 'Arn'] },
      SourceAccount: Match.anyValue(),
    });
  });

  test('the function of logins reads the database from inside the network, as a user of its own', () => {
    const logins = stack('sftp-logins');
    logins.hasResourceProperties('AWS::Lambda::Function', {
      FunctionName: `${EAST}-sftp-logins`,
      Handler: 'lambda.handler',
      Environment: {
        Variables: Match.objectLike({
          DATABASE_IAM_AUTH: 'true',
          LONGSHORE_PREFIX: EAST,
          LONGSHORE_SFTP_OTHER_FUNCTION: `${WEST}-standby-sftp-logins`,
          NODE_EXTRA_CA_CERTS: '/var/runtime/ca-cert.pem',
        }),
      },
      ReservedConcurrentExecutions: 20,
      VpcConfig: { SecurityGroupIds: [Match.anyValue(), Match.anyValue()], SubnetIds: Match.anyValue() },
    });
    const [group] = resourcesOf(logins, 'AWS::EC2::SecurityGroup');
    expect(group?.Properties.SecurityGroupEgress.map(({ ToPort }: { ToPort: number }) => ToPort)).toEqual([443]);
    const policies = JSON.stringify(logins.findResources('AWS::IAM::Policy'));
    expect(policies).toContain('/longshore_logins');
    expect(policies).not.toContain('secretsmanager');
    // Another tenant's objects are kept away by the policy of the session; other buckets by the role.
    expect(policies).toContain(`:s3:::${EAST}-landing/*`);
    expect(policies).not.toContain('-archive');
  });

  test('the control API stands behind TLS and a firewall, and is asked for its readiness', () => {
    stack('api').hasResourceProperties('AWS::ElasticLoadBalancingV2::Listener', { Port: 443, Protocol: 'HTTPS' });
    stack('api').resourceCountIs('AWS::ElasticLoadBalancingV2::Listener', 1);
    // To the tasks, too: their service is told to speak TLS.
    stack('api').hasResourceProperties('AWS::ElasticLoadBalancingV2::TargetGroup', {
      Protocol: 'HTTPS',
      HealthCheckProtocol: 'HTTP',
      HealthCheckPath: '/readyz',
      HealthCheckPort: '9464',
    });
    stack('api').resourceCountIs('AWS::WAFv2::WebACL', 1);
    stack('api').resourceCountIs('AWS::WAFv2::WebACLAssociation', 1);
    const ingress = resourcesOf(stack('api'), 'AWS::EC2::SecurityGroup').flatMap(
      ({ Properties }) => Properties.SecurityGroupIngress ?? [],
    );
    expect(ingress.map(({ CidrIp }) => CidrIp)).toEqual(settings.api.allowedCidrs);
  });

  test('partners’ APIs have the methods of the authorizer’s rules, each behind it', () => {
    const methods = resourcesOf(stack('partner-apis'), 'AWS::ApiGateway::Method').map(({ Properties }) => Properties);
    expect(methods.map(({ HttpMethod }) => HttpMethod).sort()).toEqual(
      settings.partnerApis!.rules.map(({ method }) => method).sort(),
    );
    expect(methods.every(({ AuthorizationType }) => AuthorizationType === 'CUSTOM')).toBe(true);
    stack('partner-apis').hasResourceProperties('AWS::Lambda::Function', {
      Handler: 'lambda.handler',
      Architectures: ['arm64'],
    });
    stack('partner-apis').resourceCountIs('AWS::WAFv2::WebACLAssociation', 1);
  });
});

describe('audit', () => {
  test('the trail records who did what, and who read and wrote the objects of every fleet in the region', () => {
    const trail = (prefix: string) => resourcesOf(stack('audit', prefix), 'AWS::CloudTrail::Trail')[0]!.Properties;
    const [management, data] = trail(EAST).EventSelectors;
    expect(management).toEqual({ IncludeManagementEvents: true, ReadWriteType: 'All' });
    expect(data.IncludeManagementEvents).toBe(false);
    expect(data.DataResources[0].Values).toEqual(
      [EAST, `${WEST}-standby`].flatMap((prefix) => BUCKET_IDS.map((id) => `arn:aws:s3:::${bucketName(prefix, id)}/`)),
    );
    // Events of IAM come to one region.
    expect(trail(EAST)).toMatchObject({ IsMultiRegionTrail: true, EnableLogFileValidation: true });
    expect(trail(WEST)).toMatchObject({ IsMultiRegionTrail: false, EnableLogFileValidation: true });
    stack('audit').hasResourceProperties('AWS::S3::Bucket', {
      BucketName: `${EAST}-audit`,
      ObjectLockConfiguration: { Rule: { DefaultRetention: { Mode: 'COMPLIANCE', Days: 400 } } },
    });
  });

  test('Config judges encryption, logging, notifications and public access, after it records', () => {
    const rules = Object.values(stack('audit').findResources('AWS::Config::ConfigRule')) as Resource[];
    const ids = rules.map(({ Properties }) => Properties.Source.SourceIdentifier);
    for (const asked of [
      'S3_BUCKET_SERVER_SIDE_ENCRYPTION_ENABLED',
      'S3_BUCKET_LOGGING_ENABLED',
      'S3_EVENT_NOTIFICATIONS_ENABLED',
      'S3_BUCKET_PUBLIC_READ_PROHIBITED',
    ])
      expect(ids).toContain(asked);
    const recorders = Object.keys(stack('audit').findResources('AWS::Config::ConfigurationRecorder'));
    expect(recorders).toHaveLength(1);
    for (const { DependsOn } of rules) expect(DependsOn).toEqual(expect.arrayContaining(recorders));
    const global = (prefix: string) =>
      resourcesOf(stack('audit', prefix), 'AWS::Config::ConfigurationRecorder')[0]!.Properties.RecordingGroup
        .IncludeGlobalResourceTypes;
    expect([global(EAST), global(WEST)]).toEqual([true, false]);
  });

  test('what GuardDuty, Macie and Config find calls', () => {
    stack('audit').resourceCountIs('AWS::GuardDuty::Detector', 1);
    stack('audit').resourceCountIs('AWS::Macie::Session', 1);
    const rules = resourcesOf(stack('audit'), 'AWS::Events::Rule').map(({ Properties }) => Properties);
    expect(rules.flatMap(({ EventPattern }) => EventPattern.source).sort()).toEqual([
      'aws.config',
      'aws.guardduty',
      'aws.macie',
    ]);
    for (const { Targets } of rules) {
      expect(JSON.stringify(Targets[0].Arn)).toContain(`${EAST}-telemetry`);
      expect(Targets[0].RoleArn).toBeDefined();
    }
    const policies = JSON.stringify(stack('audit').findResources('AWS::IAM::Policy'));
    expect(policies).toContain('sns:Publish');
    expect(policies).toContain('kms:GenerateDataKey');
  });
});

describe('two regions', () => {
  test('each home has a standby in the other region, silent and at zero', () => {
    for (const [home, region] of [
      [EAST, 'us-west-2'],
      [WEST, 'us-east-1'],
    ] as const) {
      const prefix = `${home}-standby`;
      expect(templates.has(`${prefix}-services`), region).toBe(true);
      expect(templates.has(`${prefix}-sftp`)).toBe(false);
      const counts = resourcesOf(stack('services', prefix), 'AWS::ECS::Service').map(
        ({ Properties }) => Properties.DesiredCount,
      );
      expect(new Set(counts)).toEqual(new Set([0]));
      stack('services', prefix).resourceCountIs('AWS::ApplicationAutoScaling::ScalingPolicy', 0);
      const rules = resourcesOf(stack('storage', prefix), 'AWS::Events::Rule').map(({ Properties }) => Properties);
      const states = Object.fromEntries(rules.map(({ Name, State }) => [Name.slice(prefix.length + 1), State]));
      expect(states).toEqual({ landed: 'DISABLED', transferred: 'DISABLED', strayed: 'ENABLED' });
      stack('network', prefix).resourceCountIs('AWS::EC2::NatGateway', 0);
      expect(resourcesOf(stack('messaging', prefix), 'AWS::SQS::Queue')).toHaveLength(2 * QUEUE_IDS.length);
    }
  });

  test('objects and rows follow, within minutes, to where the standby looks for them', () => {
    const buckets = resourcesOf(stack('storage'), 'AWS::S3::Bucket').map(({ Properties }) => Properties);
    const replicated = buckets.filter(({ ReplicationConfiguration }) => ReplicationConfiguration !== undefined);
    const names = replicated.map(({ BucketName }) => BucketName);
    expect(names.sort()).toEqual(BUCKET_IDS.map((id) => bucketName(EAST, id)).sort());
    const standby = resourcesOf(stack('storage', `${EAST}-standby`), 'AWS::S3::Bucket').map(
      ({ Properties }) => Properties.BucketName,
    );
    for (const { BucketName, ReplicationConfiguration } of replicated) {
      const [rule] = ReplicationConfiguration.Rules;
      expect(rule.Destination.ReplicationTime).toEqual({ Status: 'Enabled', Time: { Minutes: 15 } });
      expect(standby).toContain(BucketName.replace(EAST, `${EAST}-standby`));
    }
    stack('data', `${EAST}-standby`).hasResourceProperties('AWS::RDS::DBCluster', {
      GlobalClusterIdentifier: `${EAST}-global`,
      MasterUsername: Match.absent(),
      MasterUserPassword: Match.absent(),
      DatabaseName: Match.absent(),
    });
  });

  test('both servers show one host key, and ask about the users of both homes', () => {
    const secrets = [EAST, WEST].map((prefix) => {
      const found = resourcesOf(stack('sftp', prefix), 'AWS::CloudFormation::CustomResource');
      expect(found).toHaveLength(1);
      return found[0]!.Properties.secretName;
    });
    expect(new Set(secrets).size).toBe(1);
    const of = (prefix: string) =>
      resourcesOf(stack('sftp-logins', prefix), 'AWS::Lambda::Function')[0]!.Properties.Environment.Variables;
    expect(of(WEST).LONGSHORE_SFTP_OTHER_FUNCTION).toBe(`${EAST}-standby-sftp-logins`);
    expect(of(`${EAST}-standby`)).not.toHaveProperty('LONGSHORE_SFTP_OTHER_FUNCTION');
    // A follower answers at the address for reads alone.
    expect(JSON.stringify(of(`${EAST}-standby`).DATABASE_URL)).toContain('ReadEndpoint');
    expect(JSON.stringify(of(EAST).DATABASE_URL)).not.toContain('ReadEndpoint');
    stack('network', WEST).hasResourceProperties('AWS::EC2::VPCEndpoint', {
      ServiceName: Match.stringLikeRegexp('lambda$'),
    });
  });

  test('names lead to the home while it answers, else to its standby', () => {
    const records = (name: string) =>
      resourcesOf(stack(name), 'AWS::Route53::RecordSet').map(({ Properties }) => Properties);
    const of = (name: string, failover: string) => records(name).find(({ Failover }) => Failover === failover);
    const zone = settings.domain.zoneName;
    for (const name of ['sftp', 'api', 'partner-apis']) {
      expect(of(name, 'PRIMARY').HealthCheckId).toBeDefined();
      stack(name).resourceCountIs('AWS::Route53::HealthCheck', 1);
    }
    expect(of('sftp', 'SECONDARY').ResourceRecords).toEqual([`sftp-direct.${WEST}.${zone}`]);
    expect(of('api', 'SECONDARY').ResourceRecords).toEqual([`api-direct.${EAST}-standby.${zone}`]);
  });
});

import { Duration } from 'aws-cdk-lib';
import * as ec2 from 'aws-cdk-lib/aws-ec2';
import * as ecs from 'aws-cdk-lib/aws-ecs';
import * as iam from 'aws-cdk-lib/aws-iam';
import { LogGroup } from 'aws-cdk-lib/aws-logs';
import { Secret } from 'aws-cdk-lib/aws-secretsmanager';
import type { Construct } from 'constructs';
import { memoryFlags } from '#shared/runtime/config/memory.ts';
import { deadLetterQueueName, type QueueId, queueName } from '#shared/runtime/config/resource-names.ts';
import { messagesPerSecondPerTask } from '#shared/scaling/scaling-policy.ts';
import { type ScaledService, SERVICE_OBJECTIVES } from '#shared/scaling/service-capacities.ts';
import { taskCeilings } from '#shared/scaling/task-ceiling.ts';
import { fleetNamespace } from '../alarms/fleet-gauges.ts';
import { cloudWatchMetricsOf } from '../alarms/task-metrics.ts';
import { collectorConfiguration } from '../services/collector-configuration.ts';
import { type OutwardRule, outwardRules } from '../services/outward.ts';
import { addScaling } from '../services/scaling.ts';
import { SERVICE_ACCESS } from '../services/service-access.ts';
import { type CatalogueEntry, SERVICES, type ServiceName, stopTimeoutSeconds } from '../services/service-catalogue.ts';
import { PLATFORM_VARIABLES, serviceEnvironment } from '../services/service-environment.ts';
import { taskPolicy } from '../services/task-policy.ts';
import { databaseConnections } from '../sizes.ts';
import { acknowledge, allowWithWildcards } from './acknowledge.ts';
import { addMigration, type MigrationParts } from './add-migration.ts';
import { API_PORT, type ApiStack, HEALTH_PORT } from './api-stack.ts';
import { buildImages, type FleetImages } from './build-images.ts';
import type { DataStack } from './data-stack.ts';
import { type Fleet, FleetStack } from './fleet-stack.ts';
import { configurationSetNames } from './mail-stack.ts';
import type { MessagingStack } from './messaging-stack.ts';
import type { NetworkStack } from './network-stack.ts';
import type { TelemetryStack } from './telemetry-stack.ts';

export interface ServicesParts {
  readonly network: NetworkStack;
  readonly data: DataStack;
  readonly messaging: MessagingStack;
  readonly telemetry: TelemetryStack;
  /** A standby has none until it is brought to work. */
  readonly api?: ApiStack;
}

/** As in the image, see `deploy/Dockerfile`. */
const USER = '10001';

const COLLECTOR_MEMORY_MIB = 128;

export class ServicesStack extends FleetStack {
  readonly cluster: ecs.Cluster;
  readonly services: Readonly<Record<ServiceName, ecs.FargateService>>;
  readonly maxTasks: Readonly<Record<string, number>>;
  readonly #parts: ServicesParts;
  readonly #images: FleetImages;
  readonly #executionRole: iam.Role;
  readonly #traceHeaders: ecs.Secret | undefined;

  constructor(scope: Construct, fleet: Fleet, parts: ServicesParts) {
    super(scope, 'services', fleet);
    this.#parts = parts;
    this.maxTasks = this.#shareConnections();
    this.cluster = new ecs.Cluster(this, 'Cluster', {
      clusterName: fleet.prefix,
      vpc: parts.network.vpc,
      containerInsightsV2: ecs.ContainerInsights.ENABLED,
      enableFargateCapacityProviders: true,
    });
    this.#images = buildImages(this, fleet.settings.images);
    this.#executionRole = new iam.Role(this, 'Execution', {
      description: 'Pulls the image, writes the logs, hands the migration its secret',
      assumedBy: new iam.ServicePrincipal('ecs-tasks.amazonaws.com'),
    });
    this.#traceHeaders = this.#findTraceHeaders();
    const migration = this.isActive ? addMigration(this, this.#migrationParts()) : undefined;
    this.services = Object.fromEntries(
      SERVICES.map((entry) => {
        const service = this.#createService(entry);
        if (migration !== undefined) service.node.addDependency(migration);
        return [entry.name, service];
      }),
    ) as Record<ServiceName, ecs.FargateService>;
    acknowledge(this.#executionRole, { 'IAM5[Resource::*]': 'ecr:GetAuthorizationToken does not support resources.' });
  }

  #migrationParts(): MigrationParts {
    const { network, data } = this.#parts;
    return {
      ...{ network, data, cluster: this.cluster, image: this.#images.fleet, executionRole: this.#executionRole },
      taskDefinition: (name, task) => this.#taskDefinition(name, task),
      logsOf: (name) => this.#logsOf(name),
      outbound: (name, vpc) => this.#outbound(name, vpc),
      containment: () => this.#containment(),
    };
  }

  /** They may hold a token, so they are no variable that a task definition shows. */
  #findTraceHeaders(): ecs.Secret | undefined {
    const name = this.fleet.settings.traces?.headersSecret;
    if (name === undefined) return undefined;
    return ecs.Secret.fromSecretsManager(Secret.fromSecretNameV2(this, 'TraceHeaders', name));
  }

  /** Tasks of each service at most: what the database's connections allow. */
  #shareConnections(): Record<string, number> {
    const users = SERVICES.map((entry) => ({
      name: entry.name,
      connections: entry.loadConfig(this.environmentOf(entry)).DATABASE_POOL_MAX * entry.pools,
      minTasks: this.size.tasks[entry.name].minTasks,
      weight: entry.connectionWeight,
    }));
    return taskCeilings(users, databaseConnections(this.size));
  }

  /** What a service is given; every value passes through its own schema before it gets here. */
  environmentOf(entry: CatalogueEntry): Record<string, string> {
    return serviceEnvironment(entry, { ...this.fleet, region: this.region, isHome: this.isHome });
  }

  #taskDefinition(name: string, task: { cpu: number; memoryMiB: number }): ecs.FargateTaskDefinition {
    return new ecs.FargateTaskDefinition(this, `${name}-task`, {
      family: `${this.fleet.prefix}-${name}`,
      cpu: task.cpu,
      memoryLimitMiB: task.memoryMiB,
      executionRole: this.#executionRole,
      runtimePlatform: {
        cpuArchitecture: ecs.CpuArchitecture.ARM64,
        operatingSystemFamily: ecs.OperatingSystemFamily.LINUX,
      },
    });
  }

  #logsOf(name: string): LogGroup {
    return new LogGroup(this, `${name}-logs`, {
      logGroupName: `/longshore/${this.fleet.prefix}/${name}`,
      retention: this.size.logRetentionDays,
      encryptionKey: this.#parts.network.key,
      removalPolicy: this.removalPolicy,
    });
  }

  #createService(entry: CatalogueEntry): ecs.FargateService {
    const { name } = entry;
    const { network, data } = this.#parts;
    const size = this.size.tasks[name];
    const logs = this.#logsOf(name);
    const definition = this.#taskDefinition(name, size);
    const environment = this.environmentOf(entry);
    const config = entry.loadConfig(environment);
    definition.addContainer(name, {
      image: this.#images.fleet,
      command: ['node', ...memoryFlags(name), `services/${name}/main.ts`],
      environment: {
        ...PLATFORM_VARIABLES,
        ...environment,
        DATABASE_URL: data.databaseUrl(SERVICE_ACCESS[name].databaseUser),
      },
      ...(this.#traceHeaders !== undefined && { secrets: { OTEL_EXPORTER_OTLP_HEADERS: this.#traceHeaders } }),
      memoryReservationMiB: size.memoryMiB - COLLECTOR_MEMORY_MIB,
      stopTimeout: Duration.seconds(stopTimeoutSeconds(config)),
      healthCheck: {
        command: ['CMD', 'node', 'deploy/check-health.mjs', String(config.LONGSHORE_HTTP_PORT)],
        interval: Duration.seconds(10),
        timeout: Duration.seconds(5),
        retries: 3,
        startPeriod: Duration.seconds(60),
      },
      logging: ecs.LogDrivers.awsLogs({ logGroup: logs, streamPrefix: name, mode: ecs.AwsLogDriverMode.NON_BLOCKING }),
      portMappings: [
        { containerPort: config.LONGSHORE_HTTP_PORT },
        ...(name === 'control-api' ? [{ containerPort: API_PORT }] : []),
      ],
      ...this.#containment(),
    });
    this.#addCollector(definition, { name, port: config.LONGSHORE_HTTP_PORT, logs });
    allowWithWildcards(
      definition.taskRole,
      this.#policyOf(name),
      'All objects of the named buckets, all secrets under the prefix of tenants, all tasks of this cluster.',
    );
    acknowledge(definition, {
      ECS2: 'The variables hold names, addresses and limits; the database is reached by a signed token.',
    });
    const service = new ecs.FargateService(this, name, {
      serviceName: name,
      cluster: this.cluster,
      taskDefinition: definition,
      platformVersion: ecs.FargatePlatformVersion.VERSION1_4,
      // While it scales, a deployment must not set the number back.
      ...(entry.queue === undefined || !this.isActive ? { desiredCount: this.isActive ? size.minTasks : 0 } : {}),
      minHealthyPercent: 100,
      maxHealthyPercent: 200,
      circuitBreaker: { enable: true, rollback: true },
      capacityProviderStrategies: [{ capacityProvider: this.size.useSpot ? 'FARGATE_SPOT' : 'FARGATE', weight: 1 }],
      vpcSubnets: { subnetGroupName: entry.subnets },
      securityGroups: [
        data.clientGroup,
        this.#outbound(name, network.vpc, outwardRules(this.fleet.settings, SERVICE_ACCESS[name])),
      ],
      assignPublicIp: false,
      enableExecuteCommand: false,
      propagateTags: ecs.PropagatedTagSource.SERVICE,
    });
    if (name === 'control-api' && this.#parts.api !== undefined) this.#register(service, this.#parts.api);
    if (entry.queue !== undefined && this.isActive) this.#scale(name as ScaledService, entry.queue, service);
    return service;
  }

  /**
   * Out by HTTPS, to what the settings name beside it, and to the database, which `clientGroup` allows; in, only what the load balancer
   * adds.
   */
  #outbound(name: string, vpc: ec2.IVpc, rules: readonly OutwardRule[] = []): ec2.SecurityGroup {
    const group = new ec2.SecurityGroup(this, `${name}-group`, {
      vpc,
      description: `Tasks of ${name}`,
      allowAllOutbound: false,
    });
    group.addEgressRule(
      ec2.Peer.anyIpv4(),
      ec2.Port.tcp(443),
      'services of AWS, and partners where the subnet leads out',
    );
    for (const { network, port, description } of rules) {
      group.addEgressRule(ec2.Peer.ipv4(network), ec2.Port.tcp(port), description);
    }
    return group;
  }

  #containment(): Partial<ecs.ContainerDefinitionOptions> {
    const linuxParameters = new ecs.LinuxParameters(this, `linux-${this.node.children.length}`, {
      // Reaps what a child leaves; signals go to node, which handles them itself.
      initProcessEnabled: true,
    });
    linuxParameters.dropCapabilities(ecs.Capability.ALL);
    return { user: USER, readonlyRootFilesystem: true, linuxParameters };
  }

  #addCollector(
    definition: ecs.FargateTaskDefinition,
    { name, port, logs }: { name: string; port: number; logs: LogGroup },
  ): void {
    const { workspace } = this.#parts.telemetry;
    const configuration = collectorConfiguration({
      service: name,
      port,
      region: this.region,
      remoteWriteUrl: `${workspace.attrPrometheusEndpoint}api/v1/remote_write`,
      namespace: fleetNamespace(this.fleet.prefix),
      logGroupName: logs.logGroupName,
    });
    definition.addContainer('collector', {
      image: this.#images.collector,
      essential: false,
      // Without it one fault would end the metrics of the task for the rest of its life.
      enableRestartPolicy: true,
      restartAttemptPeriod: Duration.minutes(1),
      environment: { AOT_CONFIG_CONTENT: this.toJsonString(configuration) },
      memoryLimitMiB: COLLECTOR_MEMORY_MIB,
      logging: ecs.LogDrivers.awsLogs({ logGroup: logs, streamPrefix: 'collector' }),
      readonlyRootFilesystem: true,
      user: USER,
    });
    definition.addToTaskRolePolicy(
      new iam.PolicyStatement({ sid: 'Metrics', actions: ['aps:RemoteWrite'], resources: [workspace.attrArn] }),
    );
    if (cloudWatchMetricsOf(name).length > 0) {
      definition.addToTaskRolePolicy(
        new iam.PolicyStatement({
          sid: 'CloudWatchMetrics',
          actions: ['logs:CreateLogStream', 'logs:PutLogEvents', 'logs:DescribeLogStreams'],
          resources: [logs.logGroupArn],
        }),
      );
    }
  }

  #policyOf(name: ServiceName): iam.PolicyStatement[] {
    const { data, network } = this.#parts;
    const { prefix, home, settings } = this.fleet;
    return taskPolicy(SERVICE_ACCESS[name], {
      prefix,
      partition: this.partition,
      queueArn: (queue, isDeadLetter) =>
        this.queueArn((isDeadLetter ? deadLetterQueueName : queueName)(prefix, queue as QueueId)),
      topicArn: (topic) => this.formatArn({ service: 'sns', resource: topic }),
      secretsArn: this.formatArn({
        service: 'secretsmanager',
        resource: `secret:${home.prefix}/tenants/*`,
      }),
      keyArn: network.key.keyArn,
      connectArn: (user) => data.connectArn(user),
      tasksArn: this.formatArn({ service: 'ecs', resource: 'task', resourceName: `${prefix}/*` }),
      externalBuckets: settings.externalBuckets,
      externalKeys: settings.externalKeys,
      mailArns: (settings.campaigns === undefined
        ? []
        : [
            ...settings.campaigns.domains.map((domain) => `identity/${domain}`),
            ...configurationSetNames(prefix).map((set) => `configuration-set/${set}`),
          ]
      ).map((resource) => this.formatArn({ service: 'ses', resource })),
    });
  }

  #scale(name: ScaledService, queue: QueueId, service: ecs.FargateService): void {
    const { cpu, minTasks } = this.size.tasks[name];
    addScaling(this, {
      name,
      service,
      clusterName: this.cluster.clusterName,
      prefix: this.fleet.prefix,
      queue,
      vcpu: cpu / 1_024,
      minTasks,
      maxTasks: this.maxTasks[name] ?? minTasks,
      scheduledMinimums: this.fleet.home.scheduledMinimums,
    });
  }

  /** What all tasks together clear: by this an alarm knows what a queue may hold. */
  clearedPerSecond(name: ScaledService): number {
    const perTask = messagesPerSecondPerTask(SERVICE_OBJECTIVES[name].capacity, this.size.tasks[name].cpu / 1_024);
    return perTask * (this.maxTasks[name] ?? 1);
  }

  /**
   * With the load balancer, which is made before: CDK's own way would have the load balancer's stack refer to this one, and this one
   * wait for it.
   */
  #register(service: ecs.FargateService, { targets, group, listener }: ApiStack): void {
    const cfn = service.node.defaultChild as ecs.CfnService;
    cfn.loadBalancers = [
      { containerName: 'control-api', containerPort: API_PORT, targetGroupArn: targets.targetGroupArn },
    ];
    cfn.healthCheckGracePeriodSeconds = 60;
    service.node.addDependency(listener);
    for (const port of [API_PORT, HEALTH_PORT]) {
      new ec2.CfnSecurityGroupIngress(this, `from-load-balancer-${port}`, {
        groupId: service.connections.securityGroups.at(-1)?.securityGroupId,
        sourceSecurityGroupId: group.securityGroupId,
        ipProtocol: 'tcp',
        fromPort: port,
        toPort: port,
        description: 'requests and health checks of the load balancer',
      });
    }
  }
}

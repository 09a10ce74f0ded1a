/** One service: its task with the collector, what it may touch, and how many of it run. */
import { Duration } from 'aws-cdk-lib';
import * as ecs from 'aws-cdk-lib/aws-ecs';
import { Construct } from 'constructs';
import { memoryFlags } from '#shared/runtime/config/memory.ts';
import { deadLetterQueueName, type QueueId, queueName } from '#shared/runtime/config/resource-names.ts';
import type { ScaledService } from '#shared/scaling/service-capacities.ts';
import { acknowledge, allowWithWildcards } from '../stacks/acknowledge.ts';
import { API_PORT } from '../stacks/api-stack.ts';
import type { FleetImages } from '../stacks/build-images.ts';
import type { DataStack } from '../stacks/data-stack.ts';
import type { FleetStack } from '../stacks/fleet-stack.ts';
import { configurationSetNames } from '../stacks/mail-stack.ts';
import type { NetworkStack } from '../stacks/network-stack.ts';
import type { TelemetryStack } from '../stacks/telemetry-stack.ts';
import { addCollector, COLLECTOR_MEMORY_MIB } from './add-collector.ts';
import { FleetTask } from './fleet-task.ts';
import { outwardRules } from './outward.ts';
import { addScaling } from './scaling.ts';
import { SERVICE_ACCESS } from './service-access.ts';
import { type CatalogueEntry, deployedName, stopTimeoutSeconds } from './service-catalogue.ts';
import { ownSecretsIn, PLATFORM_VARIABLES } from './service-environment.ts';
import { type ResourceArns, taskPolicy } from './task-policy.ts';
import type { TenantSecrets } from './tenant-secrets.ts';

export interface FleetServiceProps {
  readonly entry: CatalogueEntry;
  /** Read by the service's own schema already. */
  readonly environment: Readonly<Record<string, string>>;
  readonly cluster: ecs.Cluster;
  readonly images: FleetImages;
  readonly network: NetworkStack;
  readonly data: DataStack;
  readonly telemetry: TelemetryStack;
  readonly tenantSecrets: TenantSecrets;
  readonly traceHeaders: ecs.Secret | undefined;
  readonly maxTasks: number;
}

export class FleetService extends Construct {
  readonly service: ecs.FargateService;
  readonly task: FleetTask;
  readonly #stack: FleetStack;
  readonly #props: FleetServiceProps;

  constructor(stack: FleetStack, props: FleetServiceProps) {
    super(stack, deployedName(props.entry));
    this.#stack = stack;
    this.#props = props;
    const { entry, network } = props;
    this.task = new FleetTask(stack, {
      name: deployedName(entry),
      ...stack.size.tasks[entry.name],
      network,
      outward: outwardRules(stack.fleet.settings, SERVICE_ACCESS[entry.name]),
    });
    this.#fillTask();
    this.service = this.#createService();
    if (entry.queue !== undefined && stack.isActive) this.#scale(entry.queue);
  }

  #fillTask(): void {
    const { entry, environment, images, data, telemetry, tenantSecrets, traceHeaders } = this.#props;
    const { name } = entry;
    const { definition, logs } = this.task;
    const config = entry.loadConfig(environment);
    const { databaseUser, publishes, readsSecrets } = SERVICE_ACCESS[name];
    if (readsSecrets) tenantSecrets.admit(definition.taskRole);
    const { memoryMiB } = this.#stack.size.tasks[name];
    definition.addContainer(name, {
      image: images.fleet,
      command: ['node', ...memoryFlags(name), `services/${name}/main.ts`],
      environment: {
        ...PLATFORM_VARIABLES,
        ...environment,
        DATABASE_URL: data.databaseUrl(databaseUser),
        ...(readsSecrets && { LONGSHORE_SECRETS_ROLE: tenantSecrets.role.roleArn }),
        ...(publishes && { LONGSHORE_TOPICS_ARN: this.#stack.formatArn({ service: 'sns', resource: '' }) }),
      },
      ...(traceHeaders !== undefined && { secrets: { OTEL_EXPORTER_OTLP_HEADERS: traceHeaders } }),
      memoryReservationMiB: memoryMiB - COLLECTOR_MEMORY_MIB,
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
      ...this.task.containment(),
    });
    addCollector(this.#stack, this.task, {
      service: name,
      port: config.LONGSHORE_HTTP_PORT,
      image: images.collector,
      telemetry,
    });
    allowWithWildcards(
      definition.taskRole,
      taskPolicy(SERVICE_ACCESS[name], this.#arns()),
      'All objects of the named buckets, the six characters after the name of a secret, all tasks of this cluster.',
    );
    acknowledge(definition, {
      ECS2: 'The variables hold names, addresses and limits; the database is reached by a signed token.',
    });
  }

  #createService(): ecs.FargateService {
    const { entry, cluster, data } = this.#props;
    const { isActive, size } = this.#stack;
    return new ecs.FargateService(this, 'Service', {
      serviceName: deployedName(entry),
      cluster,
      taskDefinition: this.task.definition,
      platformVersion: ecs.FargatePlatformVersion.VERSION1_4,
      // While it scales, a deployment must not set the number back.
      ...(entry.queue === undefined || !isActive
        ? { desiredCount: isActive ? size.tasks[entry.name].minTasks : 0 }
        : {}),
      minHealthyPercent: 100,
      maxHealthyPercent: 200,
      circuitBreaker: { enable: true, rollback: true },
      capacityProviderStrategies: [{ capacityProvider: size.useSpot ? 'FARGATE_SPOT' : 'FARGATE', weight: 1 }],
      vpcSubnets: { subnetGroupName: entry.subnets },
      securityGroups: [data.clientGroup, this.task.group],
      assignPublicIp: false,
      enableExecuteCommand: false,
      propagateTags: ecs.PropagatedTagSource.SERVICE,
    });
  }

  #scale(queue: QueueId): void {
    const { entry, cluster, maxTasks } = this.#props;
    const { fleet, size } = this.#stack;
    const { cpu, minTasks } = size.tasks[entry.name];
    addScaling(this.#stack, {
      name: entry.name as ScaledService,
      deployedName: deployedName(entry),
      service: this.service,
      clusterName: cluster.clusterName,
      prefix: fleet.prefix,
      queue,
      vcpu: cpu / 1_024,
      minTasks,
      maxTasks,
      scheduledMinimums: entry.lane === undefined ? fleet.home.scheduledMinimums : [],
    });
  }

  #arns(): ResourceArns {
    const { data, environment, network, tenantSecrets } = this.#props;
    const stack = this.#stack;
    const { prefix, home, settings } = stack.fleet;
    const mails =
      settings.campaigns === undefined
        ? []
        : [
            ...settings.campaigns.domains.map((domain) => `identity/${domain}`),
            ...configurationSetNames(prefix).map((set) => `configuration-set/${set}`),
          ];
    return {
      prefix,
      partition: stack.partition,
      queueArn: (queue, isDeadLetter) =>
        stack.queueArn((isDeadLetter ? deadLetterQueueName : queueName)(prefix, queue as QueueId)),
      topicArn: (topic) => stack.formatArn({ service: 'sns', resource: topic }),
      // Secrets Manager adds six characters to a name.
      ownSecretArns: ownSecretsIn(environment).map((name) =>
        stack.formatArn({ service: 'secretsmanager', resource: `secret:${home.prefix}/tenants/${name}-??????` }),
      ),
      tenantSecretsRoleArn: tenantSecrets.role.roleArn,
      keyArn: network.key.keyArn,
      connectArn: (user) => data.connectArn(user),
      tasksArn: stack.formatArn({ service: 'ecs', resource: 'task', resourceName: `${prefix}/*` }),
      externalBuckets: settings.externalBuckets,
      externalKeys: settings.externalKeys,
      mailArns: mails.map((resource) => stack.formatArn({ service: 'ses', resource })),
    };
  }
}

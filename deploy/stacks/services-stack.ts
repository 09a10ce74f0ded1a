import * as ec2 from 'aws-cdk-lib/aws-ec2';
import * as ecs from 'aws-cdk-lib/aws-ecs';
import { Secret } from 'aws-cdk-lib/aws-secretsmanager';
import type { Construct } from 'constructs';
import { FleetService } from '../services/fleet-service.ts';
import {
  type CatalogueEntry,
  deployedName,
  deployedServices,
  type ServiceName,
} from '../services/service-catalogue.ts';
import { serviceEnvironment } from '../services/service-environment.ts';
import { TenantSecrets } from '../services/tenant-secrets.ts';
import { taskLimits } from '../task-limits.ts';
import { addMigration } from './add-migration.ts';
import { API_PORT, type ApiStack, HEALTH_PORT } from './api-stack.ts';
import { buildImages } from './build-images.ts';
import type { DataStack } from './data-stack.ts';
import { type Fleet, FleetStack } from './fleet-stack.ts';
import type { MessagingStack } from './messaging-stack.ts';
import type { NetworkStack } from './network-stack.ts';
import type { TelemetryStack } from './telemetry-stack.ts';

export interface ServicesParts {
  readonly network: NetworkStack;
  readonly data: DataStack;
  readonly messaging: MessagingStack;
  readonly telemetry: TelemetryStack;
  readonly api: ApiStack;
}

export class ServicesStack extends FleetStack {
  readonly cluster: ecs.Cluster;
  readonly services: Readonly<Record<ServiceName, ecs.FargateService>>;
  /** Partner-workers of one lane, by the name of their service. */
  readonly lanes: Readonly<Record<string, ecs.FargateService>>;
  readonly maxTasks: Readonly<Record<string, number>>;

  constructor(scope: Construct, fleet: Fleet, parts: ServicesParts) {
    super(scope, 'services', fleet);
    const { network, data, telemetry, api } = parts;
    this.maxTasks = taskLimits(this.size, fleet.settings.ownLanes);
    this.cluster = new ecs.Cluster(this, 'Cluster', {
      clusterName: fleet.prefix,
      vpc: network.vpc,
      containerInsightsV2: ecs.ContainerInsights.ENABLED,
      enableFargateCapacityProviders: true,
    });
    const images = buildImages(this, fleet.settings);
    const traceHeaders = this.#findTraceHeaders();
    const tenantSecrets = new TenantSecrets(this);
    const { cluster } = this;
    const migration = addMigration(this, { network, data, cluster, image: images.fleet });
    const made = deployedServices(fleet.settings.ownLanes).map((entry) => {
      const one = new FleetService(this, {
        ...{ entry, cluster, images, network, data, telemetry, tenantSecrets, traceHeaders },
        environment: this.environmentOf(entry),
        maxTasks: this.maxTasks[deployedName(entry)] ?? this.size.tasks[entry.name].minTasks,
      });
      if (migration !== undefined) one.service.node.addDependency(migration);
      if (entry.name === 'control-api') this.#register(one, api);
      return { entry, service: one.service };
    });
    const named = (isLane: boolean) =>
      made
        .filter(({ entry }) => (entry.lane !== undefined) === isLane)
        .map(({ entry, service }) => [deployedName(entry), service]);
    this.services = Object.fromEntries(named(false)) as Record<ServiceName, ecs.FargateService>;
    this.lanes = Object.fromEntries(named(true));
  }

  /** They may hold a token, so they are not a variable that a task definition shows. */
  #findTraceHeaders(): ecs.Secret | undefined {
    const name = this.fleet.settings.traces?.headersSecret;
    if (name === undefined) return undefined;
    return ecs.Secret.fromSecretsManager(Secret.fromSecretNameV2(this, 'TraceHeaders', name));
  }

  /** What a service is given; every value passes through its own schema before it gets here. */
  environmentOf(entry: CatalogueEntry): Record<string, string> {
    return serviceEnvironment(entry, { ...this.fleet, region: this.region, isHome: this.isHome });
  }

  /**
   * With the load balancer, which is made before: CDK's own way would have the load balancer's stack refer to this one, and this one
   * wait for it.
   */
  #register({ service, task }: FleetService, { targets, group, listener }: ApiStack): void {
    const cfn = service.node.defaultChild as ecs.CfnService;
    cfn.loadBalancers = [
      { containerName: 'control-api', containerPort: API_PORT, targetGroupArn: targets.targetGroupArn },
    ];
    cfn.healthCheckGracePeriodSeconds = 60;
    service.node.addDependency(listener);
    for (const port of [API_PORT, HEALTH_PORT]) {
      new ec2.CfnSecurityGroupIngress(this, `from-load-balancer-${port}`, {
        groupId: task.group.securityGroupId,
        sourceSecurityGroupId: group.securityGroupId,
        ipProtocol: 'tcp',
        fromPort: port,
        toPort: port,
        description: 'requests and health checks of the load balancer',
      });
    }
  }
}

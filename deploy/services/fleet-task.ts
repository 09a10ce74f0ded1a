/**
 * A task of the fleet, whatever runs in it: its log, its definition and the group that it leaves the network by.
 *
 * 1. Numeric user, read-only root, no capabilities, as the image is made for.
 * 2. Each has its own execution role, which reads the secrets that this task is given and no others.
 */
import * as ec2 from 'aws-cdk-lib/aws-ec2';
import * as ecs from 'aws-cdk-lib/aws-ecs';
import * as iam from 'aws-cdk-lib/aws-iam';
import { LogGroup } from 'aws-cdk-lib/aws-logs';
import { Construct } from 'constructs';
import { acknowledge, allowWithWildcards } from '../stacks/acknowledge.ts';
import type { FleetStack } from '../stacks/fleet-stack.ts';
import type { NetworkStack } from '../stacks/network-stack.ts';
import type { OutwardRule } from './outward.ts';

/** As in the image, see `deploy/Dockerfile`. */
export const USER = '10001';

export interface FleetTaskProps {
  readonly name: string;
  readonly cpu: number;
  readonly memoryMiB: number;
  readonly network: NetworkStack;
  /** Where it may go besides HTTPS and the database. */
  readonly outward?: readonly OutwardRule[];
}

export class FleetTask extends Construct {
  readonly logs: LogGroup;
  readonly definition: ecs.FargateTaskDefinition;
  readonly group: ec2.SecurityGroup;
  readonly executionRole: iam.Role;

  constructor(stack: FleetStack, { name, cpu, memoryMiB, network, outward = [] }: FleetTaskProps) {
    super(stack, `${name}-task`);
    const { prefix, settings } = stack.fleet;
    this.logs = new LogGroup(this, 'Logs', {
      logGroupName: `/longshore/${prefix}/${name}`,
      retention: stack.size.logRetentionDays,
      encryptionKey: network.key,
      removalPolicy: stack.removalPolicy,
    });
    this.executionRole = new iam.Role(this, 'Execution', {
      description: `Pulls the image of ${name}, writes its log, hands it its secrets`,
      assumedBy: new iam.ServicePrincipal('ecs-tasks.amazonaws.com'),
    });
    acknowledge(this.executionRole, { 'IAM5[Resource::*]': 'ecr:GetAuthorizationToken does not support resources.' });
    if (settings.audit.guardDutyRuntime) this.#admitAgent(stack);
    this.definition = new ecs.FargateTaskDefinition(this, 'Definition', {
      family: `${prefix}-${name}`,
      cpu,
      memoryLimitMiB: memoryMiB,
      executionRole: this.executionRole,
      runtimePlatform: {
        cpuArchitecture: settings.architecture === 'arm64' ? ecs.CpuArchitecture.ARM64 : ecs.CpuArchitecture.X86_64,
        operatingSystemFamily: ecs.OperatingSystemFamily.LINUX,
      },
    });
    this.group = this.#createGroup(name, network.vpc, outward);
  }

  /** Amazon GuardDuty, "Prerequisites for Fargate": the agent's image comes from a registry of GuardDuty's own account in each region. */
  #admitAgent(stack: FleetStack): void {
    const repository = stack.formatArn({
      service: 'ecr',
      account: '*',
      resource: 'repository',
      resourceName: 'aws-guardduty-agent-fargate',
    });
    const actions = ['ecr:BatchCheckLayerAvailability', 'ecr:GetDownloadUrlForLayer', 'ecr:BatchGetImage'];
    const statement = new iam.PolicyStatement({ sid: 'GuardDutyAgent', actions, resources: [repository] });
    allowWithWildcards(this.executionRole, [statement], 'The account is GuardDuty’s, another one in each region.');
  }

  /** Out by HTTPS, and to what is named; in, only what a load balancer adds. The way to the database is another group's. */
  #createGroup(name: string, vpc: ec2.IVpc, outward: readonly OutwardRule[]): ec2.SecurityGroup {
    const group = new ec2.SecurityGroup(this, 'Group', {
      vpc,
      description: `Tasks of ${name}`,
      allowAllOutbound: false,
    });
    group.addEgressRule(
      ec2.Peer.anyIpv4(),
      ec2.Port.tcp(443),
      'services of AWS, and partners where the subnet leads out',
    );
    for (const { network, port, description } of outward) {
      group.addEgressRule(ec2.Peer.ipv4(network), ec2.Port.tcp(port), description);
    }
    return group;
  }

  /** What the main container of any task has. */
  containment(): Partial<ecs.ContainerDefinitionOptions> {
    const linuxParameters = new ecs.LinuxParameters(this, 'Linux', {
      // Reaps what a child leaves; signals go to node, which handles them itself.
      initProcessEnabled: true,
    });
    linuxParameters.dropCapabilities(ecs.Capability.ALL);
    return { user: USER, readonlyRootFilesystem: true, linuxParameters };
  }
}

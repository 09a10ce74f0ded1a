/**
 * The network of a fleet, and the key of what it keeps.
 *
 * 1. Services are in subnets without a way out: what they need of AWS they reach by endpoints. Only `egress`, for those that call
 *    partners, leads through a NAT gateway.
 * 2. One key, rotated each year, encrypts everything; services of AWS that write with it are named.
 */
import { CfnOutput, Tags } from 'aws-cdk-lib';
import * as ec2 from 'aws-cdk-lib/aws-ec2';
import { AccountPrincipal, AnyPrincipal, PolicyStatement, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import { Key } from 'aws-cdk-lib/aws-kms';
import { LogGroup } from 'aws-cdk-lib/aws-logs';
import type { Construct } from 'constructs';
import { acknowledge } from './acknowledge.ts';
import { type Fleet, FleetStack } from './fleet-stack.ts';

/** What the fleet, ECS and the collector ask. */
const INTERFACE_ENDPOINTS = {
  Sqs: ec2.InterfaceVpcEndpointAwsService.SQS,
  Sns: ec2.InterfaceVpcEndpointAwsService.SNS,
  Secrets: ec2.InterfaceVpcEndpointAwsService.SECRETS_MANAGER,
  Ecr: ec2.InterfaceVpcEndpointAwsService.ECR,
  EcrDocker: ec2.InterfaceVpcEndpointAwsService.ECR_DOCKER,
  Logs: ec2.InterfaceVpcEndpointAwsService.CLOUDWATCH_LOGS,
  Sts: ec2.InterfaceVpcEndpointAwsService.STS,
  Prometheus: ec2.InterfaceVpcEndpointAwsService.PROMETHEUS_WORKSPACES,
};

const LOG_USES = ['kms:Decrypt', 'kms:Encrypt', 'kms:ReEncrypt*', 'kms:GenerateDataKey*', 'kms:DescribeKey'];
/** What a service needs that puts messages or files which are encrypted. */
const SENDER_USES = ['kms:Decrypt', 'kms:GenerateDataKey*', 'kms:DescribeKey'];

export class NetworkStack extends FleetStack {
  readonly vpc: ec2.Vpc;
  readonly key: Key;

  constructor(scope: Construct, fleet: Fleet) {
    super(scope, 'network', fleet);
    this.key = this.#createKey();
    this.vpc = this.#createVpc();
    this.#addEndpoints();
  }

  get natGatewayIds(): string[] {
    const gateways = this.vpc.node.findAll().filter((each) => each instanceof ec2.CfnNatGateway);
    return gateways.map(({ attrNatGatewayId }) => attrNatGatewayId);
  }

  #createKey(): Key {
    const key = new Key(this, 'Key', {
      alias: `alias/${this.fleet.prefix}`,
      description: 'Objects, queues, topics, database, secrets and logs of the fleet',
      enableKeyRotation: true,
      removalPolicy: this.removalPolicy,
    });
    const services = ['events', 'sns', 'cloudwatch', 'aps', 'delivery.logs', 'cloudtrail'];
    key.addToResourcePolicy(
      new PolicyStatement({
        sid: 'ServicesOfThisAccount',
        principals: services.map((name) => new ServicePrincipal(`${name}.amazonaws.com`)),
        actions: SENDER_USES,
        // In a key's policy this is the key itself.
        resources: ['*'],
        // On behalf of nobody else's resources.
        conditions: { StringEquals: { 'aws:SourceAccount': this.account } },
      }),
    );
    key.addToResourcePolicy(
      new PolicyStatement({
        sid: 'LogsOfThisAccount',
        principals: [new ServicePrincipal(`logs.${this.region}.amazonaws.com`)],
        actions: LOG_USES,
        resources: ['*'],
        conditions: {
          ArnLike: { 'kms:EncryptionContext:aws:logs:arn': this.formatArn({ service: 'logs', resource: '*' }) },
        },
      }),
    );
    this.#lendToCopies(key);
    return key;
  }

  /** AWS Backup, "Encryption of copied backups": the account that keeps a copy reads the snapshot with the key of its source. */
  #lendToCopies(key: Key): void {
    const vault = this.fleet.settings.backup?.copyTo?.[this.region];
    const account = vault?.split(':')[4];
    if (account === undefined || account === this.fleet.settings.account) return;
    const principals = [new AccountPrincipal(account)];
    key.addToResourcePolicy(
      new PolicyStatement({ sid: 'CopiesOfBackups', principals, actions: SENDER_USES, resources: ['*'] }),
    );
    key.addToResourcePolicy(
      new PolicyStatement({
        sid: 'GrantsForCopies',
        principals,
        actions: ['kms:CreateGrant'],
        resources: ['*'],
        conditions: { Bool: { 'kms:GrantIsForAWSResource': 'true' } },
      }),
    );
  }

  #createVpc(): ec2.Vpc {
    const { cidr, availabilityZones } = this.fleet.place;
    // A home that is fenced keeps its way out: it comes back without new addresses.
    const leadsOut = this.fleet.role !== 'standby';
    const addresses = this.#createAddresses();
    const vpc = new ec2.Vpc(this, 'Vpc', {
      ipAddresses: ec2.IpAddresses.cidr(cidr),
      availabilityZones: [...availabilityZones],
      natGateways: leadsOut ? this.size.natGateways : 0,
      natGatewayProvider: ec2.NatProvider.gateway({
        eipAllocationIds: addresses.map(({ attrAllocationId }) => attrAllocationId),
      }),
      restrictDefaultSecurityGroup: true,
      subnetConfiguration: [
        { name: 'public', subnetType: ec2.SubnetType.PUBLIC, cidrMask: 24, mapPublicIpOnLaunch: false },
        {
          name: 'egress',
          subnetType: leadsOut ? ec2.SubnetType.PRIVATE_WITH_EGRESS : ec2.SubnetType.PRIVATE_ISOLATED,
          cidrMask: 20,
        },
        { name: 'fleet', subnetType: ec2.SubnetType.PRIVATE_ISOLATED, cidrMask: 20 },
        { name: 'data', subnetType: ec2.SubnetType.PRIVATE_ISOLATED, cidrMask: 24 },
      ],
    });
    const flowLogs = new LogGroup(this, 'FlowLogs', {
      retention: this.size.logRetentionDays,
      encryptionKey: this.key,
      removalPolicy: this.removalPolicy,
    });
    // A flow log cannot be changed: under its own name the other kind is made before this one goes.
    const hasAll = this.fleet.settings.audit.flowLogs === 'all';
    vpc.addFlowLog(hasAll ? 'All' : 'Rejected', {
      destination: ec2.FlowLogDestination.toCloudWatchLogs(flowLogs),
      trafficType: hasAll ? ec2.FlowLogTrafficType.ALL : ec2.FlowLogTrafficType.REJECT,
    });
    return vpc;
  }

  /** What partners see of the fleet's calls, so that they can let them in: those of a standby before it is brought to work. */
  #createAddresses(): ec2.CfnEIP[] {
    return Array.from({ length: this.size.natGateways }, (_, index) => {
      const address = new ec2.CfnEIP(this, `WayOut${index + 1}`, { domain: 'vpc' });
      new CfnOutput(this, `WayOutAddress${index + 1}`, { value: address.attrPublicIp });
      return address;
    });
  }

  #addEndpoints(): void {
    const s3 = this.vpc.addGatewayEndpoint('S3', { service: ec2.GatewayVpcEndpointAwsService.S3 });
    s3.addToPolicy(this.#ofThisAccount());
    // Amazon ECR, "Minimum Amazon S3 bucket permissions": layers of images are read in its own name.
    s3.addToPolicy(
      new PolicyStatement({
        principals: [new AnyPrincipal()],
        actions: ['s3:GetObject'],
        resources: [`arn:${this.partition}:s3:::prod-${this.region}-starport-layer-bucket/*`],
      }),
    );
    const securityGroup = new ec2.SecurityGroup(this, 'Endpoints', {
      vpc: this.vpc,
      description: 'HTTPS from the network to services of AWS',
      allowAllOutbound: false,
    });
    securityGroup.addIngressRule(ec2.Peer.ipv4(this.vpc.vpcCidrBlock), ec2.Port.tcp(443));
    acknowledge(securityGroup, {
      EC23: 'The only source is this network itself, whose range is known when the stack is created.',
    });
    const isOfPair = this.fleet.settings.homes.length === 2 && this.isHome;
    // There the function of SFTP logins asks that of the standby.
    const others = isOfPair ? { Lambda: ec2.InterfaceVpcEndpointAwsService.LAMBDA } : {};
    for (const [name, service] of Object.entries({ ...INTERFACE_ENDPOINTS, ...others })) {
      const endpoint = this.vpc.addInterfaceEndpoint(name, {
        service,
        subnets: { subnetGroupName: 'fleet' },
        securityGroups: [securityGroup],
        open: false,
      });
      endpoint.addToPolicy(this.#ofThisAccount());
      Tags.of(endpoint).add('Name', `${this.fleet.prefix} ${name}`);
    }
  }

  /** Through an endpoint nobody acts with another account's credentials: those brought in by an intruder lead nowhere. */
  #ofThisAccount(): PolicyStatement {
    return new PolicyStatement({
      principals: [new AnyPrincipal()],
      actions: ['*'],
      resources: ['*'],
      conditions: { StringEquals: { 'aws:PrincipalAccount': this.account } },
    });
  }
}

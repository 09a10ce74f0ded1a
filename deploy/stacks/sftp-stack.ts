/**
 * The front door: a Transfer Family server with addresses that do not change.
 *
 * 1. Keys only, and a policy without SHA-1: what `local/sftp/algorithms.ts` holds on one machine.
 * 2. A user is confined to its tenant's directories: the first ones of its routes in landing, `/outbound` to read.
 * 3. The server of each region shows the same host key, and knows the users of its standby's home: after a failover partners see the
 *    server they know.
 */

import { fileURLToPath } from 'node:url';
import { CustomResource, Duration } from 'aws-cdk-lib';
import * as ec2 from 'aws-cdk-lib/aws-ec2';
import * as iam from 'aws-cdk-lib/aws-iam';
import * as lambda from 'aws-cdk-lib/aws-lambda';
import { LogGroup } from 'aws-cdk-lib/aws-logs';
import { CfnServer, CfnUser } from 'aws-cdk-lib/aws-transfer';
import type { Construct } from 'constructs';
import { bucketName } from '#shared/runtime/config/resource-names.ts';
import { type HomeSettings, readSftpUsers, type SftpUser } from '../settings.ts';
import { allowWithWildcards } from './acknowledge.ts';
import { addFailoverName, admitHealthCheckers } from './failover-name.ts';
import { type Fleet, FleetStack, standbyPrefix } from './fleet-stack.ts';
import type { NetworkStack } from './network-stack.ts';

const SFTP_PORT = 22;
/** Transfer Family, "Security policies": nothing that rests on SHA-1, strict key exchange. */
const SECURITY_POLICY = 'TransferSecurityPolicy-2025-03';

/** Of the pair, or of the one home: put there once, before the first deployment. See docs/guides/aws.md. */
export const hostKeySecretName = (fleet: Fleet): string => `${fleet.settings.homes[0]?.prefix}/sftp-host-key`;

export class SftpStack extends FleetStack {
  readonly server: CfnServer;
  readonly logs: LogGroup;
  readonly #key: NetworkStack['key'];

  constructor(scope: Construct, fleet: Fleet, { vpc, key }: NetworkStack) {
    super(scope, 'sftp', fleet);
    this.#key = key;
    this.logs = new LogGroup(this, 'Logs', {
      logGroupName: `/longshore/${fleet.prefix}/sftp`,
      retention: this.size.logRetentionDays,
      encryptionKey: key,
      removalPolicy: this.removalPolicy,
    });
    this.server = this.#createServer(vpc);
    this.#importHostKey();
    for (const home of fleet.settings.homes) {
      const prefix = home.region === fleet.region ? fleet.prefix : standbyPrefix(home.prefix);
      for (const user of readSftpUsers(home)) this.#addUser(user, home, prefix);
    }
    this.#addName();
  }

  #createServer(vpc: ec2.IVpc): CfnServer {
    const { settings } = this.fleet;
    const group = new ec2.SecurityGroup(this, 'Group', {
      vpc,
      description: 'SFTP of partners',
      allowAllOutbound: false,
    });
    for (const cidr of settings.sftp.allowedCidrs) group.addIngressRule(ec2.Peer.ipv4(cidr), ec2.Port.tcp(SFTP_PORT));
    admitHealthCheckers(group, this.fleet, SFTP_PORT);
    const subnetIds = vpc.selectSubnets({ subnetGroupName: 'public' }).subnetIds;
    const addresses = subnetIds.map((_, index) => new ec2.CfnEIP(this, `Address${index + 1}`, { domain: 'vpc' }));
    return new CfnServer(this, 'Server', {
      domain: 'S3',
      protocols: ['SFTP'],
      identityProviderType: 'SERVICE_MANAGED',
      endpointType: 'VPC',
      endpointDetails: {
        vpcId: vpc.vpcId,
        subnetIds,
        addressAllocationIds: addresses.map(({ attrAllocationId }) => attrAllocationId),
        securityGroupIds: [group.securityGroupId],
      },
      securityPolicyName: SECURITY_POLICY,
      structuredLogDestinations: [`${this.logs.logGroupArn}`],
      // A rename is a rename, and not a copy that is seen as another upload; times are set by clients that insist on it.
      protocolDetails: { setStatOption: 'ENABLE_NO_OP' },
      s3StorageOptions: { directoryListingOptimization: 'ENABLED' },
    });
  }

  #addUser(user: SftpUser, home: HomeSettings, prefix: string): void {
    const id = `${home.prefix}-${user.username}`;
    const bucketArn = (bucket: 'landing' | 'outbound') => `arn:${this.partition}:s3:::${bucketName(prefix, bucket)}`;
    const directories = user.directories.map((name) => `${user.tenantId}/${name}`);
    const role = new iam.Role(this, `${id}-role`, {
      description: `SFTP user ${user.username} of ${user.tenantId}`,
      assumedBy: new iam.ServicePrincipal('transfer.amazonaws.com', {
        conditions: { StringEquals: { 'aws:SourceAccount': this.account } },
      }),
    });
    const reason = 'All objects below the tenant’s own directories; the key is named by its alias.';
    const allow = (actions: string[], resources: string[], conditions?: Record<string, unknown>) =>
      allowWithWildcards(role, [new iam.PolicyStatement({ actions, resources, conditions })], reason);
    const inside = (prefixes: readonly string[]) => ({
      StringLike: { 's3:prefix': prefixes.flatMap((each) => [each, `${each}/*`]) },
    });
    allow(['s3:ListBucket'], [bucketArn('landing')], inside(directories));
    allow(['s3:ListBucket'], [bucketArn('outbound')], inside([user.tenantId]));
    allow(
      ['s3:PutObject', 's3:GetObject', 's3:DeleteObject'],
      directories.map((directory) => `${bucketArn('landing')}/${directory}/*`),
    );
    allow(['s3:GetObject'], [`${bucketArn('outbound')}/${user.tenantId}/*`]);
    // By its alias: the key of a standby's buckets is of another stack set.
    allow(
      ['kms:Decrypt', 'kms:GenerateDataKey'],
      [this.formatArn({ service: 'kms', resource: 'key', resourceName: '*' })],
      { 'ForAnyValue:StringEquals': { 'kms:ResourceAliases': [`alias/${prefix}`] } },
    );
    new CfnUser(this, id, {
      serverId: this.server.attrServerId,
      userName: user.username,
      role: role.roleArn,
      homeDirectoryType: 'LOGICAL',
      homeDirectoryMappings: [
        ...user.directories.map((name) => ({
          entry: `/${name}`,
          target: `/${bucketName(prefix, 'landing')}/${user.tenantId}/${name}`,
        })),
        { entry: '/outbound', target: `/${bucketName(prefix, 'outbound')}/${user.tenantId}` },
      ],
      sshPublicKeys: [...user.publicKeys],
      tags: [{ key: 'tenant', value: user.tenantId }],
    });
  }

  /** CloudFormation's resource of a server knows no host key. */
  #importHostKey(): void {
    const role = new iam.Role(this, 'ImportRole', { assumedBy: new iam.ServicePrincipal('lambda.amazonaws.com') });
    const logGroup = new LogGroup(this, 'ImportLogs', {
      retention: this.size.logRetentionDays,
      encryptionKey: this.#key,
      removalPolicy: this.removalPolicy,
    });
    const run = new lambda.Function(this, 'ImportHostKey', {
      description: 'Gives the SFTP server the host key that its partners know',
      code: lambda.Code.fromAsset(fileURLToPath(new URL('../functions/import-host-key', import.meta.url))),
      handler: 'index.handler',
      runtime: lambda.Runtime.NODEJS_24_X,
      architecture: lambda.Architecture.ARM_64,
      timeout: Duration.minutes(1),
      reservedConcurrentExecutions: 1,
      role,
      logGroup,
    });
    logGroup.grantWrite(role);
    const hostKeys = this.formatArn({
      service: 'transfer',
      resource: 'host-key',
      resourceName: `${this.server.attrServerId}/*`,
    });
    const statements = [
      new iam.PolicyStatement({
        actions: ['transfer:ImportHostKey', 'transfer:ListHostKeys', 'transfer:DeleteHostKey'],
        resources: [this.server.attrArn, hostKeys],
      }),
      new iam.PolicyStatement({
        actions: ['secretsmanager:GetSecretValue'],
        // Secrets Manager adds six characters to a name.
        resources: [
          this.formatArn({ service: 'secretsmanager', resource: `secret:${hostKeySecretName(this.fleet)}-??????` }),
        ],
      }),
    ];
    allowWithWildcards(role, statements, 'Host keys of this one server have names that AWS makes.');
    const imported = new CustomResource(this, 'ImportedHostKey', {
      serviceToken: run.functionArn,
      properties: { serverId: this.server.attrServerId, secretName: hostKeySecretName(this.fleet) },
    });
    imported.node.addDependency(role);
  }

  /** In a pair the other region's server takes over, which knows the same users. */
  #addName(): void {
    const { settings, home } = this.fleet;
    const other = settings.homes.find(({ region }) => region !== home.region);
    addFailoverName(this, {
      service: 'sftp',
      port: SFTP_PORT,
      endpoint: `${this.server.attrServerId}.server.transfer.${this.region}.amazonaws.com`,
      standby: other === undefined ? undefined : `sftp-direct.${other.prefix}.${settings.domain.zoneName}`,
    });
  }
}

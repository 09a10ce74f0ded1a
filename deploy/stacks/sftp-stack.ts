/**
 * The front door: a Transfer Family server with addresses that do not change.
 *
 * 1. A policy without SHA-1: what `local/sftp/algorithms.ts` holds on one machine.
 * 2. Who may log in, with what and to where, the home's function says at each login (`sftp-logins-stack.ts`); of users that it does not know, that
 *    of the standby in this region. A user that comes or goes needs no deployment.
 * 3. The server of each region shows the same host key: after a failover partners see the server they know.
 */

import { fileURLToPath } from 'node:url';
import { CustomResource, Duration } from 'aws-cdk-lib';
import * as ec2 from 'aws-cdk-lib/aws-ec2';
import * as iam from 'aws-cdk-lib/aws-iam';
import * as lambda from 'aws-cdk-lib/aws-lambda';
import { LogGroup } from 'aws-cdk-lib/aws-logs';
import { CfnServer } from 'aws-cdk-lib/aws-transfer';
import type { Construct } from 'constructs';
import { allowWithWildcards } from './acknowledge.ts';
import { addFailoverName, admitHealthCheckers } from './failover-name.ts';
import { type Fleet, FleetStack } from './fleet-stack.ts';
import type { NetworkStack } from './network-stack.ts';
import type { SftpLoginsStack } from './sftp-logins-stack.ts';

const SFTP_PORT = 22;
/** Transfer Family, "Security policies": nothing that rests on SHA-1, strict key exchange. */
const SECURITY_POLICY = 'TransferSecurityPolicy-2025-03';

/** Of the pair, or of the one home: put there once, before the first deployment. See docs/guides/aws.md. */
export const hostKeySecretName = (fleet: Fleet): string => `${fleet.settings.homes[0]?.prefix}/sftp-host-key`;

export class SftpStack extends FleetStack {
  readonly server: CfnServer;
  readonly logs: LogGroup;
  readonly #key: NetworkStack['key'];

  constructor(scope: Construct, fleet: Fleet, { network, logins }: { network: NetworkStack; logins: SftpLoginsStack }) {
    super(scope, 'sftp', fleet);
    const { vpc, key } = network;
    this.#key = key;
    this.logs = new LogGroup(this, 'Logs', {
      logGroupName: `/longshore/${fleet.prefix}/sftp`,
      retention: this.size.logRetentionDays,
      encryptionKey: key,
      removalPolicy: this.removalPolicy,
    });
    this.server = this.#createServer(vpc, logins.handler);
    new lambda.CfnPermission(this, 'AskLogins', {
      action: 'lambda:InvokeFunction',
      functionName: logins.handler.functionArn,
      principal: 'transfer.amazonaws.com',
      sourceAccount: this.account,
      sourceArn: this.server.attrArn,
    });
    this.#importHostKey();
    this.#addName();
  }

  #createServer(vpc: ec2.IVpc, logins: lambda.IFunction): CfnServer {
    const { settings } = this.fleet;
    const group = new ec2.SecurityGroup(this, 'Group', {
      vpc,
      description: 'SFTP of partners',
      allowAllOutbound: false,
    });
    for (const cidr of settings.sftp.allowedCidrs) group.addIngressRule(ec2.Peer.ipv4(cidr), ec2.Port.tcp(SFTP_PORT));
    admitHealthCheckers(group, this.fleet, SFTP_PORT);
    const isPrivate = this.hasPrivateDoors;
    const subnetIds = vpc.selectSubnets({ subnetGroupName: isPrivate ? 'fleet' : 'public' }).subnetIds;
    const addresses = isPrivate
      ? []
      : subnetIds.map((_, index) => new ec2.CfnEIP(this, `Address${index + 1}`, { domain: 'vpc' }));
    return new CfnServer(this, 'Server', {
      domain: 'S3',
      protocols: ['SFTP'],
      identityProviderType: 'AWS_LAMBDA',
      identityProviderDetails: {
        function: logins.functionArn,
        sftpAuthenticationMethods: settings.sftp.passwords === undefined ? 'PUBLIC_KEY' : 'PUBLIC_KEY_OR_PASSWORD',
      },
      endpointType: 'VPC',
      endpointDetails: {
        vpcId: vpc.vpcId,
        subnetIds,
        ...(!isPrivate && { addressAllocationIds: addresses.map(({ attrAllocationId }) => attrAllocationId) }),
        securityGroupIds: [group.securityGroupId],
      },
      securityPolicyName: SECURITY_POLICY,
      structuredLogDestinations: [`${this.logs.logGroupArn}`],
      // A rename is a rename, and not a copy that is seen as another upload; times are set by clients that insist on it.
      protocolDetails: { setStatOption: 'ENABLE_NO_OP' },
      s3StorageOptions: { directoryListingOptimization: 'ENABLED' },
    });
  }

  /** CloudFormation's resource of a server has no host key. */
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
      architecture: this.functionArchitecture,
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

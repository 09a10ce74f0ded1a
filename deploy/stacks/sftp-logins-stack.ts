/**
 * Who logs in by SFTP: the function that Transfer Family asks at each login, and the role that a session assumes.
 *
 * 1. The bundle is made from the service's source while the stacks are made, so that it is the code that was tested.
 * 2. It reads the database of its own fleet, as a user that may read those tables alone. That of a standby reads the follower.
 * 3. In a pair the home's function asks that of the standby in its region about users that it does not know.
 */
import { Duration } from 'aws-cdk-lib';
import * as ec2 from 'aws-cdk-lib/aws-ec2';
import * as iam from 'aws-cdk-lib/aws-iam';
import * as lambda from 'aws-cdk-lib/aws-lambda';
import { LogGroup } from 'aws-cdk-lib/aws-logs';
import type { Construct } from 'constructs';
import { loadSftpLoginsConfig } from '#services/sftp-logins/config.ts';
import { bucketName } from '#shared/runtime/config/resource-names.ts';
import { bundleFunction } from '../services/bundle-function.ts';
import { allowWithWildcards } from './acknowledge.ts';
import type { DataStack } from './data-stack.ts';
import { type Fleet, FleetStack, standbyPrefix } from './fleet-stack.ts';
import type { NetworkStack } from './network-stack.ts';

const DATABASE_USER = 'longshore_logins';
/** Each has one connection, of the fifth that the services leave. A login takes some ten milliseconds. */
const AT_ONCE = 20;
/** Of the authorities of Amazon, also of RDS: in the runtime, and not read unless asked for (AWS Lambda, "CA certificate loading"). */
const CA_BUNDLE = '/var/runtime/ca-cert.pem';

/** The role's own is known when it is made: until then the form is what the schema can check. */
const EXAMPLE_ROLE = 'arn:aws:iam::111122223333:role/session';

const functionName = (prefix: string) => `${prefix}-sftp-logins`;

export class SftpLoginsStack extends FleetStack {
  readonly handler: lambda.Function;

  constructor(scope: Construct, fleet: Fleet, parts: { network: NetworkStack; data: DataStack }) {
    super(scope, 'sftp-logins', fleet);
    this.handler = this.#createFunction(parts, this.#createSessionRole());
  }

  /** What any session may do at most: each is narrowed to its user's prefix by the policy of the answer. */
  #createSessionRole(): iam.Role {
    const { prefix } = this.fleet;
    const bucketArn = (bucket: 'landing' | 'outbound') => `arn:${this.partition}:s3:::${bucketName(prefix, bucket)}`;
    const role = new iam.Role(this, 'Session', {
      description: 'Sessions of SFTP users',
      assumedBy: new iam.ServicePrincipal('transfer.amazonaws.com', {
        conditions: { StringEquals: { 'aws:SourceAccount': this.account } },
      }),
    });
    const allow = (actions: string[], resources: string[], conditions?: Record<string, unknown>) =>
      allowWithWildcards(
        role,
        [new iam.PolicyStatement({ actions, resources, conditions })],
        'All objects of the two buckets, of which each session is given its own; the key is named by its alias.',
      );
    allow(['s3:ListBucket'], [bucketArn('landing'), bucketArn('outbound')]);
    allow(['s3:PutObject', 's3:GetObject', 's3:DeleteObject'], [`${bucketArn('landing')}/*`]);
    allow(['s3:GetObject'], [`${bucketArn('outbound')}/*`]);
    allow(
      ['kms:Decrypt', 'kms:GenerateDataKey'],
      [this.formatArn({ service: 'kms', resource: 'key', resourceName: '*' })],
      { 'ForAnyValue:StringEquals': { 'kms:ResourceAliases': [`alias/${prefix}`] } },
    );
    return role;
  }

  #createFunction({ network, data }: { network: NetworkStack; data: DataStack }, session: iam.Role): lambda.Function {
    const { settings, prefix } = this.fleet;
    const logGroup = new LogGroup(this, 'Logs', {
      logGroupName: `/longshore/${prefix}/sftp-logins`,
      retention: this.size.logRetentionDays,
      encryptionKey: network.key,
      removalPolicy: this.removalPolicy,
    });
    const group = new ec2.SecurityGroup(this, 'Group', {
      vpc: network.vpc,
      description: 'The function of SFTP logins',
      allowAllOutbound: false,
    });
    group.addEgressRule(ec2.Peer.anyIpv4(), ec2.Port.tcp(443), 'endpoints of AWS, and the provider of passwords');
    const role = new iam.Role(this, 'Role', { assumedBy: new iam.ServicePrincipal('lambda.amazonaws.com') });
    logGroup.grantWrite(role);
    const variables = this.#variables();
    const url = 'postgres://user@database.invalid:5432/longshore?sslmode=verify-full';
    loadSftpLoginsConfig({ ...variables, DATABASE_URL: url, LONGSHORE_SFTP_SESSION_ROLE: EXAMPLE_ROLE });
    const handler = new lambda.Function(this, 'Logins', {
      functionName: functionName(prefix),
      description: 'Says whether an SFTP user may log in, with which keys, and to where',
      code: lambda.Code.fromAsset(bundleFunction('sftp-logins')),
      handler: 'lambda.handler',
      runtime: lambda.Runtime.NODEJS_24_X,
      architecture: this.functionArchitecture,
      memorySize: 512,
      // Two questions to the database, and one to the provider of passwords.
      timeout: Duration.seconds(15),
      reservedConcurrentExecutions: AT_ONCE,
      environment: {
        ...variables,
        DATABASE_URL: data.readingUrl(DATABASE_USER),
        LONGSHORE_SFTP_SESSION_ROLE: session.roleArn,
        NODE_EXTRA_CA_CERTS: CA_BUNDLE,
      },
      vpc: network.vpc,
      vpcSubnets: { subnetGroupName: settings.sftp.passwords === undefined ? 'fleet' : 'egress' },
      securityGroups: [data.clientGroup, group],
      role,
      logGroup,
    });
    allowWithWildcards(
      role,
      this.#statements(data.connectArn(DATABASE_USER), network),
      'Interfaces have no name before.',
    );
    handler.node.addDependency(role);
    return handler;
  }

  #variables(): Record<string, string> {
    const { settings, prefix, home } = this.fleet;
    const { passwords } = settings.sftp;
    const other = this.#otherFunction();
    return {
      DATABASE_IAM_AUTH: 'true',
      DATABASE_POOL_MAX: '1',
      DATABASE_STATEMENT_TIMEOUT_MS: '3000',
      LONGSHORE_PREFIX: prefix,
      LONGSHORE_SECRETS_PREFIX: `${home.prefix}/tenants/`,
      ...(other !== undefined && { LONGSHORE_SFTP_OTHER_FUNCTION: other }),
      ...(passwords !== undefined && {
        LONGSHORE_SFTP_PASSWORD_URL: passwords.url,
        LONGSHORE_SFTP_PASSWORD_CLIENT_ID: passwords.clientId,
        ...(passwords.clientSecret !== undefined && {
          LONGSHORE_SFTP_PASSWORD_CLIENT_SECRET_NAME: passwords.clientSecret,
        }),
        ...(passwords.scope !== undefined && { LONGSHORE_SFTP_PASSWORD_SCOPE: passwords.scope }),
      }),
    };
  }

  /** Of the other home's standby, which is in this region. */
  #otherFunction(): string | undefined {
    const { settings, home } = this.fleet;
    const other = settings.homes.find(({ region }) => region !== home.region);
    return this.isHome && other !== undefined ? functionName(standbyPrefix(other.prefix)) : undefined;
  }

  #statements(connectArn: string, network: NetworkStack): iam.PolicyStatement[] {
    const { settings, home } = this.fleet;
    const allow = (actions: string[], resources: string[]) => new iam.PolicyStatement({ actions, resources });
    const other = this.#otherFunction();
    const secret = settings.sftp.passwords?.clientSecret;
    const statements = [
      allow(['rds-db:connect'], [connectArn]),
      // What Lambda needs to put a function into a network.
      allow(
        [
          'ec2:CreateNetworkInterface',
          'ec2:DescribeNetworkInterfaces',
          'ec2:DescribeSubnets',
          'ec2:DeleteNetworkInterface',
        ],
        ['*'],
      ),
    ];
    if (other !== undefined) {
      const arn = this.formatArn({ service: 'lambda', resource: `function:${other}` });
      statements.push(allow(['lambda:InvokeFunction'], [arn]));
    }
    if (secret !== undefined) {
      // Secrets Manager adds six characters to a name.
      const arn = this.formatArn({
        service: 'secretsmanager',
        resource: `secret:${home.prefix}/tenants/${secret}-??????`,
      });
      statements.push(allow(['secretsmanager:GetSecretValue'], [arn]), allow(['kms:Decrypt'], [network.key.keyArn]));
    }
    return statements;
  }
}

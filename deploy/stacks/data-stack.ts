/**
 * The database: Aurora PostgreSQL Serverless v2.
 *
 * 1. Services have no password: they sign in with their task's role, over TLS that checks the server's name.
 * 2. The master's secret is rotated, and used by the migration alone.
 * 3. In a pair of regions a home's cluster leads a global database, which its standby follows.
 */
import { ArnFormat, Duration, SecretValue } from 'aws-cdk-lib';
import * as ec2 from 'aws-cdk-lib/aws-ec2';
import { ManagedPolicy, Role, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import type { IKey } from 'aws-cdk-lib/aws-kms';
import { LogGroup } from 'aws-cdk-lib/aws-logs';
import * as rds from 'aws-cdk-lib/aws-rds';
import type { CfnApplication } from 'aws-cdk-lib/aws-sam';
import { type ISecret, Secret } from 'aws-cdk-lib/aws-secretsmanager';
import type { Construct } from 'constructs';
import { acknowledge } from './acknowledge.ts';
import { type Fleet, FleetStack } from './fleet-stack.ts';
import type { NetworkStack } from './network-stack.ts';

export const DATABASE_NAME = 'longshore';
const PORT = 5432;
const MASTER = 'longshore_master';

const masterSecretName = (prefix: string) => `${prefix}/database-master`;

export class DataStack extends FleetStack {
  readonly cluster: rds.DatabaseCluster;
  readonly masterSecret: ISecret;
  /** Of AWS's own application; a follower's password changes with its leader's. */
  readonly rotationFunctionName: string | undefined;
  /** Services that may connect have this group. */
  readonly clientGroup: ec2.SecurityGroup;

  constructor(scope: Construct, fleet: Fleet, network: NetworkStack) {
    super(scope, 'data', fleet);
    const { vpc, key } = network;
    // Groups add up: whatever this one let out, every task that has it could reach.
    this.clientGroup = new ec2.SecurityGroup(this, 'Clients', {
      vpc,
      description: 'May connect to the database',
      allowAllOutbound: false,
    });
    const { min, max } = this.size.databaseCapacity;
    const engine = rds.DatabaseClusterEngine.auroraPostgres({ version: rds.AuroraPostgresEngineVersion.VER_18_4 });
    this.cluster = new rds.DatabaseCluster(this, 'Database', {
      engine,
      clusterIdentifier: `${fleet.prefix}-database`,
      defaultDatabaseName: DATABASE_NAME,
      port: PORT,
      credentials: this.#credentials(key),
      iamAuthentication: true,
      parameterGroup: new rds.ParameterGroup(this, 'Parameters', {
        engine,
        parameters: {
          'rds.force_ssl': '1',
          log_min_duration_statement: '1000',
          idle_in_transaction_session_timeout: '60000',
        },
      }),
      serverlessV2MinCapacity: min,
      serverlessV2MaxCapacity: max,
      writer: rds.ClusterInstance.serverlessV2('Writer', this.#instance(key)),
      readers: Array.from({ length: this.size.databaseReaders }, (_, index) =>
        // Takes over in seconds: it scales with the writer.
        rds.ClusterInstance.serverlessV2(`Reader${index + 1}`, {
          ...this.#instance(key),
          scaleWithWriter: true,
        }),
      ),
      vpc,
      vpcSubnets: { subnetGroupName: 'data' },
      securityGroups: [
        new ec2.SecurityGroup(this, 'DatabaseGroup', { vpc, description: 'The database', allowAllOutbound: false }),
      ],
      storageEncrypted: true,
      storageEncryptionKey: key,
      backup: { retention: Duration.days(this.size.backupDays) },
      copyTagsToSnapshot: true,
      deletionProtection: this.size.isKept,
      ...this.#monitoring(),
      cloudwatchLogsExports: ['postgresql'],
      removalPolicy: this.removalPolicy,
    });
    this.cluster.node.addDependency(this.#createLogs(key));
    if (!this.size.isKept) acknowledge(this.cluster, { RDS10: 'A fleet for development is deleted as a whole.' });
    this.cluster.connections.allowDefaultPortFrom(this.clientGroup, 'services of the fleet');
    this.masterSecret = this.cluster.secret ?? this.#followedSecret();
    // The database outlives its stack; without its master's password nobody could use it then.
    const generated = this.cluster.node.tryFindChild('Secret');
    if (generated instanceof Secret) generated.applyRemovalPolicy(this.removalPolicy);
    if (this.isHome) {
      const rotation = this.cluster.addRotationSingleUser({
        automaticallyAfter: Duration.days(30),
        securityGroup: this.#rotationGroup(vpc),
      });
      const { parameters } = rotation.node.defaultChild as CfnApplication;
      this.rotationFunctionName = (parameters as { readonly functionName: string }).functionName;
    }
    if (fleet.settings.homes.length === 2) this.#join();
  }

  /** Versions are the template's, in both regions alike: one that AWS raised alone would be set back by the next deployment. */
  #instance(key: IKey): rds.ServerlessV2ClusterInstanceProps {
    return { autoMinorVersionUpgrade: false, enablePerformanceInsights: true, performanceInsightEncryptionKey: key };
  }

  /** What the hosts do, next to what the database says of itself. */
  #monitoring(): Pick<rds.DatabaseClusterProps, 'monitoringInterval' | 'monitoringRole'> {
    const seconds = this.size.databaseMonitoringSeconds;
    if (seconds === 0) return {};
    const policy = 'service-role/AmazonRDSEnhancedMonitoringRole';
    const monitoringRole = new Role(this, 'Monitoring', {
      description: 'Reports processes and memory of the database hosts to CloudWatch',
      assumedBy: new ServicePrincipal('monitoring.rds.amazonaws.com', {
        conditions: { StringEquals: { 'aws:SourceAccount': this.account } },
      }),
      managedPolicies: [ManagedPolicy.fromAwsManagedPolicyName(policy)],
    });
    acknowledge(monitoringRole, {
      [`IAM4[Policy::arn:<AWS::Partition>:iam::aws:policy/${policy}]`]:
        'The policy that AWS keeps for it: streams of the log group RDSOSMetrics.',
    });
    return { monitoringInterval: Duration.seconds(seconds), monitoringRole };
  }

  #rotationGroup(vpc: ec2.IVpc): ec2.SecurityGroup {
    const group = new ec2.SecurityGroup(this, 'RotationGroup', {
      vpc,
      description: 'Changes the password of the database master',
      allowAllOutbound: false,
    });
    group.addEgressRule(ec2.Peer.ipv4(vpc.vpcCidrBlock), ec2.Port.tcp(443), 'endpoints of AWS');
    return group;
  }

  /** Made before the database makes it itself, for its end and its key. */
  #createLogs(encryptionKey: IKey): LogGroup {
    return new LogGroup(this, 'Logs', {
      logGroupName: `/aws/rds/cluster/${this.fleet.prefix}-database/postgresql`,
      retention: this.size.logRetentionDays,
      encryptionKey,
      removalPolicy: this.removalPolicy,
    });
  }

  #credentials(encryptionKey: IKey): rds.Credentials {
    // Of a follower they are taken out below. A secret would be attached to the cluster, which writes it, and a replica takes no writes.
    if (!this.isHome) return rds.Credentials.fromPassword(MASTER, SecretValue.unsafePlainText('its leader’s'));
    const others = this.fleet.settings.homes.filter(({ region }) => region !== this.fleet.region);
    return rds.Credentials.fromGeneratedSecret(MASTER, {
      secretName: masterSecretName(this.fleet.home.prefix),
      encryptionKey,
      replicaRegions: others.map(({ region }) => ({ region })),
    });
  }

  /** A follower has its leader's users, and so its secret, of which there is a replica here. */
  #followedSecret(): ISecret {
    return Secret.fromSecretNameV2(this, 'FollowedSecret', masterSecretName(this.fleet.home.prefix));
  }

  /** A global database of both clusters, known by its name in both regions. */
  #join(): void {
    const { home } = this.fleet;
    const name = `${home.prefix}-global`;
    const cluster = this.cluster.node.defaultChild as rds.CfnDBCluster;
    cluster.globalClusterIdentifier = name;
    if (this.isHome) {
      const global = new rds.CfnGlobalCluster(this, 'Global', {
        globalClusterIdentifier: name,
        engine: 'aurora-postgresql',
        engineVersion: '18.4',
        storageEncrypted: true,
        deletionProtection: this.size.isKept,
      });
      cluster.addResourceDependency(global);
      return;
    }
    // A follower takes these from its leader.
    cluster.masterUsername = undefined;
    cluster.masterUserPassword = undefined;
    cluster.databaseName = undefined;
  }

  /** Without a password: `DATABASE_IAM_AUTH` signs one. */
  databaseUrl(user: string): string {
    return this.#urlOf(user, this.cluster.clusterEndpoint.hostname);
  }

  /** For reads alone, also while the cluster follows another one. */
  readingUrl(user: string): string {
    const { clusterEndpoint, clusterReadEndpoint } = this.cluster;
    return this.#urlOf(user, (this.fleet.role === 'standby' ? clusterReadEndpoint : clusterEndpoint).hostname);
  }

  #urlOf(user: string, hostname: string): string {
    return `postgres://${user}@${hostname}:${PORT}/${DATABASE_NAME}?sslmode=verify-full`;
  }

  connectArn(user: string): string {
    return this.formatArn({
      service: 'rds-db',
      resource: 'dbuser',
      resourceName: `${this.cluster.clusterResourceIdentifier}/${user}`,
      arnFormat: ArnFormat.COLON_RESOURCE_NAME,
    });
  }
}

import { fileURLToPath } from 'node:url';
import { CustomResource, Duration } from 'aws-cdk-lib';
import * as ecs from 'aws-cdk-lib/aws-ecs';
import * as iam from 'aws-cdk-lib/aws-iam';
import * as lambda from 'aws-cdk-lib/aws-lambda';
import { LogGroup } from 'aws-cdk-lib/aws-logs';
import { type ISecret, Secret } from 'aws-cdk-lib/aws-secretsmanager';
import { loadMigrationConfig } from '#services/migration/config.ts';
import { FleetTask } from '../services/fleet-task.ts';
import { PLATFORM_VARIABLES } from '../services/service-environment.ts';
import { acknowledge, allowWithWildcards } from './acknowledge.ts';
import { DATABASE_NAME, type DataStack } from './data-stack.ts';
import type { FleetStack } from './fleet-stack.ts';
import type { NetworkStack } from './network-stack.ts';

export interface MigrationParts {
  readonly network: NetworkStack;
  readonly data: DataStack;
  readonly cluster: ecs.Cluster;
  readonly image: ecs.ContainerImage;
}

/**
 * Runs the migration before any service is updated: a new task definition, so a new image, is a new run. A standby has all but the run,
 * so that bringing it to work makes no role.
 */
export function addMigration(stack: FleetStack, parts: MigrationParts): CustomResource | undefined {
  const { data, network, image } = parts;
  const task = new FleetTask(stack, { name: 'migration', cpu: 256, memoryMiB: 512, network });
  const { definition } = task;
  const operatorKey = new Secret(stack, 'OperatorKey', {
    secretName: `${stack.fleet.prefix}/operator-key`,
    description: 'The first key of an operator, put here by the first migration',
    encryptionKey: network.key,
    removalPolicy: stack.removalPolicy,
  });
  acknowledge(operatorKey, {
    SMG4: 'A key of the API: it is replaced by `longshore keys create` and `keys revoke`.',
  });
  const variables = {
    DATABASE_URL: `postgres://longshore_master@database.invalid/${DATABASE_NAME}?sslmode=verify-full`,
    AWS_REGION: stack.region,
    LONGSHORE_OPERATOR_KEY_SECRET: `${stack.fleet.prefix}/operator-key`,
  };
  loadMigrationConfig(variables);
  definition.addContainer('migration', {
    image,
    command: ['node', 'services/migration/main.ts'],
    environment: { ...PLATFORM_VARIABLES, ...variables, DATABASE_URL: data.databaseUrl('longshore_master') },
    secrets: { DATABASE_PASSWORD: ecs.Secret.fromSecretsManager(masterSecret(stack, parts, task), 'password') },
    logging: ecs.LogDrivers.awsLogs({ logGroup: task.logs, streamPrefix: 'migration' }),
    ...task.containment(),
  });
  definition.addToTaskRolePolicy(
    new iam.PolicyStatement({
      sid: 'OperatorKey',
      actions: ['secretsmanager:GetSecretValue', 'secretsmanager:PutSecretValue'],
      resources: [operatorKey.secretArn],
    }),
  );
  definition.addToTaskRolePolicy(
    new iam.PolicyStatement({
      sid: 'Key',
      actions: ['kms:Decrypt', 'kms:GenerateDataKey'],
      resources: [network.key.keyArn],
    }),
  );
  acknowledge(definition, { ECS2: 'Names and addresses; the password comes from the secret.' });
  return runBeforeServices(stack, parts, task);
}

/** By its ARN: a grant on the secret itself would write this stack's role into the policy of the network's key. */
function masterSecret(stack: FleetStack, { data, network }: MigrationParts, { executionRole }: FleetTask): ISecret {
  executionRole.addToPolicy(new iam.PolicyStatement({ actions: ['kms:Decrypt'], resources: [network.key.keyArn] }));
  return stack.isHome ? Secret.fromSecretCompleteArn(stack, 'Master', data.masterSecret.secretArn) : data.masterSecret;
}

/** The deployment waits for its end. */
function runBeforeServices(
  stack: FleetStack,
  { data, network, cluster }: MigrationParts,
  { definition, executionRole, group }: FleetTask,
): CustomResource | undefined {
  const role = new iam.Role(stack, 'RunMigrationRole', {
    assumedBy: new iam.ServicePrincipal('lambda.amazonaws.com'),
  });
  const logGroup = new LogGroup(stack, 'RunMigrationLogs', {
    logGroupName: `/longshore/${stack.fleet.prefix}/run-migration`,
    retention: stack.size.logRetentionDays,
    encryptionKey: network.key,
    removalPolicy: stack.removalPolicy,
  });
  const run = new lambda.Function(stack, 'RunMigration', {
    description: 'Runs the migration as a task and waits for its end',
    code: lambda.Code.fromAsset(fileURLToPath(new URL('../functions/run-migration', import.meta.url))),
    handler: 'index.handler',
    runtime: lambda.Runtime.NODEJS_24_X,
    architecture: stack.functionArchitecture,
    timeout: Duration.minutes(14),
    reservedConcurrentExecutions: 1,
    role,
    logGroup,
  });
  logGroup.grantWrite(role);
  const reason = 'Tasks of this cluster: the one it started has no name before.';
  const allow = (actions: string[], resources: string[]) =>
    allowWithWildcards(role, [new iam.PolicyStatement({ actions, resources })], reason);
  allow(['ecs:RunTask'], [definition.taskDefinitionArn]);
  const tasks = stack.formatArn({ service: 'ecs', resource: 'task', resourceName: `${stack.fleet.prefix}/*` });
  allow(['ecs:DescribeTasks'], [tasks]);
  role.addToPolicy(
    new iam.PolicyStatement({
      actions: ['iam:PassRole'],
      resources: [definition.taskRole.roleArn, executionRole.roleArn],
      conditions: { StringEquals: { 'iam:PassedToService': 'ecs-tasks.amazonaws.com' } },
    }),
  );
  if (!stack.isActive) return undefined;
  const result = new CustomResource(stack, 'Migration', {
    serviceToken: run.functionArn,
    properties: {
      cluster: cluster.clusterArn,
      taskDefinition: definition.taskDefinitionArn,
      subnets: network.vpc.selectSubnets({ subnetGroupName: 'fleet' }).subnetIds,
      securityGroups: [data.clientGroup.securityGroupId, group.securityGroupId],
    },
  });
  result.node.addDependency(role);
  return result;
}

/**
 * The fleet on servers that are not ours: the same services as processes, with PostgreSQL, S3 and SQS somewhere else.
 *
 * 1. The database, the buckets, the queues and the topics are made again under their own name for each fleet, so that several test
 *    files use the same servers. They stay there when it stops: the servers are thrown away.
 * 2. SNS topics are in the local queue server, because ElasticMQ has none. Nothing else is asked of it.
 * 3. S3 servers do not speak EventBridge. Who writes into landing past the front door sends the event (`TestFleet.put` does);
 *    reconciliation runs every second for what nobody tells of. The SFTP gateway reports uploads through the local event bridge, as always.
 */
import { randomBytes } from 'node:crypto';
import { CreateBucketCommand, PutBucketVersioningCommand } from '@aws-sdk/client-s3';
import { openHome } from '#local/home.ts';
import { createChildren } from '#local/launcher/children.ts';
import { connectLauncher } from '#local/launcher/connect-launcher.ts';
import { describeEndpoints, writeEndpoints } from '#local/launcher/endpoints.ts';
import { startNodeChild } from '#local/launcher/node-child.ts';
import { ensurePartnerAccess } from '#local/launcher/partner-access.ts';
import { fleetEnvironment, type NodeProcessName, planProcess, REGION } from '#local/launcher/process-plan.ts';
import { PARTNER_PROCESSES, SERVICE_NAMES } from '#local/launcher/processes.ts';
import { ensureOperator, ensureTenants } from '#local/launcher/tenant-access.ts';
import { claimPorts, portsFrom } from '#local/ports.ts';
import type { Stack, StartStackOptions } from '#local/stack.ts';
import { migrate } from '#shared/db/migrate.ts';
import { createS3Client } from '#shared/files/s3-client.ts';
import { createQueues } from '#shared/queue/create-queues.ts';
import { createSqsClient } from '#shared/queue/sqs-client.ts';
import { createSnsClient, createTopics } from '#shared/queue/topics.ts';
import { BUCKET_IDS, bucketName } from '#shared/runtime/config/resource-names.ts';
import type { OutsideServers } from '#testkit/servers/outside-servers.ts';

const HOST = '127.0.0.1';

const OUTSIDE_VARIABLES = {
  // ElasticMQ refuses a message group on standard queues.
  LONGSHORE_FAIR_QUEUES: 'false',
  LONGSHORE_RECONCILE_MS: '1000',
  LONGSHORE_RECONCILE_MIN_AGE_MS: '3000',
};

export async function startOutsideStack(options: StartStackOptions, servers: OutsideServers): Promise<Stack> {
  const home = await openHome(options.home);
  const claim = await claimPorts(HOST);
  const ports = portsFrom(claim.base);
  const children = createChildren(home);
  const stop = async () => {
    await children.stop();
    await claim.release();
    home.release();
  };
  try {
    const prefix = `t${randomBytes(4).toString('hex')}`;
    const databaseUrl = await createDatabase(servers.databaseUrl, prefix);
    const env: Record<string, string> = {
      ...fleetEnvironment({ host: HOST, ports, databaseUrl, credentials: servers.credentials }),
      AWS_ENDPOINT_URL_S3: servers.s3,
      AWS_ENDPOINT_URL_SQS: servers.sqs,
      LONGSHORE_PREFIX: prefix,
      ...OUTSIDE_VARIABLES,
      ...options.env?.all,
    };
    const startGroup = (names: readonly NodeProcessName[]) =>
      children.startGroup(
        names.map((name) => {
          const planned = planProcess(name, { home, host: HOST, ports, fleet: env });
          const own = { ...planned.env, ...options.env?.[name] };
          return {
            name,
            start: ({ guardian, log, signal }) => startNodeChild({ name, ...planned, env: own, guardian, log }, signal),
          };
        }),
      );

    await startGroup(['queues']);
    await createResources({ servers, prefix, snsEndpoint: env.AWS_ENDPOINT_URL_SNS ?? '' });
    await ensurePartnerAccess(home);
    await startGroup(['event-bridge', 'sftp', ...PARTNER_PROCESSES]);
    const sql = connectLauncher(databaseUrl);
    await ensureOperator(sql, home.keys);
    const tenants = await ensureTenants(sql, home.keys, options.tenants ?? []);
    await sql.end({ timeout: 5 });
    await startGroup(options.services ?? SERVICE_NAMES);

    const local = describeEndpoints({ home, host: HOST, ports, databaseUrl, tenants });
    const endpoints = { ...local, s3: servers.s3, sqs: servers.sqs };
    const stack: Stack = {
      endpoints,
      env,
      processes: Object.fromEntries(children.supervised),
      role: 'leads',
      promote: isAlone,
      standDown: isAlone,
      stop,
    };
    await options.beforeReady?.(stack);
    await writeEndpoints(home.endpointsFile, endpoints);
    return stack;
  } catch (error) {
    await stop();
    throw error;
  }
}

async function isAlone(): Promise<void> {
  throw new Error('a fleet on outside servers is not one of a pair');
}

async function createDatabase(serverUrl: string, name: string): Promise<string> {
  const sql = connectLauncher(serverUrl);
  try {
    await sql.unsafe(`CREATE DATABASE ${name}`);
  } finally {
    await sql.end({ timeout: 5 });
  }
  const url = new URL(serverUrl);
  url.pathname = `/${name}`;
  await migrate(url.href);
  return url.href;
}

async function createResources(options: {
  servers: OutsideServers;
  prefix: string;
  snsEndpoint: string;
}): Promise<void> {
  const { servers, prefix, snsEndpoint } = options;
  const aws = { region: REGION, credentials: servers.credentials };
  const s3 = createS3Client({ LONGSHORE_S3_PATH_STYLE: true, endpoint: servers.s3, ...aws });
  const sqs = createSqsClient({ endpoint: servers.sqs, ...aws });
  const sns = createSnsClient({ endpoint: snsEndpoint, ...aws });
  try {
    await createQueues({ client: sqs, prefix });
    await createTopics({ client: sns, prefix });
    for (const Bucket of BUCKET_IDS.map((id) => bucketName(prefix, id))) {
      await s3.send(new CreateBucketCommand({ Bucket }));
      await s3.send(new PutBucketVersioningCommand({ Bucket, VersioningConfiguration: { Status: 'Enabled' } }));
    }
  } finally {
    for (const client of [s3, sqs, sns]) client.destroy();
  }
}

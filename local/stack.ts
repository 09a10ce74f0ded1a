/**
 * The whole fleet on one machine, as a library: what `npm start` runs, and what end-to-end tests and benchmarks start.
 *
 * 1. Each part starts only when the one before it is healthy; parts that know nothing of each other start side by side.
 *    Stopping goes the other way round.
 * 2. A start that fails stops what it had started before it throws.
 * 3. All state is in the home; a second start of the same home finds it as it was.
 * 4. Of a pair of homes one leads. The other has a standby of the database, replicas of the buckets, empty queues and a front door, and
 *    no services until it is promoted (`pair/choose-role.ts`).
 */
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { type Home, openHome } from '#local/home.ts';
import { ensureChatAccess } from '#local/launcher/chat-access.ts';
import { type Children, type ChildToStart, createChildren, logDestination } from '#local/launcher/children.ts';
import { waitForLeftovers } from '#local/launcher/children-file.ts';
import { connectLauncher } from '#local/launcher/connect-launcher.ts';
import { createQueuesAndTopics } from '#local/launcher/create-queues-and-topics.ts';
import { describeEndpoints, type Endpoints, type TenantAccess, writeEndpoints } from '#local/launcher/endpoints.ts';
import { ensureAwsCredentials } from '#local/launcher/keys.ts';
import { startNodeChild } from '#local/launcher/node-child.ts';
import { ensurePartnerAccess } from '#local/launcher/partner-access.ts';
import { fleetEnvironment, type NodeProcessName, planProcess, REGION } from '#local/launcher/process-plan.ts';
import {
  PARTNER_PROCESSES,
  type PartnerName,
  type ProcessName,
  SERVICE_NAMES,
  type ServiceName,
} from '#local/launcher/processes.ts';
import { readFleetLoad } from '#local/launcher/read-fleet-load.ts';
import type { Scale } from '#local/launcher/scale-option.ts';
import { createServiceScaler, type ServiceScaler } from '#local/launcher/scale-services.ts';
import { createServiceInstances, instanceName } from '#local/launcher/service-instances.ts';
import { ensureOperator, ensureTenants, type TenantToRegister } from '#local/launcher/tenant-access.ts';
import { type ChosenRole, chooseRole, type Pair, type Role } from '#local/pair/choose-role.ts';
import { type KeptSynchronous, keepSynchronous } from '#local/pair/keep-synchronous.ts';
import { pairEnvironment, replicationEnvironment } from '#local/pair/pair-environment.ts';
import { setLandingEvents } from '#local/pair/set-landing-events.ts';
import { assertPortFree, claimPorts, type PortClaim, type Ports, portsFrom } from '#local/ports.ts';
import { promoteStandby } from '#local/postgres/standby.ts';
import { startPostgres } from '#local/postgres/start-postgres.ts';
import { migrate } from '#shared/db/migrate.ts';
import { createLogger } from '#shared/runtime/logger.ts';

export interface StartStackOptions {
  /** Holds all data, keys and logs; made when absent. Two homes run side by side. */
  readonly home: string;
  /** `free` claims a block that nobody else uses, until the stack stops. */
  readonly portBase: number | 'free';
  /** Services to start; all when absent. */
  readonly services?: readonly ServiceName[];
  /** Further instances of services, by number or by the scaling policy; one of each when absent. */
  readonly scale?: Scale;
  /** Variables for one process, or for `all`, over those that the stack gives. */
  readonly env?: Readonly<Partial<Record<ProcessName | 'all', Readonly<Record<string, string>>>>>;
  /** Made unless they are there, each with an SFTP key and an API key; a home's earlier tenants stay. */
  readonly tenants?: readonly TenantToRegister[];
  /** Runs when everything is ready, before the stack is announced in `endpoints.json`. */
  readonly beforeReady?: (stack: Stack) => Promise<void>;
  /** Builds the pages of the console and the portal while the parts start; those that are there are served when absent. */
  readonly buildsPages?: boolean;
  /** For data that are thrown away: commits are answered before they are on disk. Processes may still be killed. */
  readonly isDisposable?: boolean;
  /** With which home this one makes a pair; it is alone when absent. */
  readonly pair?: Pair;
  /** Processes that stand in for partners; all when absent. */
  readonly partners?: readonly PartnerName[];
}

export interface StackProcess {
  /** Of the process that runs and is ready; undefined while it is being started again. */
  readonly pid: number | undefined;
  /** How often it was started again after it had died. */
  readonly restarts: number;
  kill(signal: NodeJS.Signals): void;
}

export interface Stack {
  readonly endpoints: Endpoints;
  /** What every service is given (database, AWS endpoints and credentials, prefix), for clients of one's own. */
  readonly env: Readonly<Record<string, string>>;
  /** Those of now: instances of services come and go. */
  readonly processes: Readonly<Record<string, StackProcess>>;
  readonly role: Role;
  /** Of a home that led, was failed over and found that out at this start: the data that it had. */
  readonly fencedData?: string;
  /** Of a home that follows: resolves when it leads and its services are ready. The other home must not lead any more. */
  promote(): Promise<void>;
  /** Of a home that leads: stops what writes. Its database and buckets continue, so that the other home receives the last of them. */
  standDown(): Promise<void>;
  /** In reverse order, bounded, idempotent. */
  stop(): Promise<void>;
}

const HOST = '127.0.0.1';
const PAGES_PROGRAM = fileURLToPath(new URL('../console/build-pages.ts', import.meta.url));

/** @throws LongshoreError `HOME_IN_USE`, `PORT_IN_USE`, `POSTGRES_*` or `CHILD_NOT_READY` */
export async function startStack(options: StartStackOptions): Promise<Stack> {
  const home = await openHome(options.home);
  let children: Children | undefined;
  let claim: PortClaim | undefined;
  let scaler: ServiceScaler | undefined;
  let synchronous: KeptSynchronous | undefined;
  const stop = async () => {
    await scaler?.stop();
    await synchronous?.stop();
    await children?.stop();
    await claim?.release();
    home.release();
  };
  try {
    await waitForLeftovers(home.childrenFile);
    if (options.portBase === 'free') claim = await claimPorts(HOST);
    const ports = claim === undefined ? await checkPorts(Number(options.portBase)) : portsFrom(claim.base);
    children = createChildren(home);
    if (options.buildsPages === true) children.runOnce('console-build', PAGES_PROGRAM);
    const chosen: ChosenRole = options.pair ? await chooseRole(home, options.pair, HOST) : { role: 'leads' };
    let { role } = chosen;
    const parts: StartContext = { options, home, ports, children };
    const env = await startStores(parts, role);
    const context = { ...parts, env };
    const describe = (tenants: Record<string, TenantAccess>) =>
      describeEndpoints({ home, host: HOST, ports, databaseUrl: env.DATABASE_URL ?? '', tenants });

    /** Everything that writes; resolves to what it can be reached by. */
    async function lead(doors: readonly NodeProcessName[]): Promise<Endpoints> {
      if (options.pair) synchronous = keepSynchronous(env.DATABASE_URL ?? '', parts.children.logger);
      await Promise.all([
        ensurePartnerAccess(home),
        ensureChatAccess(home, `http://${HOST}:${ports['partner-simulator']}`),
      ]);
      await startNodes([...doors, ...(options.partners ?? PARTNER_PROCESSES)], context);
      const tenants = await registerAccess(context);
      await startNodes(options.services ?? SERVICE_NAMES, context);
      scaler = scaleServices(context);
      await scaler.start();
      return describe(tenants);
    }

    let endpoints: Endpoints;
    if (role === 'leads') endpoints = await lead(['event-bridge', 'sftp']);
    else {
      await startNodes(['sftp'], context);
      endpoints = describe({});
    }
    const { supervised, logger } = children;
    const leave = children.leave;
    const stack: Stack = {
      get endpoints() {
        return endpoints;
      },
      env,
      get processes() {
        return Object.fromEntries(supervised);
      },
      get role() {
        return role;
      },
      ...(chosen.setAside !== undefined && { fencedData: chosen.setAside }),
      async promote() {
        await promoteStandby(env.DATABASE_URL ?? '');
        role = 'leads';
        await setLandingEvents(env, true);
        endpoints = await lead(['event-bridge']);
        await writeEndpoints(home.endpointsFile, endpoints);
        logger.info('the standby was promoted');
      },
      async standDown() {
        await scaler?.stop();
        const stores = ['postgres', 's3', 'queues'];
        await Promise.all([...supervised.keys()].filter((name) => !stores.includes(name)).map(leave));
        await setLandingEvents(env, false);
      },
      stop,
    };
    await options.beforeReady?.(stack);
    await writeEndpoints(home.endpointsFile, endpoints);
    logger.info({ ports, ...chosen }, 'stack is ready');
    return stack;
  } catch (error) {
    await stop();
    throw error;
  }
}

async function checkPorts(portBase: number): Promise<Ports> {
  const ports = portsFrom(portBase);
  for (const [purpose, port] of Object.entries(ports)) await assertPortFree({ host: HOST, port, purpose });
  return ports;
}

interface StartContext {
  readonly options: StartStackOptions;
  readonly home: Home;
  readonly ports: Ports;
  readonly children: Children;
}

/** Everything that services stand on, in order; resolves to the fleet's environment. */
async function startStores(context: StartContext, role: Role): Promise<Record<string, string>> {
  const { options, home, ports, children } = context;
  const { pair } = options;
  let databaseUrl = '';
  const database: ChildToStart = {
    name: 'postgres',
    start: async ({ guardian, log }) => {
      const server = await startPostgres({
        directory: home.data('postgres'),
        host: HOST,
        port: ports.postgres,
        guardian,
        logger: createLogger({ service: 'postgres', destination: logDestination(log) }),
        isDisposable: options.isDisposable ?? false,
        isReplicated: pair !== undefined,
      });
      databaseUrl = server.url;
      return server;
    },
  };
  await children.startGroup([database]);
  if (role === 'leads') await migrate(databaseUrl);

  const credentials = await ensureAwsCredentials(home);
  const env: Record<string, string> = {
    ...fleetEnvironment({ host: HOST, ports, databaseUrl, credentials }),
    ...(pair && pairEnvironment(pair)),
    ...options.env?.all,
  };
  await startNodes(['s3'], { ...context, env });
  if (pair) await setLandingEvents(env, role === 'leads');
  await startNodes(['queues'], { ...context, env });
  await createQueuesAndTopics({
    region: REGION,
    credentials,
    prefix: env.LONGSHORE_PREFIX ?? '',
    endpoint: env.AWS_ENDPOINT_URL_SQS ?? '',
  });
  return env;
}

async function startNodes(
  names: readonly NodeProcessName[],
  context: StartContext & { env: Record<string, string> },
): Promise<void> {
  await context.children.startGroup(names.map((name) => nodeChild(name, context)));
}

function scaleServices(context: StartContext & { env: Record<string, string> }): ServiceScaler {
  const { options, home, ports, children } = context;
  const instances = createServiceInstances({
    services: options.services ?? SERVICE_NAMES,
    children,
    host: HOST,
    ports,
    targetsFile: home.prometheusTargetsFile,
    childOf: (service, instance) => ({
      ...nodeChild(service, context, instance),
      name: instanceName(service, instance),
    }),
  });
  return createServiceScaler({
    scale: options.scale ?? {},
    instances,
    readLoad: () => readFleetLoad(`http://${HOST}:${ports['retry-sweeper']}/metrics`),
    cores: availableParallelism(),
    logger: children.logger,
  });
}

function nodeChild(
  name: NodeProcessName,
  context: Omit<StartContext, 'children'> & { env: Record<string, string> },
  instance = 1,
): ChildToStart {
  const { home, ports, env, options } = context;
  const planned = planProcess(name, { home, host: HOST, ports, fleet: env, instance });
  const replication = name === 's3' && options.pair ? replicationEnvironment(options.pair, HOST) : {};
  const own = { ...planned.env, ...replication, ...options.env?.[name] };
  return {
    name,
    start: ({ guardian, log, signal }) => startNodeChild({ name, ...planned, env: own, guardian, log }, signal),
  };
}

async function registerAccess(context: {
  options: StartStackOptions;
  home: Home;
  env: Readonly<Record<string, string>>;
}): Promise<Record<string, TenantAccess>> {
  const sql = connectLauncher(context.env.DATABASE_URL ?? '');
  try {
    await ensureOperator(sql, context.home.keys);
    return await ensureTenants(sql, context.home.keys, context.options.tenants ?? []);
  } finally {
    await sql.end({ timeout: 5 });
  }
}

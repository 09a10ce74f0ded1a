/**
 * What each of our processes is: its program, its environment, and how one sees that it is ready.
 *
 * Every process gets the same fleet variables, as every service on AWS would; only the ports are its own.
 */
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Home } from '#local/home.ts';
import { chatVariables, linkVariablesOf, receiptVariablesOf } from '#local/launcher/chat-access.ts';
import { type AwsCredentials, s3CredentialsFile } from '#local/launcher/keys.ts';
import {
  gatewayVariables,
  partnerClientsFile,
  partnerFilesDirectory,
  partnerFilesKeys,
  secretsDirectory,
} from '#local/launcher/partner-access.ts';
import { type ProcessName, SERVICE_NAMES } from '#local/launcher/processes.ts';
import { PORTS_PER_INSTANCE, type Ports } from '#local/ports.ts';
import { MEMORY_VARIABLES, memoryFlags } from '#shared/runtime/config/memory.ts';
import { BUCKET_IDS, bucketName } from '#shared/runtime/config/resource-names.ts';

export const REGION = 'us-east-1';
const DEFAULT_PREFIX = 'longshore';

export type NodeProcessName = Exclude<ProcessName, 'postgres'>;

export interface PlannedProcess {
  readonly main: string;
  /** Of Node itself. */
  readonly nodeFlags: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly readyUrl: string;
  readonly stopTimeoutMs: number;
}

export interface FleetEnvironmentOptions {
  readonly host: string;
  readonly ports: Ports;
  readonly databaseUrl: string;
  readonly credentials: AwsCredentials;
}

/** The variables that tell a service where it is; the same names serve on AWS. */
export function fleetEnvironment(options: FleetEnvironmentOptions): Record<string, string> {
  const { host, ports, databaseUrl, credentials } = options;
  const queues = `http://${host}:${ports.queues}`;
  return {
    TZ: 'UTC',
    NODE_ENV: 'production',
    ...MEMORY_VARIABLES,
    DATABASE_URL: databaseUrl,
    AWS_REGION: REGION,
    AWS_ACCESS_KEY_ID: credentials.accessKeyId,
    AWS_SECRET_ACCESS_KEY: credentials.secretAccessKey,
    AWS_ENDPOINT_URL_S3: `http://${host}:${ports.s3}`,
    AWS_ENDPOINT_URL_SQS: queues,
    AWS_ENDPOINT_URL_SNS: queues,
    AWS_ENDPOINT_URL_SESV2: `http://${host}:${ports.ses}`,
    // A person's own AWS profile must not change how the local fleet talks to the local servers.
    AWS_CONFIG_FILE: '/dev/null',
    AWS_SHARED_CREDENTIALS_FILE: '/dev/null',
    AWS_EC2_METADATA_DISABLED: 'true',
    LONGSHORE_PREFIX: DEFAULT_PREFIX,
    LONGSHORE_S3_PATH_STYLE: 'true',
    LONGSHORE_HTTP_HOST: host,
    // fauxqs serves in plain order: what one tenant may put before the others is what passes in about two seconds.
    LONGSHORE_ADMISSION_WINDOW: '150',
    // Everything together stops within 30 s, so a service may not take the 20 s that a platform would give it.
    LONGSHORE_DRAIN_MS: '15000',
  };
}

/** What is on this machine may be called; elsewhere what a tenant names must be a public address. */
const LOOPBACK = '127.0.0.0/8,::1';
/** Of both workers. */
const OUTWARD = {
  LONGSHORE_STORE_ADDRESSES: LOOPBACK,
  LONGSHORE_PARTNER_ADDRESSES: LOOPBACK,
  LONGSHORE_REMOTE_ADDRESSES: LOOPBACK,
};
/** The drain, and time to close what it held. */
const SERVICE_STOP_TIMEOUT_MS = 18_000;
/** Seconds beyond its own bounds, for a machine that is busy elsewhere. */
const PART_STOP_TIMEOUT_MS = 12_000;

/** The servers in place of AWS and of partners have their own health checks. */
const READY_PATHS: Readonly<Partial<Record<NodeProcessName, string>>> = {
  s3: '/_health',
  queues: '/health',
  'partner-simulator': '/_health',
  gateway: '/_health',
  'partner-files': '/',
  ses: '/_health',
  clamd: '/',
};

export interface PlanProcessOptions {
  readonly home: Home;
  readonly host: string;
  readonly ports: Ports;
  /** What `fleetEnvironment` gave, with what was overridden for all processes. */
  readonly fleet: Readonly<Record<string, string>>;
  /** Of a service, from 1; the first has the ports that people know. */
  readonly instance?: number;
}

export function planProcess(name: NodeProcessName, options: PlanProcessOptions): PlannedProcess {
  const { host, ports, fleet, instance = 1 } = options;
  const isService = (SERVICE_NAMES as readonly string[]).includes(name);
  const httpPort = (name === 'sftp' ? ports['sftp-metrics'] : ports[name]) + (instance - 1) * PORTS_PER_INSTANCE;
  const origin = `http://${host}:${httpPort}`;
  return {
    main: fileURLToPath(new URL(programOf(name, isService), import.meta.url)),
    nodeFlags: memoryFlags(name),
    env: {
      ...fleet,
      // Compiled code is kept between starts: a faster start, and 25 MB less in each process.
      NODE_COMPILE_CACHE: fleet.NODE_COMPILE_CACHE ?? options.home.data('compiled'),
      LONGSHORE_HTTP_PORT: String(httpPort),
      ...ownVariables(name, options),
    },
    readyUrl: `${origin}${READY_PATHS[name] ?? '/readyz'}`,
    stopTimeoutMs: isService ? SERVICE_STOP_TIMEOUT_MS : PART_STOP_TIMEOUT_MS,
  };
}

function programOf(name: NodeProcessName, isService: boolean): string {
  if (isService) return `../../services/${name}/main.ts`;
  return `../${name === 'queues' ? 'fauxqs' : name}/main.ts`;
}

function ownVariables(name: NodeProcessName, { home, host, ports, fleet }: PlanProcessOptions): Record<string, string> {
  switch (name) {
    case 's3':
      return {
        LONGSHORE_S3_DIRECTORY: home.data('s3'),
        LONGSHORE_S3_HOST: host,
        LONGSHORE_S3_PORT: String(ports.s3),
        LONGSHORE_S3_CREDENTIALS_FILE: s3CredentialsFile(home),
        LONGSHORE_S3_ORIGINS: fleet.LONGSHORE_PORTAL_ORIGIN ?? `http://${host}:${ports.api}`,
        ...bucketVariables(fleet.LONGSHORE_PREFIX ?? DEFAULT_PREFIX),
      };
    case 'event-bridge':
      return { LONGSHORE_S3_DIRECTORY: home.data('s3'), LONGSHORE_SFTP_DIRECTORY: home.data('sftp') };
    case 'queues':
      return { LONGSHORE_QUEUES_DIRECTORY: home.data('queues') };
    case 'sftp':
      return {
        LONGSHORE_SFTP_HOST: host,
        LONGSHORE_SFTP_PORT: String(ports.sftp),
        LONGSHORE_SFTP_DIRECTORY: home.data('sftp'),
        LONGSHORE_SFTP_HOST_KEY_FILE: join(home.keys, 'sftp_host_ed25519'),
      };
    case 'partner-simulator':
      return {
        LONGSHORE_SIMULATOR_DIRECTORY: home.data('partner-simulator'),
        LONGSHORE_SIMULATOR_CLIENTS_FILE: partnerClientsFile(home),
      };
    case 'partner-files':
      return {
        LONGSHORE_PARTNER_FILES_SFTP_PORT: String(ports['partner-files-sftp']),
        LONGSHORE_PARTNER_FILES_FTPS_PORT: String(ports['partner-files-ftps']),
        LONGSHORE_PARTNER_FILES_PASSIVE_PORTS: `${ports['partner-files-passive-1']}-${ports['partner-files-passive-2']}`,
        LONGSHORE_PARTNER_FILES_DIRECTORY: partnerFilesDirectory(home),
        LONGSHORE_PARTNER_FILES_KEYS: partnerFilesKeys(home),
        LONGSHORE_PARTNER_FILES_SECRETS: join(secretsDirectory(home), 'fsa'),
      };
    case 'ses':
      return { LONGSHORE_SES_DIRECTORY: home.data('ses') };
    case 'clamd':
      return { LONGSHORE_CLAMD_PORT: String(ports['clamd-stream']) };
    case 'gateway':
      return {
        ...gatewayVariables(`http://${host}:${ports['partner-simulator']}`),
        // Two lines for each call would bury everything else.
        LOG_LEVEL: fleet.LOG_LEVEL ?? 'warn',
      };
    case 'large-file-worker':
      return {
        LONGSHORE_SECRETS_DIRECTORY: secretsDirectory(home),
        LONGSHORE_CLAMD: fleet.LONGSHORE_CLAMD ?? `${host}:${ports['clamd-stream']}`,
        ...OUTWARD,
        ...receiptVariablesOf(fleet),
      };
    case 'partner-worker':
      return {
        LONGSHORE_SECRETS_DIRECTORY: secretsDirectory(home),
        LONGSHORE_CLAMD: fleet.LONGSHORE_CLAMD ?? `${host}:${ports['clamd-stream']}`,
        ...OUTWARD,
        ...receiptVariablesOf(fleet),
        ...linkVariablesOf(fleet),
        LONGSHORE_PUBLIC_URL: fleet.LONGSHORE_PUBLIC_URL ?? `http://${host}:${ports.api}`,
      };
    case 'retry-sweeper':
      return {
        LONGSHORE_SECRETS_DIRECTORY: secretsDirectory(home),
        LONGSHORE_STORE_ADDRESSES: LOOPBACK,
        LONGSHORE_NOTICE_ADDRESSES: LOOPBACK,
        ...linkVariablesOf(fleet),
        LONGSHORE_PUBLIC_URL: fleet.LONGSHORE_PUBLIC_URL ?? `http://${host}:${ports.api}`,
      };
    case 'control-api':
      return {
        LONGSHORE_API_PORT: String(ports.api),
        LONGSHORE_REMOTE_ADDRESSES: LOOPBACK,
        LONGSHORE_PARTNER_ADDRESSES: LOOPBACK,
        LONGSHORE_S3_PUBLIC_URL:
          fleet.LONGSHORE_S3_PUBLIC_URL ?? fleet.AWS_ENDPOINT_URL_S3 ?? `http://${host}:${ports.s3}`,
        LONGSHORE_CONSOLE_LINKS: fleet.LONGSHORE_CONSOLE_LINKS ?? 'true',
        LONGSHORE_CONSOLE_ORIGIN: fleet.LONGSHORE_CONSOLE_ORIGIN ?? `http://${host}:${ports.api}`,
        LONGSHORE_PORTAL_ORIGIN: fleet.LONGSHORE_PORTAL_ORIGIN ?? `http://${host}:${ports.api}`,
        LONGSHORE_SECRETS_DIRECTORY: secretsDirectory(home),
        ...chatVariables(fleet),
        ...receiptVariablesOf(fleet),
        ...linkVariablesOf(fleet),
        LONGSHORE_PUBLIC_URL: fleet.LONGSHORE_PUBLIC_URL ?? `http://${host}:${ports.api}`,
      };
    default:
      return {};
  }
}

/** Of the example fsa, which delivers to its own bucket. */
const EXAMPLE_BUCKET = 'fsa-landing-zone';

/** The S3 server makes its buckets itself; only what happens in landing is an event. */
function bucketVariables(prefix: string): Record<string, string> {
  const others = BUCKET_IDS.filter((bucket) => bucket !== 'landing');
  return {
    LONGSHORE_S3_BUCKETS: [...others.map((bucket) => bucketName(prefix, bucket)), EXAMPLE_BUCKET].join(','),
    LONGSHORE_S3_EVENT_BUCKETS: bucketName(prefix, 'landing'),
  };
}

/**
 * What each of our processes is: its program, its environment, and how one sees that it is ready.
 *
 * Every process gets the same fleet variables, as every service on AWS would; only the ports are its own.
 */
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Home } from '#local/home.ts';
import type { AwsCredentials } from '#local/launcher/keys.ts';
import { type ProcessName, SERVICE_NAMES } from '#local/launcher/processes.ts';
import type { Ports } from '#local/ports.ts';

export const REGION = 'us-east-1';
export const DEFAULT_PREFIX = 'longshore';

export type NodeProcessName = Exclude<ProcessName, 'postgres'>;

export interface PlannedProcess {
  readonly main: string;
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
    DATABASE_URL: databaseUrl,
    AWS_REGION: REGION,
    AWS_ACCESS_KEY_ID: credentials.accessKeyId,
    AWS_SECRET_ACCESS_KEY: credentials.secretAccessKey,
    AWS_ENDPOINT_URL_S3: `http://${host}:${ports.s3}`,
    AWS_ENDPOINT_URL_SQS: queues,
    AWS_ENDPOINT_URL_SNS: queues,
    // A person's own AWS profile must not change how the local fleet talks to the local servers.
    AWS_CONFIG_FILE: '/dev/null',
    AWS_SHARED_CREDENTIALS_FILE: '/dev/null',
    AWS_EC2_METADATA_DISABLED: 'true',
    LONGSHORE_PREFIX: DEFAULT_PREFIX,
    LONGSHORE_S3_PATH_STYLE: 'true',
    LONGSHORE_HTTP_HOST: host,
  };
}

/** Shorter than the launcher's own bound of 30 s together; a service drains for at most 20 s. */
const SERVICE_STOP_TIMEOUT_MS = 22_000;
const PART_STOP_TIMEOUT_MS = 4_000;

/** @param fleet what `fleetEnvironment` gave, with what was overridden for all processes. */
export function planProcess(
  name: NodeProcessName,
  options: { home: Home; host: string; ports: Ports; fleet: Readonly<Record<string, string>> },
): PlannedProcess {
  const { home, host, ports, fleet } = options;
  const isService = (SERVICE_NAMES as readonly string[]).includes(name);
  const httpPort = name === 'sftp' ? ports['sftp-metrics'] : ports[name];
  const origin = `http://${host}:${httpPort}`;
  return {
    main: fileURLToPath(new URL(programOf(name, isService), import.meta.url)),
    env: { ...fleet, LONGSHORE_HTTP_PORT: String(httpPort), ...ownVariables(name, home, ports) },
    readyUrl: `${origin}${name === 'queues' ? '/health' : '/readyz'}`,
    stopTimeoutMs: isService ? SERVICE_STOP_TIMEOUT_MS : PART_STOP_TIMEOUT_MS,
  };
}

function programOf(name: NodeProcessName, isService: boolean): string {
  if (isService) return `../../services/${name}/main.ts`;
  return `../${name === 'queues' ? 'fauxqs' : name}/main.ts`;
}

function ownVariables(name: NodeProcessName, home: Home, ports: Ports): Record<string, string> {
  const objects = { LONGSHORE_S3_DIRECTORY: home.data('s3') };
  switch (name) {
    case 's3':
      return objects;
    case 'event-bridge':
      return { ...objects, LONGSHORE_SFTP_DIRECTORY: home.data('sftp') };
    case 'queues':
      return { LONGSHORE_QUEUES_DIRECTORY: home.data('queues') };
    case 'sftp':
      return {
        LONGSHORE_SFTP_PORT: String(ports.sftp),
        LONGSHORE_SFTP_DIRECTORY: home.data('sftp'),
        LONGSHORE_SFTP_HOST_KEY_FILE: join(home.keys, 'sftp_host_ed25519'),
      };
    default:
      return {};
  }
}

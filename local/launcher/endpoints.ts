/**
 * `endpoints.json` of a home: where everything listens and where the keys lie, for people, tests and tools.
 *
 * It carries the database's password, so only its owner reads it.
 */
import { chmod, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Home } from '#local/home.ts';
import { chatNoticesFile, chatSecretFiles } from '#local/launcher/chat-access.ts';
import { awsCredentialsFile } from '#local/launcher/keys.ts';
import { SERVICE_NAMES, type ServiceName } from '#local/launcher/processes.ts';
import type { Ports } from '#local/ports.ts';

export interface TenantAccess {
  readonly sftpUser: string;
  readonly privateKeyFile: string;
  readonly apiKeyFile: string;
}

export interface Endpoints {
  readonly api: string;
  readonly sftp: { readonly host: string; readonly port: number };
  readonly s3: string;
  readonly sqs: string;
  readonly sns: string;
  readonly postgres: string;
  /** The API gateway before the examples' partner, and that partner itself with its ledger. */
  readonly gateway: string;
  readonly partnerSimulator: string;
  /** The mail service's, for its inbox and ledger. */
  readonly ses: string;
  readonly metrics: Readonly<Partial<Record<ServiceName | 'sftp' | 'event-bridge', string>>>;
  readonly operatorKeyFile: string;
  /** In the SDK's own format: `AWS_SHARED_CREDENTIALS_FILE` takes it. */
  readonly awsCredentialsFile: string;
  /** Secrets that `longshore simulate-chat` signs with. */
  readonly chatSecretFiles: Readonly<Record<'slack' | 'teams', string>>;
  /** What a channel of a chat took, for `longshore simulate-chat notices`. */
  readonly chatNoticesFile: string;
  readonly tenants: Readonly<Record<string, TenantAccess>>;
}

export interface DescribeEndpointsOptions {
  readonly home: Home;
  readonly host: string;
  readonly ports: Ports;
  readonly databaseUrl: string;
  readonly tenants: Readonly<Record<string, TenantAccess>>;
}

export function describeEndpoints({ home, host, ports, databaseUrl, tenants }: DescribeEndpointsOptions): Endpoints {
  const at = (port: number) => `http://${host}:${port}`;
  const metrics = SERVICE_NAMES.map((name) => [name, `${at(ports[name])}/metrics`] as const);
  return {
    api: at(ports.api),
    sftp: { host, port: ports.sftp },
    s3: at(ports.s3),
    sqs: at(ports.queues),
    sns: at(ports.queues),
    postgres: databaseUrl,
    gateway: at(ports.gateway),
    partnerSimulator: at(ports['partner-simulator']),
    ses: at(ports.ses),
    metrics: {
      ...Object.fromEntries(metrics),
      sftp: `${at(ports['sftp-metrics'])}/metrics`,
      'event-bridge': `${at(ports['event-bridge'])}/metrics`,
    },
    operatorKeyFile: join(home.keys, 'operator.key'),
    awsCredentialsFile: awsCredentialsFile(home),
    chatSecretFiles: chatSecretFiles(home),
    chatNoticesFile: chatNoticesFile(home),
    tenants,
  };
}

/** Whole or not at all: a reader that waits for the file never sees half of it. */
export async function writeEndpoints(path: string, endpoints: Endpoints): Promise<void> {
  const partial = `${path}.partial`;
  await writeFile(partial, `${JSON.stringify(endpoints, null, 2)}\n`, { mode: 0o600 });
  await chmod(partial, 0o600);
  await rename(partial, path);
}

/**
 * `endpoints.json` of a home: where everything listens and where the keys lie, for people, tests and tools.
 *
 * It carries the database's password, so only its owner reads it.
 */
import { chmod, rename, writeFile } from 'node:fs/promises';
import type { ServiceName } from '#local/launcher/processes.ts';

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
  readonly metrics: Readonly<Partial<Record<ServiceName | 'sftp' | 'event-bridge', string>>>;
  readonly operatorKeyFile: string;
  /** In the SDK's own format: `AWS_SHARED_CREDENTIALS_FILE` takes it. */
  readonly awsCredentialsFile: string;
  readonly tenants: Readonly<Record<string, TenantAccess>>;
}

/** Whole or not at all: a reader that waits for the file never sees half of it. */
export async function writeEndpoints(path: string, endpoints: Endpoints): Promise<void> {
  const partial = `${path}.partial`;
  await writeFile(partial, `${JSON.stringify(endpoints, null, 2)}\n`, { mode: 0o600 });
  await chmod(partial, 0o600);
  await rename(partial, path);
}

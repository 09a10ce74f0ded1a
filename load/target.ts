/**
 * What load is put on: its own fleet in a temporary home, one that runs in a home, or any deployment that a file describes.
 *
 * Everything is done as users do it: files over SFTP or S3, questions over the API. Of a deployment nothing else is needed.
 */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { S3Client } from '@aws-sdk/client-s3';
import { parse } from 'yaml';
import { z } from 'zod';
import type { Endpoints, TenantAccess } from '#local/launcher/endpoints.ts';
import { REGION } from '#local/launcher/process-plan.ts';
import { ensureTenants } from '#local/launcher/tenant-access.ts';
import { type Stack, startStack } from '#local/stack.ts';
import { createApiKey } from '#shared/access/api-keys.ts';
import { connectDatabase } from '#shared/db/connect-database.ts';
import { createS3Client } from '#shared/files/s3-client.ts';
import { bucketName } from '#shared/runtime/config/resource-names.ts';
import { applyTenantDocuments } from '../bench/apply-tenant-documents.ts';

export interface LoadTarget {
  readonly tenant: string;
  readonly api: string;
  /** Of viewers: each has its own allowance, those of one tenant share the tenant's. */
  readonly apiKeys: readonly string[];
  readonly sftp: (Endpoints['sftp'] & { readonly access: TenantAccess }) | undefined;
  readonly s3:
    | { readonly client: S3Client; readonly landing: string; readonly delivered: string | undefined }
    | undefined;
  /** Of a fleet that was started here. */
  readonly stack: Stack | undefined;
}

export interface TargetOptions {
  /** Of a fleet that runs. */
  readonly home?: string;
  /** Describes a deployment. */
  readonly target?: string;
}

/** What a file of `--target` has; credentials of S3 come from the SDK's own environment. */
const targetSchema = z.strictObject({
  tenant: z.string(),
  api: z.url(),
  apiKeyFiles: z.array(z.string()).min(1),
  sftp: z
    .strictObject({ host: z.string(), port: z.int().default(22), user: z.string(), privateKeyFile: z.string() })
    .optional(),
  s3: z
    .strictObject({
      endpoint: z.url().optional(),
      region: z.string(),
      pathStyle: z.boolean().default(false),
      landing: z.string(),
      delivered: z.string().optional(),
    })
    .optional(),
});

export const TENANT = 'load';
const STATUS_KEYS = 20;

/** Its directory is `inbound`: what the load is sent to. */
const ROUTE = `
kind: route
tenant: ${TENANT}
name: all
match: { path: "inbound/**" }
steps:
  - validate: { maxSize: 1GB }
  - deliver: {}
  - confirm: {}
`;

export async function withTarget<Result>(
  { home, target }: TargetOptions,
  work: (target: LoadTarget) => Promise<Result>,
): Promise<Result> {
  if (target !== undefined) return await withDeployment(await readFile(target, 'utf8'), work);
  if (home !== undefined) return await withHome(home, undefined, work);
  const temporary = await mkdtemp(join(tmpdir(), 'longshore-load-'));
  try {
    const stack = await startStack({ home: temporary, portBase: 'free' });
    try {
      return await withHome(temporary, stack, work);
    } finally {
      await stack.stop();
    }
  } finally {
    await rm(temporary, { recursive: true, force: true });
  }
}

async function withDeployment<Result>(text: string, work: (target: LoadTarget) => Promise<Result>): Promise<Result> {
  const { tenant, api, apiKeyFiles, sftp, s3 } = targetSchema.parse(parse(text));
  const keys = await Promise.all(apiKeyFiles.map((file) => readFile(file, 'utf8')));
  const client = s3 && createS3Client(clientConfigOf(s3));
  try {
    return await work({
      tenant,
      api,
      apiKeys: keys.map((key) => key.trim()),
      sftp: sftp && {
        host: sftp.host,
        port: sftp.port,
        access: { sftpUser: sftp.user, privateKeyFile: sftp.privateKeyFile, apiKeyFile: '' },
      },
      s3: s3 && client && { client, landing: s3.landing, delivered: s3.delivered },
      stack: undefined,
    });
  } finally {
    client?.destroy();
  }
}

function clientConfigOf({ endpoint, region, pathStyle }: NonNullable<z.infer<typeof targetSchema>['s3']>) {
  return { region, LONGSHORE_S3_PATH_STYLE: pathStyle, ...(endpoint !== undefined && { endpoint }) };
}

async function withHome<Result>(
  home: string,
  stack: Stack | undefined,
  work: (target: LoadTarget) => Promise<Result>,
): Promise<Result> {
  const endpoints = JSON.parse(await readFile(join(home, 'endpoints.json'), 'utf8')) as Endpoints;
  const keys = join(home, 'keys');
  const [credentials] = JSON.parse(await readFile(join(keys, 's3-credentials.json'), 'utf8'));
  const database = { DATABASE_POOL_MAX: 2, DATABASE_PREPARE: true, DATABASE_STATEMENT_TIMEOUT_MS: 60_000 };
  const sql = connectDatabase({ DATABASE_URL: endpoints.postgres, ...database }, 'load');
  const client = createS3Client({ LONGSHORE_S3_PATH_STYLE: true, endpoint: endpoints.s3, region: REGION, credentials });
  try {
    const { [TENANT]: access } = await ensureTenants(sql, keys, [{ id: TENANT }]);
    if (access === undefined) throw new Error(`the tenant ${TENANT} was not registered`);
    await applyTenantDocuments(sql, TENANT, ROUTE);
    const made = Array.from({ length: STATUS_KEYS }, (_, index) =>
      createApiKey(sql, { tenantId: null, role: 'viewer', label: `load-${index}`, actor: 'load' }),
    );
    return await work({
      tenant: TENANT,
      api: endpoints.api,
      apiKeys: (await Promise.all(made)).map(({ key }) => key),
      sftp: { ...endpoints.sftp, access },
      s3: { client, landing: bucketName('longshore', 'landing'), delivered: bucketName('longshore', 'delivered') },
      stack,
    });
  } finally {
    client.destroy();
    await sql.end({ timeout: 5 });
  }
}

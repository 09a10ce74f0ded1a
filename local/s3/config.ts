/** Environment of the S3 server as its own process. */
import { readFileSync } from 'node:fs';
import { z } from 'zod';
import type { ReplicationTarget } from '#local/s3/replicate-objects.ts';
import type { ReplicationRule } from '#local/s3/replication-queue.ts';
import type { S3Credential } from '#local/s3/signature.ts';
import { LongshoreError } from '#shared/errors.ts';
import { booleanVariable, integerVariable, loadConfig, logLevelVariable } from '#shared/runtime/config/load-config.ts';

const credentialsSchema = z
  .array(z.object({ accessKeyId: z.string().min(1), secretAccessKey: z.string().min(8), name: z.string().min(1) }))
  .min(1);

const list = z
  .string()
  .default('')
  .transform((list) => list.split(',').filter((name) => name !== ''));

export const variables = z.object({
  LONGSHORE_S3_DIRECTORY: z.string().describe('Directory for objects, metadata and the journal of events.'),
  LONGSHORE_S3_HOST: z.string().default('127.0.0.1').describe('Address.'),
  LONGSHORE_S3_PORT: integerVariable({ min: 0, max: 65_535 }).describe('Port.'),
  LONGSHORE_S3_REGION: z
    .string()
    .optional()
    .describe('Signatures for other regions are rejected. Without it any region is accepted.'),
  LONGSHORE_S3_CREDENTIALS_FILE: z.string().describe('File with JSON: `[{"accessKeyId", "secretAccessKey", "name"}]`.'),
  LONGSHORE_S3_BUCKETS: list.describe('Buckets to create with versioning, comma-separated.'),
  LONGSHORE_S3_EVENT_BUCKETS: list.describe('The same, for buckets with events.'),
  LONGSHORE_S3_ORIGINS: list.describe('Origins of pages that may put and get by presigned URLs, comma-separated.'),
  LONGSHORE_S3_SYNC_TO_DISK: booleanVariable
    .default(false)
    .describe('Set `true` to confirm a write only after the disk has it.'),
  LONGSHORE_S3_REPLICA_ENDPOINT: z
    .url()
    .optional()
    .describe('S3 server of another home with the same credentials, to which objects are copied asynchronously.'),
  LONGSHORE_S3_REPLICAS: list.describe('Buckets to copy and their names there: `from=to`, comma-separated.'),
  LONGSHORE_S3_REPLICA_DELAY_MS: integerVariable({ min: 0, max: 3_600_000 })
    .default(0)
    .describe('How long an object waits before it is copied.'),
  LOG_LEVEL: logLevelVariable
    .default('info')
    .describe('`fatal`, `error`, `warn`, `info`, `debug`, `trace` or `silent`.'),
});

export type S3Config = z.output<typeof variables> & {
  readonly credentials: readonly S3Credential[];
  readonly replication: (ReplicationTarget & { readonly rules: readonly ReplicationRule[] }) | undefined;
};

/** Of signatures for servers that take any. */
const ANY_REGION = 'us-east-1';

/** @throws LongshoreError `CONFIG_INVALID`. */
export function loadS3Config(env: Readonly<Record<string, string | undefined>> = process.env): S3Config {
  const config = loadConfig(variables, env);
  const credentials = readCredentials(config.LONGSHORE_S3_CREDENTIALS_FILE);
  return { ...config, credentials, replication: replicationOf(config, credentials) };
}

function replicationOf(config: z.output<typeof variables>, [own]: readonly S3Credential[]): S3Config['replication'] {
  const { LONGSHORE_S3_REPLICA_ENDPOINT: endpoint, LONGSHORE_S3_REPLICAS: pairs } = config;
  if (endpoint === undefined || own === undefined) return undefined;
  const rules = pairs.map((pair) => {
    const [from = '', to = ''] = pair.split('=');
    return { from, to, deleteMarkers: true };
  });
  const region = config.LONGSHORE_S3_REGION ?? ANY_REGION;
  return { endpoint, region, credentials: own, rules, delayMs: config.LONGSHORE_S3_REPLICA_DELAY_MS };
}

/** The file's contents never reach the message: they are secrets. */
function readCredentials(path: string): S3Credential[] {
  let content: unknown;
  try {
    content = JSON.parse(readFileSync(path, 'utf8'));
  } catch {
    content = undefined;
  }
  const parsed = credentialsSchema.safeParse(content);
  if (parsed.success) return parsed.data;
  throw new LongshoreError(
    'CONFIG_INVALID',
    `LONGSHORE_S3_CREDENTIALS_FILE: ${path} must be a readable JSON list of {accessKeyId, secretAccessKey (8 or more), name}.`,
  );
}

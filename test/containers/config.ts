/** What the suite against containers takes from its environment. */
import { readFileSync } from 'node:fs';
import { z } from 'zod';
import { loadConfig } from '#shared/runtime/config/load-config.ts';
import type { OutsideServers } from '#testkit/servers/outside-servers.ts';

const schema = z.object({
  /** Images, for registries that have them under other names. Each must take the settings of the image named here. */
  LONGSHORE_TEST_POSTGRES_IMAGE: z.string().default('postgres:18.1'),
  LONGSHORE_TEST_SQS_IMAGE: z.string().default('softwaremill/elasticmq-native:1.6.15'),
  LONGSHORE_TEST_S3_IMAGE: z.string().default('quay.io/minio/minio:RELEASE.2025-09-07T16-13-09Z'),
  /** A JSON file `{databaseUrl, s3, sqs, credentials: {accessKeyId, secretAccessKey}}`: servers that run already, in place of containers. */
  LONGSHORE_TEST_SERVERS_FILE: z.string().optional(),
});

const serversSchema = z.object({
  databaseUrl: z.url(),
  s3: z.url(),
  sqs: z.url(),
  credentials: z.object({ accessKeyId: z.string(), secretAccessKey: z.string() }),
});

export type ContainersConfig = z.output<typeof schema>;

export function loadContainersConfig(): ContainersConfig {
  return loadConfig(schema, process.env);
}

export function readServersFile(path: string): OutsideServers {
  return serversSchema.parse(JSON.parse(readFileSync(path, 'utf8')));
}

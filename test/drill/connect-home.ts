/** Clients of one home of the drill: its database, its buckets as rows name them, and its API. */
import { readFile } from 'node:fs/promises';
import type { S3Client } from '@aws-sdk/client-s3';
import type { SQSClient } from '@aws-sdk/client-sqs';
import { connectDatabase, type Sql } from '#shared/db/connect-database.ts';
import { createObjectStore } from '#shared/files/create-object-store.ts';
import type { ObjectStore } from '#shared/files/object-store.ts';
import { createS3Client } from '#shared/files/s3-client.ts';
import { createSqsClient } from '#shared/queue/sqs-client.ts';
import type { HomeState } from './start-home.ts';

export interface ConnectedHome {
  readonly sql: Sql;
  readonly s3: S3Client;
  readonly store: ObjectStore;
  readonly sqs: SQSClient;
  readonly prefix: string;
  /** Of the buckets that rows name. */
  readonly recordedPrefix: string;
  /** As an operator. @throws when it does not answer 2xx */
  post(path: string, body: unknown, type?: string): Promise<void>;
  close(): Promise<void>;
}

const API_TIMEOUT_MS = 30_000;

export function connectHome({ endpoints, env }: HomeState): ConnectedHome {
  const sql = connectDatabase(
    {
      DATABASE_URL: endpoints.postgres,
      DATABASE_POOL_MAX: 1,
      DATABASE_PREPARE: true,
      DATABASE_STATEMENT_TIMEOUT_MS: 60_000,
    },
    'longshore-drill',
  );
  const credentials = { accessKeyId: env.AWS_ACCESS_KEY_ID ?? '', secretAccessKey: env.AWS_SECRET_ACCESS_KEY ?? '' };
  const aws = { region: env.AWS_REGION ?? '', credentials };
  const prefix = env.LONGSHORE_PREFIX ?? '';
  const s3 = createS3Client({
    ...aws,
    endpoint: endpoints.s3,
    LONGSHORE_S3_PATH_STYLE: true,
    LONGSHORE_PREFIX: prefix,
    LONGSHORE_RECORDED_PREFIX: env.LONGSHORE_RECORDED_PREFIX,
  });
  const sqs = createSqsClient({ endpoint: endpoints.sqs, ...aws });
  return {
    ...{ sql, s3, sqs, prefix },
    recordedPrefix: env.LONGSHORE_RECORDED_PREFIX ?? prefix,
    store: createObjectStore({ client: s3 }),
    async post(path, body, type = 'application/json') {
      const reply = await fetch(new URL(path, endpoints.api), {
        method: 'POST',
        headers: { 'x-api-key': (await readFile(endpoints.operatorKeyFile, 'utf8')).trim(), 'content-type': type },
        body: type === 'application/json' ? JSON.stringify(body) : String(body),
        signal: AbortSignal.timeout(API_TIMEOUT_MS),
      });
      if (!reply.ok) throw new Error(`${path} answered ${reply.status}: ${await reply.text()}`);
    },
    async close() {
      await sql.end({ timeout: 1 });
      for (const client of [s3, sqs]) client.destroy();
    },
  };
}

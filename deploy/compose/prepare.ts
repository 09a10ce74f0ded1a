/**
 * What a fleet of containers needs before its services start: the schema, buckets, queues with their DLQs, topics, the role by which
 * Grafana reads, and a first operator key.
 *
 * 1. Everything is made where it is not there yet, so it runs before every start and every upgrade.
 * 2. What does not answer yet ends it with one line that names it; compose starts it again.
 * 3. The key is shown once, on the first run: it is stored hashed.
 * 4. With `--keep` it makes queues and topics alone, every few seconds until SIGTERM: their servers hold them in memory, and come back
 *    from a restart without them. What the messages said is in the database. While all are there, so is the file `/tmp/kept`.
 */
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { BucketAlreadyOwnedByYou, CreateBucketCommand, PutBucketVersioningCommand } from '@aws-sdk/client-s3';
import { createApiKey } from '#shared/access/api-keys.ts';
import { connectDatabase } from '#shared/db/connect-database.ts';
import { migrate } from '#shared/db/migrate.ts';
import { createS3Client } from '#shared/files/s3-client.ts';
import { createQueues } from '#shared/queue/create-queues.ts';
import { createSqsClient } from '#shared/queue/sqs-client.ts';
import { createSnsClient, createTopics } from '#shared/queue/topics.ts';
import { BUCKET_IDS, bucketName } from '#shared/runtime/config/resource-names.ts';
import { loadPrepareConfig } from './config.ts';

const KEEP_INTERVAL_MS = 5_000;
/** For the health check of the container. */
const KEPT_FILE = '/tmp/kept';

const print = (line: string) => void process.stdout.write(`${line}\n`);

const config = loadPrepareConfig();
const { AWS_REGION: region, LONGSHORE_PREFIX: prefix } = config;

const sqs = createSqsClient({ region });
const sns = createSnsClient({ region });
const makeQueues = () => createQueues({ client: sqs, prefix });
const makeTopics = () => createTopics({ client: sns, prefix });

if (process.argv.includes('--keep')) {
  await keep();
} else {
  await doing('schema', () => migrate(config.DATABASE_URL));
  await doing('buckets', makeBuckets);
  await doing('queues', makeQueues);
  await doing('topics', makeTopics);
  if (config.LONGSHORE_READER_PASSWORD !== undefined) await doing('role of Grafana', makeReader);
  await doing('operator key', makeOperatorKey);
}

async function keep(): Promise<never> {
  process.once('SIGTERM', () => process.exit(0));
  const printed = new Map<string, string>();
  for (;;) {
    for (const [what, make] of Object.entries({ queues: makeQueues, topics: makeTopics })) {
      const state = await make().then(
        () => 'there',
        (error: unknown) => `not there: ${textOf(error)}`,
      );
      if (printed.get(what) !== state) print(`${what}: ${state}`);
      printed.set(what, state);
    }
    if ([...printed.values()].every((state) => state === 'there')) writeFileSync(KEPT_FILE, '');
    else rmSync(KEPT_FILE, { force: true });
    await delay(KEEP_INTERVAL_MS);
  }
}

async function doing(what: string, run: () => Promise<unknown>): Promise<void> {
  try {
    await run();
    print(`${what}: there`);
  } catch (error) {
    process.stderr.write(`${what}: ${textOf(error)}\n`);
    process.exit(1);
  }
}

function textOf(error: unknown): string {
  return error instanceof Error ? error.message || error.name : String(error);
}

async function makeBuckets(): Promise<void> {
  const s3 = createS3Client(config);
  for (const Bucket of BUCKET_IDS.map((id) => bucketName(prefix, id))) {
    await s3.send(new CreateBucketCommand({ Bucket })).catch((error: unknown) => {
      if (!(error instanceof BucketAlreadyOwnedByYou)) throw error;
    });
    await s3.send(new PutBucketVersioningCommand({ Bucket, VersioningConfiguration: { Status: 'Enabled' } }));
  }
}

/** Its rights, and its password as it is now. */
async function makeReader(): Promise<void> {
  const sql = connectDatabase(config, 'longshore-prepare');
  try {
    await sql.unsafe(readFileSync(new URL('../grafana/reader-role.sql', import.meta.url), 'utf8'));
    const [role] = await sql<{ statement: string }[]>`
      SELECT format('ALTER ROLE longshore_reader PASSWORD %L', ${config.LONGSHORE_READER_PASSWORD ?? ''}::text) AS statement`;
    await sql.unsafe(role?.statement ?? '');
  } finally {
    await sql.end({ timeout: 5 });
  }
}

async function makeOperatorKey(): Promise<void> {
  const sql = connectDatabase(config, 'longshore-prepare');
  try {
    const [operator] = await sql`SELECT 1 FROM api_keys WHERE tenant_id IS NULL AND revoked_at IS NULL LIMIT 1`;
    if (operator !== undefined) return;
    const { key } = await createApiKey(sql, { tenantId: null, label: 'first operator', actor: 'prepare' });
    print(`operator key, shown this once: ${key}`);
  } finally {
    await sql.end({ timeout: 5 });
  }
}

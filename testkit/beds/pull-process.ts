/**
 * The engines of pulls, in a test's own process or in one that is killed: that one handles the pulls whose ids it is notified of.
 *
 * Argument: JSON of `PullProcess`. Prints `ready`, and `handled <id>`.
 */
import { randomUUID } from 'node:crypto';
import { type Logger, pino } from 'pino';
import { Registry } from 'prom-client';
import type { Sql } from '#shared/db/connect-database.ts';
import { createObjectStore } from '#shared/files/create-object-store.ts';
import { createS3Client } from '#shared/files/s3-client.ts';
import { createAddressGuard } from '#shared/http/address-guard.ts';
import { createSourceLister, type SourceLister } from '#shared/pulls/list-sources.ts';
import { createPullMetrics } from '#shared/pulls/pull-metrics.ts';
import { createPullRunner, type PullRunner } from '#shared/pulls/run-pulls.ts';
import { createRemoteDirectory, type RemoteDirectory } from '#shared/remotes/remote-directory.ts';
import { bucketName } from '#shared/runtime/config/resource-names.ts';
import { connectTestDatabase, neverStops } from './job-runner.ts';

export const LANDING = bucketName('test', 'landing');
/** Small, so that files of many parts are small as well. */
export const PART_BYTES = 256 * 1024;

export interface PullProcess {
  readonly databaseUrl: string;
  readonly s3Url: string;
  readonly credentials: { readonly accessKeyId: string; readonly secretAccessKey: string };
  readonly leaseMs: number;
  /** By their whole names. */
  readonly secrets: Readonly<Record<string, string>>;
}

export interface PullWorker {
  readonly runner: PullRunner;
  readonly lister: SourceLister;
  readonly remotes: RemoteDirectory;
  stop(): Promise<void>;
}

export interface PullWorkerParts {
  readonly sql: Sql;
  readonly client: ReturnType<typeof createPullClient>;
  readonly logger: Logger;
  readonly leaseMs: number;
  /** A secret. */
  readonly read: (name: string) => string | undefined;
}

export function createPullClient(endpoint: string, credentials: PullProcess['credentials']) {
  return createS3Client({ LONGSHORE_S3_PATH_STYLE: true, ...{ endpoint, region: 'us-east-1', credentials } });
}

/** Where the process of this id listens. */
export function channelOf(pid: number): string {
  return `pulls_${pid}`;
}

export function createPullWorker({ sql, client, logger, leaseMs, read }: PullWorkerParts): PullWorker {
  const remotes = createRemoteDirectory({
    ...{ sql, leaseMs, worker: `test/${randomUUID()}`, service: 'large-file-worker', logger },
    addressGuard: createAddressGuard({ allow: ['127.0.0.0/8'] }),
    secrets: {
      async read(name) {
        const text = read(name);
        if (text === undefined) throw new Error(`no secret ${name}`);
        return { text, version: text };
      },
    },
  });
  const parts = {
    ...{ sql, remotes, leaseMs, worker: 'test', service: 'large-file-worker', deadlineMs: 60_000, logger },
    metrics: createPullMetrics(new Registry()),
  };
  const runner = createPullRunner({
    ...parts,
    store: createObjectStore({ client, pullPartBytes: PART_BYTES }),
    landingBucket: LANDING,
  });
  runner.start();
  return {
    ...{ runner, remotes, lister: createSourceLister(parts) },
    async stop() {
      runner.stop();
      await remotes.close();
    },
  };
}

if (process.argv[1] === import.meta.filename) {
  const { databaseUrl, s3Url, credentials, leaseMs, secrets } = JSON.parse(process.argv[2] ?? '') as PullProcess;
  const sql = connectTestDatabase(databaseUrl);
  const worker = createPullWorker({
    ...{ sql, client: createPullClient(s3Url, credentials), leaseMs, read: (name: string) => secrets[name] },
    logger: pino({ level: 'silent' }),
  });
  await sql.listen(channelOf(process.pid), async (id) => {
    await worker.runner.handle(id, neverStops);
    process.stdout.write(`handled ${id}\n`);
  });
  process.stdout.write('ready\n');
}

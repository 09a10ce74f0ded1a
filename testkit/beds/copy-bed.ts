/** A job's world for copies that are killed, stolen or stopped: a database, and a store behind a proxy. */

import type { Sql } from '#shared/db/connect-database.ts';
import { createObjectStore } from '#shared/files/create-object-store.ts';
import type { ObjectStore } from '#shared/files/object-store.ts';
import type { WokenJob } from '#shared/jobs/route-files.ts';
import { BUCKET_IDS, bucketName } from '#shared/runtime/config/resource-names.ts';
import { emptyTables } from '#testkit/seeds/empty-tables.ts';
import { startTestServer, TEST_CREDENTIAL } from '#testkit/servers/s3-server.ts';
import { type S3FaultProxy, startS3FaultProxy } from '#testkit/servers/start-s3-fault-proxy.ts';
import { createTestDatabase } from '#testkit/servers/test-database.ts';
import type { TestCopy } from './copy-process.ts';
import { connectTestDatabase } from './job-runner.ts';

export const PART_BYTES = 5 * 1024 ** 2;

export interface CopyBed {
  readonly sql: Sql;
  readonly proxy: S3FaultProxy;
  /** Past the proxy. */
  readonly store: ObjectStore;
  /** Nothing of the test before is left. */
  clear(): Promise<void>;
  copyOf(job: WokenJob, leaseMs?: number): TestCopy;
  /** As when the lease of a dead worker has run out. */
  endLease(job: WokenJob): Promise<void>;
  stop(): Promise<void>;
}

export async function startCopyBed({ partsInFlight }: Pick<TestCopy, 'partsInFlight'>): Promise<CopyBed> {
  const database = await createTestDatabase();
  const sql = connectTestDatabase(database.url);
  const s3 = await startTestServer();
  for (const id of BUCKET_IDS) s3.server.createBucket(bucketName('test', id));
  const proxy = await startS3FaultProxy(s3.server.url);
  const { accessKeyId, secretAccessKey } = TEST_CREDENTIAL;
  return {
    sql,
    proxy,
    store: createObjectStore({ client: s3.client }),
    async clear() {
      await emptyTables(
        sql,
        'tenants',
        'job_steps',
        'attempts',
        'audit_events',
        'outbox',
        'transfers',
        'transfer_parts',
      );
      await sql`INSERT INTO tenants (id, name, ignore_globs) VALUES ('unassigned', 'unassigned', '{}')`;
      proxy.spoil(() => undefined);
      proxy.onAnswered(undefined);
    },
    copyOf: ({ id }, leaseMs = 60_000) => ({
      databaseUrl: database.url,
      s3Url: proxy.url,
      credentials: { accessKeyId, secretAccessKey },
      jobId: id,
      leaseMs,
      partsInFlight,
      partBytes: PART_BYTES,
    }),
    async endLease({ id }) {
      await sql`UPDATE jobs SET lease_until = now() - interval '1 second' WHERE id = ${id} AND state = 'RUNNING'`;
    },
    async stop() {
      await proxy.stop();
      await s3.stop();
      await sql.end({ timeout: 5 });
      await database.drop();
    },
  };
}

/** What tests of deletion by age share: a sweeper's bed with its buckets, and files that have long since ended, with their objects. */
import { ListObjectVersionsCommand, PutObjectCommand } from '@aws-sdk/client-s3';
import { BUCKET_IDS, bucketName } from '#shared/runtime/config/resource-names.ts';
import { emptyTables } from '#testkit/seeds/empty-tables.ts';
import { seedJobs, seedTenant } from '#testkit/seeds/seed-jobs.ts';
import { startSweeperTestBed } from './sweeper-bed.ts';

export type ExpiryBed = Awaited<ReturnType<typeof startExpiryBed>>;

export async function startExpiryBed() {
  const bed = await startSweeperTestBed();
  const { prefix } = await bed.begin();
  for (const id of BUCKET_IDS) if (id !== 'landing') bed.s3.server.createBucket(bucketName(prefix, id));
  const archive = bucketName(prefix, 'archive');
  const delivered = bucketName(prefix, 'delivered');

  async function put(
    bucket: string,
    key: string,
    more: { StorageClass?: 'GLACIER'; Metadata?: Record<string, string> } = {},
  ) {
    const { VersionId = '' } = await bed.s3.client.send(
      new PutObjectCommand({ Bucket: bucket, Key: key, Body: 'abc', ...more }),
    );
    return VersionId;
  }
  async function versionsIn(bucket: string): Promise<string[]> {
    const { Versions = [] } = await bed.s3.client.send(new ListObjectVersionsCommand({ Bucket: bucket }));
    return Versions.map(({ VersionId }) => VersionId ?? '');
  }

  /** Delivered, archived and long since ended. */
  async function seedExpired(count: number, storageClass?: 'GLACIER') {
    const { sql } = bed;
    const jobs = await seedJobs(sql, { count });
    for (const { id, fileId } of jobs) {
      const [original, copy] = await Promise.all([
        put(archive, `acme/${fileId}`, storageClass === undefined ? {} : { StorageClass: storageClass }),
        put(delivered, `acme/${fileId}`),
      ]);
      const output = { bucket: delivered, key: `acme/${fileId}`, versionId: copy };
      await sql`
        WITH step AS (
          INSERT INTO job_steps (job_id, seq, kind, state, attempts, output, started_at, finished_at)
          VALUES (${id}, 0, 'deliver', 'SUCCEEDED', 1, ${sql.json(output)}, now(), now())),
        job AS (UPDATE jobs SET state = 'SUCCEEDED', finished_at = now(), woken_at = NULL WHERE id = ${id})
        UPDATE files SET open_jobs = 0, status = 'COMPLETED', woken_at = NULL, archived_at = now(), archive_bucket = ${archive},
          archive_key = ${`acme/${fileId}`}, archive_version_id = ${original}, finished_at = now() - interval '401 days' WHERE id = ${fileId}`;
    }
    return jobs;
  }
  async function dateAll() {
    await bed.sql`INSERT INTO retention_defaults (files_ms) VALUES (${400 * 86_400_000}) ON CONFLICT DO NOTHING`;
    await bed.sql`UPDATE files SET expire_at = finished_at + interval '400 days'`;
  }

  return {
    bed,
    prefix,
    archive,
    delivered,
    put,
    versionsIn,
    seedExpired,
    dateAll,
    async clear(): Promise<void> {
      await emptyTables(
        bed.sql,
        ...['files', 'job_steps', 'expired_objects', 'deletion_certificates', 'restores', 'audit_events', 'actions'],
      );
      await seedTenant(bed.sql);
    },
  };
}

/**
 * What is still to be replicated: rows in the server's metadata, written in the transaction of the object.
 *
 * 1. As in Amazon S3, a rule covers what is written while it is there: new versions, changed tags, and delete markers where it says so.
 *    Replicas are not replicated again, and the deletion of a version never is.
 */
import type { DatabaseSync } from 'node:sqlite';
import { openMetadataDatabase } from '#local/s3/metadata-database.ts';

export interface ReplicationRule {
  readonly from: string;
  readonly to: string;
  readonly deleteMarkers: boolean;
}

export interface QueuedVersion {
  readonly position: number;
  readonly bucketId: number;
  readonly key: string;
  readonly versionId: string;
}

export type ReplicationQueue = ReturnType<typeof createReplicationQueue>;

export function createReplicationQueue(database: DatabaseSync, rules: readonly ReplicationRule[]) {
  const byBucket = new Map(rules.map((rule) => [rule.from, rule]));
  database.exec(`
    CREATE TABLE IF NOT EXISTS replication (
      position INTEGER PRIMARY KEY AUTOINCREMENT, bucket INTEGER NOT NULL, key TEXT NOT NULL, version_id TEXT NOT NULL
    );
    CREATE INDEX IF NOT EXISTS replication_versions ON replication (bucket, key, version_id);
  `);
  const insert = database.prepare('INSERT INTO replication (bucket, key, version_id) VALUES (?, ?, ?)');
  const select = database.prepare('SELECT * FROM replication WHERE position > ? ORDER BY position LIMIT ?');
  const erase = database.prepare('DELETE FROM replication WHERE position = ?');
  const find = database.prepare('SELECT 1 FROM replication WHERE bucket = ? AND key = ? AND version_id = ? LIMIT 1');

  return {
    ruleOf: (bucket: string) => byBucket.get(bucket),
    add: (bucketId: number, key: string, versionId: string) => void insert.run(bucketId, key, versionId),
    /** The oldest after the position `after`, at most `limit`. */
    read: (limit: number, after = 0): QueuedVersion[] =>
      select.all(after, limit).map((row) => ({
        position: Number(row.position),
        bucketId: Number(row.bucket),
        key: String(row.key),
        versionId: String(row.version_id),
      })),
    remove: (position: number) => void erase.run(position),
    isWaiting: (bucketId: number, key: string, versionId: string) => find.get(bucketId, key, versionId) !== undefined,
  };
}

export interface UnreplicatedVersion {
  readonly bucket: string;
  readonly key: string;
  readonly versionId: string;
  readonly sizeBytes: number;
  readonly modifiedMs: number;
}

/** Of the server whose data are in `directory`, which need not run: versions that have not reached the other home. */
export function readUnreplicated(directory: string): UnreplicatedVersion[] {
  const database = openMetadataDatabase(directory);
  try {
    return database
      .prepare(
        `SELECT DISTINCT b.name, v.key, v.version_id, v.size, v.modified FROM replication r
         JOIN buckets b ON b.id = r.bucket JOIN versions v ON v.bucket = r.bucket AND v.key = r.key AND v.version_id = r.version_id`,
      )
      .all()
      .map((row) => ({
        bucket: String(row.name),
        key: String(row.key),
        versionId: String(row.version_id),
        sizeBytes: Number(row.size),
        modifiedMs: Number(row.modified),
      }));
  } finally {
    database.close();
  }
}

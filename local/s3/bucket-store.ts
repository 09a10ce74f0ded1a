/** Buckets: few, so all are kept in memory next to their rows. */
import type { DatabaseSync } from 'node:sqlite';
import { S3Error } from '#local/s3/s3-error.ts';

type Versioning = 'Off' | 'Enabled' | 'Suspended';

export interface Bucket {
  readonly id: number;
  readonly name: string;
  readonly createdMs: number;
  readonly versioning: Versioning;
  /** Whether "Object Created" events go to the journal (S3: EventBridge notifications). */
  readonly hasEvents: boolean;
}

/** Amazon S3, "Bucket naming rules". */
const BUCKET_NAME = /^(?!xn--)(?!\d+\.\d+\.\d+\.\d+$)(?!.*(?:\.\.|\.-|-\.))[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/;

export function createBucketStore(database: DatabaseSync, now: () => number) {
  database.exec(`
    CREATE TABLE IF NOT EXISTS buckets (
      id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE, created INTEGER NOT NULL,
      versioning TEXT NOT NULL DEFAULT 'Off', events INTEGER NOT NULL DEFAULT 0
    )
  `);
  const insert = database.prepare('INSERT INTO buckets (name, created) VALUES (?, ?)');
  const update = database.prepare('UPDATE buckets SET versioning = ?, events = ? WHERE id = ?');
  const remove = database.prepare('DELETE FROM buckets WHERE id = ?');
  const buckets = new Map<string, Bucket>();
  for (const row of database.prepare('SELECT id, name, created, versioning, events FROM buckets').all()) {
    const name = String(row.name);
    const versioning = String(row.versioning) as Versioning;
    const fixed = { id: Number(row.id), name, createdMs: Number(row.created) };
    buckets.set(name, { ...fixed, versioning, hasEvents: row.events === 1 });
  }

  return {
    list: () => [...buckets.values()].sort((a, b) => (a.name < b.name ? -1 : 1)),
    find: (name: string) => buckets.get(name),
    /** @throws S3Error `NoSuchBucket`. */
    get(name: string): Bucket {
      const bucket = buckets.get(name);
      if (bucket === undefined) throw new S3Error('NoSuchBucket', 'The specified bucket does not exist');
      return bucket;
    },
    /** @throws S3Error `InvalidBucketName`. The name must be free. */
    create(name: string): Bucket {
      if (!BUCKET_NAME.test(name)) throw new S3Error('InvalidBucketName', 'The specified bucket is not valid.');
      const createdMs = now();
      const { lastInsertRowid } = insert.run(name, createdMs);
      const bucket: Bucket = { id: Number(lastInsertRowid), name, createdMs, versioning: 'Off', hasEvents: false };
      buckets.set(name, bucket);
      return bucket;
    },
    update(bucket: Bucket, change: Partial<Pick<Bucket, 'versioning' | 'hasEvents'>>): void {
      const changed = { ...bucket, ...change };
      update.run(changed.versioning, changed.hasEvents ? 1 : 0, bucket.id);
      buckets.set(bucket.name, changed);
    },
    remove(bucket: Bucket): void {
      remove.run(bucket.id);
      buckets.delete(bucket.name);
    },
  };
}

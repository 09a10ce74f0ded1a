/**
 * Rows of object versions, newest first under each key, in the byte order of keys (SQLite compares UTF-8 by bytes, as S3 does).
 *
 * 1. `seq` grows per key, also if the clock is set back: a later write is always the newer version.
 * 2. A version id carries its `seq`, so that finding a version is one probe however many a key has.
 */
import { randomBytes } from 'node:crypto';
import type { DatabaseSync, SQLOutputValue } from 'node:sqlite';
import type { Checksum } from '#local/s3/checksum.ts';

export interface ObjectDetails {
  /** Content-Type and the like, in lower case, as pairs. */
  readonly headers: readonly (readonly [string, string])[];
  /** Without the `x-amz-meta-` prefix. Pairs, because a client may name one `__proto__`. */
  readonly metadata: readonly (readonly [string, string])[];
  readonly tags: readonly (readonly [string, string])[];
  readonly checksum?: Checksum;
  /** `STANDARD` when absent. */
  readonly storageClass?: string;
  /** Of an object in a cold class: from when to when a copy of it can be read. */
  readonly restore?: { readonly readableMs: number; readonly endsMs: number };
  /** Of the multipart upload that made the object. */
  readonly uploadId?: string;
  /** It came from another server, under its own version id. */
  readonly isReplica?: boolean;
}

export interface ObjectVersion {
  readonly bucketId: number;
  readonly key: string;
  readonly seq: number;
  /** `null` as text in a bucket without versioning. */
  readonly versionId: string;
  readonly isDeleteMarker: boolean;
  readonly sizeBytes: number;
  readonly etag: string;
  readonly modifiedMs: number;
  /** Absent for a delete marker. */
  readonly bodyId: number | undefined;
  readonly details: ObjectDetails;
}

/** The version id of what is written while a bucket has no versioning. */
export const NULL_VERSION = 'null';

const NO_DETAILS: ObjectDetails = { headers: [], metadata: [], tags: [] };
const SEQ_DIGITS = 11;
const VERSION_ID = /^[0-9a-z]{11}[0-9A-Za-z_-]{21}$/;
const COLUMNS = 'bucket, key, seq, version_id, marker, size, etag, modified, body, details';

export type VersionStore = ReturnType<typeof createVersionStore>;

export function createVersionStore(database: DatabaseSync) {
  database.exec(`
    CREATE TABLE IF NOT EXISTS versions (
      bucket INTEGER NOT NULL, key TEXT NOT NULL, seq INTEGER NOT NULL, version_id TEXT NOT NULL, marker INTEGER NOT NULL,
      size INTEGER NOT NULL, etag TEXT NOT NULL, modified INTEGER NOT NULL, body INTEGER, details TEXT NOT NULL,
      PRIMARY KEY (bucket, key, seq DESC)
    ) WITHOUT ROWID
  `);
  const ofKey = `SELECT ${COLUMNS} FROM versions WHERE bucket = ? AND key = ?`;
  const insert = database.prepare(`INSERT INTO versions (${COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`);
  const latest = database.prepare(`${ofKey} ORDER BY seq DESC LIMIT 1`);
  const bySeq = database.prepare(`${ofKey} AND seq = ? AND version_id = ?`);
  const byName = database.prepare(`${ofKey} AND version_id = ? LIMIT 1`);
  const remove = database.prepare('DELETE FROM versions WHERE bucket = ? AND key = ? AND seq = ?');
  const setDetails = database.prepare('UPDATE versions SET details = ? WHERE bucket = ? AND key = ? AND seq = ?');
  const any = database.prepare('SELECT 1 FROM versions WHERE bucket = ? LIMIT 1');
  const fromKey = database.prepare(
    `SELECT ${COLUMNS} FROM versions WHERE bucket = ? AND key >= ? ORDER BY key, seq DESC LIMIT ?`,
  );
  const afterSeq = database.prepare(
    `SELECT ${COLUMNS} FROM versions
     WHERE bucket = ? AND key >= ? AND (key > ? OR seq < ?) ORDER BY key, seq DESC LIMIT ?`,
  );

  return {
    insert(version: ObjectVersion): void {
      const { bucketId, key, seq, versionId, isDeleteMarker, sizeBytes, etag, modifiedMs, bodyId, details } = version;
      const row = [bucketId, key, seq, versionId, isDeleteMarker ? 1 : 0, sizeBytes, etag, modifiedMs, bodyId ?? null];
      insert.run(...row, isDeleteMarker ? '' : JSON.stringify(details));
    },
    findLatest: (bucketId: number, key: string) => toVersion(latest.get(bucketId, key)),
    find(bucketId: number, key: string, versionId: string): ObjectVersion | undefined {
      if (versionId === NULL_VERSION) return toVersion(byName.get(bucketId, key, versionId));
      if (!VERSION_ID.test(versionId)) return undefined;
      return toVersion(bySeq.get(bucketId, key, Number.parseInt(versionId.slice(0, SEQ_DIGITS), 36), versionId));
    },
    remove: ({ bucketId, key, seq }: ObjectVersion) => void remove.run(bucketId, key, seq),
    setDetails: ({ bucketId, key, seq }: ObjectVersion, details: ObjectDetails) =>
      void setDetails.run(JSON.stringify(details), bucketId, key, seq),
    isEmpty: (bucketId: number) => any.get(bucketId) === undefined,
    /** From `key` on, at most `limit`; with `beforeSeq`, only the older versions of that very key, then the next keys. */
    scan(bucketId: number, key: string, limit: number, beforeSeq?: number): ObjectVersion[] {
      const rows =
        beforeSeq === undefined
          ? fromKey.all(bucketId, key, limit)
          : afterSeq.all(bucketId, key, key, beforeSeq, limit);
      return rows.map((row) => toVersion(row)!);
    },
  };
}

export function createVersionId(seq: number): string {
  return seq.toString(36).padStart(SEQ_DIGITS, '0') + randomBytes(16).toString('base64url').slice(0, 21);
}

/** S3 calls anything else "Invalid version id specified". */
export function isVersionId(text: string): boolean {
  return text === NULL_VERSION || VERSION_ID.test(text);
}

function toVersion(row: Record<string, SQLOutputValue> | undefined): ObjectVersion | undefined {
  if (row === undefined) return undefined;
  const isDeleteMarker = row.marker === 1;
  return {
    bucketId: Number(row.bucket),
    key: String(row.key),
    seq: Number(row.seq),
    versionId: String(row.version_id),
    isDeleteMarker,
    sizeBytes: Number(row.size),
    etag: String(row.etag),
    modifiedMs: Number(row.modified),
    bodyId: row.body === null ? undefined : Number(row.body),
    details: isDeleteMarker ? NO_DETAILS : JSON.parse(String(row.details)),
  };
}

/** Rows of multipart uploads in progress and of their parts. An upload id starts with its time, so ids sort by it. */
import { randomBytes } from 'node:crypto';
import type { DatabaseSync, SQLOutputValue } from 'node:sqlite';
import type { ChecksumAlgorithm, ChecksumType } from '#local/s3/checksum.ts';
import type { ObjectDetails } from '#local/s3/version-store.ts';

export interface Upload {
  readonly id: string;
  readonly bucketId: number;
  readonly key: string;
  readonly createdMs: number;
  readonly requester: string;
  /** What the completed object will have. */
  readonly details: ObjectDetails;
  readonly checksumAlgorithm: ChecksumAlgorithm;
  readonly checksumType: ChecksumType;
}

export interface UploadPart {
  readonly uploadId: string;
  readonly number: number;
  readonly sizeBytes: number;
  readonly etag: string;
  readonly modifiedMs: number;
  readonly bodyId: number;
  /** Base64, of the upload's algorithm; empty for a copied part that was not read. */
  readonly checksum: string;
}

export function createUploadStore(database: DatabaseSync) {
  database.exec(`
    CREATE TABLE IF NOT EXISTS uploads (
      bucket INTEGER NOT NULL, key TEXT NOT NULL, id TEXT NOT NULL, created INTEGER NOT NULL, requester TEXT NOT NULL,
      details TEXT NOT NULL, algorithm TEXT NOT NULL, type TEXT NOT NULL, PRIMARY KEY (bucket, key, id)
    ) WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS parts (
      upload TEXT NOT NULL, number INTEGER NOT NULL, size INTEGER NOT NULL, etag TEXT NOT NULL, modified INTEGER NOT NULL,
      body INTEGER NOT NULL, checksum TEXT NOT NULL, PRIMARY KEY (upload, number)
    ) WITHOUT ROWID;
  `);
  const insert = database.prepare('INSERT INTO uploads VALUES (?, ?, ?, ?, ?, ?, ?, ?)');
  const find = database.prepare('SELECT * FROM uploads WHERE bucket = ? AND key = ? AND id = ?');
  const remove = database.prepare('DELETE FROM uploads WHERE bucket = ? AND key = ? AND id = ?');
  const any = database.prepare('SELECT 1 FROM uploads WHERE bucket = ? LIMIT 1');
  const scan = database.prepare(
    'SELECT * FROM uploads WHERE bucket = ? AND (key > ? OR (key = ? AND id > ?)) ORDER BY key, id LIMIT ?',
  );
  const putPart = database.prepare('INSERT INTO parts VALUES (?, ?, ?, ?, ?, ?, ?)');
  const takePart = database.prepare('DELETE FROM parts WHERE upload = ? AND number = ? RETURNING *');
  const listParts = database.prepare('SELECT * FROM parts WHERE upload = ? AND number > ? ORDER BY number LIMIT ?');
  const setChecksum = database.prepare('UPDATE parts SET checksum = ? WHERE upload = ? AND number = ? AND body = ?');
  const removeParts = database.prepare('DELETE FROM parts WHERE upload = ?');

  return {
    insert(upload: Upload): void {
      const { bucketId, key, id, createdMs, requester, details, checksumAlgorithm, checksumType } = upload;
      const algorithm = [checksumAlgorithm, checksumType] as const;
      insert.run(bucketId, key, id, createdMs, requester, JSON.stringify(details), ...algorithm);
    },
    find: (bucketId: number, key: string, id: string) => toUpload(find.get(bucketId, key, id)),
    /** Forgets the upload and its part rows; their bodies are the caller's to release or to take over. */
    remove({ bucketId, key, id }: Upload): void {
      remove.run(bucketId, key, id);
      removeParts.run(id);
    },
    isEmpty: (bucketId: number) => any.get(bucketId) === undefined,
    /** After (`key`, `id`), by key, then by age. */
    scan: (bucketId: number, key: string, id: string, limit: number) =>
      scan.all(bucketId, key, key, id, limit).map((row) => toUpload(row)!),
    /** Returns the part that had the number before. */
    replacePart(part: UploadPart): UploadPart | undefined {
      const { uploadId, number, sizeBytes, etag, modifiedMs, bodyId, checksum } = part;
      const replaced = takePart.get(uploadId, number);
      putPart.run(uploadId, number, sizeBytes, etag, modifiedMs, bodyId, checksum);
      return replaced === undefined ? undefined : toPart(replaced);
    },
    /** Nothing when the part was replaced meanwhile. */
    setChecksum: ({ uploadId, number, bodyId }: UploadPart, checksum: string) =>
      void setChecksum.run(checksum, uploadId, number, bodyId),
    listParts: (uploadId: string, afterNumber: number, limit: number) =>
      listParts.all(uploadId, afterNumber, limit).map(toPart),
  };
}

export function createUploadId(seq: number): string {
  return seq.toString(36).padStart(11, '0') + randomBytes(30).toString('base64url');
}

function toUpload(row: Record<string, SQLOutputValue> | undefined): Upload | undefined {
  if (row === undefined) return undefined;
  return {
    id: String(row.id),
    bucketId: Number(row.bucket),
    key: String(row.key),
    createdMs: Number(row.created),
    requester: String(row.requester),
    details: JSON.parse(String(row.details)),
    checksumAlgorithm: String(row.algorithm) as ChecksumAlgorithm,
    checksumType: String(row.type) as ChecksumType,
  };
}

function toPart(row: Record<string, SQLOutputValue>): UploadPart {
  return {
    uploadId: String(row.upload),
    number: Number(row.number),
    sizeBytes: Number(row.size),
    etag: String(row.etag),
    modifiedMs: Number(row.modified),
    bodyId: Number(row.body),
    checksum: String(row.checksum),
  };
}

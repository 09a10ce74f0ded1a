/**
 * The server's state as one thing: buckets, versions, bodies, uploads and the journal of events in one metadata file.
 *
 * 1. `transact` runs synchronously, so transactions of requests that run side by side never mix.
 * 2. An object, what it replaces and its event commit together.
 */
import { randomUUID } from 'node:crypto';
import type { DatabaseSync } from 'node:sqlite';
import { BodyStore } from '#local/s3/body-store.ts';
import { type Bucket, createBucketStore } from '#local/s3/bucket-store.ts';
import type { ObjectCreatedReason } from '#local/s3/event-journal.ts';
import { createJournalWriter, type JournalWriter } from '#local/s3/journal-writer.ts';
import { openMetadataDatabase } from '#local/s3/metadata-database.ts';
import { createUploadStore, type Upload } from '#local/s3/upload-store.ts';
import {
  createVersionId,
  createVersionStore,
  NULL_VERSION,
  type ObjectDetails,
  type ObjectVersion,
} from '#local/s3/version-store.ts';
import type { Logger } from '#shared/runtime/logger.ts';

/** Amazon S3: of one upload. */
const MAX_PARTS = 10_000;

export interface ObjectStoreOptions {
  readonly directory: string;
  readonly logger: Logger;
  /** Survive a power cut, not only a killed process. */
  readonly syncToDisk: boolean;
  readonly now: () => number;
  /** Of all parts but the last. */
  readonly smallestPartBytes: number;
}

export interface NewObject {
  readonly bucket: Bucket;
  readonly key: string;
  readonly sizeBytes: number;
  readonly etag: string;
  readonly details: ObjectDetails;
  /** One reference to it becomes the version's. */
  readonly bodyId: number;
  readonly reason: ObjectCreatedReason;
  readonly requester: string;
}

export class ObjectStore {
  readonly buckets: ReturnType<typeof createBucketStore>;
  readonly versions: ReturnType<typeof createVersionStore>;
  readonly uploads: ReturnType<typeof createUploadStore>;
  readonly bodies: BodyStore;
  readonly now: () => number;
  readonly smallestPartBytes: number;
  readonly #database: DatabaseSync;
  readonly #journal: JournalWriter;
  readonly #begin: { run(): unknown };
  readonly #commit: { run(): unknown };
  #lastNumber = 0;

  constructor({ directory, logger, syncToDisk, now, smallestPartBytes }: ObjectStoreOptions) {
    this.smallestPartBytes = smallestPartBytes;
    this.now = now;
    this.#database = openMetadataDatabase(directory, { syncToDisk });
    this.buckets = createBucketStore(this.#database, now);
    this.versions = createVersionStore(this.#database);
    this.uploads = createUploadStore(this.#database);
    this.#journal = createJournalWriter({ database: this.#database, directory, logger });
    const nextNumber = () => this.nextNumber();
    this.bodies = new BodyStore({ database: this.#database, directory, nextNumber, logger, syncToDisk });
    this.#lastNumber = Number(this.#database.prepare('SELECT max(id) AS last FROM bodies').get()?.last ?? 0);
    this.#begin = this.#database.prepare('BEGIN IMMEDIATE');
    this.#commit = this.#database.prepare('COMMIT');
  }

  /** Microseconds, made strictly increasing: numbers bodies and orders versions. */
  nextNumber(): number {
    this.#lastNumber = Math.max(this.#lastNumber + 1, this.now() * 1000);
    return this.#lastNumber;
  }

  transact<Result>(work: () => Result): Result {
    this.#begin.run();
    try {
      const result = work();
      this.#commit.run();
      this.bodies.afterCommit();
      return result;
    } catch (error) {
      this.bodies.afterRollback();
      if (this.#database.isTransaction) this.#database.exec('ROLLBACK');
      throw error;
    }
  }

  /** Inside a transaction: the new current version of a key, with its event. */
  addObject(object: NewObject): ObjectVersion {
    const { bucket, key, sizeBytes, etag, details, bodyId, reason, requester } = object;
    const version = this.#addVersion(bucket, key, { sizeBytes, etag, details, bodyId, isDeleteMarker: false });
    if (bucket.hasEvents)
      this.#journal.append({
        id: randomUUID(),
        time: new Date(version.modifiedMs).toISOString(),
        bucket: bucket.name,
        key,
        size: sizeBytes,
        etag,
        ...(version.versionId === NULL_VERSION ? {} : { versionId: version.versionId }),
        sequencer: version.seq.toString(16).toUpperCase().padStart(18, '0'),
        reason,
        requester,
      });
    return version;
  }

  /** Inside a transaction. */
  addDeleteMarker(bucket: Bucket, key: string): ObjectVersion {
    const details = { headers: [], metadata: [], tags: [] };
    return this.#addVersion(bucket, key, { sizeBytes: 0, etag: '', details, bodyId: undefined, isDeleteMarker: true });
  }

  /** Inside a transaction. */
  removeVersion(version: ObjectVersion): void {
    this.versions.remove(version);
    if (version.bodyId !== undefined) this.bodies.release(version.bodyId);
  }

  /** Inside a transaction. */
  abortUpload(upload: Upload): void {
    for (const { bodyId } of this.uploads.listParts(upload.id, 0, MAX_PARTS)) this.bodies.release(bodyId);
    this.uploads.remove(upload);
  }

  close(): void {
    this.#journal.close();
    this.#database.close();
  }

  #addVersion(
    bucket: Bucket,
    key: string,
    content: Pick<ObjectVersion, 'sizeBytes' | 'etag' | 'details' | 'bodyId' | 'isDeleteMarker'>,
  ): ObjectVersion {
    const seq = Math.max(this.nextNumber(), (this.versions.findLatest(bucket.id, key)?.seq ?? 0) + 1);
    let versionId = createVersionId(seq);
    if (bucket.versioning !== 'Enabled') {
      versionId = NULL_VERSION;
      const replaced = this.versions.find(bucket.id, key, NULL_VERSION);
      if (replaced !== undefined) this.removeVersion(replaced);
    }
    const version = { bucketId: bucket.id, key, seq, versionId, modifiedMs: this.now(), ...content };
    this.versions.insert(version);
    return version;
  }
}
